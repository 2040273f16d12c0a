/* SPDX-License-Identifier: PostgreSQL */
/* Several stores, of which some may fail: see push_several.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "known.h"
#include "log.h"
#include "publish.h"
#include "push_several.h"

/* What the threads share. */
struct shared {
	struct push p;
	struct prepared r;
	uint64_t sysid;
};

static void
free_shared(void *arg)
{
	struct shared *x = arg;

	prepared_clear(&x->r);
	free(x);
}

/* The task takes x over. */
static void
do_shared(struct several *s, struct shared *x,
    int (*run)(const void *arg, struct repository *r, struct fail *f))
{
	struct several_task task = { run, x, free_shared };

	several_do(s, &task);
}

static int
run_publish(const void *arg, struct repository *repo, struct fail *f)
{
	const struct shared *x = arg;

	return publish(&x->p, repo, &x->r, NULL, f);
}

/* "local, offsite" of the stores with this word. */
static void
list_stores(const struct several *s, bool done, char *out, size_t cap)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < s->n && len < cap; i++)
		if ((s->store[i].word == SEVERAL_DONE) == done)
			len += (size_t)snprintf(out + len, cap - len, "%s%s",
			    len > 0 ? ", " : "", s->repos[i].store->name);
}

/*
 * What all that failed have in common: the server is told to try again unless
 * a person must first set something right.
 */
static enum fail_kind
common_kind(const struct several *s)
{
	enum fail_kind kind = FAIL_NONE;

	for (size_t i = 0; i < s->n; i++) {
		const struct several_store *x = &s->store[i];

		if (x->word == SEVERAL_DONE)
			continue;
		if (kind != FAIL_NONE && x->fail.kind != kind)
			return FAIL_TRANSIENT;
		kind = x->fail.kind;
	}
	return kind == FAIL_CONFIG || kind == FAIL_REFUSED ? kind
	                                                   : FAIL_TRANSIENT;
}

static int
too_few(const struct push *p, const struct several *s, struct fail *f)
{
	char safe[200], lacking[200];
	size_t n = several_count(s, SEVERAL_DONE);

	list_stores(s, true, safe, sizeof safe);
	list_stores(s, false, lacking, sizeof lacking);
	for (size_t i = 0; i < s->n; i++)
		if (s->store[i].word != SEVERAL_DONE)
			log_fail(LOG_ERROR, "not archived", &s->store[i].fail);
	(void)fail_set(f, common_kind(s), p->path,
	    "safe in %s, not in %s: %zu of %zu stores have it, %zu are "
	    "required",
	    n > 0 ? safe : "no store", lacking, n, s->n, s->required);
	if (n == 0)
		return fail_hint(f, "walvault check shows what is wrong");
	return fail_hint(f,
	    "walvault check shows what is wrong; the server tries again; to go "
	    "on without %s for now, set required = %zu",
	    lacking, n);
}

/*
 * What is in another repository, or a second time in the same place, is not
 * archived there.  The first store in the order of the configuration is the
 * one that counts, also while it is silent, if it is remembered.
 */
static void
refuse_strangers(struct several *s)
{
	const struct several_store *x = s->store;
	struct fail f;

	for (size_t i = 1; i < s->n; i++) {
		if (x[i].word == SEVERAL_DONE &&
		    several_is_known(s, i, &f) != 0)
			several_take_back(s, i, &f);
		for (size_t k = 0; k < i && x[i].word == SEVERAL_DONE; k++)
			if ((x[k].word == SEVERAL_DONE ||
			        x[k].word == SEVERAL_NO) &&
			    repository_copies(&s->repos[k], &s->repos[i], &f) !=
			        0)
				several_take_back(s, i, &f);
	}
}

static int
verdict(const struct push *p, struct several *s, struct fail *f)
{
	const struct several_store *other = NULL;

	refuse_strangers(s);
	for (size_t i = 0; i < s->n; i++)
		if (s->store[i].word == SEVERAL_NO)
			other = &s->store[i];
	if (other == NULL && several_count(s, SEVERAL_DONE) < s->required)
		return too_few(p, s, f);
	for (size_t i = 0; other != NULL && i < s->n; i++) {
		struct several_store *x = &s->store[i];

		if (x->word != SEVERAL_DONE && x != other)
			log_fail(LOG_ERROR, "not archived", &x->fail);
	}
	if (other != NULL) {
		*f = other->fail;
		return -1;
	}
	for (size_t i = 0; i < s->n; i++)
		s->store[i].missed += s->store[i].word != SEVERAL_DONE;
	return 0;
}

int
push_several(const struct push *p, struct prepared *r, struct fail *f)
{
	struct shared *x = calloc(1, sizeof *x);

	if (x == NULL)
		return fail_errno(f, p->path, "memory");
	x->p = *p;
	x->r = *r;
	*r = (struct prepared){ .payload = NULL };
	do_shared(p->args->several, x, run_publish);
	return verdict(p, p->args->several, f);
}

static int
run_stat(const void *arg, struct repository *repo, struct fail *f)
{
	const struct shared *x = arg;
	struct store_info info;
	char key[LAYOUT_KEY_MAX];

	if (repo->id[0] == '\0') {
		if (repository_open(repo, f) != 0)
			return -1;
		known_see(repo, x->p.args->state_dir);
	}
	repo->layout.sysid = x->sysid;
	layout_wal(&repo->layout, &x->p.name, NULL, key);
	return store_stat(repo->store, key, &info, f);
}

int
push_several_is_archived(
    const struct push_args *args, const struct walname *name, struct fail *f)
{
	struct shared *x = calloc(1, sizeof *x);
	struct several *s = args->several;

	if (x == NULL)
		return fail_errno(f, name->text, "memory");
	x->p = (struct push){ .args = args, .name = *name };
	x->sysid = push_system(args)->layout.sysid;
	do_shared(s, x, run_stat);
	refuse_strangers(s);
	if (several_count(s, SEVERAL_NO) > 0)
		return 0;
	if (several_count(s, SEVERAL_DONE) >= s->required)
		return 1;
	for (size_t i = 0; i < s->n; i++)
		if (s->store[i].word != SEVERAL_DONE)
			*f = s->store[i].fail;
	return -1;
}

/*
 * One line that says which store is left behind, why, what is safe all the
 * same, and what becomes of the rest.
 */
static void
tell_missed(const struct several *s, size_t i)
{
	const struct several_store *x = &s->store[i];
	const char *name = s->repos[i].store->name;
	char until[CLOCK_TEXT], again[CLOCK_TEXT + 32] = "", safe[200];

	list_stores(s, true, safe, sizeof safe);
	if (behind_is_down(&x->behind, clock_now())) {
		clock_format(x->behind.until, until);
		(void)snprintf(again, sizeof again,
		    ", and is asked again after %s", until);
	}
	log_warning("archived without store %s: %s: %s; safe in %s; %s lacks "
	            "%llu files%s (hint: %s%s%s walvault sync --to %s)",
	    name, s->repos[i].store->url,
	    x->behind.cause[0] != '\0' ? x->behind.cause : x->fail.cause, safe,
	    name, (unsigned long long)x->behind.missed, again, x->fail.hint,
	    x->fail.hint[0] != '\0' ? "; " : "",
	    x->wants_sync
	        ? "what it lacks is being brought, in the background:"
	        : "what it lacks is brought when it answers again, or by:",
	    name);
}

void
push_several_end(struct several *s, bool archived)
{
	int64_t now;

	if (!archived)
		for (size_t i = 0; i < s->n; i++)
			s->store[i].missed = 0;
	several_end(s);
	/* Not before what was just remembered. */
	now = clock_now();
	for (size_t i = 0; archived && i < s->n; i++) {
		struct several_store *x = &s->store[i];

		/* Not while it fails. */
		x->wants_sync = behind_wants_sync(&x->behind, now) &&
		    !behind_is_out(&x->behind, now);
		if (x->wants_sync) {
			x->behind.synced = now;
			behind_save(s->state_dir, &s->repos[i], &x->behind);
		}
		if (x->missed > 0)
			tell_missed(s, i);
	}
}
