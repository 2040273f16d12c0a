/* SPDX-License-Identifier: PostgreSQL */
/*
 * Compression: see codec.h.  LZ4 frames have independent blocks of 256 KiB
 * and no checksums of their own: the object has stronger ones.
 */
#include <lz4frame.h>
#include <stdbool.h>
#include <stdlib.h>

#include "codec.h"
#include "io.h"

const char *
codec_name(enum codec_id id)
{
	return id == CODEC_LZ4 ? "lz4" : NULL;
}

static const LZ4F_preferences_t lz4_preferences = {
	.frameInfo = {
		.blockSizeID = LZ4F_max256KB,
		.blockMode = LZ4F_blockIndependent,
	},
	/* Otherwise input is copied together until a block is full. */
	.autoFlush = 1,
};

struct lz4_encoder {
	struct stream stream;
	struct stream *next;
	LZ4F_cctx *ctx;
	LZ4F_preferences_t preferences;
	bool begun;
	size_t cap;
	uint8_t *out;
};

static int
lz4_failed(struct fail *f, size_t code)
{
	return fail_set(
	    f, FAIL_INTERNAL, NULL, "lz4: %s", LZ4F_getErrorName(code));
}

static int
lz4_begin(struct lz4_encoder *e, struct fail *f)
{
	size_t n = LZ4F_compressBegin(e->ctx, e->out, e->cap, &e->preferences);

	if (LZ4F_isError(n))
		return lz4_failed(f, n);
	e->begun = true;
	return stream_write(e->next, e->out, n, f);
}

static int
lz4_write(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct lz4_encoder *e = (struct lz4_encoder *)stream;
	const uint8_t *p = bytes;

	if (!e->begun && lz4_begin(e, f) != 0)
		return -1;
	while (len > 0) {
		size_t step = len < IO_CHUNK ? len : IO_CHUNK;
		size_t n = LZ4F_compressUpdate(
		    e->ctx, e->out, e->cap, p, step, NULL);

		if (LZ4F_isError(n))
			return lz4_failed(f, n);
		if (n > 0 && stream_write(e->next, e->out, n, f) != 0)
			return -1;
		p += step;
		len -= step;
	}
	return 0;
}

static int
lz4_finish(struct stream *stream, struct fail *f)
{
	struct lz4_encoder *e = (struct lz4_encoder *)stream;
	size_t n;

	if (!e->begun && lz4_begin(e, f) != 0)
		return -1;
	n = LZ4F_compressEnd(e->ctx, e->out, e->cap, NULL);
	if (LZ4F_isError(n))
		return lz4_failed(f, n);
	if (stream_write(e->next, e->out, n, f) != 0)
		return -1;
	return stream_finish(e->next, f);
}

static void
lz4_free(struct stream *stream)
{
	struct lz4_encoder *e = (struct lz4_encoder *)stream;

	stream_free(e->next);
	(void)LZ4F_freeCompressionContext(e->ctx);
	free(e->out);
	free(e);
}

static const struct stream_ops lz4_ops = {
	.write = lz4_write,
	.finish = lz4_finish,
	.free = lz4_free,
};

static struct stream *
lz4_encoder_new(int level, struct stream *next)
{
	struct lz4_encoder *e = calloc(1, sizeof *e);

	if (e == NULL) {
		stream_free(next);
		return NULL;
	}
	e->stream.ops = &lz4_ops;
	e->next = next;
	e->preferences = lz4_preferences;
	e->preferences.compressionLevel = level;
	e->cap = LZ4F_compressBound(IO_CHUNK, &e->preferences) +
	    LZ4F_HEADER_SIZE_MAX;
	e->out = malloc(e->cap);
	if (e->out == NULL ||
	    LZ4F_isError(
	        LZ4F_createCompressionContext(&e->ctx, LZ4F_VERSION))) {
		lz4_free(&e->stream);
		return NULL;
	}
	return &e->stream;
}

struct stream *
codec_encoder_new(enum codec_id id, int level, struct stream *next)
{
	if (next != NULL && id == CODEC_LZ4)
		return lz4_encoder_new(level, next);
	stream_free(next);
	return NULL;
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
		size_t out_len = IO_CHUNK, in_len = len - *used;
		size_t rc = LZ4F_decompress(
		    d->ctx, d->out, &out_len, p + *used, &in_len, NULL);

		if (LZ4F_isError(rc))
			return fail_set(f, FAIL_DAMAGED, NULL,
			    "not a valid lz4 frame (%s)",
			    LZ4F_getErrorName(rc));
		*used += in_len;
		if (out_len > 0 && stream_write(out, d->out, out_len, f) != 0)
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
