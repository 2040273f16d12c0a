/* SPDX-License-Identifier: PostgreSQL */
/* One task in several stores at once: see several_round.h. */
#include <stdlib.h>
#include <string.h>

#include "several_round.h"
#include "thread.h"

struct round *
round_new(const struct several_task *t)
{
	struct round *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	(void)pthread_mutex_init(&r->lock, NULL);
	thread_cond_init(&r->changed);
	r->users = 1;
	r->task = *t;
	return r;
}

void
round_leave(struct round *r)
{
	bool last = --r->users == 0;

	(void)pthread_mutex_unlock(&r->lock);
	if (!last)
		return;
	(void)pthread_mutex_destroy(&r->lock);
	(void)pthread_cond_destroy(&r->changed);
	if (r->task.free_arg != NULL)
		r->task.free_arg(r->task.arg);
	free(r);
}

static void *
run_slot(void *arg)
{
	struct slot *slot = arg;
	struct round *r = slot->round;
	struct fail f = { .kind = FAIL_NONE };
	int rc = r->task.run(r->task.arg, slot->repo, &f);

	(void)pthread_mutex_lock(&r->lock);
	slot->rc = rc;
	slot->fail = f;
	slot->done = true;
	(void)pthread_cond_signal(&r->changed);
	round_leave(r);
	return NULL;
}

void
round_start(struct round *r, size_t i, struct repository *repo)
{
	struct slot *slot = &r->slot[i];
	pthread_t thread;
	int rc;

	slot->round = r;
	slot->repo = repo;
	slot->started = true;
	slot->begin_ms = clock_monotonic_ms();
	r->users++;
	rc = thread_start(&thread, run_slot, slot);
	if (rc == 0) {
		(void)pthread_detach(thread);
		return;
	}
	r->users--;
	slot->done = true;
	slot->rc = fail_set(&slot->fail, FAIL_INTERNAL, repo->store->url,
	    "cannot start a thread: %s", strerror(rc));
}

void
round_wait(struct round *r, int64_t at_ms)
{
	(void)thread_wait_until(&r->changed, &r->lock, at_ms);
}
