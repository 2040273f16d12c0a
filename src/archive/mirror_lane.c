/* SPDX-License-Identifier: PostgreSQL */
/* One store's side of a mirror's put: see mirror_put.h. */
#include <stdlib.h>

#include "mirror_put.h"

void
mirror_unuse(struct mirror_put *p)
{
	bool last = --p->users == 0;

	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->lock);
	if (!last)
		return;
	for (size_t i = 0; i < MIRROR_SLOTS; i++)
		free(p->ring[i].bytes);
	(void)pthread_cond_destroy(&p->changed);
	(void)pthread_mutex_destroy(&p->lock);
	for (size_t i = 0; i < p->n; i++)
		free(p->lanes[i].held);
	free(p);
}

/* -- a lane's side; all under the lock, but for the calls -- */

/* The next chunk; NULL: there will be none. */
static const struct mirror_chunk *
lane_next(struct mirror_lane *l)
{
	struct mirror_put *p = l->put;

	while (l->taken == p->written && !p->end && !l->stop)
		(void)pthread_cond_wait(&p->changed, &p->lock);
	return l->stop || l->taken == p->written
	    ? NULL
	    : &p->ring[l->taken % MIRROR_SLOTS];
}

static int
lane_write(struct mirror_lane *l, const struct mirror_chunk *c)
{
	const uint8_t *bytes = c->bytes;
	size_t len = c->len;
	int rc;

	l->busy = true;
	(void)pthread_mutex_unlock(&l->put->lock);
	rc = stream_write(l->out, bytes, len, &l->fail);
	(void)pthread_mutex_lock(&l->put->lock);
	l->busy = false;
	l->taken++;
	(void)pthread_cond_broadcast(&l->put->changed);
	return rc;
}

void *
mirror_lane_run(void *arg)
{
	struct mirror_lane *l = arg;
	struct mirror_put *p = l->put;
	const struct mirror_chunk *c;
	struct store *orphan;
	int rc;

	/* The beginning may hang, too. */
	l->out = store_put(l->store, p->key, &p->attrs, &l->fail);
	rc = l->out != NULL ? 0 : -1;
	(void)pthread_mutex_lock(&p->lock);
	while (rc == 0 && (c = lane_next(l)) != NULL)
		rc = lane_write(l, c);
	l->whole = rc == 0 && !l->stop;
	(void)pthread_mutex_unlock(&p->lock);
	/* Not changed any more, so it may be read without the lock. */
	if (l->whole)
		rc = stream_finish(l->out, &l->fail);
	stream_free(l->out);
	(void)pthread_mutex_lock(&p->lock);
	l->out = NULL;
	l->rc = rc;
	l->state = LANE_ENDED;
	orphan = l->orphan;
	mirror_unuse(p);
	store_free(orphan);
	return NULL;
}
