/* SPDX-License-Identifier: PostgreSQL */
/*
 * Compression.  Payloads are whole frames of a standard format, so that stock
 * tools read them.  A codec's number stands in the objects: numbers are never
 * reused, and an object is read by its own number, not by today's options.
 */
#ifndef WALVAULT_STREAM_CODEC_H
#define WALVAULT_STREAM_CODEC_H

#include "stream.h"

enum codec_id {
	CODEC_LZ4 = 1,  /* LZ4 frames */
	CODEC_ZSTD = 2, /* zstd frames (reserved) */
};

/* "lz4"; NULL for a number that this version does not know. */
const char *codec_name(enum codec_id id);

/* A stage that compresses; level 1 is the fastest. */
struct stream *
codec_encoder_new(enum codec_id id, int level, struct stream *next);

/*
 * Decompression with the end in sight: an object goes on behind its frames,
 * so the decoder tells how much of its input belongs to the frame at hand.
 */
struct decoder;

/* NULL if the codec is not known or there is no memory. */
struct decoder *decoder_new(enum codec_id id);

/*
 * Take from bytes, push what comes out into out.  *used is how much was taken.
 * 0 all taken, more is wanted; 1 a frame is complete, what follows is not part
 * of it; -1 (FAIL_DAMAGED if the bytes are not a frame).
 */
int decoder_push(struct decoder *d, const void *bytes, size_t len,
    struct stream *out, size_t *used, struct fail *f);

void decoder_free(struct decoder *d);

#endif
