/* SPDX-License-Identifier: PostgreSQL */
/*
 * Deletes what no rule keeps (retain.h).  First backups, then, from a new
 * listing, WAL: a backup that has begun meanwhile protects its WAL.  May be
 * killed at any point and run again, and run beside pushes, backups, restores
 * and other expires.  Timeline histories are never deleted: they are small, and
 * each reserves its timeline's number.
 */
#ifndef WALVAULT_ARCHIVE_EXPIRE_H
#define WALVAULT_ARCHIVE_EXPIRE_H

#include "survey.h"

struct expire_args {
	struct retain_rules rules;
	int64_t clock; /* this host's, TimestampTz */
	bool dry_run;
	bool broken; /* also remove what broken-off backups left */
	uint64_t broken_age_ms;
};

struct expire_backup {
	struct backup backup;
	bool keep;
	unsigned reasons; /* RETAIN_ bits, of keep */
	bool all_wal;
	bool failed;  /* it could not be deleted */
	bool damaged; /* found so in this run: it does not count as good */
	bool leased;
	struct backup_lease lease; /* the one that ends last, if leased */
};

/* Neighbouring segments, and what belongs to them, with one fate. */
struct expire_wal {
	uint32_t tli;
	uint64_t first, last; /* segment numbers */
	bool keep;
	char needed_by[BACKUP_ID]; /* keep: "" the line has no backup yet */
	bool to_stop;              /* only what makes it consistent */
	bool restore;              /* no rule needs it, but a restore */
	bool spared;               /* who began in this run may need it */
	size_t objects, failed;    /* of them could not be deleted */
	uint64_t stored;
};

struct expire_report {
	int64_t clock, now, window; /* window: where keep_days begins */
	uint32_t segsize;
	bool no_rule, no_backup;
	uint32_t unclear; /* see retain.h */
	struct expire_backup *backups;
	size_t n_backups;
	struct expire_wal *wal;
	size_t n_wal;
	/* Deleted, or with dry_run: to be deleted. */
	size_t backups_deleted, objects_deleted;
	uint64_t bytes_deleted;
	size_t failed; /* could not be deleted; the first is in *f */
	/* Backups that a rule counts on and that are not whole. */
	size_t damaged;
};

/*
 * Expire a repository (opened, its system settled).  0, or -1: something
 * could not be listed or deleted, or nothing may be (FAIL_ABSENT: a history),
 * or a backup that a rule counts on is damaged (out->damaged): older ones stay
 * in its place.  *out tells what was done also then (the caller calls
 * expire_clear).
 */
int expire(struct repository *r, const struct identity *id,
    const struct expire_args *args, struct expire_report *out, struct fail *f);

void expire_clear(struct expire_report *r);

#endif
