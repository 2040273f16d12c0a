/* SPDX-License-Identifier: PostgreSQL */
/*
 * Where in the WAL is a moment?  The same answer that PostgreSQL's recovery
 * gives (recoveryStopsBefore and recoveryStopsAfter in xlogrecovery.c): times
 * are those of transaction ends in WAL order, which may run backwards.
 */
#ifndef WALVAULT_ARCHIVE_FIND_H
#define WALVAULT_ARCHIVE_FIND_H

#include "line.h"

enum find_type { FIND_TIME, FIND_LSN, FIND_XID, FIND_NAME, FIND_LATEST };

struct find_target {
	enum find_type type;
	int64_t time; /* TimestampTz */
	uint64_t lsn;
	uint64_t xid; /* its lower 32 bits count */
	const char *name;
	bool exclusive;
	uint64_t from; /* search from here; LSN_NONE: where WAL begins */
};

struct find_answer {
	bool reachable;
	char why[512];          /* if not */
	uint64_t stop_lsn;      /* the start of a record */
	bool inclusive;         /* that record is replayed */
	struct walname segment; /* where the record begins */
	uint32_t tli;           /* that the record belongs to */
	bool has_before, has_after;
	struct walxact before; /* the last end that is replayed */
	struct walxact after;  /* the first that is not */
	uint64_t covered_lsn;  /* how far the WAL reaches */
	int64_t covered_time;  /* latest time in it, or WAL_NO_TIME */
	size_t hits;           /* restore points of that name */
};

/*
 * Find the target on a line.  0 (see reachable), or -1: the store failed.
 */
int find_on_line(const struct line *l, const struct find_target *t,
    struct find_answer *a, struct fail *f);

#endif
