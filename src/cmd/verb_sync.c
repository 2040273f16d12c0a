/* SPDX-License-Identifier: PostgreSQL */
/* walvault sync: to each store what it lacks and another has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "behind.h"
#include "clock.h"
#include "exitcode.h"
#include "log.h"
#include "rules.h"
#include "state.h"
#include "sync.h"
#include "units.h"
#include "verbs.h"

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
};

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
			log_info(
			    "sync: %s: another one is at it", r->store->name);
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

/* What is in each store; one that fails does not keep the others back. */
static void
open_places(struct job *j, struct fail *f)
{
	struct setup *s = j->setup;

	for (size_t i = 0; i < s->n; i++) {
		struct identity id;

		j->opened[i] = verb_open(s, i, &id, f) == 0 &&
		    sync_place_load(&s->repos[i], &id, &j->place[i], f) == 0;
		if (j->opened[i]) {
			rules_of_store(s->conf, i, &j->place[i].rules);
			continue;
		}
		log_fail(LOG_ERROR, "sync", f);
		j->failed++;
	}
}

/* Only when all stores have said that they have not got it. */
static int
push_again(struct job *j, struct fail *f)
{
	const struct conf *c = j->setup->conf;
	struct push_args push = {
		.repos = j->setup->repos,
		.n_repos = j->setup->n,
		.generation = (uint32_t)conf_number(c, OPT_GENERATION),
		.pgdata = conf_text(c, OPT_PGDATA, NULL),
		.refuse_damaged = true,
		.compress_level = (int)conf_number(c, OPT_COMPRESS_LEVEL),
		.spool_dir = conf_text(c, OPT_SPOOL_DIR, NULL),
	};

	char left_out[64];

	conf_left_out(c, left_out, sizeof left_out);
	if (push.pgdata == NULL || j->failed > 0 || left_out[0] != '\0' ||
	    conf_text(c, OPT_FROM, NULL) != NULL ||
	    conf_text(c, OPT_TO, NULL) != NULL)
		return 0;
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

/* Everything that store i lacks.  0 or -1. */
static int
bring_to(struct job *j, size_t i, struct fail *f)
{
	const struct conf *c = j->setup->conf;
	const char *state_dir = conf_text(c, OPT_STATE_DIR, NULL);
	struct repository *to = &j->setup->repos[i];
	size_t failed = j->report.failed;
	struct behind then;
	int rc = 0;

	behind_load(state_dir, to, &then);
	for (size_t k = 0; k < j->setup->n; k++) {
		struct fail one = { .kind = FAIL_NONE };

		if (k == i || !j->opened[k] ||
		    !verb_is_named(
		        conf_text(c, OPT_FROM, NULL), j->setup->stores[k]))
			continue;
		if (sync_pair(&j->place[k], &j->place[i], &j->args, &j->report,
		        &one) == 0)
			continue;
		log_fail(LOG_ERROR, "sync", &one);
		*f = one;
		rc = -1;
	}
	if (rc == 0 && j->report.failed == failed && j->failed == 0 &&
	    !j->args.dry_run)
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
		return EXIT_FINE;
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
	return bad + j->failed + j->report.failed == 0 ? EXIT_FINE
	                                               : EXIT_PROBLEM;
}

int
verb_sync(struct setup *s, struct fail *f)
{
	const struct conf *c = s->conf;
	struct job *j;
	int rc;

	if (verb_check_list(s, OPT_FROM, f) != 0 ||
	    verb_check_list(s, OPT_TO, f) != 0)
		return -1;
	j = calloc(1, sizeof *j);
	if (j == NULL)
		return fail_errno(f, "sync", "memory");
	j->setup = s;
	j->pace.max_rate = conf_number(c, OPT_MAX_RATE);
	j->args = (struct sync_args){ .clock = clock_now(),
		.dry_run = conf_number(c, OPT_DRY_RUN) != 0,
		.all = conf_number(c, OPT_ALL) != 0,
		.pace = &j->pace };
	rc = run(j, f);
	free(j);
	return rc;
}
