/* SPDX-License-Identifier: PostgreSQL */
/* Waiting for WAL: see basebackup_wait.h. */
#include <stdio.h>
#include <stdlib.h>
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

struct basebackup_waiting *
basebackup_waiting_new(const struct basebackup *b)
{
	const struct basebackup_args *a = b->args;
	struct basebackup_waiting *all = calloc(1, sizeof *all);
	struct basebackup_watch *watch = calloc(1, sizeof *watch);

	if (all == NULL || watch == NULL) {
		free(all);
		free(watch);
		return NULL;
	}
	(void)pthread_mutex_init(&watch->lock, NULL);
	*all = (struct basebackup_waiting){ .first = a->repos,
		.watch = watch,
		.segsize = b->control.segsize,
		.archive_wait_ms = a->archive_wait_ms,
		.start_tli = b->head.s.start_tli,
		.start_lsn = b->start_lsn,
		.stop_lsn = b->head.s.stop_lsn,
		.generation = b->identity.generation,
		.compress_level = a->codec.level,
		.pgdata = a->pgdata,
		.spool_dir = a->spool_dir };
	return all;
}

void
basebackup_waiting_free(void *waiting)
{
	struct basebackup_waiting *all = waiting;

	for (size_t i = 0; i < STORES_MAX; i++)
		timeline_clear(&all->watch->seen[i].line);
	(void)pthread_mutex_destroy(&all->watch->lock);
	free(all->watch);
	timeline_clear(&all->line);
	free(all);
}

/* -- a store's thread -- */

void
basebackup_wait_begin(struct basebackup_wait *w,
    const struct basebackup_waiting *all, struct repository *r)
{
	*w = (struct basebackup_wait){ .all = all,
		.watch = all->watch,
		.repo = r,
		.i = (size_t)(r - all->first),
		.deadline = deadline_in(all->archive_wait_ms) };
}

void
basebackup_wait_alive(struct basebackup_wait *w)
{
	atomic_store(&w->watch->alive_ms[w->i], clock_monotonic_ms());
}

void
basebackup_wait_passed(struct basebackup_wait *w)
{
	struct basebackup_seen *seen = &w->watch->seen[w->i];

	basebackup_wait_alive(w);
	(void)pthread_mutex_lock(&w->watch->lock);
	seen->lacks_ms = 0;
	seen->passed++;
	(void)pthread_mutex_unlock(&w->watch->lock);
	w->deadline = deadline_in(w->all->archive_wait_ms);
}

static int
timed_out(int64_t wait_ms, const struct walname *name, struct fail *f)
{
	char text[UNITS_TEXT];

	units_format((uint64_t)wait_ms, UNITS_MS, text);
	return fail_set(f, FAIL_TRANSIENT, name->text,
	    "it was not archived within %s (archive_wait)", text);
}

/* Under the lock.  0, or -1. */
static int
may_wait(struct basebackup_wait *w, const struct walname *name, struct fail *f)
{
	struct basebackup_seen *seen = &w->watch->seen[w->i];

	if (deadline_left(w->deadline) == 0) {
		seen->late = true;
		return timed_out(w->all->archive_wait_ms, name, f);
	}
	if (seen->elsewhere[0] != '\0') {
		(void)fail_set(f, FAIL_TRANSIENT, name->text,
		    "store %s has it, store %s does not", seen->elsewhere,
		    w->repo->store->name);
		return fail_hint(f, "walvault sync copies what a store lacks");
	}
	if (seen->lacks_ms == 0)
		seen->lacks_ms = clock_monotonic_ms();
	seen->lacks = *name;
	return 0;
}

int
basebackup_wait_more(
    struct basebackup_wait *w, const struct walname *name, struct fail *f)
{
	struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	int rc;

	basebackup_wait_alive(w);
	(void)pthread_mutex_lock(&w->watch->lock);
	rc = may_wait(w, name, f);
	(void)pthread_mutex_unlock(&w->watch->lock);
	if (rc != 0)
		return rc;
	(void)nanosleep(&pause, NULL);
	return atomic_load(&w->watch->over) ? 1 : 0;
}

/* -- the backup's own thread -- */

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

int
basebackup_wait_late(
    struct basebackup *b, const struct walname *name, struct fail *f)
{
	(void)timed_out(b->args->archive_wait_ms, name, f);
	explain(b, f);
	return -1;
}

void
basebackup_wait_explain(
    struct basebackup *b, const void *waiting, size_t i, struct fail *why)
{
	const struct basebackup_waiting *all = waiting;
	bool late;

	(void)pthread_mutex_lock(&all->watch->lock);
	late = all->watch->seen[i].late;
	(void)pthread_mutex_unlock(&all->watch->lock);
	if (late)
		explain(b, why);
}

static void
remind(const struct basebackup *b, size_t i, struct basebackup_seen *seen)
{
	const struct basebackup_args *a = b->args;
	int64_t now = clock_monotonic_ms();

	if (seen->lacks_ms == 0 || now - seen->lacks_ms < PATIENT_MS ||
	    now < seen->told_ms)
		return;
	seen->told_ms = now + REMIND_MS;
	log_info("waiting: %s: it is not archived yet%s%s%s", seen->lacks.text,
	    a->n_repos > 1 ? " in store " : "",
	    a->n_repos > 1 ? a->stores[i].name : "",
	    b->server.in_recovery
	        ? "; if the primary is idle, run there: SELECT pg_switch_wal()"
	        : "");
}

int
basebackup_wait_look(struct basebackup *b, const void *waiting)
{
	const struct basebackup_waiting *all = waiting;

	(void)pthread_mutex_lock(&all->watch->lock);
	for (size_t i = 0; i < b->args->n_repos; i++)
		if (mirror_has(b->mirror, i))
			remind(b, i, &all->watch->seen[i]);
	(void)pthread_mutex_unlock(&all->watch->lock);
	return 0;
}

/* Another store of this backup that has what this one lacks, or NULL. */
static const char *
who_has(struct basebackup *b, const struct basebackup_watch *watch, size_t lag)
{
	for (size_t i = 0; i < b->args->n_repos; i++)
		if (i != lag && mirror_has(b->mirror, i) &&
		    watch->seen[i].passed > watch->seen[lag].passed)
			return b->args->stores[i].name;
	return NULL;
}

/* Do enough remain without those that give up, and one more? */
static bool
can_spare_more(struct basebackup *b, const struct basebackup_watch *watch)
{
	size_t n = 0;

	for (size_t i = 0; i < b->args->n_repos; i++)
		n += mirror_has(b->mirror, i) &&
		    watch->seen[i].elsewhere[0] == '\0';
	return n > b->args->required;
}

void
basebackup_wait_lag(struct basebackup *b, const struct basebackup_waiting *all)
{
	struct basebackup_watch *watch = all->watch;
	int64_t now = clock_monotonic_ms();

	(void)pthread_mutex_lock(&watch->lock);
	for (size_t i = 0; i < b->args->n_repos; i++) {
		struct basebackup_seen *seen = &watch->seen[i];
		const char *other;

		if (!mirror_has(b->mirror, i) || seen->elsewhere[0] != '\0' ||
		    seen->lacks_ms == 0 || now - seen->lacks_ms < LAG_MS ||
		    !can_spare_more(b, watch))
			continue;
		other = who_has(b, watch, i);
		if (other != NULL)
			(void)snprintf(seen->elsewhere, sizeof seen->elsewhere,
			    "%s", other);
	}
	(void)pthread_mutex_unlock(&watch->lock);
}
