/* SPDX-License-Identifier: PostgreSQL */
/*
 * How far a long run is: a line on a terminal that is written over and over,
 * elsewhere a record now and then.
 */
#ifndef WALVAULT_CMD_METER_H
#define WALVAULT_CMD_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct meter {
	bool terminal, shown;
	int64_t begin_ms, last_ms;
	uint64_t begin_bytes;
	const char *what;
};

void meter_begin(struct meter *m);

/* Call it often.  what is a constant word, or NULL for nothing to show. */
void
meter_show(struct meter *m, const char *what, uint64_t done, uint64_t total);

/* Clear the line. */
void meter_end(struct meter *m);

/*
 * "copying: 45%, 1.3 GiB of 3.0 GiB, 350.0 MiB/s, 5s left" for work of ms
 * milliseconds so far.
 */
void meter_text(char *out, size_t cap, const char *what, uint64_t done,
    uint64_t total, int64_t ms);

#endif
