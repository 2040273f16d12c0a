/* SPDX-License-Identifier: PostgreSQL */
/*
 * A backup's manifest: JSON Lines in an object of its own (normative:
 * walvault-format(7)).  The first line is the head, then one line for every
 * file, directory and link, sorted bytewise by path, then one for every pack,
 * then the end with counts and SHA-256 of all lines before it.  It is written
 * and read in a stream.
 *
 * The object's header carries the summary, so that a list of backups needs one
 * small read for each.
 */
#ifndef WALVAULT_ARCHIVE_MANIFEST_H
#define WALVAULT_ARCHIVE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "stream.h"
#include "sum.h"

/* What a list of backups shows and a planner needs to choose one. */
struct manifest_summary {
	char id[40];
	char type[8]; /* "full" */
	uint64_t sysid;
	uint32_t generation;
	int major;
	uint32_t version_num; /* 150018 */
	uint32_t segsize, blcksz;
	uint64_t start_lsn, stop_lsn;
	uint32_t start_tli, stop_tli;
	int64_t start_time, stop_time; /* TimestampTz, the server's clock */
	bool from_standby;
	bool checksums;     /* data page checksums were on and verified */
	uint64_t bad_pages; /* pages that failed them */
	uint64_t files, bytes, stored; /* stored: bytes of all packs */
	char label[256];
	char annotations[1024]; /* "key=value", a '\n' behind each */
	char host[128];
};

/* The head: the summary and what a restore needs beside. */
struct manifest_head {
	struct manifest_summary s;
	uint32_t control_version, catalog_version;
	/* pg_control's; a restored server must have at least these */
	uint32_t max_connections, max_worker_processes, max_wal_senders,
	    max_prepared_xacts, max_locks_per_xact;
	char arch[32];             /* uname -m */
	char libc[64];             /* "glibc 2.36" */
	char icu[64];              /* "72.1", or "" */
	char locale[128];          /* of database postgres: collate, provider */
	char preload[1024];        /* shared_preload_libraries */
	struct buf label_file;     /* backup_label, byte for byte */
	struct buf tablespace_map; /* byte for byte; len 0 if none */
	/* The backups that pieces refer to; [0] is this one. */
	char (*backups)[40];
	size_t n_backups;
};

void manifest_head_clear(struct manifest_head *h);

/* A part of a file: whole frames in a pack, or zeros. */
struct manifest_piece {
	uint32_t backup; /* place in head.backups */
	uint32_t pack;   /* number; 0: zeros, stored nowhere */
	uint64_t off;    /* of its first frame in the pack's payload */
	uint64_t stored; /* bytes of its frames */
	uint32_t skip;   /* plain bytes in them before the file's: tar header */
	uint64_t plain_off; /* in the file */
	uint64_t len;       /* plain bytes */
	struct sum128 sum;  /* of them */
	uint32_t crc;       /* of them, CRC-32C, finished */
};

enum manifest_type { MANIFEST_FILE, MANIFEST_DIR, MANIFEST_LINK };

struct manifest_entry {
	enum manifest_type type;
	char *path;    /* relative to PGDATA, never empty, no '/' at an end */
	char *target;  /* of a link */
	char *outside; /* where it lay, if not in PGDATA; or NULL */
	char owner[64], group[64]; /* names; "" if unknown */
	uint32_t uid, gid;
	uint32_t mode; /* permission bits */
	uint64_t size; /* files */
	int64_t mtime; /* TimestampTz */
	uint32_t crc;  /* of the whole file, CRC-32C, finished */
	struct manifest_piece *pieces; /* in the order of plain_off */
	size_t n_pieces;
	uint32_t *bad_blocks; /* blocks of this file with wrong checksums */
	size_t n_bad_blocks;
};

void manifest_entry_clear(struct manifest_entry *e);

struct manifest_pack {
	uint32_t backup, pack;
	uint64_t head;     /* bytes in front of the payload */
	uint64_t stored;   /* of the whole object */
	struct sum128 sum; /* the stored sum of its trailer */
};

struct manifest_writer;

/* Lines are written into next (consumed).  NULL without memory. */
struct manifest_writer *manifest_writer_new(struct stream *next);

/* In this order; paths must rise.  0 or -1. */
int manifest_write_head(
    struct manifest_writer *w, const struct manifest_head *h, struct fail *f);
int manifest_write_entry(
    struct manifest_writer *w, const struct manifest_entry *e, struct fail *f);
int manifest_write_pack(
    struct manifest_writer *w, const struct manifest_pack *p, struct fail *f);
/* The end; finishes next. */
int manifest_write_end(struct manifest_writer *w, struct fail *f);
void manifest_writer_free(struct manifest_writer *w);

/* Called in the manifest's order; what is passed lives for the call. */
struct manifest_events {
	int (*head)(void *arg, const struct manifest_head *h, struct fail *f);
	int (*entry)(void *arg, const struct manifest_entry *e, struct fail *f);
	int (*pack)(void *arg, const struct manifest_pack *p, struct fail *f);
	void *arg;
};

/*
 * A stage that reads a manifest's plain bytes.  finish is where it is known to
 * be whole (end line, counts, SHA-256, order of paths); before that what was
 * passed on is not to be trusted.  FAIL_DAMAGED with the line's number.
 */
struct stream *
manifest_reader_new(const char *object, const struct manifest_events *events);

/*
 * The summary as one JSON line for the object's header: 0, 1 its annotations
 * are not "key=value" lines, -1 no memory.  And back: 0 or -1.
 */
int manifest_summary_encode(const struct manifest_summary *s, struct buf *b);
int manifest_summary_decode(const void *text, size_t len, const char *object,
    struct manifest_summary *s, struct fail *f);

#endif
