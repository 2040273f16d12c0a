/* SPDX-License-Identifier: PostgreSQL */
/* RSA by libcrypto: see rsa.h. */
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "rsa.h"

/* Nobody is asked for a passphrase. */
static int
no_passphrase(char *text, int cap, int writing, void *arg)
{
	(void)text;
	(void)cap;
	(void)writing;
	(void)arg;
	return -1;
}

static EVP_PKEY *
read_key(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)strlen(pem));
	EVP_PKEY *key = NULL;

	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	if (key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
	    EVP_PKEY_get_size(key) <= RSA_SIGNATURE_MAX)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

int
rsa_sha256_sign(const char *pem, const void *bytes, size_t len,
    uint8_t out[RSA_SIGNATURE_MAX])
{
	EVP_PKEY *key = read_key(pem);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	size_t n = RSA_SIGNATURE_MAX;
	int rc = -1;

	/* PKCS #1 v1.5 is what is done with an RSA key unless told. */
	if (key != NULL && c != NULL &&
	    EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestSign(c, out, &n, bytes, len) == 1)
		rc = (int)n;
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return rc;
}
