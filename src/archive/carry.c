/* SPDX-License-Identifier: PostgreSQL */
/* Objects from store to store: see carry.h. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "carry.h"
#include "clock.h"
#include "note.h"
#include "object.h"

/* Who waits because it was told to be slow is no one who hangs. */
#define SLICE_MS 250

/* What comes from one store, on its way to the reader that verifies it and to
 * the other store. */
struct carrier {
	struct stream stream;
	struct stream *reader, *put;
	struct carry_pace *pace;
};

void
carry_moved(const struct carry_pace *p)
{
	if (p->moved != NULL)
		p->moved(p->moved_arg);
}

/* Wait until as much time has gone by as the bytes so far should take. */
static void
keep_pace(struct carry_pace *p, size_t len)
{
	int64_t now = clock_monotonic_ms(), due;

	if (p->begin_ms == 0)
		p->begin_ms = now;
	p->bytes += len;
	carry_moved(p);
	if (p->max_rate == 0)
		return;
	due = p->begin_ms + (int64_t)(p->bytes * 1000 / p->max_rate);
	for (; now < due; now = clock_monotonic_ms()) {
		int64_t ms = due - now < SLICE_MS ? due - now : SLICE_MS;
		struct timespec ts = { .tv_sec = ms / 1000,
			.tv_nsec = ms % 1000 * 1000000 };

		(void)nanosleep(&ts, NULL);
		carry_moved(p);
	}
}

static int
carrier_write(
    struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct carrier *c = (struct carrier *)stream;

	if (stream_write(c->reader, bytes, len, f) != 0 ||
	    stream_write(c->put, bytes, len, f) != 0)
		return -1;
	keep_pace(c->pace, len);
	return 0;
}

static int
carrier_finish(struct stream *stream, struct fail *f)
{
	struct carrier *c = (struct carrier *)stream;

	if (stream_finish(c->reader, f) != 0)
		return -1;
	return stream_finish(c->put, f);
}

static void
carrier_free(struct stream *stream)
{
	struct carrier *c = (struct carrier *)stream;

	stream_free(c->reader);
	stream_free(c->put);
}

static const struct stream_ops carrier_ops = {
	.write = carrier_write,
	.finish = carrier_finish,
	.free = carrier_free,
};

static int
gone(const struct repository *r, const char *key, struct fail *f)
{
	char object[1024];

	store_object_name(r->store, key, object, sizeof object);
	return fail_set(f, FAIL_ABSENT, object, "it is not there any more");
}

/* WAL is put by one request wherever it comes from. */
static enum store_kind
kind_of(const struct repository *r, const char *key)
{
	char prefix[LAYOUT_KEY_MAX];

	layout_wal_prefix(&r->layout, prefix);
	return strncmp(key, prefix, strlen(prefix)) == 0 ? STORE_WAL
	                                                 : STORE_BACKUP;
}

int
carry_object(
    const struct carry *c, const char *key, uint64_t size, struct fail *f)
{
	struct store_attrs attrs = { .kind = kind_of(c->to, key),
		.size_hint = size,
		.set_aside = c->aside };
	struct carrier x = { .stream.ops = &carrier_ops, .pace = c->pace };
	struct object_seen *seen = calloc(1, sizeof *seen);
	char object[1024];
	int rc = -1;

	store_object_name(c->from->store, key, object, sizeof object);
	if (seen != NULL)
		x.reader = object_reader_new(object,
		    layout_own_key(&c->from->layout, key), seen,
		    object_null_new());
	if (x.reader == NULL)
		(void)fail_errno(f, key, "memory");
	else
		x.put = store_put(c->to->store, key, &attrs, f);
	if (x.put != NULL) {
		rc = store_get(c->from->store, key, 0, STORE_ALL, &x.stream, f);
		if (rc == 0)
			rc = stream_finish(&x.stream, f);
		else if (rc == 1)
			rc = gone(c->from, key, f);
	}
	stream_free(&x.stream);
	free(seen);
	return rc;
}

int
carry_note(const struct carry *c, const char *key, struct fail *f)
{
	struct store_attrs attrs = { .kind = STORE_NOTE };
	struct buf b = { 0 };
	struct stream *put;
	int rc = note_read(c->from->store, key, &b, f);

	if (rc == 1)
		rc = gone(c->from, key, f);
	if (rc == 0) {
		put = store_put(c->to->store, key, &attrs, f);
		rc = put != NULL ? stream_write_whole(put, b.data, b.len, f)
		                 : -1;
	}
	buf_clear(&b);
	return rc;
}
