/* SPDX-License-Identifier: PostgreSQL */
/* Signed claims: JSON Web Tokens (RFC 7519), signed as RS256. */
#ifndef WALVAULT_REMOTE_JWT_H
#define WALVAULT_REMOTE_JWT_H

#include "buf.h"

/* Append base64 as in URLs, without padding (RFC 4648, 5).  0 or -1. */
int jwt_base64(const void *bytes, size_t len, struct buf *out);

/*
 * Append the token of these claims (JSON), signed with a private key in PEM;
 * key_id names it to the receiver.  0, 1 the key is none, -1 no memory.
 */
int jwt_sign(
    const char *claims, const char *key_id, const char *pem, struct buf *out);

#endif
