/* SPDX-License-Identifier: PostgreSQL */
/*
 * Reads WAL as PostgreSQL's recovery does (access/xlogrecord.h,
 * access/xlogreader.c, access/xact.h; one layout from 13 to 18 for all that is
 * read here): page headers, record CRCs, the xl_prev chain, the transactions
 * that end.  Bytes are pushed in, in any portions.
 *
 * Two uses.  One segment alone gives its facts, which are a function of its
 * bytes only.  Several segments one after another give the transaction ends
 * in WAL order, those that straddle a cut included.
 *
 * Not thread-safe; several scanners may run side by side.
 */
#ifndef WALVAULT_PG_WALSCAN_H
#define WALVAULT_PG_WALSCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "walrecord.h"

/* Bytes kept on both sides of the cut between two segments. */
#define WALFACTS_CUT 64

/* Restore points kept by name in the facts of one segment. */
#define WALFACTS_RESTORE_POINTS 16

/* Flags of the facts. */
enum {
	WALFACTS_SWITCHED = 1,  /* ends with a switch record and zeros */
	WALFACTS_OVERWRITE = 2, /* an abandoned record is overwritten here */
	WALFACTS_OVERWRITE_FIRST = 4, /* ... and at the very first page */
	WALFACTS_MORE_POINTS = 8,     /* more restore points than are listed */
	WALFACTS_COMPLETE = 16,       /* the chain reaches the segment's end */
	WALFACTS_TAIL_ZERO = 32,   /* incomplete: nothing but zeros behind it */
	WALFACTS_UNREAD = 64,      /* unknown magic: not read behind page one */
	WALFACTS_TABLESPACE = 128, /* CREATE TABLESPACE begins here */
};

/*
 * What a segment says of itself; LSN_NONE or 0 where it says nothing.  A
 * segment may lie wholly inside one record: then no record begins or ends.
 */
struct walfacts {
	uint64_t sysid;
	uint32_t segsize, blcksz;
	uint16_t magic;
	uint32_t first_tli, last_tli; /* on the first and on the last page */
	uint64_t start_lsn;           /* of the first page */
	unsigned flags;

	/* The leading continuation of a record begun before. */
	uint32_t cont_len; /* its bytes left, as the first page says */

	uint64_t first_lsn, first_prev; /* first record that begins here */
	uint64_t last_ended;            /* last that begins and ends here */
	uint32_t last_ended_len;
	uint64_t unfinished;      /* begins here, ends in a later segment */
	uint32_t unfinished_len;  /* its whole length */
	uint32_t unfinished_here; /* its bytes in this segment */

	/* The first bytes of the unfinished and of the leading continuation. */
	uint8_t tail[WALFACTS_CUT], head[WALFACTS_CUT];
	uint8_t tail_len, head_len;

	/* Transaction ends that lie wholly in this segment. */
	uint32_t xacts;
	int64_t xact_time_min, xact_time_max, xact_time_last;
	uint32_t xid_min, xid_max;
	/* The latest time in any record: those and checkpoints, restore points.
	 */
	int64_t timed_max; /* INT64_MIN if none */

	struct walrestore_point points[WALFACTS_RESTORE_POINTS];
	uint32_t n_points;

	/* Where and why the chain ends before the segment does. */
	uint64_t end_lsn;    /* behind the last good record */
	const char *end_why; /* constant text; NULL if COMPLETE */
};

/* Called in WAL order.  Not 0 stops the scan: later bytes are ignored. */
struct walscan_events {
	int (*xact)(void *arg, const struct walxact *x);
	int (*restore_point)(
	    void *arg, const struct walrestore_point *p, uint64_t end);
	int (*tablespace)(void *arg, const struct waltablespace *t);
	/* every record that begins here, before the more special ones; time is
	 * INT64_MIN if it carries none */
	int (*record)(void *arg, uint64_t lsn, uint64_t end, int64_t time);
	void *arg;
};

struct walscan_args {
	uint32_t max_tli;   /* pages of a higher timeline end the chain */
	uint64_t start_lsn; /* of the first page pushed */
	struct walscan_events events; /* all may be NULL */
};

/* NULL if there is no memory. */
struct walscan *walscan_new(const struct walscan_args *args);

/*
 * Push bytes.  The first page must have a long header (see walhdr.h); if it
 * has none, the chain ends there.  Never fails: what is wrong is in the facts.
 */
void walscan_push(struct walscan *s, const void *bytes, size_t len);

/* Has the chain ended (damage, zeros) or an event asked to stop? */
bool walscan_ended(const struct walscan *s);

/*
 * The facts of all that was pushed; for one segment they are that segment's.
 * expect_len is how many bytes there should have been (the segment size).
 */
void
walscan_facts(struct walscan *s, uint64_t expect_len, struct walfacts *out);

void walscan_free(struct walscan *s);

#endif
