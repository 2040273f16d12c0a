/* SPDX-License-Identifier: PostgreSQL */
/*
 * The lease of a restore: expire, on whatever host, is told what this restore
 * and the recovery behind it need (backup_lease.h).  A store that cannot be
 * written stops no restore.
 */
#include <string.h>

#include "backup_lease.h"
#include "clock.h"
#include "log.h"
#include "lsn.h"
#include "restore_job.h"

/* So many times it is refreshed before it would be over. */
#define REFRESHES 4

/*
 * A standby follows on for ever; any other recovery asks for nothing behind
 * the plan (restore_command obeys walvault.plan).
 */
static void
describe(const struct restore_job *j, struct backup_lease *l)
{
	const struct plan *p = &j->plan;

	*l = (struct backup_lease){ .from_lsn = p->backup.info.start_lsn,
		.tli = p->tli,
		.seconds = conf_number(j->setup.conf, OPT_LEASE) / 1000 };
	memcpy(l->id, p->backup.id, sizeof l->id);
	l->to_lsn = j->standby ? LSN_NONE : (p->last_segno + 1) * j->id.segsize;
}

/* A new note in a store, then the old one goes.  0 or -1. */
static int
renew_in(struct restore_job *j, size_t i, struct fail *f)
{
	struct restore_lease *x = &j->lease;
	struct repository *r = &j->setup.repos[i];
	struct backup_lease old = x->note[i];
	struct fail ignored;

	describe(j, &x->note[i]);
	if (backup_lease_write(r, &x->note[i], f) != 0) {
		x->note[i] = old;
		return -1;
	}
	/* Where nothing can be deleted it is over by itself. */
	if (x->held[i])
		(void)backup_lease_end(r, &old, &ignored);
	x->held[i] = true;
	return 0;
}

/* In each store, for each is cleaned up on its own.  0; -1: not in all. */
static int
renew(struct restore_job *j, struct fail *f)
{
	int rc = 0;

	j->lease.written_ms = clock_monotonic_ms();
	for (size_t i = 0; i < j->setup.n; i++)
		if (j->lease.wanted[i] && renew_in(j, i, f) != 0)
			rc = -1;
	return rc;
}

static bool
is_held(const struct restore_job *j)
{
	for (size_t i = 0; i < j->setup.n; i++)
		if (j->lease.held[i])
			return true;
	return false;
}

static bool
has_segment(const struct index_timeline *t, uint64_t segno)
{
	size_t low = 0, high = t != NULL ? t->segments.n : 0, n = high;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->segments.list[middle].segno < segno)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && t->segments.list[low].segno == segno;
}

/* The first segment of the plan that was listed and is not there now. */
static void
find_missing(const struct plan *p, const struct index_timeline *then,
    const struct index_timeline *now, char name[WALNAME_TEXT])
{
	for (size_t i = 0; name[0] == '\0' && i < then->segments.n; i++) {
		const struct index_object *x = &then->segments.list[i];

		if (x->segno >= p->first_segno && x->segno <= p->last_segno &&
		    !has_segment(now, x->segno))
			memcpy(name, x->name.text, WALNAME_TEXT);
	}
}

static int
check_wal(struct restore_job *j, struct fail *f)
{
	const struct plan *p = &j->plan;
	struct index now;
	char name[WALNAME_TEXT] = "";

	if (index_load(&j->repo, &j->id, &now, f) != 0)
		return -1;
	for (size_t i = 0; i < j->index.n; i++) {
		const struct index_timeline *t = &j->index.timelines[i];

		if (timeline_switch(&p->history, t->tli) != LSN_NONE)
			find_missing(p, t, index_timeline(&now, t->tli), name);
	}
	index_clear(&now);
	if (name[0] == '\0')
		return 0;
	(void)fail_set(f, FAIL_ABSENT, name,
	    "it was there when the way was planned, and is gone: an expire "
	    "ran meanwhile");
	return fail_hint(f, "restore again: the plan is made anew");
}

int
restore_lease_check(struct restore_job *j, struct fail *f)
{
	size_t n = 0;

	for (size_t i = 0; !j->restored && i < j->setup.n; i++)
		n += backup_require(&j->setup.repos[i], j->plan.backup.id, f) ==
		    0;
	return j->restored || n > 0 ? check_wal(j, f) : -1;
}

int
restore_lease_begin(struct restore_job *j, struct fail *f)
{
	for (size_t i = 0; i < j->setup.n; i++)
		j->lease.wanted[i] = j->setup.n == 1 ||
		    backup_require(&j->setup.repos[i], j->plan.backup.id, f) ==
		        0;
	if (renew(j, f) != 0)
		restore_warn(j,
		    "nothing protects backup %s and its WAL from an expire "
		    "meanwhile: the store cannot be written: %s",
		    j->plan.backup.id, f->cause);
	if (restore_lease_check(j, f) == 0)
		return 0;
	restore_lease_end(j);
	return -1;
}

void
restore_lease_refresh(struct restore_job *j)
{
	struct restore_lease *x = &j->lease;
	uint64_t every = conf_number(j->setup.conf, OPT_LEASE) / REFRESHES;
	struct fail f;

	if (!is_held(j) ||
	    clock_monotonic_ms() - x->written_ms < (int64_t)every)
		return;
	if (renew(j, &f) != 0)
		log_fail(LOG_WARNING, "lease not refreshed", &f);
}

void
restore_lease_leave(struct restore_job *j)
{
	struct fail f;

	if (is_held(j) && renew(j, &f) != 0)
		log_fail(LOG_WARNING, "lease not refreshed", &f);
}

int64_t
restore_lease_until(const struct restore_job *j)
{
	int64_t until = INT64_MIN;

	for (size_t i = 0; i < j->setup.n; i++) {
		const struct backup_lease *l = &j->lease.note[i];
		int64_t end = l->created + (int64_t)l->seconds * 1000000;

		if (j->lease.held[i] && end > until)
			until = end;
	}
	return until;
}

void
restore_lease_end(struct restore_job *j)
{
	struct fail f;

	for (size_t i = 0; i < j->setup.n; i++) {
		if (j->lease.held[i] &&
		    backup_lease_end(
		        &j->setup.repos[i], &j->lease.note[i], &f) != 0)
			log_fail(LOG_WARNING, "lease not removed", &f);
		j->lease.held[i] = false;
	}
}
