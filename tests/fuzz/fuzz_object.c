/* SPDX-License-Identifier: PostgreSQL */
/*
 * Objects.  The first byte chooses: 0 takes the rest as an object as it is; 1
 * as the fields of a header, whose frame and sum are set right; 2 as the
 * payload between a right header and a right trailer.
 */
#include "fuzz.h"

#include "facts.h"
#include "object.h"
#include "object_frame.h"
#include "waljoin.h"

#define FRAME_HEAD 18
#define FRAME_SUM  8

/* The end of the stream: counts, and must be finished at most once. */
struct counter {
	struct stream stream;
	size_t len;
	unsigned finished, freed;
};

static int
counter_write(struct stream *s, const void *bytes, size_t len, struct fail *f)
{
	(void)bytes;
	(void)f;
	MUST(((struct counter *)s)->finished == 0);
	((struct counter *)s)->len += len;
	return 0;
}

static int
counter_finish(struct stream *s, struct fail *f)
{
	(void)f;
	((struct counter *)s)->finished++;
	return 0;
}

static void
counter_free(struct stream *s)
{
	((struct counter *)s)->freed++;
}

static const struct stream_ops counter_ops = {
	.write = counter_write, .finish = counter_finish, .free = counter_free
};

static int
read_in_chunks(const uint8_t *p, size_t len, size_t chunk)
{
	struct counter end = { .stream.ops = &counter_ops };
	struct object_seen seen;
	struct fail f = { 0 };
	struct stream *s = object_reader_new(
	    "object", NULL, &seen, &end.stream);
	int rc = 0;

	MUST(s != NULL);
	for (size_t off = 0; rc == 0 && off < len;) {
		size_t n = len - off < chunk ? len - off : chunk;

		rc = stream_write(s, p + off, n, &f);
		off += n;
	}
	if (rc == 0)
		rc = stream_finish(s, &f);
	stream_free(s);
	MUST(end.freed == 1 && end.finished == (rc == 0));
	if (rc == 0)
		MUST(seen.stored == len && seen.plain.len == end.len);
	else
		MUST(f.kind == FAIL_DAMAGED || f.kind == FAIL_CONFIG);
	return rc;
}

static void
check_object(const uint8_t *p, size_t len, size_t chunk)
{
	int rc = read_in_chunks(p, len, SIZE_MAX);

	MUST(read_in_chunks(p, len, chunk) == rc);
}

/* What can be read can be written, padded or not, and is then the same. */
static void
check_encoding(const struct object_header *h, size_t size)
{
	struct object_header back;
	struct buf b = { 0 };
	struct fail f = { 0 };
	size_t used;

	MUST(object_encode_header(h, size, &b) == 0);
	MUST(size == 0 || b.len == size);
	MUST(object_decode_header(b.data, b.len, "again", &back, &used, &f) ==
	    0);
	MUST(used == b.len && strcmp(back.key, h->key) == 0);
	MUST(back.has_facts == h->has_facts);
	buf_clear(&b);
}

static void
check_header(const struct object_header *h)
{
	struct waljoin j = { .started = false };

	MUST(memchr(h->key, 0, sizeof h->key) != NULL);
	MUST(memchr(h->writer, 0, sizeof h->writer) != NULL);
	MUST(memchr(h->damaged_why, 0, sizeof h->damaged_why) != NULL);
	MUST(h->facts.n_points <= WALFACTS_RESTORE_POINTS);
	if (h->has_facts) {
		(void)waljoin_next(&j, &h->facts);
		(void)waljoin_next(&j, &h->facts);
	}
	check_encoding(h, 0);
	check_encoding(h, OBJECT_FRONT);
}

static void
check_fields(struct input *in)
{
	struct object_header h = { .kind = OBJECT_SEGMENT,
		.codec = CODEC_LZ4,
		.key = "k",
		.facts.timed_max = WAL_NO_TIME };
	struct object_header back;
	struct buf b = { 0 };
	struct fail f = { 0 };
	size_t used;

	MUST(object_encode_header(&h, 0, &b) == 0);
	b.len -= FRAME_SUM;
	while (in->len > 0) {
		uint8_t type = take_u8(in);
		size_t len = take_u8(in);
		const uint8_t *p = take_bytes(in, &len);

		MUST(field_append(&b,
		         (type & 0x3Fu) | (type & 0x80u ? FIELD_CRITICAL : 0),
		         p, len) == 0);
	}
	encode_u32(b.data + 4, (uint32_t)(b.len + FRAME_SUM - 8));
	MUST(buf_append_u64(&b, sum64(b.data, b.len)) == 0);
	if (object_decode_header(b.data, b.len, "object", &back, &used, &f) ==
	    0)
		check_header(&back);
	else
		MUST(f.kind == FAIL_DAMAGED || f.kind == FAIL_CONFIG);
	buf_clear(&b);
}

/* An object around a payload of any bytes; the trailer knows no better. */
static void
wrap_payload(const uint8_t *p, size_t len, struct buf *b)
{
	struct object_header h = { .kind = OBJECT_HISTORY,
		.codec = CODEC_LZ4,
		.key = "k",
		.facts.timed_max = WAL_NO_TIME };
	struct object_trailer t = { .plain.len = 6 };

	MUST(object_encode_header(&h, 0, b) == 0);
	MUST(buf_append(b, p, len) == 0);
	t.plain.sum = sum128("hello\n", 6);
	t.stored.len = b->len;
	t.stored.sum = sum128(b->data, b->len);
	MUST(object_encode_trailer(&t, b) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t how = take_u8(&in);
	size_t chunk = 1 + (size_t)take_u8(&in);
	struct buf b = { 0 };

	switch (how % 3) {
	case 0:
		check_object(in.p, in.len, chunk);
		break;
	case 1:
		check_fields(&in);
		break;
	default:
		wrap_payload(in.p, in.len, &b);
		check_object(b.data, b.len, chunk);
		buf_clear(&b);
	}
	return 0;
}

/* "hello\n" as lz4 1.9 writes it, without checksums. */
static const uint8_t hello[] = { 0x04, 0x22, 0x4D, 0x18, 0x60, 0x40, 0x82, 0x06,
	0x00, 0x00, 0x80, 'h', 'e', 'l', 'l', 'o', '\n', 0, 0, 0, 0 };

static void
write_seeds(void)
{
	static const char fields[] =
	    "\1\7"
	    "\x10\x0c"
	    "\1\0\0\0\7\0\0\0\0\0\0\0"
	    "\x11\x22"
	    "12345678\0\0\0\1\0\x20\0\0\x10\xD1\1\0\0\0\1\0\0\0"
	    "\0\0\0\7\0\0\0\0"
	    "\x12\4"
	    "\x10\0\0\0"
	    "\x14\x10"
	    "\x28\0\0\7\0\0\0\0\0\0\0\6\0\0\0\0"
	    "\x19\x24"
	    "\1\0\0\0"
	    "12345678"
	    "12345678"
	    "12345678"
	    "1234"
	    "1234"
	    "\x1b\x13"
	    "12345678"
	    "12345678"
	    "abc"
	    "\x1d\x0b"
	    "12345678"
	    "why"
	    "\x3f\2"
	    "xx";
	uint8_t payload[2 + sizeof hello] = { 2, 3 };
	struct buf object = { 0 }, b = { 0 };

	seed("fields", fields, sizeof fields - 1);
	memcpy(payload + 2, hello, sizeof hello);
	seed("payload", payload, sizeof payload);
	wrap_payload(hello, sizeof hello, &object);
	MUST(read_in_chunks(object.data, object.len, 1) == 0);
	MUST(buf_append(&b, "\0\5", 2) == 0);
	MUST(buf_append(&b, object.data, object.len) == 0);
	seed("object", b.data, b.len);
	buf_clear(&object);
	buf_clear(&b);
}
