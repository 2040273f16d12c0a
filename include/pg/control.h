/* SPDX-License-Identifier: PostgreSQL */
/*
 * global/pg_control (PostgreSQL: catalog/pg_control.h, ControlFileData).  Only
 * fields that stand at the same offset from 13 to 18 are read.  A server may
 * be writing the file at this moment, so its CRC is reported, not demanded.
 */
#ifndef WALVAULT_PG_CONTROL_H
#define WALVAULT_PG_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"

/* DBState, the values that matter here. */
#define CONTROL_IN_ARCHIVE_RECOVERY 5
#define CONTROL_IN_PRODUCTION       6

struct control {
	uint64_t sysid;
	uint32_t control_version;
	uint32_t catalog_version;
	uint32_t state;
	uint64_t redo;    /* of the last checkpoint */
	uint32_t tli;     /* of the last checkpoint */
	uint32_t segsize; /* 0 if pg_control's version is not a known one */
	bool crc_ok;      /* false also for versions of which it is unknown */
};

/*
 * Read PGDATA/global/pg_control.  0 done, 1 there is none, -1 failed (too
 * short, or not readable).
 */
int control_read(const char *pgdata, struct control *out, struct fail *f);

/*
 * The pg_control of the cluster that a file in pg_wal belongs to: in the
 * directory two components above path, in the current one, or in pgdata (may
 * be NULL).  As control_read.
 */
int control_find(
    const char *path, const char *pgdata, struct control *out, struct fail *f);

/*
 * More of it, for backup and restore: only of known versions (13 to 18) and
 * with a right CRC.
 */
struct control_details {
	uint64_t checkpoint;   /* of the last checkpoint's record */
	uint64_t min_recovery; /* minRecoveryPoint */
	uint32_t min_recovery_tli;
	uint32_t max_connections, max_worker_processes, max_wal_senders,
	    max_prepared_xacts, max_locks_per_xact;
	uint32_t blcksz, relseg_size /* blocks */, xlog_blcksz;
	uint32_t checksum_version; /* 0: pages have none */
	bool track_commit_timestamp;
};

/* Decode the bytes of a pg_control.  0, or -1 (FAIL_DAMAGED, FAIL_CONFIG). */
int control_decode(const void *bytes, size_t len, struct control *out,
    struct control_details *details, const char *object, struct fail *f);

/*
 * Read PGDATA/global/pg_control until its CRC is right (a running server may
 * be writing it).  b gets all bytes of the file.  0 or -1.
 */
int control_read_whole(const char *pgdata, struct buf *b, struct control *out,
    struct control_details *details, struct fail *f);

/*
 * Make the checkpoint in it point nowhere, so that a server which has lost its
 * backup_label cannot start from it; the CRC is made right.  The server reads
 * the checkpoint's place from backup_label instead.  0, or 1: not a known
 * version, nothing was changed.
 */
int control_invalidate(void *bytes, size_t len);

/* The major version in PGDATA/PG_VERSION.  0 or -1. */
int control_major(const char *pgdata, int *major, struct fail *f);

#endif
