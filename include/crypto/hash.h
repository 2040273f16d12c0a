/* SPDX-License-Identifier: PostgreSQL */
/* SHA-256.  The crypto layer is the only user of libcrypto. */
#ifndef WALVAULT_CRYPTO_HASH_H
#define WALVAULT_CRYPTO_HASH_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_TEXT 65

struct sha256;

/* NULL if there is no memory. */
struct sha256 *sha256_new(void);
void sha256_update(struct sha256 *h, const void *bytes, size_t len);

/* The digest so far as 64 lower-case digits; more may follow. */
void sha256_text(const struct sha256 *h, char out[SHA256_TEXT]);
void sha256_free(struct sha256 *h);

#endif
