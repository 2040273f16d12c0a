/* SPDX-License-Identifier: PostgreSQL */
/* SHA-256 by libcrypto: see hash.h. */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "hash.h"

struct sha256 {
	EVP_MD_CTX *evp;
	EVP_MD_CTX *copy; /* what sha256_text finishes */
};

struct sha256 *
sha256_new(void)
{
	struct sha256 *h = calloc(1, sizeof *h);

	if (h == NULL)
		return NULL;
	h->evp = EVP_MD_CTX_new();
	h->copy = EVP_MD_CTX_new();
	if (h->evp != NULL && h->copy != NULL &&
	    EVP_DigestInit_ex(h->evp, EVP_sha256(), NULL) == 1)
		return h;
	sha256_free(h);
	return NULL;
}

/* What has been set up once cannot fail; if it does, there is no sum. */
static void
must(int ok)
{
	if (ok != 1)
		abort();
}

void
sha256_update(struct sha256 *h, const void *bytes, size_t len)
{
	must(EVP_DigestUpdate(h->evp, bytes, len));
}

void
sha256_text(const struct sha256 *h, char out[SHA256_TEXT])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len;

	must(EVP_MD_CTX_copy_ex(h->copy, h->evp));
	must(EVP_DigestFinal_ex(h->copy, digest, &len));
	for (unsigned int i = 0; i < len && i < (SHA256_TEXT - 1) / 2; i++)
		(void)snprintf(out + 2 * (size_t)i, 3, "%02x", digest[i]);
}

void
sha256_free(struct sha256 *h)
{
	if (h == NULL)
		return;
	EVP_MD_CTX_free(h->evp);
	EVP_MD_CTX_free(h->copy);
	free(h);
}
