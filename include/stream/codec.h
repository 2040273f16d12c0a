/* SPDX-License-Identifier: PostgreSQL */
/*
 * Compression.  Payloads are whole frames of a standard format, so that stock
 * tools read them.  A codec's number stands in the objects: numbers are never
 * reused, and an object is read by its own number, not by today's options.
 */
#ifndef WALVAULT_STREAM_CODEC_H
#define WALVAULT_STREAM_CODEC_H

#include <stdbool.h>

#include "buf.h"
#include "stream.h"

enum codec_id {
	CODEC_LZ4 = 1,  /* LZ4 frames */
	CODEC_ZSTD = 2, /* zstd frames (reserved) */
};

/* How to compress; level 1 is the fastest. */
struct codec {
	enum codec_id id;
	int level;
};

/* "lz4"; NULL for a number that this version does not know. */
const char *codec_name(enum codec_id id);

/* The most bytes that a frame of len plain bytes can have; 0 as above. */
size_t codec_bound(const struct codec *c, size_t len);

/*
 * Compress len bytes into one whole frame.  out has codec_bound bytes of room;
 * *out_len is what became of it.  0 or -1.  Any thread may call it.
 */
int codec_frame(const struct codec *c, const void *bytes, size_t len,
    uint8_t *out, size_t *out_len, struct fail *f);

/*
 * One frame made of many parts, each at most IO_CHUNK plain bytes; all but the
 * last are exactly that many.  A part is compressed with the 64 KiB before it
 * in sight, which whole frames of that size are not.
 */
struct framer;

/* NULL if the codec is not known or there is no memory. */
struct framer *framer_new(const struct codec *c);

/*
 * Append the next part to out; last ends the frame, and the next part begins
 * another.  0 or -1.
 */
int framer_part(struct framer *r, const void *bytes, size_t len, bool last,
    struct buf *out, struct fail *f);

void framer_free(struct framer *r);

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
