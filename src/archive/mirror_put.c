/* SPDX-License-Identifier: PostgreSQL */
/*
 * One object into several stores: see mirror.h.  Whose fault it is that it
 * takes so long: mirror_wait.c.
 * A lane whose store is left out is asked to end.  It may hang in a call that
 * nothing interrupts (a dead NFS server): then it is left behind with what it
 * holds, and the rest goes on.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io.h"
#include "mirror_put.h"
#include "thread.h"

/* How long a lane that was asked to end is waited for. */
#define END_MS 1000

static int
put_write(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct mirror_put *p = (struct mirror_put *)stream;
	const uint8_t *from = bytes;
	int rc = 0;

	(void)pthread_mutex_lock(&p->lock);
	while (len > 0 && (rc = mirror_wait_for_all(p, f)) == 0) {
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
	rc = mirror_wait_for_all(p, f);
	for (size_t i = 0; rc == 0 && i < p->n; i++)
		if (mirror_counts(p, i) && p->lanes[i].rc == 1)
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
	for (size_t i = 0; i < p->n; i++) {
		p->lanes[i].stop = true;
		/* What has not begun to finish it never will. */
		p->to->may_have[i] = p->lanes[i].whole;
	}
	(void)pthread_cond_broadcast(&p->changed);
	while (p->users > 1 && clock_monotonic_ms() < until)
		mirror_wait_a_little(p);
	for (size_t i = 0; i < p->n; i++)
		if (p->lanes[i].state == LANE_RUNS) {
			p->to->behind[i] = true;
			mirror_leave_behind(p->to->mirror);
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

	if (p == NULL)
		return NULL;
	(void)pthread_mutex_init(&p->lock, NULL);
	thread_cond_init(&p->changed);
	p->stream.ops = &put_ops;
	p->to = s;
	p->n = s->n;
	p->users = 1;
	return p;
}

/* 0, -1 */
static int
lane_start(struct mirror_put *p, size_t i, struct fail *f)
{
	struct mirror_lane *l = &p->lanes[i];
	pthread_t thread;
	int rc;

	l->put = p;
	l->store = p->to->stores[i];
	l->seen_ms = clock_monotonic_ms();
	/* It may have ended before this has returned. */
	(void)pthread_mutex_lock(&p->lock);
	rc = pthread_create(&thread, NULL, mirror_lane_run, l);
	if (rc == 0) {
		(void)pthread_detach(thread);
		l->state = LANE_RUNS;
		p->users++;
	}
	(void)pthread_mutex_unlock(&p->lock);
	errno = rc;
	return rc == 0 ? 0 : fail_errno(f, p->key, "start a thread");
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
	(void)snprintf(p->key, sizeof p->key, "%s", key);
	p->attrs = *attrs;
	for (size_t i = 0; i < MIRROR_SLOTS; i++)
		if ((p->ring[i].bytes = malloc(IO_CHUNK)) == NULL) {
			(void)fail_errno(f, key, "memory");
			put_free(&p->stream);
			return NULL;
		}
	for (size_t i = 0; i < s->n; i++) {
		if (s->stores[i] == NULL || s->behind[i] ||
		    !mirror_has(s->mirror, i) || lane_start(p, i, f) == 0)
			continue;
		if (mirror_drop(s->mirror, i, f, f) != 0) {
			put_free(&p->stream);
			return NULL;
		}
	}
	return &p->stream;
}

bool
mirror_may_have(const struct store *store, size_t i)
{
	return ((const struct mirror_store *)store)->may_have[i];
}

static void
free_arrays(struct mirror_store *s)
{
	free(s->held_ms);
	free(s->told);
	free(s->behind);
	free(s->may_have);
}

static void
mirror_store_free(struct store *store)
{
	struct mirror_store *s = (struct mirror_store *)store;

	for (size_t i = 0; i < s->n; i++)
		if (!s->behind[i])
			store_free(s->stores[i]);
	free(s->stores);
	free_arrays(s);
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
		s->told = calloc(s->n, sizeof *s->told);
		s->behind = calloc(s->n, sizeof *s->behind);
		s->may_have = calloc(s->n, sizeof *s->may_have);
	}
	if (s == NULL || s->held_ms == NULL || s->told == NULL ||
	    s->behind == NULL || s->may_have == NULL) {
		if (s != NULL)
			free_arrays(s);
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
