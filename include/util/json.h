/* SPDX-License-Identifier: PostgreSQL */
/*
 * A JSON writer: values go straight into a buffer, in the order written.  It
 * is ours because walpush writes JSON log records too, and must not load a
 * library for them.  LSNs and 64-bit identifiers are written as strings.
 */
#ifndef WALVAULT_UTIL_JSON_H
#define WALVAULT_UTIL_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

struct json {
	struct buf text; /* the caller clears it */
	bool comma;      /* a value stands before in this container */
	bool failed;     /* no memory somewhere: the text is not usable */
};

/*
 * name is the member's name inside an object, NULL inside an array and at
 * the top.  A NULL string is written as null.  Bytes that are not UTF-8 are
 * written as U+FFFD.
 */
void json_object(struct json *j, const char *name);
void json_array(struct json *j, const char *name);
void json_end_object(struct json *j);
void json_end_array(struct json *j);
void json_string(struct json *j, const char *name, const char *value);
void json_int(struct json *j, const char *name, int64_t value);
void json_bool(struct json *j, const char *name, bool value);
void json_null(struct json *j, const char *name);

/* Would a string be written as it is?  (Without NUL, that is UTF-8.) */
bool json_is_utf8(const void *bytes, size_t len);

#endif
