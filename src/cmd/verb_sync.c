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
	size_t failed; /* stores that could not be opened */
};

/* Is a store in a list of names and URLs?  No list: all are. */
static bool
is_named(const char *list, const struct store *s)
{
	for (const char *p = list; p != NULL && *p != '\0';) {
		size_t len = strcspn(p, ", \t");

		if ((strlen(s->name) == len && strncmp(s->name, p, len) == 0) ||
		    (strlen(s->url) == len && strncmp(s->url, p, len) == 0))
			return true;
		p += len + strspn(p + len, ", \t");
	}
	return list == NULL;
}

/* All that a list names must be there. */
static int
check_list(
    const struct setup *s, const char *origin, const char *list, struct fail *f)
{
	for (const char *p = list; p != NULL && *p != '\0';) {
		size_t len = strcspn(p, ", \t");
		bool known = len == 0;
		char one[1024];

		(void)snprintf(one, sizeof one, "%.*s", (int)len, p);
		for (size_t i = 0; i < s->n; i++)
			known |= is_named(one, s->stores[i]);
		if (!known)
			return fail_set(f, FAIL_CONFIG, origin,
			    "'%s' is none of the stores: %s", one,
			    conf_text(s->conf, OPT_STORE, NULL));
		p += len + strspn(p + len, ", \t");
	}
	return 0;
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

	if (push.pgdata == NULL || j->failed > 0 ||
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
	int fd = -1, rc = 0;

	if (state_lock_of_store(state_dir, to, "sync.lock", &fd) != 0) {
		log_info("sync: %s: another one is at it", to->store->name);
		return 0;
	}
	behind_load(state_dir, to, &then);
	for (size_t k = 0; k < j->setup->n; k++) {
		struct fail one = { .kind = FAIL_NONE };

		if (k == i || !j->opened[k] ||
		    !is_named(
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
	if (fd >= 0)
		(void)close(fd);
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
	const char *to = conf_text(j->setup->conf, OPT_TO, NULL);
	size_t bad = 0;

	open_places(j, f);
	if (push_again(j, f) != 0) {
		log_fail(LOG_ERROR, "sync", f);
		bad++;
	}
	for (size_t i = 0; i < j->setup->n; i++)
		if (j->opened[i] && is_named(to, j->setup->stores[i]))
			bad += bring_to(j, i, f) != 0;
	print_report(j, bad + j->failed);
	for (size_t i = 0; i < j->setup->n; i++)
		if (j->opened[i])
			sync_place_clear(&j->place[i]);
	return bad + j->failed + j->report.failed == 0 ? EXIT_FINE
	                                               : EXIT_PROBLEM;
}

int
verb_sync(struct setup *s, struct fail *f)
{
	const struct conf *c = s->conf;
	struct job *j;
	int rc;

	if (check_list(s, "--from", conf_text(c, OPT_FROM, NULL), f) != 0 ||
	    check_list(s, "--to", conf_text(c, OPT_TO, NULL), f) != 0)
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
