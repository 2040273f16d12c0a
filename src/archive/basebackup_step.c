/* SPDX-License-Identifier: PostgreSQL */
/* One step in all stores side by side: see basebackup_step.h. */
#include <stdio.h>

#include "basebackup_step.h"
#include "log.h"
#include "units.h"

/* How often the server's session and signals are looked after meanwhile. */
#define LOOK_MS 100

/* Threads that were told to come back have so long for it. */
#define END_MS 1000

/* What is asked of the stores when the backup is there, once it is stopped. */
#define STOPPED_MS 1000

/* Where no store has answered, none keeps another waiting. */
#define SILENCE_MS INT64_C(600000)

/* A store that has failed for others has so long, where it can be spared. */
#define DOWN_MS 5000

struct stepping {
	struct basebackup *b;
	const struct basebackup_step *step;
	struct round *round;
	size_t n, n_done;
	int64_t begin_ms;
	int64_t first_ms; /* when the first store had it done */
	bool stopped;     /* by a signal; only if it is published */
	/* No more is expected of it: done, failed, or given up. */
	bool settled[STORES_MAX];
	bool has[STORES_MAX]; /* done */
};

/* How long a store may still be silent; 0 or less: no longer. */
static int64_t
patience(const struct stepping *x, size_t i, int64_t now)
{
	const struct basebackup *b = x->b;
	int64_t since = x->first_ms, most = b->args->max_lag_ms, alive;

	if (x->n_done == 0) {
		since = x->begin_ms;
		most = most > SILENCE_MS ? most : SILENCE_MS;
	}
	if (b->down[i] && x->n_done >= b->args->required && most > DOWN_MS)
		most = DOWN_MS;
	if (x->stopped && most > STOPPED_MS)
		most = STOPPED_MS;
	if (x->step->alive_ms != NULL) {
		alive = atomic_load(&x->step->alive_ms[i]);
		since = alive > since ? alive : since;
	}
	return since + most - now;
}

static void
no_answer(const struct stepping *x, size_t i, int64_t now, struct fail *why)
{
	struct basebackup *b = x->b;
	const char *name = b->args->stores[i].name;
	char since[UNITS_TEXT];

	units_format((uint64_t)(now - x->begin_ms), UNITS_MS, since);
	(void)fail_set(why, FAIL_TRANSIENT, b->args->repos[i].store->url,
	    "store %s has not answered for %s (%s), %s", name, since,
	    x->stopped       ? "stopped"
	        : b->down[i] ? "it has failed before"
	                     : "max_lag",
	    x->step->what);
	(void)fail_hint(why,
	    "is the store reachable? walvault check --store %s shows what is "
	    "wrong%s",
	    name,
	    x->step->published || mirror_can_spare(b->mirror)
	        ? ""
	        : "; with a smaller --required the backup goes on without it");
}

/* The store has failed.  0 it is left out, -1 it cannot be. */
static int
lose(struct stepping *x, size_t i, struct fail *why, struct fail *f)
{
	struct basebackup *b = x->b;

	x->settled[i] = true;
	if (x->step->published) {
		log_fail(LOG_WARNING, x->step->what, why);
		return 0;
	}
	if (x->step->explain != NULL)
		x->step->explain(b, x->step->task.arg, i, why);
	return mirror_drop(b->mirror, i, why, f);
}

/* The round is locked, and unlocked while a store is left out. */
static int
settle(struct stepping *x, size_t i, struct fail *f)
{
	const struct slot *slot = &x->round->slot[i];
	int64_t now = clock_monotonic_ms();
	struct fail why;
	int rc;

	if (slot->done && slot->rc >= 0) {
		x->settled[i] = x->has[i] = true;
		x->first_ms = x->n_done++ == 0 ? now : x->first_ms;
		return 0;
	}
	if (slot->done)
		why = slot->fail;
	else if (patience(x, i, now) <= 0)
		no_answer(x, i, now, &why);
	else
		return 0;
	(void)pthread_mutex_unlock(&x->round->lock);
	rc = lose(x, i, &why, f);
	(void)pthread_mutex_lock(&x->round->lock);
	return rc;
}

/* Locked.  1 some stores have yet to answer, 0 none, -1. */
static int
settle_all(struct stepping *x, struct fail *f)
{
	int rc = 0;

	for (size_t i = 0; i < x->n; i++) {
		if (x->round->slot[i].started && !x->settled[i] &&
		    settle(x, i, f) != 0)
			return -1;
		rc |= x->round->slot[i].started && !x->settled[i];
	}
	return rc;
}

/* Locked: have all threads come back? */
static bool
is_quiet(const struct stepping *x)
{
	for (size_t i = 0; i < x->n; i++)
		if (x->round->slot[i].started && !x->round->slot[i].done)
			return false;
	return true;
}

/* Locked.  What nobody waits for any more is told so. */
static void
end_threads(struct stepping *x)
{
	int64_t until = clock_monotonic_ms() + END_MS;

	if (x->step->over != NULL)
		atomic_store(x->step->over, true);
	while (x->step->over != NULL && !is_quiet(x) &&
	    clock_monotonic_ms() < until)
		round_wait(x->round, until);
	if (!is_quiet(x))
		x->b->left_behind = true;
}

/* Locked, but while the backup's own affairs are looked after. */
static int
wait_all(struct stepping *x, struct fail *f)
{
	const struct basebackup_step *step = x->step;
	int rc;

	while ((rc = settle_all(x, f)) == 1) {
		round_wait(x->round, clock_monotonic_ms() + LOOK_MS);
		(void)pthread_mutex_unlock(&x->round->lock);
		rc = basebackup_tick(x->b, f);
		x->stopped = rc != 0 && step->published;
		rc = x->stopped ? 0 : rc;
		if (rc == 0 && step->look != NULL)
			rc = step->look(x->b, step->task.arg, f);
		(void)pthread_mutex_lock(&x->round->lock);
		if (rc != 0)
			return -1;
	}
	return rc;
}

static int
take_all(struct stepping *x, struct fail *f)
{
	const struct basebackup_step *step = x->step;
	struct fail why;

	for (size_t i = 0; step->take != NULL && i < x->n; i++)
		if (x->has[i] &&
		    step->take(x->b, step->task.arg, i, &why) != 0 &&
		    mirror_drop(x->b->mirror, i, &why, f) != 0)
			return -1;
	return 0;
}

int
basebackup_do(
    struct basebackup *b, const struct basebackup_step *step, struct fail *f)
{
	struct stepping x = { .b = b,
		.step = step,
		.round = round_new(&step->task),
		.n = b->args->n_repos,
		.begin_ms = clock_monotonic_ms() };
	int rc;

	if (x.round == NULL) {
		step->task.free_arg(step->task.arg);
		return fail_errno(f, "backup", "memory");
	}
	(void)pthread_mutex_lock(&x.round->lock);
	for (size_t i = 0; i < x.n; i++)
		if (mirror_has(b->mirror, i))
			round_start(x.round, i, &b->args->repos[i]);
	rc = wait_all(&x, f);
	end_threads(&x);
	(void)pthread_mutex_unlock(&x.round->lock);
	if (rc == 0)
		rc = take_all(&x, f);
	(void)pthread_mutex_lock(&x.round->lock);
	round_leave(x.round);
	return rc;
}
