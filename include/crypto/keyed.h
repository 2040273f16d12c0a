/* SPDX-License-Identifier: PostgreSQL */
/*
 * What requests to object stores are signed and summed with: SHA-256 and
 * HMAC-SHA-256 as bytes, MD5 (as a checksum that services ask for, never for
 * security), base64 and hexadecimal text.
 */
#ifndef WALVAULT_CRYPTO_KEYED_H
#define WALVAULT_CRYPTO_KEYED_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_LEN 32
#define MD5_LEN    16

/* Characters that base64 of len bytes needs, with its NUL. */
#define BASE64_CAP(len) (((len) + 2) / 3 * 4 + 1)

void sha256_bytes(const void *bytes, size_t len, uint8_t out[SHA256_LEN]);

void hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
    uint8_t out[SHA256_LEN]);

void md5_bytes(const void *bytes, size_t len, uint8_t out[MD5_LEN]);

/* The same of what comes bit by bit.  NULL if there is no memory. */
struct md5;
struct md5 *md5_new(void);
void md5_update(struct md5 *m, const void *bytes, size_t len);
void md5_end(struct md5 *m, uint8_t out[MD5_LEN]);
void md5_free(struct md5 *m);

/* out has room for BASE64_CAP(len). */
void base64_text(const void *bytes, size_t len, char *out);

/*
 * The bytes that base64 text stands for.  Their number, or -1: it is no
 * base64, or more than cap.
 */
int base64_bytes(const char *text, uint8_t *out, size_t cap);

/* Lower case; out has room for 2 * len + 1. */
void hex_text(const uint8_t *bytes, size_t len, char *out);

/* Overwrite a secret, whatever the compiler thinks of it. */
void wipe(void *secret, size_t len);

#endif
