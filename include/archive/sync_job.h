/* SPDX-License-Identifier: PostgreSQL */
/* One pair of stores in a sync, within its modules. */
#ifndef WALVAULT_ARCHIVE_SYNC_JOB_H
#define WALVAULT_ARCHIVE_SYNC_JOB_H

#include "sync.h"

/* So many failures in a row: a store does not answer. */
#define SYNC_FAILURES_MAX 4

struct syncing {
	struct sync_place *from, *to;
	const struct sync_args *args;
	struct sync_report *out;
	struct carry carry;
	struct retain_plan plan; /* of `to`, if it had all of `from` */
	struct backup *backups;  /* that are to be brought, by age */
	size_t n_backups;
	size_t failures; /* in a row */
	bool compare;    /* what both have; the other way round it was not */
	struct fail *f;
};

/* What would `to` keep?  Fills plan and backups.  0 or -1. */
int sync_decide(struct syncing *x);
void sync_decided_clear(struct syncing *x);

/* The object is there now.  0, or -1 without memory. */
int sync_place_add(struct sync_place *p, const char *key, uint64_t size);

/*
 * What becomes of an attempt to bring an object: 0 it is there (rc 0 or 1), 1
 * it is not, go on with others, -1 give up.
 */
int sync_settle(struct syncing *x, const char *key, int rc, struct fail *why);

/* What is wrong with what both have is told, and left as it is. */
void sync_tell_differing(struct syncing *x, const struct fail *why);

/* Is a backup that both have the same, and damaged in neither? */
void sync_compare_backups(struct syncing *x);

/* The notes with which the backups begin; their packs and manifests. */
int sync_begins(struct syncing *x);
int sync_backups(struct syncing *x);

#endif
