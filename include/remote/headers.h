/* SPDX-License-Identifier: PostgreSQL */
/* The header fields of a request or an answer. */
#ifndef WALVAULT_REMOTE_HEADERS_H
#define WALVAULT_REMOTE_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

#include "fail.h"

struct headers {
	char **line; /* "Name: value", owned */
	size_t n;
	bool failed; /* one could not be added, for want of memory */
};

/* Add a field; a line's end in the value ends it. */
void headers_add(struct headers *h, const char *name, const char *value_fmt,
    ...) FAIL_PRINTF(3, 4);

/* Add a line as it came, without its end. */
void headers_add_line(struct headers *h, const char *line, size_t len);

/* The value of the first field of that name, in whatever case; or NULL. */
const char *headers_get(const struct headers *h, const char *name);

/* Empty it; secrets in it are overwritten. */
void headers_clear(struct headers *h);

#endif
