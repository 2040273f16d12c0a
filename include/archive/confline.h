/* SPDX-License-Identifier: PostgreSQL */
/* A line of a server's configuration file (PostgreSQL: guc-file.l). */
#ifndef WALVAULT_ARCHIVE_CONFLINE_H
#define WALVAULT_ARCHIVE_CONFLINE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* Longer values than a path are cut: nobody asks for them. */
struct confline {
	char name[64];
	char value[PATH_MAX]; /* unquoted */
};

/*
 * Take the first len bytes of line apart, which end before its newline.
 * False: it sets nothing; an empty line, a comment.
 */
bool confline_parse(const char *line, size_t len, struct confline *out);

/* Is that the name of what it sets?  Case does not matter. */
bool confline_sets(const struct confline *l, const char *name);

#endif
