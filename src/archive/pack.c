/* SPDX-License-Identifier: PostgreSQL */
/*
 * Writing a pack: see pack.h.  This is the hot path of a backup: each byte is
 * summed (piece, pack, CRC-32C) and compressed while it is in the cache, and
 * the bytes of large files are taken from where the caller has them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup.h"
#include "io.h"
#include "object.h"
#include "pack.h"
#include "tar.h"

struct pack_writer {
	struct codec codec;
	uint32_t number;
	char key[LAYOUT_KEY_MAX];
	struct stream *put;
	struct object_writer object;
	uint64_t head;    /* bytes in front of the payload */
	uint64_t payload; /* bytes of frames made so far */
	struct sum128_state *plain_sum;
	uint64_t plain_len;
	struct framer *framer; /* of the pieces of large members */
	struct buf out;        /* frames not written yet */
	uint8_t *chunk;        /* IO_CHUNK: plain bytes of the next frame */
	size_t fill;
	struct buf tar; /* the member's header */
	/* The member at hand: */
	uint64_t left;  /* bytes still to come */
	size_t padding; /* behind them */
	size_t skip;    /* header in the chunk: it is one frame of all */
	struct manifest_piece piece;
	struct sum128_state *piece_sum;
	uint32_t crc;
	struct manifest_piece **pieces;
	size_t *n_pieces;
};

static int
memory(const struct pack_writer *w, struct fail *f)
{
	return fail_errno(f, w->key, "memory");
}

static int
flush(struct pack_writer *w, struct fail *f)
{
	int rc = stream_write(&w->object.stream, w->out.data, w->out.len, f);

	w->out.len = 0;
	return rc;
}

/*
 * Make a frame, or go on with one that is made of parts; they
 * are gathered, so that small ones cost no write each.
 */
static int
add_bytes(struct pack_writer *w, const void *plain, size_t len, bool part,
    bool last, struct fail *f)
{
	size_t before = w->out.len, added = 0;
	int rc;

	if (buf_reserve(&w->out, before + codec_bound(&w->codec, len)) != 0)
		return memory(w, f);
	sum128_update(w->plain_sum, plain, len);
	w->plain_len += len;
	if (part)
		rc = framer_part(w->framer, plain, len, last, &w->out, f);
	else
		rc = codec_frame(
		    &w->codec, plain, len, w->out.data + before, &added, f);
	if (rc != 0)
		return -1;
	w->out.len += added;
	w->payload += w->out.len - before;
	return w->out.len >= IO_CHUNK ? flush(w, f) : 0;
}

static int
add_frame(struct pack_writer *w, const void *plain, size_t len, struct fail *f)
{
	return add_bytes(w, plain, len, false, true, f);
}

static int
open_object(struct pack_writer *w, struct repository *r, struct fail *f)
{
	struct object_header h = { .kind = OBJECT_PACK,
		.codec = w->codec.id,
		.facts.timed_max = WAL_NO_TIME };

	object_stamp(&h);
	(void)snprintf(
	    h.key, sizeof h.key, "%s", layout_own_key(&r->layout, w->key));
	(void)snprintf(h.repository, sizeof h.repository, "%s", r->id);
	w->put = store_put(
	    r->store, w->key, &(struct store_attrs){ .kind = STORE_BACKUP }, f);
	if (w->put == NULL || object_begin(&w->object, &h, w->put, f) != 0)
		return -1;
	w->head = w->object.len;
	return 0;
}

struct pack_writer *
pack_begin(struct repository *r, const char *backup, uint32_t number,
    const struct codec *codec, struct fail *f)
{
	struct pack_writer *w = calloc(1, sizeof *w);

	if (w == NULL) {
		(void)fail_errno(f, backup, "memory");
		return NULL;
	}
	w->codec = *codec;
	w->number = number;
	backup_pack_key(&r->layout, backup, number, w->key);
	w->plain_sum = sum128_new();
	w->chunk = malloc(IO_CHUNK);
	w->framer = framer_new(codec);
	if (w->plain_sum == NULL || w->chunk == NULL || w->framer == NULL ||
	    buf_reserve(&w->out, IO_CHUNK + codec_bound(codec, IO_CHUNK)) !=
	        0) {
		(void)memory(w, f);
		pack_free(w);
		return NULL;
	}
	if (open_object(w, r, f) != 0) {
		pack_free(w);
		return NULL;
	}
	return w;
}

/* The member's header into w->tar. */
static int
make_header(struct pack_writer *w, const struct pack_member *m,
    enum tar_type type, const char *target, struct fail *f)
{
	struct tar_member t = { .type = type,
		.path = m->path,
		.target = target,
		.size = type == TAR_FILE ? m->len : 0,
		.mode = m->mode,
		.uid = m->uid,
		.gid = m->gid,
		.owner = m->owner,
		.group = m->group,
		.mtime = m->mtime };
	char *part = NULL;
	int rc = -1;

	if (w->left > 0)
		return fail_set(f, FAIL_INTERNAL, w->key,
		    "%llu bytes of a member are missing",
		    (unsigned long long)w->left);
	if (m->part == 0 ||
	    asprintf(&part, "%s.walvault-part-%06u", m->path, m->part) >= 0) {
		t.path = part != NULL ? part : m->path;
		w->tar.len = 0;
		rc = tar_append_header(&w->tar, &t);
	}
	free(part);
	return rc == 0 ? 0 : memory(w, f);
}

/* The next piece of the member begins at the end of the payload. */
static void
begin_piece(struct pack_writer *w, uint64_t plain_off)
{
	w->piece = (struct manifest_piece){ .pack = w->number,
		.off = w->payload,
		.skip = (uint32_t)w->skip,
		.plain_off = plain_off };
	w->crc = UINT32_MAX;
}

static int
end_piece(struct pack_writer *w, struct sum128 sum, struct fail *f)
{
	struct manifest_piece *more = reallocarray(
	    *w->pieces, *w->n_pieces + 1, sizeof *more);

	if (more == NULL)
		return memory(w, f);
	w->piece.stored = w->payload - w->piece.off;
	w->piece.sum = sum;
	w->piece.crc = ~w->crc;
	more[(*w->n_pieces)++] = w->piece;
	*w->pieces = more;
	return 0;
}

int
pack_member(struct pack_writer *w, const struct pack_member *m,
    struct manifest_piece **pieces, size_t *n_pieces, struct fail *f)
{
	if (make_header(w, m, TAR_FILE, NULL, f) != 0)
		return -1;
	w->left = m->len;
	w->padding = tar_padding(m->len);
	w->pieces = pieces;
	w->n_pieces = n_pieces;
	w->fill = w->skip = 0;
	if (m->len == 0 || m->len > IO_CHUNK - w->padding ||
	    w->tar.len > IO_CHUNK - w->padding - m->len) {
		if (add_frame(w, w->tar.data, w->tar.len, f) != 0)
			return -1;
	} else {
		memcpy(w->chunk, w->tar.data, w->tar.len);
		w->fill = w->skip = w->tar.len;
	}
	begin_piece(w, m->plain_off);
	return 0;
}

int
pack_entry(struct pack_writer *w, const struct pack_member *m,
    const char *target, struct fail *f)
{
	if (make_header(w, m, target != NULL ? TAR_LINK : TAR_DIR, target, f) !=
	    0)
		return -1;
	return add_frame(w, w->tar.data, w->tar.len, f);
}

/* The whole member is in the chunk. */
static int
write_small(struct pack_writer *w, struct fail *f)
{
	const uint8_t *bytes = w->chunk + w->skip;
	size_t len = w->fill - w->skip;

	w->piece.len = len;
	w->crc = crc32c(w->crc, bytes, len);
	memset(w->chunk + w->fill, 0, w->padding);
	if (add_frame(w, w->chunk, w->fill + w->padding, f) != 0)
		return -1;
	w->fill = w->skip = 0;
	return end_piece(w, sum128(bytes, len), f);
}

/*
 * A part of a large member: len bytes of it, and padding behind its last.
 * Each piece is one frame.
 */
static int
write_large(struct pack_writer *w, const uint8_t *bytes, size_t len,
    size_t padding, struct fail *f)
{
	bool last;
	int rc;

	if (w->piece_sum == NULL)
		w->piece_sum = sum128_new();
	if (w->piece_sum == NULL)
		return memory(w, f);
	sum128_update(w->piece_sum, bytes, len);
	w->crc = crc32c(w->crc, bytes, len);
	w->piece.len += len;
	last = w->piece.len >= PACK_PIECE || w->left == 0;
	if (add_bytes(w, bytes, len + padding, true, last, f) != 0)
		return -1;
	if (!last)
		return 0;
	rc = end_piece(w, sum128_final(w->piece_sum), f);
	sum128_free(w->piece_sum);
	w->piece_sum = NULL;
	begin_piece(w, w->piece.plain_off + w->piece.len);
	return rc;
}

/* Is the frame that is being collected complete? */
static int
end_chunk(struct pack_writer *w, struct fail *f)
{
	size_t len = w->fill;

	if (w->skip > 0)
		return w->left == 0 ? write_small(w, f) : 0;
	if (len < IO_CHUNK && w->left > 0)
		return 0;
	w->fill = 0;
	if (w->left > 0)
		return write_large(w, w->chunk, len, 0, f);
	memset(w->chunk + len, 0, w->padding);
	return write_large(w, w->chunk, len, w->padding, f);
}

uint8_t *
pack_room(struct pack_writer *w, size_t *room)
{
	*room = IO_CHUNK - w->fill;
	return w->chunk + w->fill;
}

int
pack_write(struct pack_writer *w, const void *bytes, size_t len, struct fail *f)
{
	const uint8_t *p = bytes;

	if (len > w->left)
		return fail_set(f, FAIL_INTERNAL, w->key,
		    "%zu bytes for the %llu that are left of a member", len,
		    (unsigned long long)w->left);
	while (len > 0) {
		size_t n = len < IO_CHUNK - w->fill ? len : IO_CHUNK - w->fill;
		int rc;

		w->left -= n;
		if (n == IO_CHUNK && p != w->chunk) {
			rc = write_large(w, p, n, 0, f);
		} else {
			if (p != w->chunk + w->fill)
				memcpy(w->chunk + w->fill, p, n);
			w->fill += n;
			rc = end_chunk(w, f);
		}
		if (rc != 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

uint64_t
pack_stored(const struct pack_writer *w)
{
	return w->head + w->payload;
}

/* The last frame and the trailer.  0, 1 the key exists, -1. */
static int
end_object(struct pack_writer *w, struct object_sums *sums, struct fail *f)
{
	static const uint8_t zeros[TAR_END];
	struct digest plain;

	if (add_frame(w, zeros, sizeof zeros, f) != 0 || flush(w, f) != 0)
		return -1;
	plain.len = w->plain_len;
	plain.sum = sum128_final(w->plain_sum);
	return object_end(&w->object, &plain, sums, f);
}

int
pack_finish(struct pack_writer *w, struct manifest_pack *out, struct fail *f)
{
	struct object_sums sums;
	int rc;

	if (w->left > 0)
		return fail_set(f, FAIL_INTERNAL, w->key,
		    "%llu bytes of a member are missing",
		    (unsigned long long)w->left);
	rc = end_object(w, &sums, f);
	if (rc == 1)
		return fail_set(
		    f, FAIL_REFUSED, w->key, "an object of that key exists");
	if (rc != 0)
		return -1;
	*out = (struct manifest_pack){ .pack = w->number,
		.head = w->head,
		.stored = sums.size,
		.sum = sums.stored };
	return 0;
}

void
pack_free(struct pack_writer *w)
{
	if (w == NULL)
		return;
	object_writer_clear(&w->object);
	stream_free(w->put);
	sum128_free(w->plain_sum);
	sum128_free(w->piece_sum);
	framer_free(w->framer);
	free(w->chunk);
	buf_clear(&w->out);
	buf_clear(&w->tar);
	free(w);
}
