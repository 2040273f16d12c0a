/* SPDX-License-Identifier: PostgreSQL */
/* A manifest with a bit of everything, for tests and the fuzz target's seeds.
 */
#ifndef WALVAULT_TESTS_MANIFESTCHECK_H
#define WALVAULT_TESTS_MANIFESTCHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manifest.h"

#define MANIFESTCHECK_ID  "20261120T020003Z-full-4f2a9c1e"
#define MANIFESTCHECK_OLD "20261119T020003Z-full-00ff00ff"

/* What the writer is given; head.backups and label_file are on the heap. */
static inline __attribute__((unused)) int
manifestcheck_head(struct manifest_head *h)
{
	static const char label[] =
	    "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\n";
	static const char map[] = "16384 /srv/\xff\xfe ts\n";

	*h = (struct manifest_head){
		.s = { .id = MANIFESTCHECK_ID,
		    .type = "full",
		    .sysid = UINT64_C(17431000000000000001),
		    .generation = 1,
		    .major = 15,
		    .version_num = 150018,
		    .segsize = 16777216,
		    .blcksz = 8192,
		    .start_lsn = 0x2000028,
		    .stop_lsn = UINT64_C(0x102000100),
		    .start_tli = 1,
		    .stop_tli = 1,
		    .start_time = INT64_C(848455203123456),
		    .stop_time = INT64_C(848455209000000),
		    .checksums = true,
		    .label = "a \"label\" \xc3\xa9",
		    .annotations = "ticket=4711\nwho=me=you\nempty=\n",
		    .host = "db1" },
		.control_version = 1300,
		.catalog_version = 202209061,
		.max_connections = 100,
		.max_worker_processes = 8,
		.max_wal_senders = 10,
		.max_prepared_xacts = 0,
		.max_locks_per_xact = 64,
		.arch = "x86_64",
		.libc = "glibc 2.36",
		.icu = "72.1",
		.locale = "en_US.UTF-8 libc",
		.preload = "pg_stat_statements"
	};
	h->backups = calloc(2, sizeof *h->backups);
	if (h->backups == NULL ||
	    buf_append(&h->label_file, label, strlen(label)) != 0 ||
	    buf_append(&h->tablespace_map, map, strlen(map)) != 0)
		return -1;
	(void)snprintf(h->backups[0], 40, "%s", MANIFESTCHECK_ID);
	(void)snprintf(h->backups[1], 40, "%s", MANIFESTCHECK_OLD);
	h->n_backups = 2;
	return 0;
}

static inline struct manifest_piece
manifestcheck_piece(
    uint32_t backup, uint32_t pack, uint64_t plain_off, uint64_t len)
{
	return (struct manifest_piece){ .backup = backup,
		.pack = pack,
		.off = pack == 0 ? 0 : 1000 + plain_off,
		.stored = pack == 0 ? 0 : len / 2 + 1,
		.skip = pack != 0 && plain_off == 0 ? 512 : 0,
		.plain_off = plain_off,
		.len = len,
		.sum = { { 1, 2, 3, 255 } },
		.crc = (uint32_t)(0x89abcdef + plain_off) };
}

#define MANIFESTCHECK_ENTRIES 8

/* Entry number i, in their order; its members live until the next call. */
static inline __attribute__((unused)) struct manifest_entry
manifestcheck_entry(size_t i)
{
	static char paths[MANIFESTCHECK_ENTRIES][64] = { "PG_VERSION", "base",
		"base/1/1249", "base/1/2619", "global/pg_control",
		"pg_hba.conf", "pg_tblspc/16384", "z\nodd \xff" };
	static char target[] = "/srv/\xfe", outside[] = "/etc/pg_hba.conf";
	static struct manifest_piece pieces[3];
	static uint32_t bad[] = { 0, 3, 131071 };
	struct manifest_entry e = { .type = MANIFEST_FILE,
		.path = paths[i],
		.owner = "postgres",
		.group = "postgres",
		.uid = 999,
		.gid = UINT32_MAX,
		.mode = 0600,
		.mtime = INT64_C(848455203123456) - (int64_t)i,
		.size = 3,
		.pieces = pieces,
		.n_pieces = 1 };

	pieces[0] = manifestcheck_piece(0, 1, 0, 3);
	e.crc = pieces[0].crc;
	switch (i) {
	case 1: /* base */
	case 6:
		e.type = i == 1 ? MANIFEST_DIR : MANIFEST_LINK;
		e.target = i == 1 ? NULL : target;
		e.mode = 0700;
		e.size = e.n_pieces = e.crc = 0;
		e.pieces = NULL;
		break;
	case 2: /* several pieces, one of an older backup, one of zeros */
		e.size = 300;
		e.n_pieces = 3;
		pieces[0] = manifestcheck_piece(0, 2, 0, 100);
		pieces[1] = manifestcheck_piece(1, 7, 100, 100);
		pieces[2] = manifestcheck_piece(0, 0, 200, 100);
		e.crc = pieces[0].crc;
		for (size_t k = 1; k < 3; k++)
			e.crc = crc32c_join(
			    e.crc, pieces[k].crc, pieces[k].len);
		e.bad_blocks = bad;
		e.n_bad_blocks = 3;
		break;
	case 3: /* nothing in it */
		e.size = e.n_pieces = e.crc = 0;
		e.pieces = NULL;
		break;
	case 5:
		e.outside = outside;
		break;
	default:
		break;
	}
	return e;
}

#define MANIFESTCHECK_PACKS 3

static inline __attribute__((unused)) struct manifest_pack
manifestcheck_pack(size_t i)
{
	static const uint32_t backup[] = { 0, 0, 1 }, number[] = { 1, 2, 7 };

	return (struct manifest_pack){ .backup = backup[i],
		.pack = number[i],
		.head = 150,
		.stored = 100000 + i,
		.sum = { { 9, 8, 7 } } };
}

/* Write it all; h's counts are filled.  0 or -1. */
static inline __attribute__((unused)) int
manifestcheck_write(
    struct manifest_writer *w, struct manifest_head *h, struct fail *f)
{
	h->s.files = 6;
	h->s.bytes = 300 + 4 * 3;
	h->s.stored = 200001;
	h->s.bad_pages = 3;
	if (manifest_write_head(w, h, f) != 0)
		return -1;
	for (size_t i = 0; i < MANIFESTCHECK_ENTRIES; i++) {
		struct manifest_entry e = manifestcheck_entry(i);

		if (manifest_write_entry(w, &e, f) != 0)
			return -1;
	}
	for (size_t i = 0; i < MANIFESTCHECK_PACKS; i++) {
		struct manifest_pack p = manifestcheck_pack(i);

		if (manifest_write_pack(w, &p, f) != 0)
			return -1;
	}
	return manifest_write_end(w, f);
}

/* Events that write what they are told into another manifest. */
static inline int
manifestcheck_again_head(
    void *arg, const struct manifest_head *h, struct fail *f)
{
	return manifest_write_head(arg, h, f);
}

static inline int
manifestcheck_again_entry(
    void *arg, const struct manifest_entry *e, struct fail *f)
{
	return manifest_write_entry(arg, e, f);
}

static inline int
manifestcheck_again_pack(
    void *arg, const struct manifest_pack *p, struct fail *f)
{
	return manifest_write_pack(arg, p, f);
}

static inline __attribute__((unused)) struct manifest_events
manifestcheck_again(struct manifest_writer *w)
{
	return (struct manifest_events){ .head = manifestcheck_again_head,
		.entry = manifestcheck_again_entry,
		.pack = manifestcheck_again_pack,
		.arg = w };
}

/* For manifest_read: how many entries there are, in the size_t at arg. */
static inline __attribute__((unused)) int
manifestcheck_count(void *arg, const struct manifest_entry *e, struct fail *f)
{
	(void)e;
	(void)f;
	++*(size_t *)arg;
	return 0;
}

#endif
