/* SPDX-License-Identifier: PostgreSQL */
/* Signatures with a private RSA key. */
#ifndef WALVAULT_CRYPTO_RSA_H
#define WALVAULT_CRYPTO_RSA_H

#include <stddef.h>
#include <stdint.h>

/* A key of 8192 bits. */
#define RSA_SIGNATURE_MAX 1024

/*
 * RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2; "RS256" of RFC 7518) of len
 * bytes, with a key in PEM without a passphrase.  The signature's length, or
 * -1: that is no such key.
 */
int rsa_sha256_sign(const char *pem, const void *bytes, size_t len,
    uint8_t out[RSA_SIGNATURE_MAX]);

#endif
