/* SPDX-License-Identifier: PostgreSQL */
/* Counting and summing: see digest.h. */
#include <stdlib.h>
#include <string.h>

#include "digest.h"

struct digest_stage {
	struct stream stream;
	struct stream *next;
	struct sum128_state *sum;
	uint64_t len;
	struct digest *result;
};

static int
digest_write(
    struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct digest_stage *d = (struct digest_stage *)stream;

	sum128_update(d->sum, bytes, len);
	d->len += len;
	return stream_write(d->next, bytes, len, f);
}

static int
digest_finish(struct stream *stream, struct fail *f)
{
	struct digest_stage *d = (struct digest_stage *)stream;

	d->result->len = d->len;
	d->result->sum = sum128_final(d->sum);
	return stream_finish(d->next, f);
}

static uint8_t *
digest_room(struct stream *stream)
{
	return stream_room(((struct digest_stage *)stream)->next);
}

static void
digest_free(struct stream *stream)
{
	struct digest_stage *d = (struct digest_stage *)stream;

	stream_free(d->next);
	sum128_free(d->sum);
	free(d);
}

static const struct stream_ops digest_ops = {
	.write = digest_write,
	.finish = digest_finish,
	.free = digest_free,
	.room = digest_room,
};

struct stream *
digest_new(struct digest *result, struct stream *next)
{
	struct digest_stage *d;

	if (next == NULL)
		return NULL;
	d = calloc(1, sizeof *d);
	if (d != NULL)
		d->sum = sum128_new();
	if (d == NULL || d->sum == NULL) {
		free(d);
		stream_free(next);
		return NULL;
	}
	d->stream.ops = &digest_ops;
	d->next = next;
	d->result = result;
	return &d->stream;
}

bool
digest_same(const struct digest *a, const struct digest *b)
{
	return a->len == b->len && memcmp(&a->sum, &b->sum, sizeof a->sum) == 0;
}
