/* SPDX-License-Identifier: PostgreSQL */
/*
 * Compression: see codec.h.  LZ4 frames have blocks of 256 KiB and no
 * checksums of their own: the object has stronger ones.
 */
#include <lz4frame.h>
#include <stdlib.h>

#include "codec.h"
#include "io.h"

const char *
codec_name(enum codec_id id)
{
	return id == CODEC_LZ4 ? "lz4" : NULL;
}

static LZ4F_preferences_t
lz4_preferences(int level)
{
	return (LZ4F_preferences_t){
		.frameInfo = {
			.blockSizeID = LZ4F_max256KB,
			.blockMode = LZ4F_blockIndependent,
		},
		.compressionLevel = level,
		/* The bound is then that of the frame, not of a block more. */
		.autoFlush = 1,
	};
}

size_t
codec_bound(const struct codec *c, size_t len)
{
	LZ4F_preferences_t prefs = lz4_preferences(c->level);

	return c->id == CODEC_LZ4 ? LZ4F_compressFrameBound(len, &prefs) : 0;
}

static int
lz4_failed(size_t rc, struct fail *f)
{
	return fail_set(
	    f, FAIL_INTERNAL, NULL, "lz4: %s", LZ4F_getErrorName(rc));
}

int
codec_frame(const struct codec *c, const void *bytes, size_t len, uint8_t *out,
    size_t *out_len, struct fail *f)
{
	LZ4F_preferences_t prefs = lz4_preferences(c->level);

	*out_len = LZ4F_compressFrame(
	    out, codec_bound(c, len), bytes, len, &prefs);
	return LZ4F_isError(*out_len) ? lz4_failed(*out_len, f) : 0;
}

struct framer {
	LZ4F_cctx *ctx;
	LZ4F_preferences_t prefs;
	bool begun;
};

struct framer *
framer_new(const struct codec *c)
{
	struct framer *r;

	if (c->id != CODEC_LZ4)
		return NULL;
	r = calloc(1, sizeof *r);
	if (r == NULL)
		return NULL;
	r->prefs = lz4_preferences(c->level);
	r->prefs.frameInfo.blockMode = LZ4F_blockLinked;
	if (LZ4F_isError(
	        LZ4F_createCompressionContext(&r->ctx, LZ4F_VERSION))) {
		free(r);
		return NULL;
	}
	return r;
}

int
framer_part(struct framer *r, const void *bytes, size_t len, bool last,
    struct buf *out, struct fail *f)
{
	size_t room = LZ4F_compressFrameBound(len, &r->prefs), done = 0, n;
	uint8_t *p;

	if (buf_reserve(out, out->len + room) != 0)
		return fail_errno(f, NULL, "memory");
	p = out->data + out->len;
	if (!r->begun) {
		n = LZ4F_compressBegin(r->ctx, p, room, &r->prefs);
		if (LZ4F_isError(n))
			return lz4_failed(n, f);
		done = n;
	}
	r->begun = !last;
	n = LZ4F_compressUpdate(
	    r->ctx, p + done, room - done, bytes, len, NULL);
	if (LZ4F_isError(n))
		return lz4_failed(n, f);
	done += n;
	if (last) {
		n = LZ4F_compressEnd(r->ctx, p + done, room - done, NULL);
		if (LZ4F_isError(n))
			return lz4_failed(n, f);
		done += n;
	}
	out->len += done;
	return 0;
}

void
framer_free(struct framer *r)
{
	if (r == NULL)
		return;
	(void)LZ4F_freeCompressionContext(r->ctx);
	free(r);
}

struct decoder {
	LZ4F_dctx *ctx;
	uint8_t *out;
};

struct decoder *
decoder_new(enum codec_id id)
{
	struct decoder *d;

	if (id != CODEC_LZ4)
		return NULL;
	d = calloc(1, sizeof *d);
	if (d == NULL)
		return NULL;
	d->out = malloc(IO_CHUNK);
	if (d->out == NULL ||
	    LZ4F_isError(
	        LZ4F_createDecompressionContext(&d->ctx, LZ4F_VERSION))) {
		decoder_free(d);
		return NULL;
	}
	return d;
}

int
decoder_push(struct decoder *d, const void *bytes, size_t len,
    struct stream *out, size_t *used, struct fail *f)
{
	const uint8_t *p = bytes;

	*used = 0;
	while (*used < len) {
		size_t out_len = IO_CHUNK, in_len = len - *used, rc;
		uint8_t *room = stream_room(out);

		if (room == NULL)
			room = d->out;
		rc = LZ4F_decompress(
		    d->ctx, room, &out_len, p + *used, &in_len, NULL);

		if (LZ4F_isError(rc))
			return fail_set(f, FAIL_DAMAGED, NULL,
			    "not a valid lz4 frame (%s)",
			    LZ4F_getErrorName(rc));
		*used += in_len;
		if (out_len > 0 && stream_write(out, room, out_len, f) != 0)
			return -1;
		if (rc == 0)
			return 1;
	}
	return 0;
}

void
decoder_free(struct decoder *d)
{
	if (d == NULL)
		return;
	(void)LZ4F_freeDecompressionContext(d->ctx);
	free(d->out);
	free(d);
}
