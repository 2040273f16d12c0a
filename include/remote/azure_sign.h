/* SPDX-License-Identifier: PostgreSQL */
/*
 * Signatures with an account's key, as pure functions ("Authorize with Shared
 * Key" in the Azure Storage REST API Reference, version 2015-02-21 and later).
 */
#ifndef WALVAULT_REMOTE_AZURE_SIGN_H
#define WALVAULT_REMOTE_AZURE_SIGN_H

#include <stdint.h>

#include "buf.h"
#include "headers.h"

/* Keys have 64 bytes. */
#define AZURE_KEY_MAX 128

struct azure_key {
	const char *account;
	uint8_t bytes[AZURE_KEY_MAX];
	size_t len;
};

/* What is signed of a request. */
struct azure_request {
	const char *method;
	const char *path;              /* as it is sent, encoded */
	const char *query;             /* as it is sent, encoded; empty: none */
	const struct headers *headers; /* all of them, with x-ms-date */
	uint64_t body_len;
};

/*
 * Append the text that is signed, and the value of the Authorization header,
 * both with a NUL at the end.  0, or -1 without memory.
 */
int azure_string_to_sign(
    const char *account, const struct azure_request *r, struct buf *out);
int azure_authorization(const struct azure_key *key,
    const struct azure_request *r, struct buf *out);

#endif
