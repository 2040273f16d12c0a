/* SPDX-License-Identifier: PostgreSQL */
/*
 * Which files of a data directory belong into a base backup, and what their
 * names say (PostgreSQL: backup/basebackup.c, excludeDirContents and
 * excludeFiles; common/relpath.c).  Page checksums (storage/checksum_impl.h).
 */
#ifndef WALVAULT_PG_DATAFILE_H
#define WALVAULT_PG_DATAFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The directory stays, its content does not (path relative to PGDATA). */
bool datafile_skips_content(const char *path);

/*
 * The file, or the directory with all in it, is left out altogether.
 */
bool datafile_is_excluded(const char *path);

/*
 * May the server need it?  All below base/, global/ and pg_*, and what it
 * reads in PGDATA itself; not lost+found, which file systems make, nor other
 * names in PGDATA.
 */
bool datafile_is_servers(const char *path);

/* A fork of a relation: PATH's last component is "16384_fsm.1" and the like. */
struct datafile_relation {
	char node[16];  /* "16384", without fork and segment */
	char fork[8];   /* "", "fsm", "vm", "init" */
	uint32_t segno; /* behind the last dot */
	bool temporary; /* t<backend>_<node> */
};

/* Is it one (below base/, global/ or pg_tblspc/)? */
bool datafile_relation(const char *path, struct datafile_relation *out);

/*
 * Check one page of BLCKSZ bytes; block is counted over the whole fork.
 * Pages that are new (all zero) or younger than start_lsn are sound.  One that
 * is not may have been read while the server wrote it: read it again.
 */
bool datafile_page_ok(
    const uint8_t *page, size_t blcksz, uint32_t block, uint64_t start_lsn);

#endif
