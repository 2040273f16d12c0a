/* SPDX-License-Identifier: PostgreSQL */
/*
 * One object into several stores: see mirror.h.
 * A lane whose store is left out is asked to end.  It may hang in a call that
 * nothing interrupts (a dead NFS server): then it is left behind with what it
 * holds, and the rest goes on.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "io.h"
#include "log.h"
#include "mirror_put.h"

/* How often who waits looks around, and how long it waits for a lane that was
 * asked to end. */
#define LOOK_MS 100
#define END_MS  1000

struct mirror_store {
	struct store store;
	struct mirror *mirror;
	struct store **stores;
	size_t n;
	int64_t *held_ms; /* how long each has held this thread up */
	bool *behind;     /* its store is that of a lane left behind */
};

/* -- the writer's side; all under the lock -- */

/* Does the writer still count on it? */
static bool
counts(struct mirror_put *p, size_t i)
{
	struct mirror_lane *l = &p->lanes[i];

	if (l->state == LANE_NONE || l->stop)
		return false;
	if (mirror_has(p->to->mirror, i))
		return true;
	l->stop = true; /* by another thread */
	(void)pthread_cond_broadcast(&p->changed);
	return false;
}

static bool
has_failed(const struct mirror_lane *l)
{
	return l->state == LANE_ENDED && l->rc < 0;
}

/* What keeps the writer from going on: a full queue, or the lane's end. */
static bool
holds_up(const struct mirror_put *p, const struct mirror_lane *l)
{
	if (p->end)
		return l->state != LANE_ENDED;
	return l->state == LANE_RUNS && p->written - l->taken == MIRROR_SLOTS;
}

/*
 * Leave a lane's store out.  A chunk that it holds in a call stays its own.  0
 * or -1.
 */
static int
leave_out(
    struct mirror_put *p, size_t i, const struct fail *why, struct fail *f)
{
	struct mirror_lane *l = &p->lanes[i];
	struct mirror_chunk *c = &p->ring[l->taken % MIRROR_SLOTS];
	uint8_t *fresh = NULL;

	if (l->busy) {
		fresh = malloc(IO_CHUNK);
		if (fresh == NULL)
			return fail_errno(f, "backup", "memory");
		memcpy(fresh, c->bytes, c->len);
	}
	if (mirror_drop(p->to->mirror, i, why, f) != 0) {
		free(fresh);
		return -1;
	}
	/* The old one is the call's until that returns, if it ever does. */
	if (l->busy) {
		l->held = c->bytes;
		c->bytes = fresh;
	}
	l->stop = true;
	(void)pthread_cond_broadcast(&p->changed);
	return 0;
}

/* It has held us up for so long that we try to go on without it. */
static void
lose_patience(struct mirror_put *p, size_t i)
{
	const struct mirror_args *a = mirror_args_of(p->to->mirror);
	struct fail why, ignored;

	if (p->to->held_ms[i] < a->patience_ms)
		return;
	p->to->held_ms[i] = 0;
	(void)fail_set(&why, FAIL_TRANSIENT, a->stores[i].url,
	    "it takes what it is given too slowly, or not at all (max_lag)");
	if (leave_out(p, i, &why, &ignored) != 0)
		log_warning("backup: store %s holds it up, and it cannot go on "
		            "without it",
		    a->stores[i].name);
}

static void
wait_a_little(struct mirror_put *p)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += LOOK_MS * 1000000L;
	t.tv_sec += t.tv_nsec / 1000000000L;
	t.tv_nsec %= 1000000000L;
	(void)pthread_cond_timedwait(&p->changed, &p->lock, &t);
}

/* Those that hold us up, and are not all there are, are to blame. */
static void
blame(struct mirror_put *p, int64_t ms)
{
	size_t n_late = 0, n = 0;

	for (size_t i = 0; i < p->n; i++)
		if (counts(p, i)) {
			n++;
			n_late += p->lanes[i].late;
		}
	for (size_t i = 0; n_late < n && i < p->n; i++)
		if (counts(p, i) && p->lanes[i].late) {
			p->to->held_ms[i] += ms;
			lose_patience(p, i);
		}
}

/* Who holds us up?  What has failed is left out.  0 nobody, 1, -1. */
static int
look_at_all(struct mirror_put *p, struct fail *f)
{
	int rc = 0;

	for (size_t i = 0; i < p->n; i++) {
		struct mirror_lane *l = &p->lanes[i];

		l->late = counts(p, i) && holds_up(p, l);
		rc |= l->late;
		if (counts(p, i) && has_failed(l) &&
		    leave_out(p, i, &l->fail, f) != 0)
			return -1;
	}
	return rc;
}

/* Wait until nobody holds us up.  0 or -1. */
static int
wait_for_all(struct mirror_put *p, struct fail *f)
{
	int64_t since = clock_monotonic_ms(), now;
	int rc;

	while ((rc = look_at_all(p, f)) == 1) {
		wait_a_little(p);
		now = clock_monotonic_ms();
		blame(p, now - since);
		since = now;
	}
	return rc;
}

static int
put_write(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct mirror_put *p = (struct mirror_put *)stream;
	const uint8_t *from = bytes;
	int rc = 0;

	(void)pthread_mutex_lock(&p->lock);
	while (len > 0 && (rc = wait_for_all(p, f)) == 0) {
		struct mirror_chunk *c = &p->ring[p->written % MIRROR_SLOTS];

		c->len = len < IO_CHUNK ? len : IO_CHUNK;
		/* No lane looks at it before it is counted. */
		(void)pthread_mutex_unlock(&p->lock);
		memcpy(c->bytes, from, c->len);
		(void)pthread_mutex_lock(&p->lock);
		p->written++;
		(void)pthread_cond_broadcast(&p->changed);
		from += c->len;
		len -= c->len;
	}
	(void)pthread_mutex_unlock(&p->lock);
	return rc;
}

static int
put_finish(struct stream *stream, struct fail *f)
{
	struct mirror_put *p = (struct mirror_put *)stream;
	int rc;

	(void)pthread_mutex_lock(&p->lock);
	p->end = true;
	(void)pthread_cond_broadcast(&p->changed);
	rc = wait_for_all(p, f);
	for (size_t i = 0; rc == 0 && i < p->n; i++)
		if (counts(p, i) && p->lanes[i].rc == 1)
			rc = 1;
	(void)pthread_mutex_unlock(&p->lock);
	return rc;
}

/* Those that are asked to end have a while for it; then they are left. */
static void
put_free(struct stream *stream)
{
	struct mirror_put *p = (struct mirror_put *)stream;
	int64_t until = clock_monotonic_ms() + END_MS;

	(void)pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->n; i++)
		p->lanes[i].stop = true;
	(void)pthread_cond_broadcast(&p->changed);
	while (p->users > 1 && clock_monotonic_ms() < until)
		wait_a_little(p);
	for (size_t i = 0; i < p->n; i++)
		if (p->lanes[i].state == LANE_RUNS) {
			p->to->behind[i] = true;
			p->lanes[i].orphan = p->to->stores[i];
		}
	mirror_unuse(p);
}

static const struct stream_ops put_ops = {
	.write = put_write,
	.finish = put_finish,
	.free = put_free,
};

static struct mirror_put *
put_new(struct mirror_store *s)
{
	struct mirror_put *p = calloc(1, sizeof *p + s->n * sizeof *p->lanes);
	pthread_condattr_t attr;

	if (p == NULL)
		return NULL;
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&p->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	p->stream.ops = &put_ops;
	p->to = s;
	p->n = s->n;
	p->users = 1;
	return p;
}

/* 0, -1 */
static int
lane_start(struct mirror_put *p, size_t i, const char *key,
    const struct store_attrs *attrs, struct fail *f)
{
	struct mirror_lane *l = &p->lanes[i];
	pthread_t thread;

	l->put = p;
	l->out = store_put(p->to->stores[i], key, attrs, f);
	if (l->out == NULL)
		return -1;
	(void)pthread_mutex_lock(&p->lock);
	errno = pthread_create(&thread, NULL, mirror_lane_run, l);
	if (errno == 0) {
		(void)pthread_detach(thread);
		l->state = LANE_RUNS;
		p->users++;
	}
	(void)pthread_mutex_unlock(&p->lock);
	if (l->state == LANE_RUNS)
		return 0;
	(void)fail_errno(f, key, "start a thread");
	stream_free(l->out);
	l->out = NULL;
	return -1;
}

static struct stream *
mirror_put(struct store *store, const char *key,
    const struct store_attrs *attrs, struct fail *f)
{
	struct mirror_store *s = (struct mirror_store *)store;
	struct mirror_put *p = put_new(s);

	if (p == NULL) {
		(void)fail_errno(f, key, "memory");
		return NULL;
	}
	for (size_t i = 0; i < MIRROR_SLOTS; i++)
		if ((p->ring[i].bytes = malloc(IO_CHUNK)) == NULL) {
			(void)fail_errno(f, key, "memory");
			put_free(&p->stream);
			return NULL;
		}
	for (size_t i = 0; i < s->n; i++) {
		if (s->stores[i] == NULL || s->behind[i] ||
		    !mirror_has(s->mirror, i) ||
		    lane_start(p, i, key, attrs, f) == 0)
			continue;
		if (mirror_drop(s->mirror, i, f, f) != 0) {
			put_free(&p->stream);
			return NULL;
		}
	}
	return &p->stream;
}

static void
mirror_store_free(struct store *store)
{
	struct mirror_store *s = (struct mirror_store *)store;

	for (size_t i = 0; i < s->n; i++)
		if (!s->behind[i])
			store_free(s->stores[i]);
	free(s->stores);
	free(s->held_ms);
	free(s->behind);
	free(s);
}

static const struct store_ops mirror_ops = {
	.put = mirror_put,
	.free = mirror_store_free,
};

struct store *
mirror_put_store(struct mirror *m, struct store **stores, struct fail *f)
{
	struct mirror_store *s = calloc(1, sizeof *s);

	if (s != NULL) {
		s->n = mirror_args_of(m)->n;
		s->held_ms = calloc(s->n, sizeof *s->held_ms);
		s->behind = calloc(s->n, sizeof *s->behind);
	}
	if (s == NULL || s->held_ms == NULL || s->behind == NULL) {
		if (s != NULL) {
			free(s->held_ms);
			free(s->behind);
		}
		free(s);
		(void)fail_errno(f, "backup", "memory");
		return NULL;
	}
	s->store = (struct store){
		.ops = &mirror_ops, .name = "all stores", .url = "all stores"
	};
	s->mirror = m;
	s->stores = stores;
	return &s->store;
}
