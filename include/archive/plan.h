/* SPDX-License-Identifier: PostgreSQL */
/*
 * The way back to a moment, planned from the repository alone: which backup,
 * along which timelines, through which segments, to which record.  A plan is
 * made only of what was seen: each segment is proven to follow the one before
 * it (line.h).  Where there is no way, a plan says what is missing and which
 * moments on both sides can be reached.
 */
#ifndef WALVAULT_ARCHIVE_PLAN_H
#define WALVAULT_ARCHIVE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backup.h"
#include "index.h"
#include "walrecord.h"

/* Segments [first_segno, last_segno] of one timeline. */
struct wal_range {
	uint32_t tli;
	uint64_t first_segno;
	uint64_t last_segno; /* UINT64_MAX: and all that follow */
};

struct wal_ranges {
	struct wal_range *list;
	size_t n;
};

/*
 * What WAL does a backup need to reach all LSNs before `to`?  Up to its stop
 * LSN (LSN_NONE means that) it is the line of its own timeline: what makes it
 * consistent.  Behind that, all lines that lead through it.  The histories of
 * all timelines in the answer (above 1) are needed, too.  0 (the caller calls
 * wal_ranges_clear), or -1 (FAIL_ABSENT: a history file is not in the
 * repository).
 */
int plan_wal(const struct index *x, const struct manifest_summary *b,
    uint64_t to, struct wal_ranges *out, struct fail *f);
void wal_ranges_clear(struct wal_ranges *r);

/* Is segment segno of timeline tli in one of the ranges? */
bool wal_ranges_have(const struct wal_ranges *r, uint32_t tli, uint64_t segno);

/*
 * Does the line of timeline t lead through the backup's end?  (Its start lies
 * before that on the same line.)
 */
bool plan_is_on_line(
    const struct index_timeline *t, const struct manifest_summary *b);

enum plan_type {
	PLAN_LATEST,
	PLAN_TIME,
	PLAN_LSN,
	PLAN_XID,
	PLAN_NAME,
	PLAN_IMMEDIATE,
};

/* Whose line is followed. */
enum plan_line {
	PLAN_ANY,     /* the only one that reaches the target */
	PLAN_NEWEST,  /* that of the highest timeline */
	PLAN_CURRENT, /* that of the backup's own timeline */
	PLAN_NUMBER,
};

struct plan_target {
	enum plan_type type;
	int64_t time; /* TimestampTz */
	uint64_t lsn;
	uint64_t xid; /* its lower 32 bits count */
	const char *name;
	bool exclusive;
	enum plan_line line;
	uint32_t tli;       /* PLAN_NUMBER */
	const char *backup; /* its id; NULL: the best one */
};

/* A moment that can be reached; as text what to type for it. */
struct plan_moment {
	bool known;
	uint64_t lsn;
	int64_t time; /* WAL_NO_TIME if the WAL tells none */
	char options[128];
};

struct plan {
	struct index *index; /* not owned */
	struct plan_target target;
	bool reachable;
	char why[512];    /* if not */
	char missing[64]; /* the WAL file or pack that is in the way, or "" */
	struct plan_moment before, after; /* if not */

	struct backup backup;
	uint32_t tli; /* the line: recovery_target_timeline */
	struct timeline history;
	uint64_t stop_lsn; /* the start of a record */
	bool inclusive;    /* that record is replayed */
	uint64_t end_lsn;  /* behind the last record that is replayed */
	uint32_t stop_tli; /* the timeline of the record at stop_lsn */
	bool has_before, has_after;
	struct walxact first_not; /* has_after: the first that is not there */
	struct walxact last;      /* has_before: the last that is there */

	/* The chain, all of it seen. */
	struct walname first_segment, last_segment;
	uint64_t first_segno, last_segno;
	uint64_t segments, wal_stored;
	/* On the way WAL creates a tablespace: recovery makes it where the
	 * original is.  lsn is LSN_NONE if it does not. */
	struct waltablespace tablespace;
	/* The last segment is there only as .partial, under this key; then
	 * last_segno counts it. */
	char partial_key[LAYOUT_KEY_MAX];
	/* How far the WAL of the chain reaches behind the target. */
	uint64_t covered_lsn;
	int64_t covered_time;
	/* Timelines above tli that have a history in the repository. */
	uint32_t *newer;
	size_t n_newer;
};

/*
 * Plan the way to a target.  0 (see reachable; the caller calls plan_clear),
 * or -1: the store failed, or FAIL_CONFIG (no such backup or timeline).
 */
int plan_make(struct index *x, const struct backup_list *backups,
    const struct plan_target *t, struct plan *out, struct fail *f);
void plan_clear(struct plan *p);

#endif
