/* SPDX-License-Identifier: PostgreSQL */
/* walvault sync: to each store what it lacks and another has. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "behind.h"
#include "clock.h"
#include "exitcode.h"
#include "log.h"
#include "process.h"
#include "rules.h"
#include "state.h"
#include "sync.h"
#include "units.h"
#include "verbs.h"

/* For ever, as far as a push is concerned. */
#define PATIENCE_MS INT64_C(86400000)

struct job {
	struct setup *setup;
	struct sync_args args;
	struct carry_pace pace;
	struct sync_report report;
	struct sync_place place[CONF_STORES_MAX];
	bool opened[CONF_STORES_MAX];
	bool wanted[CONF_STORES_MAX]; /* it is ours to bring things to it */
	int lock[CONF_STORES_MAX];    /* or -1 */
	size_t failed;                /* stores that could not be opened */
	size_t busy;                  /* stores that another sync is at */
	struct process_pulse *pulse;  /* or NULL */
};

/* What is said if this does not come to its end. */
static void __attribute__((format(printf, 2, 3)))
now_at(struct job *j, const char *fmt, ...)
{
	va_list ap;

	if (j->pulse == NULL)
		return;
	process_beat(j->pulse);
	va_start(ap, fmt);
	(void)vsnprintf(j->pulse->at, sizeof j->pulse->at, fmt, ap);
	va_end(ap);
}

static void
moved(void *arg)
{
	const struct job *j = arg;

	process_beat(j->pulse);
}

/*
 * Before any store is asked: one that hangs must not let those pile up that
 * are started for it again and again.  How many stores are ours.
 */
static size_t
take_locks(struct job *j)
{
	const struct conf *c = j->setup->conf;
	size_t n = 0;

	for (size_t i = 0; i < j->setup->n; i++) {
		struct repository *r = &j->setup->repos[i];

		j->lock[i] = -1;
		if (!verb_is_named(conf_text(c, OPT_TO, NULL), r->store))
			continue;
		if (state_lock_of_store(conf_text(c, OPT_STATE_DIR, NULL), r,
		        "sync.lock", &j->lock[i]) != 0) {
			log_warning("sync: store %s: another sync is running, "
			            "and brings it what it lacks",
			    r->store->name);
			j->busy++;
			continue;
		}
		j->wanted[i] = true;
		n++;
	}
	return n;
}

static void
release_locks(struct job *j)
{
	for (size_t i = 0; i < j->setup->n; i++)
		if (j->lock[i] >= 0)
			(void)close(j->lock[i]);
}

/* A store that was never made can become a copy of the others. */
static int
open_place(struct job *j, size_t i, struct fail *f)
{
	struct setup *s = j->setup;
	struct repository *r = &s->repos[i];
	struct identity id;

	now_at(
	    j, "store %s (%s), what is in it", r->store->name, r->store->url);
	if (verb_open(s, i, &id, f) != 0) {
		struct fail ignored;

		if (f->kind == FAIL_CONFIG && r->id[0] == '\0' &&
		    repository_peek(r, &ignored) == 1)
			(void)fail_hint(f,
			    "is the store mounted, and url right? A new one "
			    "is made a copy of the others by: walvault init "
			    "--store %s",
			    r->store->name);
		return -1;
	}
	if (sync_place_load(r, &id, &j->pace, &j->place[i], f) != 0)
		return -1;
	j->place[i].number = (unsigned)i;
	return 0;
}

/* What is in each store; one that fails does not keep the others back. */
static void
open_places(struct job *j, struct fail *f)
{
	struct setup *s = j->setup;

	for (size_t i = 0; i < s->n; i++) {
		j->opened[i] = open_place(j, i, f) == 0;
		if (j->opened[i]) {
			rules_of_store(s->conf, i, &j->place[i].rules);
			continue;
		}
		log_fail(LOG_ERROR, "sync", f);
		j->failed++;
	}
}

static bool
has_left_out(const struct conf *c)
{
	char left_out[64];

	conf_left_out(c, left_out, sizeof left_out);
	return left_out[0] != '\0';
}

/* Only when all stores have said that they have not got it. */
static int
push_again(struct job *j, struct fail *f)
{
	const struct conf *c = j->setup->conf;
	struct several several = {
		.repos = j->setup->repos,
		.n = j->setup->n,
		.required = j->setup->n,
		/* Whoever watches this run has more patience than any push. */
		.deadline = deadline_in(PATIENCE_MS),
	};
	struct push_args push = {
		.repos = j->setup->repos,
		.n_repos = j->setup->n,
		.several = &several,
		.generation = (uint32_t)conf_number(c, OPT_GENERATION),
		.pgdata = conf_text(c, OPT_PGDATA, NULL),
		.refuse_damaged = true,
		.compress_level = (int)conf_number(c, OPT_COMPRESS_LEVEL),
		.spool_dir = conf_text(c, OPT_SPOOL_DIR, NULL),
	};

	if (push.pgdata == NULL || j->failed > 0 || has_left_out(c) ||
	    conf_text(c, OPT_FROM, NULL) != NULL ||
	    conf_text(c, OPT_TO, NULL) != NULL)
		return 0;
	now_at(j, "pushing what only pg_wal has");
	return sync_again(&push, j->place, &j->args, &j->report, f);
}

/* A hint that this store lacks files is no longer true. */
static void
forget(struct job *j, size_t i, const struct behind *then)
{
	const char *state_dir = conf_text(j->setup->conf, OPT_STATE_DIR, NULL);
	struct behind now;

	behind_load(state_dir, &j->setup->repos[i], &now);
	/* Pushes went on meanwhile. */
	now.missed -= then->missed < now.missed ? then->missed : now.missed;
	behind_answered(&now);
	behind_save(state_dir, &j->setup->repos[i], &now);
}

/* Has a store all that any other has, if nothing failed? */
static bool
is_complete(const struct job *j)
{
	const struct conf *c = j->setup->conf;

	return j->failed == 0 && !j->args.dry_run &&
	    conf_text(c, OPT_FROM, NULL) == NULL && !has_left_out(c);
}

/* Everything that store i lacks.  0 or -1. */
static int
bring_to(struct job *j, size_t i, struct fail *f)
{
	const struct conf *c = j->setup->conf;
	const char *state_dir = conf_text(c, OPT_STATE_DIR, NULL);
	struct repository *to = &j->setup->repos[i];
	size_t not_there = j->report.failed + j->report.coming;
	struct behind then;
	int rc = 0;

	behind_load(state_dir, to, &then);
	for (size_t k = 0; k < j->setup->n; k++) {
		struct fail one = { .kind = FAIL_NONE };

		if (k == i || !j->opened[k] ||
		    !verb_is_named(
		        conf_text(c, OPT_FROM, NULL), j->setup->stores[k]))
			continue;
		now_at(j, "from store %s to store %s (%s)",
		    j->setup->stores[k]->name, to->store->name, to->store->url);
		if (sync_pair(&j->place[k], &j->place[i], &j->args, &j->report,
		        &one) == 0)
			continue;
		log_fail(LOG_ERROR, "sync", &one);
		*f = one;
		rc = -1;
	}
	if (rc == 0 && is_complete(j) &&
	    j->report.failed + j->report.coming == not_there)
		forget(j, i, &then);
	return rc;
}

static void
print_report(const struct job *j, size_t not_brought)
{
	const struct sync_report *r = &j->report;
	char size[UNITS_TEXT];

	units_format_bytes(r->bytes, size);
	(void)printf("%s%zu WAL files and %zu backups (%s)",
	    j->args.dry_run ? "would bring " : "brought ", r->wal, r->backups,
	    size);
	if (r->again > 0)
		(void)printf(
		    ", pushed %zu from pg_wal that no store had", r->again);
	if (r->coming > 0)
		(void)printf(", left %zu backups that may come by themselves",
		    r->coming);
	if (r->left > 0)
		(void)printf(
		    ", left %zu that the store's rules do not keep", r->left);
	(void)printf(": %zu failures\n", r->failed + not_brought);
}

static int
run(struct job *j, struct fail *f)
{
	size_t bad = 0;

	if (take_locks(j) == 0)
		return EXIT_BUSY;
	open_places(j, f);
	if (push_again(j, f) != 0) {
		log_fail(LOG_ERROR, "sync", f);
		bad++;
	}
	for (size_t i = 0; i < j->setup->n; i++)
		if (j->opened[i] && j->wanted[i])
			bad += bring_to(j, i, f) != 0;
	print_report(j, bad + j->failed);
	for (size_t i = 0; i < j->setup->n; i++)
		if (j->opened[i])
			sync_place_clear(&j->place[i]);
	release_locks(j);
	if (bad + j->failed + j->report.failed > 0)
		return EXIT_PROBLEM;
	return j->busy > 0 ? EXIT_BUSY : EXIT_FINE;
}

static int
work(void *arg)
{
	struct fail f = { .kind = FAIL_NONE };
	int rc = run(arg, &f);

	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return rc;
	log_error("standard output: cannot write");
	return EXIT_PROBLEM;
}

/*
 * A store that hangs must not hold the lock for ever: the run is given up when
 * nothing has moved for as long as one store may hold up a backup.
 */
static int
supervise(struct job *j)
{
	int64_t idle = (int64_t)conf_number(j->setup->conf, OPT_MAX_LAG);
	struct process_result r = process_supervise_pulse(
	    j->pulse, idle, work, j);
	char why[256], text[UNITS_TEXT];

	if (r.end == PROCESS_EXITED)
		return r.value;
	units_format((uint64_t)idle, UNITS_MS, text);
	process_describe(&r, idle, why, sizeof why);
	if (r.end == PROCESS_TIMEOUT)
		log_error("sync: %s: nothing has moved for %s (option max_lag) "
		          "(hint: is the store reachable? walvault check shows "
		          "what is wrong; what was brought stays, the next "
		          "sync goes on from there)",
		    j->pulse != NULL ? j->pulse->at : "stores", text);
	else
		log_error("sync: %s", why);
	return EXIT_PROBLEM;
}

/* Is there a store to bring things from, and another one to bring them to? */
static bool
has_pair(const struct setup *s)
{
	const char *from = conf_text(s->conf, OPT_FROM, NULL);
	const char *to = conf_text(s->conf, OPT_TO, NULL);

	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->n; k++)
			if (i != k && verb_is_named(from, s->stores[i]) &&
			    verb_is_named(to, s->stores[k]))
				return true;
	return false;
}

/* 0 there is something to do, 1 there is not, -1 */
static int
check_pairs(const struct setup *s, struct fail *f)
{
	if (verb_check_list(s, OPT_FROM, f) != 0 ||
	    verb_check_list(s, OPT_TO, f) != 0)
		return -1;
	if (s->n < 2) {
		(void)printf("there is only one store, %s: nothing to bring\n",
		    s->stores[0]->name);
		return 1;
	}
	if (has_pair(s))
		return 0;
	(void)fail_set(f, FAIL_CONFIG, "--from, --to",
	    "both name one store alone: nothing is brought from a store to "
	    "itself");
	return fail_hint(f, "without --from and --to all are brought to all");
}

int
verb_sync(struct setup *s, struct fail *f)
{
	const struct conf *c = s->conf;
	struct job *j;
	int rc = check_pairs(s, f);

	if (rc != 0)
		return rc < 0 ? -1 : EXIT_FINE;
	j = calloc(1, sizeof *j);
	if (j == NULL)
		return fail_errno(f, "sync", "memory");
	j->setup = s;
	j->pulse = process_pulse_new();
	j->pace = (struct carry_pace){
		.max_rate = conf_number(c, OPT_MAX_RATE),
		.moved = moved,
		.moved_arg = j,
	};
	j->args = (struct sync_args){ .clock = clock_now(),
		.dry_run = conf_number(c, OPT_DRY_RUN) != 0,
		.all = conf_number(c, OPT_ALL) != 0,
		.coming_us = (int64_t)conf_number(c, OPT_MAX_LAG) * 1000,
		.pace = &j->pace };
	rc = supervise(j);
	free(j);
	return rc;
}
