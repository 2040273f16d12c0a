/* SPDX-License-Identifier: PostgreSQL */
/*
 * What one store lacks is brought from another: timeline histories, the notes
 * with which backups begin (they protect their WAL from expire), WAL, and then
 * each backup's packs and, last, its manifest, once all its packs and WAL are
 * there.  Oldest first; killed at any point and run again it goes on where it
 * was, and nothing half copied can be seen.
 *
 * Each store has its own retention: only what its own expire would keep, if
 * it were there, is brought.  So nothing comes back that a rule has deleted,
 * and nothing that the next expire would delete.
 *
 * Holds come along with a backup that is brought, and not later: a hold that
 * was released in one store must not come back from another.  Leases of
 * restores, tombstones and what was set aside stay where they are.
 */
#ifndef WALVAULT_ARCHIVE_SYNC_H
#define WALVAULT_ARCHIVE_SYNC_H

#include "carry.h"
#include "push.h"
#include "survey.h"

struct sync_object {
	char *key;
	uint64_t size;
};

/* One store as it is when the run begins; kept up to date by the run. */
struct sync_place {
	struct repository *repo; /* opened, its system settled */
	unsigned number;         /* below STORES_MAX; set by the caller */
	uint32_t compared;       /* with which other numbers */
	struct retain_rules rules;
	struct survey survey;
	struct sync_object *wal; /* all below wal/, in the order of the keys */
	size_t n_wal, cap;
};

struct sync_args {
	int64_t clock;
	bool dry_run;
	bool all; /* whatever the rules of the store say */
	/* A backup begun there, too, may still come by itself so long after it
	 * was finished here: how long one store may hold a backup up. */
	int64_t coming_us;
	struct carry_pace *pace;
};

struct sync_report {
	size_t wal, backups; /* brought, or with dry_run: to be brought */
	uint64_t bytes;
	size_t again;  /* pushed from pg_wal */
	size_t left;   /* WAL objects that the rules would not keep */
	size_t coming; /* backups that may be on their way by themselves */
	size_t failed; /* could not be brought; logged */
};

/* 0 (the caller calls sync_place_clear), or -1. */
int sync_place_load(struct repository *r, const struct identity *id,
    const struct carry_pace *pace, struct sync_place *out, struct fail *f);
void sync_place_clear(struct sync_place *p);

/* Is there an object of a WAL file? */
bool sync_place_has(const struct sync_place *p, const char *key);

/*
 * Push what pg_wal still has of WAL that the server waits to have archived, or
 * believes to be, and that none of the places has: they are all stores there
 * are.  The number is added to out->again.  0, or -1: pg_wal cannot be read.
 */
int sync_again(const struct push_args *push, struct sync_place *places,
    const struct sync_args *args, struct sync_report *out, struct fail *f);

/*
 * Bring what `to` lacks and `from` has.  The numbers are added to *out.  0, or
 * -1: what failed says that it is of no use to go on.
 */
int sync_pair(struct sync_place *from, struct sync_place *to,
    const struct sync_args *args, struct sync_report *out, struct fail *f);

#endif
