/* SPDX-License-Identifier: PostgreSQL */
/*
 * Who keeps the writer of a mirror's put waiting, and for how long it may: see
 * mirror_put.h.  All of it under the put's lock.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "io.h"
#include "log.h"
#include "mirror_put.h"
#include "thread.h"
#include "units.h"

/* How often who waits looks around. */
#define LOOK_MS 100

/* Where none goes on, none is to blame for so long. */
#define SILENCE_MS INT64_C(600000)

/*
 * Ask a lane to end, and count on it no more.  A chunk that it holds in a call
 * is the call's until that returns, if it ever does; its place in the ring gets
 * another.  False: no memory for that, and nothing has changed.
 */
static bool
let_go(struct mirror_put *p, struct mirror_lane *l)
{
	struct mirror_chunk *c = &p->ring[l->taken % MIRROR_SLOTS];

	if (l->busy) {
		uint8_t *fresh = malloc(IO_CHUNK);

		if (fresh == NULL)
			return false;
		memcpy(fresh, c->bytes, c->len);
		l->held = c->bytes;
		c->bytes = fresh;
	}
	l->stop = true;
	(void)pthread_cond_broadcast(&p->changed);
	return true;
}

bool
mirror_counts(struct mirror_put *p, size_t i)
{
	struct mirror_lane *l = &p->lanes[i];

	if (l->state == LANE_NONE || l->stop)
		return false;
	/* Another thread may have left it out. */
	return mirror_has(p->to->mirror, i) || !let_go(p, l);
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

/* Leave a lane's store out.  0 or -1. */
static int
leave_out(
    struct mirror_put *p, size_t i, const struct fail *why, struct fail *f)
{
	if (mirror_drop(p->to->mirror, i, why, f) != 0)
		return -1;
	return let_go(p, &p->lanes[i]) ? 0 : fail_errno(f, "backup", "memory");
}

/* Has it taken nothing for so long? */
static bool
is_stuck(const struct mirror_lane *l, int64_t most_ms)
{
	return clock_monotonic_ms() - l->seen_ms >= most_ms;
}

/* It does nothing any more: out with it, or with the put.  0 or -1. */
static int
give_up(struct mirror_put *p, size_t i, struct fail *f)
{
	const struct mirror_args *a = mirror_args_of(p->to->mirror);
	char text[UNITS_TEXT];
	struct fail why;

	units_format((uint64_t)(clock_monotonic_ms() - p->lanes[i].seen_ms),
	    UNITS_MS, text);
	(void)fail_set(&why, FAIL_TRANSIENT, a->stores[i].url,
	    "store %s has taken nothing for %s (max_lag)", a->stores[i].name,
	    text);
	(void)fail_hint(&why,
	    "is the store reachable? walvault check --store %s shows what is "
	    "wrong%s",
	    a->stores[i].name,
	    mirror_can_spare(p->to->mirror)
	        ? ""
	        : "; with a smaller --required the backup goes on without it");
	return leave_out(p, i, &why, f);
}

/* It has held us up for so long that we try to go on without it.  0 or -1. */
static int
lose_patience(struct mirror_put *p, size_t i, struct fail *f)
{
	const struct mirror_args *a = mirror_args_of(p->to->mirror);
	struct fail why, ignored;

	if (p->to->held_ms[i] < a->patience_ms)
		return 0;
	(void)fail_set(&why, FAIL_TRANSIENT, a->stores[i].url,
	    "it takes what it is given too slowly, or not at all (max_lag)");
	if (mirror_can_spare(p->to->mirror) &&
	    leave_out(p, i, &why, &ignored) == 0)
		return 0;
	if (is_stuck(&p->lanes[i], a->stuck_ms))
		return give_up(p, i, f);
	if (!p->to->told[i])
		log_warning("backup: store %s holds it up, and it cannot go on "
		            "without it",
		    a->stores[i].name);
	p->to->told[i] = true;
	return 0;
}

void
mirror_wait_a_little(struct mirror_put *p)
{
	(void)thread_wait_until(
	    &p->changed, &p->lock, clock_monotonic_ms() + LOOK_MS);
}

/*
 * Those that hold us up, and are not all there are, are to blame.  If all do,
 * the disk or the network is slow, unless nothing moves at all.
 */
static int
blame(struct mirror_put *p, int64_t ms, struct fail *f)
{
	int64_t silence = mirror_args_of(p->to->mirror)->stuck_ms;
	size_t n_late = 0, n = 0;
	int rc = 0;

	silence = silence > SILENCE_MS ? silence : SILENCE_MS;
	for (size_t i = 0; i < p->n; i++)
		if (mirror_counts(p, i)) {
			n++;
			n_late += p->lanes[i].late;
		}
	for (size_t i = 0; rc == 0 && i < p->n; i++) {
		if (!mirror_counts(p, i) || !p->lanes[i].late)
			continue;
		if (n_late == n) {
			if (is_stuck(&p->lanes[i], silence))
				rc = give_up(p, i, f);
			continue;
		}
		p->to->held_ms[i] += ms;
		rc = lose_patience(p, i, f);
	}
	return rc;
}

/* When it last took something, or had nothing to take. */
static void
note_progress(struct mirror_lane *l)
{
	if (l->late && l->seen == l->taken)
		return;
	l->seen = l->taken;
	l->seen_ms = clock_monotonic_ms();
}

/* Who holds us up?  What has failed is left out.  0 nobody, 1, -1. */
static int
look_at_all(struct mirror_put *p, struct fail *f)
{
	int rc = 0;

	for (size_t i = 0; i < p->n; i++) {
		struct mirror_lane *l = &p->lanes[i];

		l->late = mirror_counts(p, i) && holds_up(p, l);
		rc |= l->late;
		note_progress(l);
		if (mirror_counts(p, i) && has_failed(l) &&
		    leave_out(p, i, &l->fail, f) != 0)
			return -1;
	}
	return rc;
}

int
mirror_wait_for_all(struct mirror_put *p, struct fail *f)
{
	int64_t since = clock_monotonic_ms(), now;
	int rc;

	while ((rc = look_at_all(p, f)) == 1) {
		mirror_wait_a_little(p);
		now = clock_monotonic_ms();
		if (blame(p, now - since, f) != 0)
			return -1;
		since = now;
	}
	return rc;
}
