/* SPDX-License-Identifier: PostgreSQL */
/*
 * Reading an object: a stage that takes stored bytes in any portions, and
 * passes on plain bytes.  Only finish says whether they were right: it comes
 * to the next stage's finish when all checks have passed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async.h"
#include "mem.h"
#include "object.h"
#include "object_frame.h"

/* Plain bytes of an object for which a second thread pays. */
#define WORTH_A_THREAD ((uint64_t)1024 * 1024)

enum state { IN_HEADER, AT_FRAME, IN_FRAME, IN_TRAILER, AT_END };

struct reader {
	struct stream stream;
	struct stream check; /* sums plain bytes, passes them to next */
	struct stream *next;
	const char *object;
	const char *key;
	struct object_seen *seen;
	enum state state;
	struct buf pending; /* a frame not yet complete */
	struct decoder *decoder;
	struct sum128_state *stored_sum, *plain_sum;
	uint64_t stored_len; /* before the trailer */
	struct object_trailer trailer;
};

static int
damaged(struct reader *r, const char *why, struct fail *f)
{
	return fail_set(f, FAIL_DAMAGED, r->object, "damaged object: %s", why);
}

static void
count_stored(struct reader *r, const uint8_t *p, size_t len)
{
	sum128_update(r->stored_sum, p, len);
	r->stored_len += len;
}

static struct reader *
reader_of_check(struct stream *stream)
{
	return (
	    struct reader *)((char *)stream - offsetof(struct reader, check));
}

static int
check_write(
    struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct reader *r = reader_of_check(stream);

	sum128_update(r->plain_sum, bytes, len);
	r->seen->plain.len += len;
	return stream_write(r->next, bytes, len, f);
}

static bool
same(const struct digest *a, const struct digest *b)
{
	return a->len == b->len && memcmp(&a->sum, &b->sum, sizeof a->sum) == 0;
}

static int
check_finish(struct stream *stream, struct fail *f)
{
	struct reader *r = reader_of_check(stream);
	struct object_seen *seen = r->seen;

	seen->plain.sum = sum128_final(r->plain_sum);
	if (!same(&r->trailer.plain, &seen->plain))
		return damaged(r, "wrong checksum of the plain bytes", f);
	if (seen->header.has_plain && !same(&seen->header.plain, &seen->plain))
		return damaged(r, "its header and trailer differ", f);
	return stream_finish(r->next, f);
}

static uint8_t *
check_room(struct stream *stream)
{
	return stream_room(reader_of_check(stream)->next);
}

static const struct stream_ops check_ops = {
	.write = check_write,
	.finish = check_finish,
	.room = check_room,
};

/* What follows goes on while the next bytes are decompressed. */
static int
start_plain(struct reader *r, struct fail *f)
{
	const struct object_header *h = &r->seen->header;

	r->decoder = decoder_new(h->codec);
	if (r->decoder == NULL)
		return fail_errno(f, r->object, "memory");
	if (!h->has_plain || h->plain.len < WORTH_A_THREAD)
		return 0;
	r->next = async_new(r->next);
	return r->next != NULL ? 0
	                       : fail_errno(f, r->object, "memory or thread");
}

/*
 * Collect at most max bytes of a frame in pending.  *taken is how many of the
 * len bytes were used for it.
 */
static int
collect(struct reader *r, const uint8_t *p, size_t len, size_t max,
    size_t *taken, struct fail *f)
{
	*taken = len < max - r->pending.len ? len : max - r->pending.len;
	if (buf_append(&r->pending, p, *taken) != 0)
		return fail_errno(f, r->object, "memory");
	return 0;
}

static int
take_header(struct reader *r, const uint8_t *p, size_t len, size_t *taken,
    struct fail *f)
{
	struct object_header *h = &r->seen->header;
	size_t before = r->pending.len, used = 0;
	int rc;

	if (collect(r, p, len, OBJECT_HEADER_MAX, taken, f) != 0)
		return -1;
	rc = object_decode_header(
	    r->pending.data, r->pending.len, r->object, h, &used, f);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (r->key != NULL && strcmp(h->key, r->key) != 0)
		return fail_set(f, FAIL_DAMAGED, r->object,
		    "it is another object: it says its key is %s", h->key);
	if (start_plain(r, f) != 0)
		return -1;
	count_stored(r, r->pending.data, used);
	*taken = used - before;
	r->pending.len = 0;
	r->state = AT_FRAME;
	return 0;
}

static int
decode(struct reader *r, const uint8_t *p, size_t len, size_t *taken,
    struct fail *f)
{
	int rc = decoder_push(r->decoder, p, len, &r->check, taken, f);

	if (rc < 0) {
		if (f->object[0] == '\0')
			(void)snprintf(
			    f->object, sizeof f->object, "%s", r->object);
		return -1;
	}
	count_stored(r, p, *taken);
	if (rc == 1)
		r->state = AT_FRAME;
	return 0;
}

/* Four bytes tell a frame of the codec from the trailer. */
static int
take_magic(struct reader *r, const uint8_t *p, size_t len, size_t *taken,
    struct fail *f)
{
	size_t used;

	if (collect(r, p, len, 4, taken, f) != 0)
		return -1;
	if (r->pending.len < 4)
		return 0;
	if (decode_u32(r->pending.data) == FRAME_MAGIC_TRAILER) {
		r->state = IN_TRAILER;
		return 0;
	}
	r->state = IN_FRAME;
	r->pending.len = 0;
	if (decode(r, r->pending.data, 4, &used, f) != 0)
		return -1;
	return used == 4 ? 0 : damaged(r, "not a compressed frame", f);
}

static int
take_trailer(struct reader *r, const uint8_t *p, size_t len, size_t *taken,
    struct fail *f)
{
	struct digest stored;
	size_t before = r->pending.len, used = 0;
	int rc;

	if (collect(r, p, len, OBJECT_TRAILER_MAX, taken, f) != 0)
		return -1;
	rc = object_decode_trailer(
	    r->pending.data, r->pending.len, r->object, &r->trailer, &used, f);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	*taken = used - before;
	r->seen->stored = r->stored_len + used;
	r->pending.len = 0;
	r->state = AT_END;
	stored.len = r->stored_len;
	stored.sum = sum128_final(r->stored_sum);
	r->seen->stored_sum = stored.sum;
	if (!same(&r->trailer.stored, &stored))
		return damaged(r, "wrong checksum of the stored bytes", f);
	return 0;
}

static int
take(struct reader *r, const uint8_t *p, size_t len, size_t *taken,
    struct fail *f)
{
	switch (r->state) {
	case IN_HEADER:
		return take_header(r, p, len, taken, f);
	case AT_FRAME:
		return take_magic(r, p, len, taken, f);
	case IN_FRAME:
		return decode(r, p, len, taken, f);
	case IN_TRAILER:
		return take_trailer(r, p, len, taken, f);
	case AT_END:
		break;
	}
	return damaged(r, "bytes behind its end", f);
}

static int
reader_write(
    struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct reader *r = (struct reader *)stream;
	const uint8_t *p = bytes;

	while (len > 0) {
		size_t taken = 0;

		if (take(r, p, len, &taken, f) != 0)
			return -1;
		p += taken;
		len -= taken;
	}
	return 0;
}

static int
reader_finish(struct stream *stream, struct fail *f)
{
	struct reader *r = (struct reader *)stream;

	if (r->state != AT_END)
		return damaged(r, "it is cut off", f);
	return stream_finish(&r->check, f);
}

static void
reader_free(struct stream *stream)
{
	struct reader *r = (struct reader *)stream;

	stream_free(r->next);
	decoder_free(r->decoder);
	sum128_free(r->stored_sum);
	sum128_free(r->plain_sum);
	buf_clear(&r->pending);
	free(r);
}

static const struct stream_ops reader_ops = {
	.write = reader_write,
	.finish = reader_finish,
	.free = reader_free,
};

struct stream *
object_reader_new(const char *object, const char *key, struct object_seen *seen,
    struct stream *next)
{
	struct reader *r;

	if (next == NULL)
		return NULL;
	r = calloc(1, sizeof *r);
	if (r == NULL) {
		stream_free(next);
		return NULL;
	}
	r->stream.ops = &reader_ops;
	r->check.ops = &check_ops;
	r->next = next;
	r->object = object;
	r->key = key;
	r->seen = seen;
	*seen = (struct object_seen){ 0 };
	r->stored_sum = sum128_new();
	r->plain_sum = sum128_new();
	if (r->stored_sum == NULL || r->plain_sum == NULL) {
		reader_free(&r->stream);
		return NULL;
	}
	return &r->stream;
}

static int
null_write(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	(void)stream;
	(void)bytes;
	(void)len;
	(void)f;
	return 0;
}

static int
null_finish(struct stream *stream, struct fail *f)
{
	(void)stream;
	(void)f;
	return 0;
}

static void
null_free(struct stream *stream)
{
	free(stream);
}

static const struct stream_ops null_ops = {
	.write = null_write,
	.finish = null_finish,
	.free = null_free,
};

struct stream *
object_null_new(void)
{
	struct stream *s = malloc(sizeof *s);

	if (s != NULL)
		s->ops = &null_ops;
	return s;
}

static int
read_header(struct store *s, const struct layout *l, const char *key,
    struct object_header *h, struct fail *f)
{
	struct mem m;
	char object[1024];
	size_t want = OBJECT_HEADER_READ, used;
	const void *known = store_head(s, key, &used);
	int rc;

	mem_init(&m);
	store_object_name(s, key, object, sizeof object);
	if (known != NULL &&
	    object_decode_header(known, used, object, h, &used, f) == 0 &&
	    strcmp(h->key, layout_own_key(l, key)) == 0)
		return 0;
	do {
		m.bytes.len = 0;
		rc = store_get(s, key, 0, want, &m.stream, f);
		if (rc != 0)
			break;
		rc = object_decode_header(
		    m.bytes.data, m.bytes.len, object, h, &used, f);
		if (rc == 1 && m.bytes.len < want)
			rc = fail_set(f, FAIL_DAMAGED, object,
			    "damaged object: it is cut off");
		want = want == OBJECT_HEADER_READ ? OBJECT_HEADER_MAX : 0;
	} while (rc == 1 && want != 0);
	buf_clear(&m.bytes);
	if (rc == 0 && strcmp(h->key, layout_own_key(l, key)) != 0)
		rc = fail_set(f, FAIL_DAMAGED, object,
		    "it is another object: it says its key is %s", h->key);
	return rc;
}

int
object_read_header(struct store *s, const struct layout *l, const char *key,
    struct object_header *h, struct fail *f)
{
	int rc;

	do {
		rc = read_header(s, l, key, h, f);
	} while (
	    rc < 0 && f->kind == FAIL_DAMAGED && store_turn(s, key, f) == 1);
	return rc;
}

int
object_find_whole(
    struct store *s, const struct layout *l, const char *key, struct fail *f)
{
	struct object_seen *seen;
	int rc;

	if (s->ops->turn == NULL)
		return 0;
	seen = malloc(sizeof *seen);
	if (seen == NULL)
		return fail_errno(f, key, "memory");
	do {
		rc = object_read(s, l, key, NULL, seen, f);
	} while (rc < 0 && store_turn(s, key, f) == 1);
	free(seen);
	return rc;
}

int
object_read(struct store *s, const struct layout *l, const char *key,
    struct stream *next, struct object_seen *seen, struct fail *f)
{
	char object[1024];
	struct stream *reader;
	int rc;

	store_object_name(s, key, object, sizeof object);
	if (next == NULL)
		next = object_null_new();
	reader = object_reader_new(object, layout_own_key(l, key), seen, next);
	if (reader == NULL)
		return fail_errno(f, object, "memory");
	rc = store_get(s, key, 0, STORE_ALL, reader, f);
	if (rc == 0)
		rc = stream_finish(reader, f);
	stream_free(reader);
	return rc;
}

int
object_read_whole(struct store *s, const struct layout *l, const char *key,
    struct stream *next, struct object_seen *seen, struct fail *f)
{
	int rc = object_find_whole(s, l, key, f);

	if (rc == 0)
		return object_read(s, l, key, next, seen, f);
	stream_free(next);
	return rc;
}
