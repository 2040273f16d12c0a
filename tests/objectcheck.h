/* SPDX-License-Identifier: PostgreSQL */
/* Whole objects in memory, for the tests and the fuzz targets' seeds. */
#ifndef WALVAULT_TESTS_OBJECTCHECK_H
#define WALVAULT_TESTS_OBJECTCHECK_H

#include "encoder.h"
#include "object.h"
#include "object_frame.h"
#include "support.h"

#define OBJECTCHECK_KEY "7431.1/wal/00000001/00000000/000000010000000000000007"

static inline UNUSED struct object_header
plain_header(enum object_kind kind)
{
	struct object_header h = { .kind = kind,
		.codec = CODEC_LZ4,
		.key = OBJECTCHECK_KEY,
		.repository = "0123456789abcdef0123456789abcdef",
		.created = 123456789,
		.writer = "check_object",
		.facts = { .timed_max = INT64_MIN } };

	return h;
}

/* 0 or -1, as the library says; *out is the caller's to clear. */
static inline UNUSED int
build_object(struct object_header *h, const void *plain, size_t len,
    struct buf *out, uint64_t *stored, struct fail *f)
{
	struct spool *spool = spool_new((size_t)1 << 30, NULL);
	struct codec codec = { h->codec, 1 };
	struct object_header full = *h;
	struct sink sink = { 0 };
	struct stream *s = NULL;
	int rc = -1;

	if (spool == NULL)
		return fail_set(f, FAIL_INTERNAL, "spool", "NULL");
	s = digest_new(
	    &full.plain, encoder_new(&codec, true, spool_stream(spool)));
	if (s == NULL)
		(void)fail_set(f, FAIL_INTERNAL, "stream", "NULL");
	else
		rc = write_in_chunks(s, plain, len, 65536, f);
	if (rc == 0)
		rc = stream_finish(s, f);
	stream_free(s);
	if (rc == 0)
		rc = object_write(&full, spool, sink_stream(&sink), stored, f);
	require(rc != 0 || sink.finished);
	spool_free(spool);
	*out = sink.bytes;
	return rc;
}

/* The same, where it must succeed. */
static inline UNUSED void
make_object(
    struct object_header *h, const void *plain, size_t len, struct buf *out)
{
	uint64_t stored = 0;
	struct fail f = { 0 };

	if (build_object(h, plain, len, out, &stored, &f) != 0)
		ck_abort_msg("%s", f.cause);
	ck_assert_uint_eq(stored, out->len);
}

/* Read it in portions.  0 or -1; *plain is the caller's to clear. */
static inline UNUSED int
read_object(const struct buf *b, size_t len, size_t chunk, const char *key,
    struct object_seen *seen, struct buf *plain, struct fail *f)
{
	struct sink sink = { 0 };
	struct stream *s = object_reader_new(
	    "object", key, seen, sink_stream(&sink));
	int rc = -1;

	if (s == NULL)
		(void)fail_set(f, FAIL_INTERNAL, "reader", "NULL");
	else
		rc = write_in_chunks(s, b->data, len, chunk, f);
	if (rc == 0)
		rc = stream_finish(s, f);
	/* What comes next is finished only when all is right. */
	require(sink.finished == (rc == 0));
	stream_free(s);
	require(sink.freed);
	*plain = sink.bytes;
	return rc;
}

#define FRAME_HEAD_LEN 18
#define FRAME_SUM_LEN  8

/* The first frame, changed: its length and its sum are made right again. */
static inline UNUSED void
reseal_header(struct buf *header)
{
	require(header->len > FRAME_HEAD_LEN + FRAME_SUM_LEN);
	encode_u32(header->data + 4, (uint32_t)(header->len - 8));
	encode_u64(header->data + header->len - FRAME_SUM_LEN,
	    sum64(header->data, header->len - FRAME_SUM_LEN));
}

/* Put a field in at the end of a header's frame. */
static inline UNUSED void
add_field(struct buf *header, unsigned type, const void *value, size_t len)
{
	header->len -= FRAME_SUM_LEN;
	require(buf_append_u16(header, (uint16_t)type) == 0);
	require(buf_append_u32(header, (uint32_t)len) == 0);
	require(buf_append(header, value, len) == 0);
	require(buf_append_u64(header, 0) == 0);
	reseal_header(header);
}

#endif
