/* SPDX-License-Identifier: PostgreSQL */
/*
 * The inside of the few WAL records that matter to an archive: the ends of
 * transactions, restore points, checkpoints (PostgreSQL: access/xlogrecord.h,
 * access/xact.h, access/xlog_internal.h, catalog/pg_control.h).  The layout
 * of what is read here is the same from 13 to 18, but for one array that
 * version 18 made wider.
 */
#ifndef WALVAULT_PG_WALRECORD_H
#define WALVAULT_PG_WALRECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WALRECORD_HEADER 24

/* The resource manager of tablespaces. */
#define WALRECORD_TABLESPACES 5

/* MAXFNAMELEN in PostgreSQL. */
#define WAL_RESTORE_POINT_NAME 64

/* No time in this record. */
#define WAL_NO_TIME INT64_MIN

struct walrecord {
	uint32_t tot_len;
	uint32_t xid;
	uint64_t prev;
	uint8_t info;
	uint8_t rmid;
	uint32_t crc;
};

/* The ways in which a transaction ends. */
enum walxact_kind {
	WALXACT_COMMIT,
	WALXACT_ABORT,
	WALXACT_COMMIT_PREPARED,
	WALXACT_ABORT_PREPARED,
};

struct walxact {
	enum walxact_kind kind;
	uint64_t lsn; /* the record's start */
	uint64_t end; /* behind it, as recovery counts (aligned) */
	uint32_t xid; /* top-level or prepared; 0 if not in the bytes */
	int64_t time; /* TimestampTz */
};

struct walrestore_point {
	uint64_t lsn;
	int64_t time;
	char name[WAL_RESTORE_POINT_NAME];
};

/* A tablespace that is created: where, when this is replayed, too. */
struct waltablespace {
	uint64_t lsn;
	uint32_t oid;
	char path[256]; /* cut */
};

/* Decode WALRECORD_HEADER bytes. */
void walrecord_decode(const uint8_t *bytes, struct walrecord *out);

bool walrecord_is_switch(const struct walrecord *r);

/* Does r create a tablespace (in place, perhaps)? */
bool walrecord_is_tablespace(const struct walrecord *r);

/*
 * What a record that creates a tablespace outside the data directory says; its
 * lsn is left alone (PostgreSQL: commands/tablespace.h).  0, or -1: it is none.
 */
int
walrecord_tablespace(const uint8_t *bytes, size_t len, struct waltablespace *t);

/* Whether r can be the end of a transaction. */
bool walrecord_is_xact(const struct walrecord *r);

/*
 * The transaction end in the first len bytes of a record (all of it, or a
 * prefix of at least 48 bytes; of a prefix the xid of a prepared transaction
 * may stay 0).  Sets kind, xid and time.  0, or -1 if it is none or too
 * little of it is here.
 */
int
walrecord_xact(const uint8_t *bytes, size_t len, int major, struct walxact *x);

/* A restore point's time and name.  0, or -1 if it is none. */
int walrecord_restore_point(
    const uint8_t *bytes, size_t len, struct walrestore_point *p);

/*
 * The time that any record carries (transaction ends, restore points,
 * checkpoints to the second, ends of recovery), or WAL_NO_TIME.
 */
int64_t walrecord_time(const uint8_t *bytes, size_t len, int major);

/* "commit", "abort", "commit prepared", "abort prepared". */
const char *walxact_kind_name(enum walxact_kind kind);

#endif
