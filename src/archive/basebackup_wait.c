/* SPDX-License-Identifier: PostgreSQL */
/* Waiting for WAL: see basebackup_wait.h. */
#include <stdio.h>
#include <time.h>

#include "basebackup_wait.h"
#include "log.h"
#include "units.h"

#define POLL_MS    100
#define PATIENT_MS 5000
#define REMIND_MS  60000

/* What is in another store is copied from there by walvault sync: it is not
 * waited for as long. */
#define LAG_MS 30000

uint32_t
basebackup_segment_tli(
    const struct timeline *t, uint64_t segno, uint32_t segsize)
{
	for (size_t i = 0; i < t->n; i++)
		if (segno < t->ancestors[i].switch_lsn / segsize)
			return t->ancestors[i].tli;
	return t->tli;
}

/* Say what the server knows about why nothing comes. */
static void
explain(struct basebackup *b, struct fail *f)
{
	struct conn_archiver a;
	struct fail ignored;

	if (b->conn == NULL || conn_archiver(b->conn, &a, &ignored) != 0) {
		(void)fail_hint(f,
		    "look at pg_stat_archiver and the server's "
		    "log");
	} else if (a.in_recovery) {
		(void)fail_hint(f,
		    "look at pg_stat_archiver on the primary; if it is idle, "
		    "run there: SELECT pg_switch_wal()");
	} else if (a.failing) {
		(void)fail_hint(f,
		    "archive_command fails: %s was the last to fail (%llu "
		    "failures); the server's log says why",
		    a.last_failed, (unsigned long long)a.failed_count);
	} else {
		(void)fail_hint(f,
		    "the server last archived %s; does archive_command lead "
		    "to this repository?",
		    a.last_archived[0] != '\0' ? a.last_archived : "nothing");
	}
}

static int
timed_out(struct basebackup_wait *w, const char *what, struct fail *f)
{
	char text[UNITS_TEXT];

	units_format((uint64_t)w->b->args->archive_wait_ms, UNITS_MS, text);
	(void)fail_set(f, FAIL_TRANSIENT, what,
	    "it was not archived within %s (archive_wait)", text);
	explain(w->b, f);
	return -1;
}

static void
remind(struct basebackup_wait *w, const char *what)
{
	int64_t now = clock_monotonic_ms();

	if (now < w->told_ms)
		return;
	w->told_ms = now + REMIND_MS;
	log_info("waiting: %s: it is not archived yet%s", what,
	    w->b->server.in_recovery
	        ? "; if the primary is idle, run there: SELECT pg_switch_wal()"
	        : "");
}

int
basebackup_is_there(
    struct repository *r, const struct walname *name, struct fail *f)
{
	struct store_info info;
	char key[LAYOUT_KEY_MAX];
	int rc;

	layout_wal(&r->layout, name, NULL, key);
	rc = store_stat(r->store, key, &info, f);
	return rc < 0 ? -1 : rc == 0;
}

/* Another store of this backup that has what this one lacks, or NULL. */
static const struct store *
who_has(struct basebackup_wait *w, const struct walname *name)
{
	const struct basebackup_args *a = w->b->args;
	struct fail ignored;

	for (size_t i = 0; i < a->n_repos; i++)
		if (&a->repos[i] != w->repo && mirror_has(w->b->mirror, i) &&
		    basebackup_is_there(&a->repos[i], name, &ignored) == 1)
			return a->repos[i].store;
	return NULL;
}

/* 0, or -1: others have it for long, and are enough. */
static int
check_lag(struct basebackup_wait *w, const struct walname *name, struct fail *f)
{
	const struct store *other;

	if (w->repo == NULL || !mirror_can_spare(w->b->mirror) ||
	    clock_monotonic_ms() - w->since_ms < LAG_MS)
		return 0;
	w->since_ms = clock_monotonic_ms();
	other = who_has(w, name);
	if (other == NULL)
		return 0;
	(void)fail_set(f, FAIL_TRANSIENT, name->text,
	    "store %s has it, store %s does not", other->name,
	    w->repo->store->name);
	return fail_hint(f, "walvault sync copies what a store lacks");
}

int
basebackup_wait_more(
    struct basebackup_wait *w, const struct walname *name, struct fail *f)
{
	struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };

	if (deadline_left(w->deadline) == 0)
		return timed_out(w, name->text, f);
	if (check_lag(w, name, f) != 0)
		return -1;
	remind(w, name->text);
	(void)nanosleep(&pause, NULL);
	w->over = basebackup_tick(w->b, f) != 0;
	return w->over ? -1 : 0;
}

void
basebackup_wait_begin(
    struct basebackup_wait *w, struct basebackup *b, struct repository *r)
{
	*w = (struct basebackup_wait){ .b = b,
		.repo = r,
		.deadline = deadline_in(b->args->archive_wait_ms),
		.since_ms = clock_monotonic_ms(),
		.told_ms = clock_monotonic_ms() + PATIENT_MS };
}
