/* SPDX-License-Identifier: PostgreSQL */
/*
 * Which backups and which WAL stay?  Policy alone: no store, no clock.
 *
 * What any rule wants is kept.  Beside the rules, always kept are
 *	- the last good backup (complete, no bad pages) and the newest complete
 *	  one: of all, and of every live line;
 *	- what is held, and what is not known to be of no use (a damaged
 *	  manifest);
 *	- what a restore needs: its backup, and WAL from there to its end;
 *	- WAL at or behind the place from which an unfinished backup needs it;
 *	- all of it, while there is no complete backup or no rule, or the
 *	  history of a line that matters is missing: whose WAL and backups are
 *	  its ancestors' cannot be told then.
 *
 * keep_wal counts all backups, so those that it counts stay: an older one that
 * moved up into the place of one that went has given up its WAL.
 *
 * A line is live if it has the newest WAL of all, or WAL newer than the newest
 * backup.  Newest is asked twice, by time and by place in the WAL of each live
 * line: a server's clock that jumped makes no backup old.
 */
#ifndef WALVAULT_ARCHIVE_RETAIN_H
#define WALVAULT_ARCHIVE_RETAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "timeline.h"

/* A hold that does not exist. */
#define RETAIN_NOT_HELD INT64_MIN

enum retain_state {
	RETAIN_COMPLETE,
	RETAIN_UNFINISHED, /* running, or broken off */
	RETAIN_DAMAGED,    /* nothing is known of it */
};

struct retain_backup {
	const char *id;
	enum retain_state state;
	bool bad_pages;
	bool pinned; /* it stays, whatever the rules say */
	uint32_t start_tli, stop_tli;
	/*
	 * WAL from start_lsn on is needed; up to stop_lsn to be consistent
	 * (complete ones).  LSN_NONE: from where is not known.
	 */
	uint64_t start_lsn, stop_lsn;
	int64_t stop_time;  /* TimestampTz, complete ones */
	int64_t held_until; /* or RETAIN_NOT_HELD */
};

struct retain_timeline {
	const struct timeline *history;
	bool known; /* its history was read, or it is the first */
	bool has_wal;
	uint64_t first_segno; /* of its own WAL */
	int64_t until;        /* the latest time that is known of its WAL */
};

/* A restore that has begun from a backup (backup_lease.h). */
struct retain_lease {
	const char *id;  /* of the backup */
	uint64_t to_lsn; /* WAL up to here is needed; LSN_NONE: all */
	int64_t until;   /* by the store's clock */
};

/* 0: not a rule. */
struct retain_rules {
	uint64_t full, days, daily, weekly, monthly, yearly;
	uint64_t wal;
};

struct retain_input {
	struct retain_rules rules;
	int64_t now;       /* see retain_now */
	int64_t store_now; /* the same, with no server's clock in it */
	uint32_t segsize;
	const struct retain_backup *backups;
	size_t n_backups;
	const struct retain_lease *leases;
	size_t n_leases;
	const struct retain_timeline *timelines; /* all that have WAL */
	size_t n_timelines;
};

/* Why a backup stays; bits. */
enum retain_reason {
	RETAIN_NO_RULE = 1,
	RETAIN_LAST_GOOD = 2,
	RETAIN_NEWEST = 4,
	RETAIN_HELD = 8,
	RETAIN_FULL = 16,
	RETAIN_WINDOW = 32,      /* taken within the recovery window */
	RETAIN_WINDOW_BASE = 64, /* the window's first moments need it */
	RETAIN_DAILY = 128,
	RETAIN_WEEKLY = 256,
	RETAIN_MONTHLY = 512,
	RETAIN_YEARLY = 1024,
	RETAIN_RUNNING = 2048,
	RETAIN_UNKNOWN = 4096,
	RETAIN_PINNED = 8192,
	RETAIN_UNCLEAR = 16384, /* a history is missing */
	RETAIN_RESTORE = 32768,
	RETAIN_DEPTH = 65536, /* keep_wal */
};

#define RETAIN_REASONS 17

struct retain_verdict {
	bool keep;
	unsigned reasons; /* of keep */
	bool all_wal;     /* with all WAL behind it, not to its stop alone */
};

/* No backup: the line has none yet. */
#define RETAIN_NO_BACKUP SIZE_MAX

/* Segments that stay. */
struct retain_range {
	uint32_t tli;
	uint64_t first, last; /* segment numbers; UINT64_MAX: to the end */
	size_t backup;        /* that needs them, or RETAIN_NO_BACKUP */
	bool restore;         /* it does not, but a restore from it */
};

struct retain_plan {
	struct retain_verdict *backups; /* in the order of the input */
	size_t n_backups;
	struct retain_range *ranges; /* may overlap */
	size_t n_ranges;
	uint32_t *timelines; /* those that were decided about */
	size_t n_timelines;
	bool no_rule;     /* nothing is deleted: there is no rule, */
	bool no_backup;   /* or no complete backup, */
	uint32_t unclear; /* or this timeline's history is missing; 0: none */
	int64_t window;   /* where keep_days begins, if it is set */
};

/*
 * The time that keep_days and holds are measured from: never later than what
 * a server (newest time of a backup or a transaction) and the store (newest
 * object) themselves tell, whatever this host's clock says.  INT64_MIN for
 * what is not known; all times are TimestampTz.  Leases count from times that
 * the store gave, so the server's is left out for them.
 */
int64_t retain_now(int64_t clock, int64_t server, int64_t store);

/*
 * Where server, store and this host have one clock, all of them jump with it.
 * A time that lies so far behind the newest complete backup before it is not
 * believed until so many backups have come behind the leap: the last time
 * before it is returned instead.  Else now.
 */
#define RETAIN_LEAP         (INT64_C(100) * 86400 * 1000000)
#define RETAIN_LEAP_BACKUPS 3
int64_t
retain_believed(int64_t now, const struct retain_backup *backups, size_t n);

/* 0 (the caller calls retain_clear), or -1 without memory. */
int retain_decide(const struct retain_input *in, struct retain_plan *out);

void retain_clear(struct retain_plan *p);

/* Is a lease in force? */
bool
retain_is_leased(const struct retain_input *in, const struct retain_lease *l);

/* Does a segment (or what belongs to it) stay? */
bool
retain_keeps_wal(const struct retain_plan *p, uint32_t tli, uint64_t segno);

/* Can recovery go from the backup to timeline t? */
bool retain_suits(const struct retain_input *in, const struct retain_backup *b,
    const struct retain_timeline *t);

/* A reason's bit as a word for people: "keep_full", "the last good one". */
const char *retain_reason_name(enum retain_reason reason);

/* In which day, ISO week, month or year (UTC) of all is a time? */
int64_t retain_period(int64_t time, enum retain_reason kind);

#endif
