/* SPDX-License-Identifier: PostgreSQL */
/*
 * Two clocks.  Wall time is for people and for PostgreSQL's time stamps, and
 * may jump; deadlines use the monotonic clock, which does not.
 */
#ifndef WALVAULT_UTIL_CLOCK_H
#define WALVAULT_UTIL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Room for every text that clock_format makes, with its NUL. */
#define CLOCK_TEXT 96

/*
 * PostgreSQL counts microseconds from 2000-01-01 00:00 UTC (TimestampTz).
 * All times in walvault are in that unit, so that nothing is converted
 * between the WAL and the person.
 */
#define CLOCK_PG_EPOCH_UNIX 946684800

/* Wall time as a TimestampTz. */
int64_t clock_now(void);

/* Milliseconds on the monotonic clock. */
int64_t clock_monotonic_ms(void);

/* A moment on the monotonic clock; the whole run of a program has one. */
struct deadline {
	int64_t at_ms;
};

struct deadline deadline_in(int64_t ms);

/* Milliseconds left, never negative. */
int64_t deadline_left(struct deadline d);

/* "2026-11-20 02:00:03.123456+00": what PostgreSQL reads without doubt. */
void clock_format(int64_t time, char out[CLOCK_TEXT]);

/* "20261120T020003Z": for names. */
void clock_format_compact(int64_t time, char out[CLOCK_TEXT]);

/*
 * Parse "YYYY-MM-DD[ T]HH:MM[:SS[.ffffff]][ ]ZONE", ZONE being Z, UTC, +HH,
 * +HH:MM or +HHMM (or -).  Without a zone: UTC if utc, else it is an error,
 * because the same words mean different moments on different servers.
 * Returns 0, or -1 with *why pointing to a constant text.
 */
int clock_parse(const char *text, bool utc, int64_t *time, const char **why);

#endif
