/* SPDX-License-Identifier: PostgreSQL */
/*
 * Timeline history files (PostgreSQL: access/transam/timeline.c).  A line is
 * "parentTLI <tab> switch LSN <tab> reason"; '#' starts a comment; timelines
 * rise strictly.  Entry i covers the WAL up to its switch point; the timeline
 * itself covers all behind the last one.  Switch points may fall in the file;
 * once parsed they do not: an earlier one is cut to the later.
 */
#ifndef WALVAULT_PG_TIMELINE_H
#define WALVAULT_PG_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

#include "fail.h"

struct timeline_entry {
	uint32_t tli;
	uint64_t switch_lsn; /* the next timeline begins here */
};

struct timeline {
	uint32_t tli;
	struct timeline_entry *ancestors; /* oldest first; owned */
	size_t n;
};

/* History files are small; anything larger is not one. */
#define TIMELINE_FILE_MAX ((size_t)1024 * 1024)

/*
 * Parse a history file's len bytes as the history of tli.  An empty file, a
 * line that is not one, a parent that does not rise or is not below tli are
 * FAIL_DAMAGED with the line's number.  0 or -1; on 0 the caller calls
 * timeline_clear.
 */
int timeline_parse(const void *bytes, size_t len, uint32_t tli,
    const char *object, struct timeline *out, struct fail *f);

void timeline_clear(struct timeline *t);

/*
 * Where t leaves timeline tli: its switch point, UINT64_MAX for t's own
 * timeline, LSN_NONE if tli is not on t's line.
 */
uint64_t timeline_switch(const struct timeline *t, uint32_t tli);

/* The timeline on t's line that the record at lsn belongs to. */
uint32_t timeline_at(const struct timeline *t, uint64_t lsn);

#endif
