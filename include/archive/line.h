/* SPDX-License-Identifier: PostgreSQL */
/*
 * The WAL of one line: the segments that recovery to a timeline goes through,
 * in order, with their facts, cut into runs.  Within a run each segment is
 * proven to follow the one before it.
 */
#ifndef WALVAULT_ARCHIVE_LINE_H
#define WALVAULT_ARCHIVE_LINE_H

#include "index.h"
#include "sum.h"
#include "walscan.h"

struct line_segment {
	struct walname name;
	uint64_t segno;
	uint64_t stored;
	int64_t mtime;
	const char *key;    /* where it is, if not under its name; the
	                     * index's */
	size_t run;         /* counted from 0 */
	const char *broken; /* why it begins a run, though its number
	                     * follows; NULL otherwise */
	bool damaged;       /* the mark, or an unreadable header */
	char damage[128];
	bool has_sum;
	struct sum128 sum;     /* of the plain bytes, as the header says */
	struct walfacts facts; /* all zero for an unreadable header */
};

struct line {
	const struct index *index;
	struct timeline history; /* n = 0: the first timeline, or own */
	struct line_segment *segment;
	size_t n;
};

/*
 * The line of a timeline: its ancestors' segments up to the forks, then its
 * own.  A segment in which the line forks is taken from the child.  0 or -1
 * (FAIL_ABSENT: the timeline or its history is not in the repository).
 */
int line_load(
    const struct index *x, uint32_t tli, struct line *out, struct fail *f);

/*
 * The same from segment number first on.  partial: where the line's own
 * segments end, one of its .partial ones that follows and reaches farthest is
 * the last of them.
 */
int line_load_from(const struct index *x, uint32_t tli, uint64_t first,
    bool partial, struct line *out, struct fail *f);

/* The segments of one timeline alone. */
int line_load_own(
    const struct index *x, uint32_t tli, struct line *out, struct fail *f);

void line_clear(struct line *l);

/* The key of the object that holds a segment. */
void line_segment_key(const struct line *l, const struct line_segment *s,
    char key[LAYOUT_KEY_MAX]);

/* The last segment of the run that segment i belongs to. */
size_t line_run_end(const struct line *l, size_t i);

/*
 * Where the line ends behind segment i: the start of the next segment, or of
 * the record it leaves unfinished, or where its chain breaks.
 */
uint64_t line_end_lsn(const struct line_segment *s);

/* The last record that is whole within segments [first, last] of one run. */
uint64_t line_last_record(const struct line *l, size_t first, size_t last);

/*
 * Scan the records that begin in segments [from, to], and finish a record that
 * crosses into the next.  0 (also when an event stopped it), or -1.
 */
int line_scan(const struct line *l, size_t from, size_t to,
    const struct walscan_events *events, struct fail *f);

/* Can the record that straddles the cut behind segment i end a transaction? */
bool line_straddles(const struct line *l, size_t i, struct walxact *x);

#endif
