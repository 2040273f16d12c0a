/* SPDX-License-Identifier: PostgreSQL */
/* Tokens that whoever bears them is trusted by (OAuth 2.0, RFC 6749, 6750). */
#ifndef WALVAULT_REMOTE_BEARER_H
#define WALVAULT_REMOTE_BEARER_H

#include "ask.h"

struct bearer {
	char token[ASK_TOKEN_MAX];
	int64_t expires; /* seconds of 1970; 0: not known */
};

/*
 * A token as services and programs give it: JSON with access_token or
 * accessToken, and expires_in or expires_on in seconds, or expireTime as text;
 * or the token alone.
 * 0, or -1: there is none.
 */
int bearer_parse(const struct buf *text, const char *what, struct bearer *out,
    struct fail *f);

/* Of a user's command that prints one.  0 or -1. */
int bearer_from_command(const char *command, struct deadline deadline,
    struct bearer *out, struct fail *f);

/* An error as token services tell it: for ask.tell. */
void bearer_tell(const struct buf *document, char *out, size_t cap);

#endif
