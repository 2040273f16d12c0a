/* SPDX-License-Identifier: PostgreSQL */
/*
 * Numbers with units, as people write them in options: "64MiB", "5s",
 * "10min".  One parser for all of them.
 */
#ifndef WALVAULT_UTIL_UNITS_H
#define WALVAULT_UTIL_UNITS_H

#include <stddef.h>
#include <stdint.h>

enum units_kind {
	UNITS_COUNT, /* a plain decimal number */
	UNITS_BYTES, /* B, KiB/kB/KB, MiB/MB, GiB/GB, TiB/TB; always 1024 */
	UNITS_MS,    /* ms, s, min, h, d; a bare number means seconds */
};

/* Room for every text of units_format_bytes, with its NUL. */
#define UNITS_TEXT 32

/*
 * Parse the whole of text.  0, or -1 with *why pointing to a constant text
 * that names the accepted forms.  Signs, spaces, overflow and fractions are
 * errors.
 */
int units_parse(
    const char *text, enum units_kind kind, uint64_t *value, const char **why);

/* "512 B", "16.0 MiB": for people, rounded. */
void units_format_bytes(uint64_t bytes, char out[UNITS_TEXT]);

/* The shortest exact form that units_parse reads back. */
void units_format(uint64_t value, enum units_kind kind, char out[UNITS_TEXT]);

#endif
