/* SPDX-License-Identifier: PostgreSQL */
/*
 * One object as stored (normative description: walvault-format(7)):
 *
 *	header	 skippable frame: what it is, its key, facts known beforehand
 *	payload	 whole frames of a standard codec
 *	trailer	 skippable frame: sizes and checksums
 *
 * LZ4 and zstd tools skip the first and the last, so "lz4 -dc < OBJECT" gives
 * the plain bytes.  An object says itself how it is read, and can be verified
 * with nothing but itself.
 */
#ifndef WALVAULT_ARCHIVE_OBJECT_H
#define WALVAULT_ARCHIVE_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "codec.h"
#include "digest.h"
#include "layout.h"
#include "spool.h"
#include "store.h"
#include "stream.h"
#include "walscan.h"

/* The first bytes of an object that hold its header in all common cases. */
#define OBJECT_HEADER_READ ((size_t)16 * 1024)

/* No header is larger than this. */
#define OBJECT_HEADER_MAX ((size_t)64 * 1024)

enum object_kind {
	OBJECT_SEGMENT = 1,
	OBJECT_PARTIAL = 2,
	OBJECT_HISTORY = 3,
	OBJECT_BACKUP_HISTORY = 4,
};

struct object_header {
	enum object_kind kind;
	enum codec_id codec;
	char key[LAYOUT_KEY_MAX]; /* without the cluster's name */
	char repository[33];      /* id, hexadecimal */
	int64_t created;          /* TimestampTz, the writer's clock */
	char writer[64];          /* program, version, host */
	bool has_plain;           /* size and sum known beforehand */
	struct digest plain;
	/* WAL segments and partial ones: */
	bool has_facts;
	uint32_t tli;   /* in the name */
	uint64_t segno; /* in the name */
	struct walfacts facts;
	bool damaged;         /* archived although its records are */
	uint64_t damaged_lsn; /* behind the last good record */
	char damaged_why[128];
};

/* Append the header's frame.  0, or -1 without memory. */
int object_encode_header(const struct object_header *h, struct buf *b);

/*
 * Decode the frame at the beginning of len bytes.  *used is its length.
 * 0 done, 1 more bytes are needed, -1 FAIL_DAMAGED (object names what it is
 * in messages).  Unknown fields are skipped unless they are critical.
 */
int object_decode_header(const uint8_t *bytes, size_t len, const char *object,
    struct object_header *h, size_t *used, struct fail *f);

/*
 * Push a whole object into out and finish it: the header, what is in payload
 * (already compressed), the trailer.  plain is the payload's plain digest.
 * Gives finish's answer: 0, 1 it exists, -1.
 */
int object_write(const struct object_header *h, struct spool *payload,
    const struct digest *plain, struct stream *out, uint64_t *stored,
    struct fail *f);

/* What a reader has seen; valid when its finish gave 0. */
struct object_seen {
	struct object_header header;
	struct digest plain;
	uint64_t stored; /* bytes of the whole object */
};

/*
 * A stage that takes a stored object and pushes its plain bytes into next.
 * finish is where it is known to be whole: all checksums right, nothing
 * missing, nothing behind; else FAIL_DAMAGED.  object (kept) is its name in
 * messages.  key (kept), unless NULL, is what the header must say: bytes of
 * another object are refused before any of them is passed on.
 */
struct stream *object_reader_new(const char *object, const char *key,
    struct object_seen *seen, struct stream *next);

/* A stage that forgets what it is given, for verifying. */
struct stream *object_null_new(void);

/*
 * Read an object's header from a store.  0, 1 no such object, -1 (also if
 * the header says another key).
 */
int object_read_header(struct store *s, const struct layout *l, const char *key,
    struct object_header *h, struct fail *f);

/*
 * Read a whole object, verified, into next (consumed; may be NULL for
 * forgetting).  0, 1 no such object, -1.  What next was given before a -1 is
 * not to be used.  On 0 next was finished.
 */
int object_read(struct store *s, const struct layout *l, const char *key,
    struct stream *next, struct object_seen *seen, struct fail *f);

#endif
