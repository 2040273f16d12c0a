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

/* Room that is left for a header that is written behind its payload. */
#define OBJECT_FRONT ((size_t)4096)

/* No header is larger than this. */
#define OBJECT_HEADER_MAX ((size_t)64 * 1024)

/* Bytes of a manifest's summary, with a NUL. */
#define OBJECT_SUMMARY_MAX 4096

enum object_kind {
	OBJECT_SEGMENT = 1,
	OBJECT_PARTIAL = 2,
	OBJECT_HISTORY = 3,
	OBJECT_BACKUP_HISTORY = 4,
	OBJECT_PACK = 5,
	OBJECT_MANIFEST = 6,
	OBJECT_INDEX = 7,
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
	/* Manifests: their summary, one line of JSON; "" without. */
	char summary[OBJECT_SUMMARY_MAX];
};

/*
 * Append the header's frame, padded to size bytes (OBJECT_FRONT at most) if it
 * has so few that there is room for padding.  0, or -1 without memory.
 */
int
object_encode_header(const struct object_header *h, size_t size, struct buf *b);

/*
 * Decode the frame at the beginning of len bytes.  *used is its length.
 * 0 done, 1 more bytes are needed, -1 FAIL_DAMAGED (object names what it is
 * in messages).  Unknown fields are skipped unless they are critical.
 */
int object_decode_header(const uint8_t *bytes, size_t len, const char *object,
    struct object_header *h, size_t *used, struct fail *f);

/*
 * Push a whole object into out and finish it: the header (with h->plain), what
 * is in payload (already compressed), the trailer.
 * Gives finish's answer: 0, 1 it exists, -1.
 */
int object_write(const struct object_header *h, struct spool *payload,
    struct stream *out, uint64_t *stored, struct fail *f);

/*
 * The same for a put of s that was begun with attrs.front = OBJECT_FRONT and
 * into which the payload has been written already.  2: the header is larger
 * than that, nothing was done.
 */
int object_write_around(const struct object_header *h, struct spool *payload,
    struct store *s, struct stream *put, uint64_t *stored, struct fail *f);

/* Fill created and writer: now, and this program on this host. */
void object_stamp(struct object_header *h);

/*
 * An object that is written as its payload comes: the header at once, then
 * whole frames into the stage, then the trailer.
 */
struct object_writer {
	struct stream stream; /* not to be finished or freed */
	struct stream *out;
	struct sum128_state *sum;
	uint64_t len; /* written so far, header included */
};

/*
 * Write the header (without h->plain, unless it is known) into out, which
 * stays the caller's.  0 or -1; in any case the caller calls
 * object_writer_clear.
 */
int object_begin(struct object_writer *w, const struct object_header *h,
    struct stream *out, struct fail *f);

struct object_sums {
	uint64_t size;        /* of the whole object */
	struct sum128 stored; /* the stored sum of its trailer */
};

/* Write the trailer and finish out: its answer.  sums may be NULL. */
int object_end(struct object_writer *w, const struct digest *plain,
    struct object_sums *sums, struct fail *f);
void object_writer_clear(struct object_writer *w);

/*
 * The same as a stage that takes plain bytes: what is written into it becomes
 * an object in out (consumed).  finish gives out's answer.  NULL: failed.
 */
struct stream *object_encoder_new(const struct object_header *h,
    const struct codec *codec, struct stream *out, struct fail *f);

/* What a reader has seen; valid when its finish gave 0. */
struct object_seen {
	struct object_header header;
	struct digest plain;
	uint64_t stored;          /* bytes of the whole object */
	struct sum128 stored_sum; /* the stored sum of its trailer */
};

/*
 * A stage that takes a stored object and pushes its plain bytes into next.
 * finish is where it is known to be whole: all checksums right, nothing
 * missing, nothing behind; else FAIL_DAMAGED.  What is written into next, if
 * it is much, is written in another thread.  object (kept) is its name in
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
 * Where the store has several sources: find one whose object is whole, by
 * reading it; the next object_read takes that one.  0 (also where there is one
 * source, which is not looked at), 1 no such object, -1.
 */
int object_find_whole(
    struct store *s, const struct layout *l, const char *key, struct fail *f);

/* The same, and object_read of that one. */
int object_read_whole(struct store *s, const struct layout *l, const char *key,
    struct stream *next, struct object_seen *seen, struct fail *f);

/*
 * Read a whole object, verified, into next (consumed; may be NULL for
 * forgetting).  0, 1 no such object, -1.  What next was given before a -1 is
 * not to be used.  On 0 next was finished.
 */
int object_read(struct store *s, const struct layout *l, const char *key,
    struct stream *next, struct object_seen *seen, struct fail *f);

#endif
