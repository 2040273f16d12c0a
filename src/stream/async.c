/* SPDX-License-Identifier: PostgreSQL */
/* Stages in a thread of their own: see async.h. */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "async.h"
#include "io.h"
#include "thread.h"

/* More than two, so that neither side waits for every chunk of the other. */
#define SLOTS 4

/*
 * Looks at the ring before sleeping: to wake a sleeping processor costs about
 * as much as a chunk's work, and the other side is usually almost there.
 */
#define SPINS 1000

static void
relax(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#endif
}

struct slot {
	uint8_t *bytes; /* IO_CHUNK of room */
	size_t len;
};

struct async {
	struct stream stream;
	struct stream *next;
	pthread_t thread;
	bool running; /* the thread is to be joined */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under the lock: */
	struct slot slot[SLOTS];
	_Atomic size_t filled; /* slots that the thread has yet to take */
	size_t first;          /* the oldest of them */
	bool end;              /* nothing more will come */
	bool failed;
	struct fail fail;
};

/* Wait for a filled slot; NULL at the end. */
static struct slot *
next_filled(struct async *a)
{
	struct slot *s = NULL;

	for (int i = 0; i < SPINS && a->filled == 0; i++)
		relax();
	(void)pthread_mutex_lock(&a->lock);
	while (a->filled == 0 && !a->end)
		(void)pthread_cond_wait(&a->changed, &a->lock);
	if (a->filled > 0)
		s = &a->slot[a->first];
	(void)pthread_mutex_unlock(&a->lock);
	return s;
}

static void
release(struct async *a, const struct fail *failure)
{
	(void)pthread_mutex_lock(&a->lock);
	a->first = (a->first + 1) % SLOTS;
	a->filled--;
	if (failure != NULL) {
		a->failed = true;
		a->fail = *failure;
	}
	(void)pthread_cond_signal(&a->changed);
	(void)pthread_mutex_unlock(&a->lock);
}

static void *
run(void *arg)
{
	struct async *a = arg;
	struct slot *s;
	bool failed = false;

	/* After a failure chunks are taken and dropped, so that the writer
	 * does not wait for ever. */
	while ((s = next_filled(a)) != NULL) {
		struct fail f;

		if (!failed && stream_write(a->next, s->bytes, s->len, &f) != 0)
			failed = true;
		else
			f.kind = FAIL_NONE;
		release(a, failed && f.kind != FAIL_NONE ? &f : NULL);
	}
	return NULL;
}

/* Wait for a free slot.  NULL if the thread has failed (f is filled). */
static struct slot *
next_free(struct async *a, struct fail *f)
{
	struct slot *s = NULL;

	for (int i = 0; i < SPINS && a->filled == SLOTS; i++)
		relax();
	(void)pthread_mutex_lock(&a->lock);
	while (a->filled == SLOTS && !a->failed)
		(void)pthread_cond_wait(&a->changed, &a->lock);
	if (a->failed)
		*f = a->fail;
	else
		s = &a->slot[(a->first + a->filled) % SLOTS];
	(void)pthread_mutex_unlock(&a->lock);
	return s;
}

static int
async_write(
    struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct async *a = (struct async *)stream;
	const uint8_t *p = bytes;

	while (len > 0) {
		struct slot *s = next_free(a, f);
		size_t n = len < IO_CHUNK ? len : IO_CHUNK;

		if (s == NULL)
			return -1;
		if (p != s->bytes)
			memcpy(s->bytes, p, n);
		s->len = n;
		(void)pthread_mutex_lock(&a->lock);
		a->filled++;
		(void)pthread_cond_signal(&a->changed);
		(void)pthread_mutex_unlock(&a->lock);
		p += n;
		len -= n;
	}
	return 0;
}

static uint8_t *
async_room(struct stream *stream)
{
	struct fail ignored;
	struct slot *s = next_free((struct async *)stream, &ignored);

	return s != NULL ? s->bytes : NULL;
}

/* Let the thread come to its end. */
static void
join(struct async *a)
{
	if (!a->running)
		return;
	(void)pthread_mutex_lock(&a->lock);
	a->end = true;
	(void)pthread_cond_signal(&a->changed);
	(void)pthread_mutex_unlock(&a->lock);
	(void)pthread_join(a->thread, NULL);
	a->running = false;
}

static int
async_finish(struct stream *stream, struct fail *f)
{
	struct async *a = (struct async *)stream;

	join(a);
	if (a->failed) {
		*f = a->fail;
		return -1;
	}
	return stream_finish(a->next, f);
}

static void
async_free(struct stream *stream)
{
	struct async *a = (struct async *)stream;

	join(a);
	stream_free(a->next);
	for (size_t i = 0; i < SLOTS; i++)
		free(a->slot[i].bytes);
	(void)pthread_cond_destroy(&a->changed);
	(void)pthread_mutex_destroy(&a->lock);
	free(a);
}

static const struct stream_ops async_ops = {
	.write = async_write,
	.finish = async_finish,
	.free = async_free,
	.room = async_room,
};

struct stream *
async_new(struct stream *next)
{
	struct async *a;
	bool room = true;
	int error = ENOMEM;

	if (next == NULL)
		return NULL;
	a = calloc(1, sizeof *a);
	if (a == NULL) {
		stream_free(next);
		return NULL;
	}
	a->stream.ops = &async_ops;
	a->next = next;
	(void)pthread_mutex_init(&a->lock, NULL);
	(void)pthread_cond_init(&a->changed, NULL);
	for (size_t i = 0; i < SLOTS; i++) {
		a->slot[i].bytes = malloc(IO_CHUNK);
		room = room && a->slot[i].bytes != NULL;
	}
	if (room)
		error = thread_start(&a->thread, run, a);
	a->running = error == 0;
	if (a->running)
		return &a->stream;
	async_free(&a->stream);
	errno = error;
	return NULL;
}
