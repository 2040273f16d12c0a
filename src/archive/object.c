/* SPDX-License-Identifier: PostgreSQL */
/* The header and the trailer of an object: see object.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "facts.h"
#include "object.h"
#include "object_frame.h"

enum {
	FIELD_KIND = 1,
	FIELD_CODEC = 2,
	FIELD_KEY = 3,
	FIELD_PLAIN_LEN = 4,
	FIELD_PLAIN_SUM = 5,
	FIELD_REPOSITORY = 6,
	FIELD_CREATED = 7,
	FIELD_WRITER = 8,
	FIELD_STORED_LEN = 9,
	FIELD_STORED_SUM = 10,
	FIELD_PADDING = 11,
	FIELD_SUMMARY = 12,
};

static const char signature[8] = { 'w', 'a', 'l', 'v', 'a', 'u', 'l', 't' };

#define FORMAT_VERSION 1

/* magic u32, length u32, signature, version u16 */
#define FRAME_HEAD ((size_t)18)
#define FRAME_SUM  ((size_t)8)

/* Begin a frame at the end of b; its length is filled in at the end. */
static int
begin_frame(struct buf *b, uint32_t magic)
{
	if (buf_append_u32(b, magic) != 0 || buf_append_u32(b, 0) != 0 ||
	    buf_append(b, signature, sizeof signature) != 0)
		return -1;
	return buf_append_u16(b, FORMAT_VERSION);
}

/* The length counts what is behind it; the sum covers all before it. */
static int
end_frame(struct buf *b, size_t start)
{
	size_t len = b->len - start + FRAME_SUM;

	encode_u32(b->data + start + 4, (uint32_t)(len - 8));
	return buf_append_u64(b, sum64(b->data + start, b->len - start));
}

static int
append_text(struct buf *b, unsigned type, const char *text)
{
	return field_append(b, type, text, strlen(text));
}

/* Zeros, so that the frame that began at start will have size bytes. */
static int
append_padding(struct buf *b, size_t start, size_t size)
{
	static const uint8_t zeros[OBJECT_FRONT];
	size_t used = b->len - start + FIELD_HEAD + FRAME_SUM;

	if (size == 0 || used > size)
		return 0;
	return field_append(b, FIELD_PADDING, zeros, size - used);
}

int
object_encode_header(const struct object_header *h, size_t size, struct buf *b)
{
	size_t start = b->len;

	if (begin_frame(b, FRAME_MAGIC_HEADER) != 0 ||
	    field_append_int(b, FIELD_KIND | FIELD_CRITICAL, h->kind, 1) != 0 ||
	    field_append_int(b, FIELD_CODEC | FIELD_CRITICAL, h->codec, 1) !=
	        0 ||
	    append_text(b, FIELD_KEY | FIELD_CRITICAL, h->key) != 0 ||
	    append_text(b, FIELD_REPOSITORY, h->repository) != 0 ||
	    field_append_int(b, FIELD_CREATED, (uint64_t)h->created, 8) != 0 ||
	    append_text(b, FIELD_WRITER, h->writer) != 0)
		return -1;
	if (h->has_plain &&
	    (field_append_int(b, FIELD_PLAIN_LEN, h->plain.len, 8) != 0 ||
	        field_append(b, FIELD_PLAIN_SUM, &h->plain.sum,
	            sizeof h->plain.sum) != 0))
		return -1;
	if ((h->has_facts && facts_encode(h, b) != 0) ||
	    (h->summary[0] != '\0' &&
	        append_text(b, FIELD_SUMMARY, h->summary) != 0) ||
	    append_padding(b, start, size) != 0)
		return -1;
	return end_frame(b, start);
}

static int
damaged(struct fail *f, const char *object, const char *why)
{
	return fail_set(f, FAIL_DAMAGED, object, "damaged object: %s", why);
}

/* A whole, checked frame at p?  As object_decode_header. */
static int
check_frame(const uint8_t *p, size_t len, uint32_t magic, const char *object,
    size_t *used, struct fail *f)
{
	size_t max = magic == FRAME_MAGIC_HEADER ? OBJECT_HEADER_MAX
	                                         : OBJECT_TRAILER_MAX;

	if (len < FRAME_HEAD)
		return 1;
	if (decode_u32(p) != magic ||
	    memcmp(p + 8, signature, sizeof signature) != 0)
		return damaged(f, object, "not an object of walvault");
	*used = (size_t)decode_u32(p + 4) + 8;
	if (*used < FRAME_HEAD + FRAME_SUM || *used > max)
		return damaged(f, object, "wrong length of a frame");
	if (len < *used)
		return 1;
	if (sum64(p, *used - FRAME_SUM) != decode_u64(p + *used - FRAME_SUM))
		return damaged(f, object, "wrong checksum of a frame");
	if (decode_u16(p + 16) != FORMAT_VERSION) {
		(void)fail_set(f, FAIL_CONFIG, object,
		    "written in format version %u, this program reads %d",
		    decode_u16(p + 16), FORMAT_VERSION);
		return fail_hint(f, "use a newer version of walvault");
	}
	return 0;
}

/* Called for every field; 0 taken, 1 not known, -1 malformed. */
typedef int
field_fn(void *out, unsigned type, const uint8_t *value, size_t len);

static int
each_field(const uint8_t *p, size_t len, const char *object, field_fn *fn,
    void *out, struct fail *f)
{
	while (len > 0) {
		unsigned type;
		size_t n;
		int rc;

		if (len < FIELD_HEAD || decode_u32(p + 2) > len - FIELD_HEAD)
			return damaged(f, object, "wrong length of a field");
		type = decode_u16(p);
		n = decode_u32(p + 2);
		rc = fn(
		    out, type & ~(unsigned)FIELD_CRITICAL, p + FIELD_HEAD, n);
		if (rc < 0)
			return damaged(f, object, "wrong length of a field");
		if (rc == 1 && (type & FIELD_CRITICAL) != 0) {
			(void)fail_set(f, FAIL_CONFIG, object,
			    "needs feature %u, unknown to this program",
			    type & ~(unsigned)FIELD_CRITICAL);
			return fail_hint(f, "use a newer version of walvault");
		}
		p += FIELD_HEAD + n;
		len -= FIELD_HEAD + n;
	}
	return 0;
}

static int
copy_text(char *out, size_t cap, const uint8_t *value, size_t len)
{
	if (len >= cap || memchr(value, '\0', len) != NULL)
		return -1;
	memcpy(out, value, len);
	out[len] = '\0';
	return 0;
}

static int
digest_field(struct digest *d, bool is_len, const uint8_t *value, size_t len)
{
	if (len != (is_len ? 8 : sizeof d->sum))
		return -1;
	if (is_len)
		d->len = decode_u64(value);
	else
		memcpy(&d->sum, value, sizeof d->sum);
	return 0;
}

static int
header_field(void *out, unsigned type, const uint8_t *value, size_t len)
{
	struct object_header *h = out;

	switch (type) {
	case FIELD_KIND:
		h->kind = len == 1 ? value[0] : 0;
		return len == 1 ? 0 : -1;
	case FIELD_CODEC:
		h->codec = len == 1 ? value[0] : 0;
		return len == 1 ? 0 : -1;
	case FIELD_KEY:
		return copy_text(h->key, sizeof h->key, value, len);
	case FIELD_REPOSITORY:
		return copy_text(
		    h->repository, sizeof h->repository, value, len);
	case FIELD_WRITER:
		return copy_text(h->writer, sizeof h->writer, value, len);
	case FIELD_SUMMARY:
		return copy_text(h->summary, sizeof h->summary, value, len);
	case FIELD_CREATED:
		if (len != 8)
			return -1;
		h->created = (int64_t)decode_u64(value);
		return 0;
	case FIELD_PLAIN_LEN:
	case FIELD_PLAIN_SUM:
		h->has_plain = true;
		return digest_field(
		    &h->plain, type == FIELD_PLAIN_LEN, value, len);
	default:
		return facts_decode(h, type, value, len);
	}
}

int
object_decode_header(const uint8_t *bytes, size_t len, const char *object,
    struct object_header *h, size_t *used, struct fail *f)
{
	int rc = check_frame(bytes, len, FRAME_MAGIC_HEADER, object, used, f);

	if (rc != 0)
		return rc;
	*h = (struct object_header){ .facts.timed_max = WAL_NO_TIME };
	if (each_field(bytes + FRAME_HEAD, *used - FRAME_HEAD - FRAME_SUM,
	        object, header_field, h, f) != 0)
		return -1;
	if (h->kind == 0 || h->key[0] == '\0')
		return damaged(f, object, "its header says too little");
	if (h->has_facts &&
	    (!walname_segsize_ok(h->facts.segsize) || h->facts.blcksz < 1024 ||
	        h->facts.blcksz > 65536 ||
	        (h->facts.blcksz & (h->facts.blcksz - 1)) != 0))
		return damaged(f, object, "unlawful sizes in its facts");
	if (codec_name(h->codec) == NULL)
		return fail_set(f, FAIL_CONFIG, object,
		    "compressed with codec %d, unknown to this program",
		    (int)h->codec);
	return 0;
}

int
object_encode_trailer(const struct object_trailer *t, struct buf *b)
{
	size_t start = b->len;

	if (begin_frame(b, FRAME_MAGIC_TRAILER) != 0 ||
	    field_append_int(
	        b, FIELD_PLAIN_LEN | FIELD_CRITICAL, t->plain.len, 8) != 0 ||
	    field_append(b, FIELD_PLAIN_SUM | FIELD_CRITICAL, &t->plain.sum,
	        sizeof t->plain.sum) != 0 ||
	    field_append_int(
	        b, FIELD_STORED_LEN | FIELD_CRITICAL, t->stored.len, 8) != 0 ||
	    field_append(b, FIELD_STORED_SUM | FIELD_CRITICAL, &t->stored.sum,
	        sizeof t->stored.sum) != 0)
		return -1;
	return end_frame(b, start);
}

static int
trailer_field(void *out, unsigned type, const uint8_t *value, size_t len)
{
	struct object_trailer *t = out;

	switch (type) {
	case FIELD_PLAIN_LEN:
	case FIELD_PLAIN_SUM:
		return digest_field(
		    &t->plain, type == FIELD_PLAIN_LEN, value, len);
	case FIELD_STORED_LEN:
	case FIELD_STORED_SUM:
		return digest_field(
		    &t->stored, type == FIELD_STORED_LEN, value, len);
	default:
		return 1;
	}
}

int
object_decode_trailer(const uint8_t *bytes, size_t len, const char *object,
    struct object_trailer *t, size_t *used, struct fail *f)
{
	int rc = check_frame(bytes, len, FRAME_MAGIC_TRAILER, object, used, f);

	if (rc != 0)
		return rc;
	*t = (struct object_trailer){ 0 };
	return each_field(bytes + FRAME_HEAD, *used - FRAME_HEAD - FRAME_SUM,
	    object, trailer_field, t, f);
}
