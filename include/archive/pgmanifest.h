/* SPDX-License-Identifier: PostgreSQL */
/*
 * PostgreSQL's own backup_manifest, which pg_verifybackup reads (PostgreSQL:
 * backup/backup_manifest.c; documentation: "Backup Manifest Format").  Version
 * 1 up to PostgreSQL 16, version 2 with the system identifier from 17 on.
 * The checksums are CRC-32C.
 */
#ifndef WALVAULT_ARCHIVE_PGMANIFEST_H
#define WALVAULT_ARCHIVE_PGMANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "stream.h"

/* WAL that the backup needs, on one timeline. */
struct pgmanifest_range {
	uint32_t tli;
	uint64_t start_lsn, end_lsn;
};

struct pgmanifest;

/*
 * Begin one, written into next, which stays the caller's and is not finished.
 * NULL: failed.
 */
struct pgmanifest *pgmanifest_begin(
    struct stream *next, int major, uint64_t sysid, struct fail *f);

/*
 * A file of the backup, in any order: path relative to PGDATA, mtime as a
 * TimestampTz, crc finished.  0 or -1.
 */
int pgmanifest_file(struct pgmanifest *m, const char *path, uint64_t size,
    int64_t mtime, uint32_t crc, struct fail *f);

/* The WAL, and the end with its checksum.  0 or -1. */
int pgmanifest_end(struct pgmanifest *m, const struct pgmanifest_range *ranges,
    size_t n, struct fail *f);

/* NULL is a no-op. */
void pgmanifest_free(struct pgmanifest *m);

#endif
