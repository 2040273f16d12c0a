/* SPDX-License-Identifier: PostgreSQL */
/*
 * A base backup: the files of a running cluster's data directory, read
 * between pg_backup_start and pg_backup_stop, become packs; when all WAL that
 * makes them consistent has been seen, whole, in the repository, a manifest
 * makes a backup of them.  Before that moment there is none.  With several
 * stores the files are read once, and each store that has all of them and of
 * the WAL gets its manifest; one that fails is left out, as long as as many as
 * are required remain.
 */
#ifndef WALVAULT_ARCHIVE_BASEBACKUP_H
#define WALVAULT_ARCHIVE_BASEBACKUP_H

#include <stdatomic.h>

#include "backup.h"
#include "codec.h"

enum basebackup_phase {
	BASEBACKUP_STARTING, /* the server makes its checkpoint */
	BASEBACKUP_PROVING,  /* does archiving work? */
	BASEBACKUP_COPYING,
	BASEBACKUP_WAITING, /* for the last WAL */
	BASEBACKUP_PUBLISHING,
};

struct basebackup_args {
	struct repository *repos; /* one per store, not opened yet */
	size_t n_repos;
	const struct store_args *stores; /* to open them once more */
	size_t required;                 /* so many must have it at the end */
	/*
	 * So long one store may keep the others waiting: mirror.h and
	 * basebackup_step.h.
	 */
	int64_t max_lag_ms;
	const char *pgdata;
	const char *conninfo, *state_dir, *spool_dir; /* or NULL */
	const char *label;                            /* or NULL */
	const char *annotations; /* "key=value", '\n' behind each */
	bool fast;
	unsigned jobs;
	struct codec codec;
	int64_t wait_lock_ms, archive_wait_ms;
	const atomic_bool *stop; /* set: end at once */
	/* Told some times a second; bytes are zero but when copying. */
	void (*progress)(void *arg, enum basebackup_phase phase, uint64_t done,
	    uint64_t total);
	void *arg;
};

/* A page whose checksum is wrong. */
struct basebackup_bad {
	char *path;
	uint32_t block; /* of the file */
};

/* No more than that are listed; all are counted. */
#define BASEBACKUP_BAD_MAX ((size_t)1000)

struct basebackup_result {
	struct manifest_summary summary;
	struct basebackup_bad *bad;
	size_t n_bad;
	uint64_t packs;
	int64_t ms;
	/* Which stores have it, or, where it has failed, may have it. */
	struct basebackup_stored {
		const struct store *store;
		bool complete;
		bool may_have;
	} * stores;
	size_t n_stores;
	/*
	 * A thread hangs in a store and cannot be ended: neither stores nor
	 * repositories nor what they were made from may be freed, and the
	 * process ends without looking back.
	 */
	bool left_behind;
};

/*
 * Make one.  0: it exists (see summary.bad_pages); -1: it has failed, and what
 * remains is named by info.  There is none then, but in stores that may_have
 * it: a store that must have it was lost while all were given the manifest.
 * Once enough have that only expire, if it is deleting the backup, fails it;
 * no silence and no stop does.  The caller clears *out in both cases.
 */
int basebackup_run(const struct basebackup_args *args,
    struct basebackup_result *out, struct fail *f);

void basebackup_result_clear(struct basebackup_result *r);

#endif
