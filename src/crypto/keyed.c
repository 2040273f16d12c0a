/* SPDX-License-Identifier: PostgreSQL */
/* Sums and signatures by libcrypto: see keyed.h. */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "keyed.h"

/* Only a library without its basic algorithms fails here. */
static void
must(int ok)
{
	if (ok != 1)
		abort();
}

void
sha256_bytes(const void *bytes, size_t len, uint8_t out[SHA256_LEN])
{
	must(EVP_Digest(bytes, len, out, NULL, EVP_sha256(), NULL));
}

void
hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
    uint8_t out[SHA256_LEN])
{
	must(HMAC(EVP_sha256(), key, (int)key_len, bytes, len, out, NULL) !=
	    NULL);
}

void
md5_bytes(const void *bytes, size_t len, uint8_t out[MD5_LEN])
{
	must(EVP_Digest(bytes, len, out, NULL, EVP_md5(), NULL));
}

/* The name is libcrypto's context, seen from here alone. */
struct md5 *
md5_new(void)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	if (c != NULL)
		must(EVP_DigestInit_ex(c, EVP_md5(), NULL));
	return (struct md5 *)c;
}

void
md5_update(struct md5 *m, const void *bytes, size_t len)
{
	must(EVP_DigestUpdate((EVP_MD_CTX *)m, bytes, len));
}

void
md5_end(struct md5 *m, uint8_t out[MD5_LEN])
{
	must(EVP_DigestFinal_ex((EVP_MD_CTX *)m, out, NULL));
}

void
md5_free(struct md5 *m)
{
	EVP_MD_CTX_free((EVP_MD_CTX *)m);
}

void
base64_text(const void *bytes, size_t len, char *out)
{
	(void)EVP_EncodeBlock((unsigned char *)out, bytes, (int)len);
}

int
base64_bytes(const char *text, uint8_t *out, size_t cap)
{
	uint8_t group[3];
	size_t len = strlen(text), n = 0;

	/* libcrypto takes a padding in front for none. */
	if (len % 4 != 0 || strcspn(text, "=") + 2 < len)
		return -1;
	for (size_t i = 0; i < len; i += 4) {
		const unsigned char *p = (const unsigned char *)text + i;
		size_t keep = p[3] != '=' ? 3 : p[2] != '=' ? 2 : 1;

		if ((keep < 3 && i + 4 < len) ||
		    EVP_DecodeBlock(group, p, 4) != 3 || n + keep > cap)
			return -1;
		memcpy(out + n, group, keep);
		n += keep;
	}
	return (int)n;
}

void
hex_text(const uint8_t *bytes, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * len] = '\0';
}

void
wipe(void *secret, size_t len)
{
	OPENSSL_cleanse(secret, len);
}
