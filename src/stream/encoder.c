/* SPDX-License-Identifier: PostgreSQL */
/* Compression by chunks, on two threads: see encoder.h. */
#include <stdlib.h>
#include <string.h>

#include "encoder.h"
#include "io.h"
#include "thread.h"

/* Enough that neither thread waits for every chunk of the other. */
#define SLOTS 4

enum slot_state { SLOT_FILLED, SLOT_TAKEN, SLOT_DONE };

struct slot {
	uint8_t *plain; /* IO_CHUNK of room */
	size_t len;
	uint8_t *frame; /* codec_bound of room */
	size_t frame_len;
	enum slot_state state;
	struct fail fail; /* if done with kind set: it failed */
};

struct encoder {
	struct stream stream;
	struct stream *next;
	struct codec codec;
	bool threaded, running;
	pthread_t thread;
	size_t fill; /* bytes in the chunk that is being collected */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Chunks first ... end - 1 are with the encoder; each has the slot
	 * of its number modulo SLOTS.  Under the lock, as are the states: */
	size_t first, end;
	bool stop;
	struct slot slot[SLOTS];
};

static struct slot *
slot_of(struct encoder *e, size_t chunk)
{
	return &e->slot[chunk % SLOTS];
}

/* The oldest chunk that nobody compresses yet, taken; NULL if none. */
static struct slot *
take(struct encoder *e)
{
	for (size_t i = e->first; i < e->end; i++)
		if (slot_of(e, i)->state == SLOT_FILLED) {
			slot_of(e, i)->state = SLOT_TAKEN;
			return slot_of(e, i);
		}
	return NULL;
}

/* Compress a slot that was taken; called and left with the lock held. */
static void
compress(struct encoder *e, struct slot *s)
{
	(void)pthread_mutex_unlock(&e->lock);
	s->fail.kind = FAIL_NONE;
	(void)codec_frame(
	    &e->codec, s->plain, s->len, s->frame, &s->frame_len, &s->fail);
	(void)pthread_mutex_lock(&e->lock);
	s->state = SLOT_DONE;
	(void)pthread_cond_broadcast(&e->changed);
}

static void *
run(void *arg)
{
	struct encoder *e = arg;
	struct slot *s;

	(void)pthread_mutex_lock(&e->lock);
	while (!e->stop) {
		s = take(e);
		if (s != NULL)
			compress(e, s);
		else
			(void)pthread_cond_wait(&e->changed, &e->lock);
	}
	(void)pthread_mutex_unlock(&e->lock);
	return NULL;
}

/*
 * Get the oldest chunk's frame (help, or wait for it) and pass it on.  The
 * lock is held on entry and exit.
 */
static int
pass_first(struct encoder *e, struct fail *f)
{
	struct slot *s = slot_of(e, e->first);
	int rc;

	while (s->state != SLOT_DONE) {
		struct slot *mine = take(e);

		if (mine != NULL)
			compress(e, mine);
		else
			(void)pthread_cond_wait(&e->changed, &e->lock);
	}
	if (s->fail.kind != FAIL_NONE) {
		*f = s->fail;
		return -1;
	}
	(void)pthread_mutex_unlock(&e->lock);
	rc = stream_write(e->next, s->frame, s->frame_len, f);
	(void)pthread_mutex_lock(&e->lock);
	e->first++;
	return rc;
}

/* Without a second thread the caller's does it all. */
static void
start_thread(struct encoder *e)
{
	e->threaded = false;
	e->running = thread_start(&e->thread, run, e) == 0;
}

/* The chunk collected in the last slot is complete; make room for another. */
static int
submit(struct encoder *e, struct fail *f)
{
	struct slot *s;
	int rc = 0;

	(void)pthread_mutex_lock(&e->lock);
	s = slot_of(e, e->end);
	s->len = e->fill;
	s->state = SLOT_FILLED;
	e->fill = 0;
	e->end++;
	if (e->threaded && s->len == IO_CHUNK)
		start_thread(e);
	(void)pthread_cond_broadcast(&e->changed);
	while (rc == 0 && e->first < e->end &&
	    (!e->running || e->end - e->first == SLOTS ||
	        slot_of(e, e->first)->state == SLOT_DONE))
		rc = pass_first(e, f);
	(void)pthread_mutex_unlock(&e->lock);
	return rc;
}

/* Where the chunk that is being collected goes on; NULL without memory. */
static uint8_t *
make_room(struct encoder *e, struct fail *f)
{
	struct slot *s = slot_of(e, e->end);

	if (s->plain == NULL)
		s->plain = malloc(IO_CHUNK);
	if (s->frame == NULL)
		s->frame = malloc(codec_bound(&e->codec, IO_CHUNK));
	if (s->plain != NULL && s->frame != NULL)
		return s->plain + e->fill;
	(void)fail_errno(f, NULL, "memory");
	return NULL;
}

static int
encoder_write(
    struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct encoder *e = (struct encoder *)stream;
	const uint8_t *p = bytes;

	while (len > 0) {
		uint8_t *room = make_room(e, f);
		size_t n = len < IO_CHUNK - e->fill ? len : IO_CHUNK - e->fill;

		if (room == NULL)
			return -1;
		if (p != room)
			memcpy(room, p, n);
		e->fill += n;
		p += n;
		len -= n;
		if (e->fill == IO_CHUNK && submit(e, f) != 0)
			return -1;
	}
	return 0;
}

static uint8_t *
encoder_room(struct stream *stream)
{
	struct encoder *e = (struct encoder *)stream;
	struct fail ignored;

	return e->fill == 0 ? make_room(e, &ignored) : NULL;
}

static int
encoder_finish(struct stream *stream, struct fail *f)
{
	struct encoder *e = (struct encoder *)stream;
	int rc = 0;

	/* No bytes at all are a frame, too. */
	if (e->fill > 0 || e->end == 0) {
		if (make_room(e, f) == NULL)
			return -1;
		rc = submit(e, f);
	}
	(void)pthread_mutex_lock(&e->lock);
	while (rc == 0 && e->first < e->end)
		rc = pass_first(e, f);
	(void)pthread_mutex_unlock(&e->lock);
	return rc == 0 ? stream_finish(e->next, f) : -1;
}

static void
encoder_free(struct stream *stream)
{
	struct encoder *e = (struct encoder *)stream;

	(void)pthread_mutex_lock(&e->lock);
	e->stop = true;
	(void)pthread_cond_broadcast(&e->changed);
	(void)pthread_mutex_unlock(&e->lock);
	if (e->running)
		(void)pthread_join(e->thread, NULL);
	for (size_t i = 0; i < SLOTS; i++) {
		free(e->slot[i].plain);
		free(e->slot[i].frame);
	}
	(void)pthread_cond_destroy(&e->changed);
	(void)pthread_mutex_destroy(&e->lock);
	stream_free(e->next);
	free(e);
}

static const struct stream_ops encoder_ops = {
	.write = encoder_write,
	.finish = encoder_finish,
	.free = encoder_free,
	.room = encoder_room,
};

struct stream *
encoder_new(const struct codec *codec, bool threaded, struct stream *next)
{
	struct encoder *e;

	if (next == NULL)
		return NULL;
	e = codec_bound(codec, IO_CHUNK) > 0 ? calloc(1, sizeof *e) : NULL;
	if (e == NULL) {
		stream_free(next);
		return NULL;
	}
	e->stream.ops = &encoder_ops;
	e->next = next;
	e->codec = *codec;
	e->threaded = threaded;
	(void)pthread_mutex_init(&e->lock, NULL);
	(void)pthread_cond_init(&e->changed, NULL);
	return &e->stream;
}
