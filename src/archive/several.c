/* SPDX-License-Identifier: PostgreSQL */
/* Several stores side by side: see several.h. */
#include <string.h>

#include "known.h"
#include "several_round.h"
#include "units.h"

static int64_t
sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

struct tally {
	size_t ok, running, unasked;
};

static struct tally
count(const struct several *s, const struct round *r)
{
	struct tally t = { 0 };

	for (size_t i = 0; i < s->n; i++) {
		const struct slot *x = &r->slot[i];

		t.ok += x->done && x->rc == 0;
		t.running += x->started && !x->done;
		t.unasked += !x->started && !s->store[i].busy;
	}
	return t;
}

/* Start all that are not remembered as down; with all, those too. */
static void
start_all(struct several *s, struct round *r, bool all)
{
	int64_t now = clock_now();

	for (size_t i = 0; i < s->n; i++)
		if (!r->slot[i].started && !s->store[i].busy &&
		    (all || !behind_is_down(&s->store[i].behind, now)))
			round_start(r, i, &s->repos[i]);
}

static void
left_alone(struct several *s, size_t i)
{
	struct several_store *x = &s->store[i];
	char until[CLOCK_TEXT];

	x->word = SEVERAL_LEFT;
	clock_format(x->behind.until, until);
	(void)fail_set(&x->fail, FAIL_TRANSIENT, s->repos[i].store->url,
	    "left alone until %s, because it failed: %s", until,
	    x->behind.cause);
}

/*
 * Nobody waits for it any longer: it failed if the time of all is over, and it
 * is slow if it had its grace.
 */
static void
silent(struct several *s, size_t i, const struct slot *slot, bool over)
{
	struct several_store *x = &s->store[i];
	char grace[UNITS_TEXT];

	x->word = SEVERAL_SILENT;
	units_format((uint64_t)s->grace_ms, UNITS_MS, grace);
	if (over)
		(void)fail_set(&x->fail, FAIL_TRANSIENT, s->repos[i].store->url,
		    "it did not answer before the deadline");
	else
		(void)fail_set(&x->fail, FAIL_TRANSIENT, s->repos[i].store->url,
		    "it did not answer within %s, and another did", grace);
	(void)fail_hint(&x->fail,
	    "is the store reachable? walvault check shows what is wrong");
	if (slot->started) {
		x->failed = over;
		x->slow = !over &&
		    clock_monotonic_ms() - slot->begin_ms >= s->grace_ms;
		x->last = x->fail;
	}
	x->busy = true;
}

/* Is it the store that failed, and not what it was asked for? */
static bool
is_outage(const struct fail *f)
{
	return f->kind == FAIL_TRANSIENT || f->kind == FAIL_SPACE ||
	    f->kind == FAIL_DENIED || f->kind == FAIL_CONFIG;
}

/* Each store's word, from the round. */
static void
take_words(struct several *s, const struct round *r, bool over)
{
	for (size_t i = 0; i < s->n; i++) {
		struct several_store *x = &s->store[i];
		const struct slot *slot = &r->slot[i];

		if (!slot->started) {
			if (x->busy)
				silent(s, i, slot, over);
			else
				left_alone(s, i);
		} else if (!slot->done) {
			silent(s, i, slot, over);
		} else {
			x->fail = slot->fail;
			x->word = slot->rc == 0 ? SEVERAL_DONE
			    : slot->rc == 1     ? SEVERAL_NO
			                        : SEVERAL_FAILED;
			if (slot->rc < 0 && is_outage(&slot->fail)) {
				x->failed = true;
				x->slow = false;
				x->last = slot->fail;
			} else {
				x->answered = true;
			}
		}
	}
}

/* Without a thread nothing is done; with no memory either. */
static void
no_round(struct several *s, const struct several_task *t)
{
	for (size_t i = 0; i < s->n; i++) {
		s->store[i].word = SEVERAL_FAILED;
		(void)fail_set(&s->store[i].fail, FAIL_INTERNAL,
		    s->repos[i].store->url, "out of memory");
	}
	if (t->free_arg != NULL)
		t->free_arg(t->arg);
}

void
several_begin(struct several *s)
{
	for (size_t i = 0; i < s->n; i++)
		behind_load(s->state_dir, &s->repos[i], &s->store[i].behind);
}

void
several_do(struct several *s, const struct several_task *t)
{
	struct round *r = round_new(t);
	int64_t end = clock_monotonic_ms() + deadline_left(s->deadline);
	int64_t enough = INT64_MAX;
	/* Nor does one that says nothing keep those that were down from being
	 * asked. */
	int64_t patience = clock_monotonic_ms() + s->grace_ms;

	if (r == NULL) {
		no_round(s, t);
		return;
	}
	(void)pthread_mutex_lock(&r->lock);
	start_all(s, r, false);
	for (;;) {
		struct tally c = count(s, r);
		int64_t now = clock_monotonic_ms(), until = end;

		if (c.ok < s->required && c.unasked > 0 &&
		    (c.ok + c.running < s->required || now >= patience)) {
			start_all(s, r, true);
			continue;
		}
		if (c.ok >= s->required && enough == INT64_MAX)
			enough = now + s->grace_ms;
		if (c.running == 0 || now >= sooner(enough, end))
			break;
		if (c.ok < s->required && c.unasked > 0)
			until = patience;
		round_wait(r, sooner(until, sooner(enough, end)));
	}
	take_words(s, r, clock_monotonic_ms() >= end);
	round_leave(r);
}

/* The next store to be asked, or s->n. */
static size_t
next_to_ask(const struct several *s, const struct round *r, int64_t now)
{
	size_t down = s->n;

	for (size_t i = s->n; i-- > 0;) {
		if (r->slot[i].started || s->store[i].busy)
			continue;
		if (behind_is_doubtful(&s->store[i].behind, now))
			down = i;
	}
	for (size_t i = 0; i < s->n; i++)
		if (!r->slot[i].started && !s->store[i].busy &&
		    !behind_is_doubtful(&s->store[i].behind, now))
			return i;
	return down;
}

/* What may heal outweighs what will not; silence is the least to tell of. */
static int
weight(const struct several_store *x)
{
	if (x->word != SEVERAL_FAILED)
		return 1;
	return x->fail.kind == FAIL_TRANSIENT || x->fail.kind == FAIL_SPACE ? 3
	                                                                    : 2;
}

/* 0 one has it, 1 all said no, -1 */
static int
verdict(const struct several *s, struct fail *f)
{
	const struct several_store *worst = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const struct several_store *x = &s->store[i];

		if (x->word == SEVERAL_DONE)
			return 0;
		if (x->word != SEVERAL_NO &&
		    (worst == NULL || weight(x) > weight(worst)))
			worst = x;
	}
	if (worst == NULL)
		return 1;
	*f = worst->fail;
	return -1;
}

int
several_ask(struct several *s, const struct several_task *t, struct fail *f)
{
	struct round *r = round_new(t);
	int64_t end = clock_monotonic_ms() + deadline_left(s->deadline);
	int64_t patience = 0;

	if (r == NULL) {
		no_round(s, t);
		return verdict(s, f);
	}
	(void)pthread_mutex_lock(&r->lock);
	for (;;) {
		struct tally c = count(s, r);
		size_t next = next_to_ask(s, r, clock_now());
		int64_t now = clock_monotonic_ms();

		if (c.ok > 0)
			break;
		if (next < s->n && (c.running == 0 || now >= patience)) {
			round_start(r, next, &s->repos[next]);
			patience = now + s->grace_ms;
			continue;
		}
		if (c.running == 0 || now >= end)
			break;
		round_wait(r, next < s->n ? sooner(patience, end) : end);
	}
	take_words(s, r, clock_monotonic_ms() >= end);
	round_leave(r);
	return verdict(s, f);
}

void
several_take_back(struct several *s, size_t i, const struct fail *why)
{
	struct several_store *x = &s->store[i];

	x->word = SEVERAL_FAILED;
	x->fail = x->last = *why;
	x->failed = true;
}

int
several_is_known(const struct several *s, size_t i, struct fail *f)
{
	int rc = 1;

	for (size_t k = 0; k < i && rc == 1; k++) {
		enum several_word word = s->store[k].word;

		if (word == SEVERAL_DONE || word == SEVERAL_NO)
			return 0;
		rc = known_same(&s->repos[k], s->state_dir, &s->repos[i], f);
	}
	return rc < 0 ? -1 : 0;
}

size_t
several_count(const struct several *s, enum several_word word)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->store[i].word == word;
	return n;
}

bool
several_is_quiet(const struct several *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->store[i].busy)
			return false;
	return true;
}

void
several_end(struct several *s)
{
	int64_t now = clock_now();

	for (size_t i = 0; i < s->n; i++) {
		struct several_store *x = &s->store[i];
		struct behind b = x->behind;

		if (x->failed)
			behind_failed(&b, x->last.cause, now);
		else if (x->slow)
			behind_slow(&b, x->last.cause, now);
		else if (x->answered)
			behind_answered(&b);
		b.missed += x->missed;
		if (memcmp(&b, &x->behind, sizeof b) != 0)
			behind_save(s->state_dir, &s->repos[i], &b);
		x->behind = b;
	}
}
