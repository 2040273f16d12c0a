/* SPDX-License-Identifier: PostgreSQL */
/*
 * Reading pieces of a pack by range: see pack.h.  Frames are decompressed as
 * they come; what lies between the pieces is dropped without a look at it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup.h"
#include "pack.h"
#include "tar.h"

/* Bytes between two pieces that are cheaper to read than to pass over. */
#define GAP_MAX ((uint64_t)256 * 1024)

struct cutter {
	struct stream stream; /* stored bytes in */
	struct stream plain;  /* what is made of them */
	const char *object;
	struct pack_reader to;
	const struct manifest_piece *piece, *end;
	uint64_t at; /* offset in the payload of the next stored byte */
	bool in_frame;
	struct decoder *decoder;
	/* Of the piece at hand: */
	uint64_t skipped, got, padding;
	struct sum128_state *sum;
	uint32_t crc;
};

static int
damaged(const struct cutter *c, const char *why, struct fail *f)
{
	return fail_set(f, FAIL_DAMAGED, c->object,
	    "damaged pack: %s, in the piece at %" PRIu64, why, c->piece->off);
}

static int
check_sums(const struct cutter *c, struct fail *f)
{
	struct sum128 sum = sum128_final(c->sum);

	if (memcmp(&sum, &c->piece->sum, sizeof sum) != 0)
		return damaged(c, "wrong checksum", f);
	if (~c->crc != c->piece->crc)
		return damaged(c, "wrong CRC", f);
	return 0;
}

/* Plain bytes: the tar header, the file's, the padding. */
static int
plain_write(
    struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct cutter *c = (struct cutter *)((char *)stream -
	    offsetof(struct cutter, plain));
	const struct manifest_piece *p = c->piece;
	const uint8_t *from = bytes;
	size_t n = len < p->skip - c->skipped ? len : p->skip - c->skipped;

	c->skipped += n;
	from += n;
	len -= n;
	n = len < p->len - c->got ? len : (size_t)(p->len - c->got);
	if (n > 0) {
		sum128_update(c->sum, from, n);
		c->crc = crc32c(c->crc, from, n);
		c->got += n;
		if (c->got == p->len && check_sums(c, f) != 0)
			return -1;
		if (c->to.write(c->to.arg, p, from, n, f) != 0)
			return -1;
	}
	c->padding += len - n;
	return c->padding < TAR_BLOCK ? 0
	                              : damaged(c, "more bytes than it has", f);
}

static const struct stream_ops plain_ops = { .write = plain_write };

/* Prepare for the next piece. */
static int
next_piece(struct cutter *c, struct fail *f)
{
	c->skipped = c->got = c->padding = 0;
	c->crc = UINT32_MAX;
	sum128_free(c->sum);
	c->sum = sum128_new();
	return c->sum != NULL ? 0 : fail_errno(f, c->object, "memory");
}

static int
end_piece(struct cutter *c, struct fail *f)
{
	if (c->in_frame)
		return damaged(c, "it ends inside a frame", f);
	if (c->skipped != c->piece->skip || c->got != c->piece->len)
		return damaged(c, "fewer bytes than it has", f);
	if (++c->piece == c->end)
		return 0;
	return next_piece(c, f);
}

/* Take from the stored bytes; *used is how many. */
static int
take(struct cutter *c, const uint8_t *bytes, size_t len, size_t *used,
    struct fail *f)
{
	uint64_t left;
	int rc;

	if (c->at < c->piece->off) {
		left = c->piece->off - c->at;
		*used = len < left ? len : (size_t)left;
		c->at += *used;
		return 0;
	}
	left = c->piece->off + c->piece->stored - c->at;
	rc = decoder_push(c->decoder, bytes, len < left ? len : (size_t)left,
	    &c->plain, used, f);
	if (rc < 0) {
		if (f->object[0] == '\0')
			(void)snprintf(
			    f->object, sizeof f->object, "%s", c->object);
		return -1;
	}
	c->at += *used;
	c->in_frame = rc == 0;
	if (c->at == c->piece->off + c->piece->stored)
		return end_piece(c, f);
	return 0;
}

static int
cutter_write(
    struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct cutter *c = (struct cutter *)stream;
	const uint8_t *p = bytes;

	while (len > 0 && c->piece < c->end) {
		size_t used = 0;

		if (take(c, p, len, &used, f) != 0)
			return -1;
		p += used;
		len -= used;
	}
	return 0;
}

static const struct stream_ops cutter_ops = { .write = cutter_write };

/* How many pieces from the first are read in one go. */
static size_t
run_length(const struct manifest_piece *p, size_t n)
{
	size_t i = 1;

	while (i < n && p[i].off - (p[i - 1].off + p[i - 1].stored) <= GAP_MAX)
		i++;
	return i;
}

/* In order, without overlap, in one pack; offsets that cannot overflow. */
static int
check_pieces(const struct manifest_piece *p, size_t n, const char *object,
    struct fail *f)
{
	uint64_t end = 0;

	for (size_t i = 0; i < n; i++) {
		if (p[i].pack == 0 || p[i].pack != p[0].pack ||
		    p[i].backup != p[0].backup || p[i].off < end ||
		    p[i].stored == 0 || p[i].len == 0 ||
		    p[i].off > INT64_MAX - p[i].stored)
			return fail_set(f, FAIL_INTERNAL, object,
			    "pieces that cannot be read in one go");
		end = p[i].off + p[i].stored;
	}
	return 0;
}

/* One range of the object.  0, 1 no such pack, -1. */
static int
read_run(struct cutter *c, struct store *s, const char *key, uint64_t head,
    struct fail *f)
{
	const struct manifest_piece *last = c->end - 1;
	int rc;

	c->at = c->piece->off;
	if (next_piece(c, f) != 0)
		return -1;
	rc = store_get(s, key, head + c->at, last->off + last->stored - c->at,
	    &c->stream, f);
	if (rc == 0 && c->piece < c->end)
		rc = damaged(c, "it is cut off", f);
	return rc;
}

int
pack_read_pieces(struct repository *r, const struct pack_place *place,
    const struct manifest_piece *pieces, size_t n, const struct pack_reader *to,
    struct fail *f)
{
	struct cutter c = {
		.stream.ops = &cutter_ops, .plain.ops = &plain_ops, .to = *to
	};
	char key[LAYOUT_KEY_MAX], object[1024];
	int rc;

	if (n == 0)
		return 0;
	backup_pack_key(&r->layout, place->backup, pieces[0].pack, key);
	store_object_name(r->store, key, object, sizeof object);
	c.object = object;
	rc = check_pieces(pieces, n, object, f);
	c.decoder = decoder_new(CODEC_LZ4);
	if (rc == 0 && c.decoder == NULL)
		rc = fail_errno(f, object, "memory");
	for (size_t i = 0, run; rc == 0 && i < n; i += run) {
		run = run_length(pieces + i, n - i);
		c.piece = pieces + i;
		c.end = c.piece + run;
		rc = read_run(&c, r->store, key, place->head, f);
	}
	decoder_free(c.decoder);
	sum128_free(c.sum);
	return rc;
}

static int
to_stream(void *arg, const struct manifest_piece *p, const void *bytes,
    size_t len, struct fail *f)
{
	(void)p;
	return stream_write(arg, bytes, len, f);
}

int
pack_read_piece(struct repository *r, const char *backup,
    const struct manifest_piece *p, uint64_t head, struct stream *out,
    struct fail *f)
{
	struct pack_place place = { .backup = backup, .head = head };
	struct pack_reader to = { .write = to_stream, .arg = out };

	return pack_read_pieces(r, &place, p, 1, &to, f);
}
