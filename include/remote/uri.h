/* SPDX-License-Identifier: PostgreSQL */
/* Percent-encoding (RFC 3986). */
#ifndef WALVAULT_REMOTE_URI_H
#define WALVAULT_REMOTE_URI_H

#include <stdbool.h>

#include "buf.h"

/*
 * Append text, everything encoded but unreserved characters (and '/' if
 * keep_slash), in upper-case hexadecimal.  0 or -1 without memory.
 */
int uri_encode(struct buf *b, const char *text, bool keep_slash);

/* Decode in place; what is no escape stays as it is. */
void uri_decode(char *text);

#endif
