/* SPDX-License-Identifier: PostgreSQL */
/*
 * The syntax of configuration files: "[section]", "[section name]",
 * "key = value".  A line whose first character is '#' or ';' is a comment;
 * there are no quotes, no continuation lines and no comments behind values,
 * so a value may hold any character but a line's end.
 */
#ifndef WALVAULT_CONF_INI_H
#define WALVAULT_CONF_INI_H

#include <stddef.h>

#include "fail.h"

#define INI_LINE_MAX 4096

struct ini_line {
	const char *section; /* "" before the first section */
	const char *name;    /* the section's name, "" if it has none */
	const char *key;     /* NULL: the section's own line */
	const char *value;
	const char *origin; /* "file:line" */
};

/* -1 (with *f filled) ends the parse. */
typedef int ini_fn(void *arg, const struct ini_line *line, struct fail *f);

/*
 * Parse len bytes; file is their name in messages.  0, or -1: FAIL_CONFIG
 * with file:line as its object.
 */
int ini_parse(const char *bytes, size_t len, const char *file, ini_fn *fn,
    void *arg, struct fail *f);

#endif
