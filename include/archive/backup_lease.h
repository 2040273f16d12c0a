/* SPDX-License-Identifier: PostgreSQL */
/*
 * Leases.  A restore that runs, or whose recovery goes on fetching WAL, says
 * so in a note beside its backup: restore-XXXXXXXX.  While that is in force,
 * expire keeps the backup, and its WAL to the end of the restore's plan.
 *
 * A lease counts from the time that the store gave the object: no clock of
 * the restoring host makes it old.  It is refreshed by a new note, behind
 * which the old one is deleted; nothing is overwritten.  One that nobody ends
 * is over after its time, and expire sweeps it up.
 *
 * Whoever writes one looks afterwards whether what it protects is still there
 * (backup_require, and the WAL); whoever deletes looks for leases when its
 * tombstone is written, and again while it deletes WAL (backup_has_newcomer).
 * So one of the two sees the other.
 */
#ifndef WALVAULT_ARCHIVE_BACKUP_LEASE_H
#define WALVAULT_ARCHIVE_BACKUP_LEASE_H

#include "backup.h"

/* No lease is longer; one that cannot be read lasts so long. */
#define BACKUP_LEASE_MAX_S (UINT64_C(30) * 86400)

/*
 * Write one: id, from_lsn, to_lsn, tli and seconds are given, name, host, pid
 * and created are filled in.  0 or -1.
 */
int backup_lease_write(
    struct repository *r, struct backup_lease *l, struct fail *f);

/* Delete it.  0 (also if it is gone) or -1. */
int backup_lease_end(
    struct repository *r, const struct backup_lease *l, struct fail *f);

/*
 * Read the note at key, which the listing described by info.  One that cannot
 * be read needs all WAL, for as long as a lease may last.  0, 1 it is gone,
 * -1.
 */
int backup_lease_read(struct repository *r, const char *id, const char *key,
    const struct store_info *info, struct backup_lease *out, struct fail *f);

/* When it is over, by the store's clock. */
int64_t backup_lease_until(const struct backup_lease *l);

/* Is this the last component of a lease's key? */
bool backup_is_lease(const char *name);

/* Is one of a backup's leases in force at a time?  1 yes, 0 no, -1. */
int backup_is_leased(
    struct repository *r, const char *id, int64_t store_now, struct fail *f);

/*
 * Is there a lease, or a backup that has begun, which the list does not know?
 * 1 yes, 0 no, -1.
 */
int backup_has_newcomer(
    struct repository *r, const struct backup_list *known, struct fail *f);

#endif
