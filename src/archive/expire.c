/* SPDX-License-Identifier: PostgreSQL */
/* Deletes what no rule keeps: see expire.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup_lease.h"
#include "backup_whole.h"
#include "expire_job.h"
#include "expire_wal.h"
#include "heads.h"
#include "log.h"
#include "sweep.h"

/* What is kept for its own sake, whatever else may be said of it. */
#define NEEDED (RETAIN_HELD | RETAIN_RESTORE)

/* Reasons that promise a way back: from such a backup, if it is whole. */
#define PROMISES                                                              \
	(RETAIN_LAST_GOOD | RETAIN_FULL | RETAIN_WINDOW_BASE | RETAIN_DAILY | \
	    RETAIN_WEEKLY | RETAIN_MONTHLY | RETAIN_YEARLY | RETAIN_DEPTH)

/*
 * How long nothing was added to a backup, by the store's clock: nothing newer
 * than its newest object counts as later, and this host's clock neither.
 */
static bool
is_broken(
    const struct expiring *e, const struct survey *s, const struct backup *b)
{
	int64_t now = retain_now(e->args->clock, INT64_MIN, s->store);

	return e->args->broken && now > b->newest &&
	    (uint64_t)(now - b->newest) / 1000 >= e->args->broken_age_ms;
}

/* Was a taken after b, which may say no more than where it began? */
static bool
is_later(const struct backup *a, const struct backup *b)
{
	if (!b->has_begin)
		return strcmp(a->id, b->id) > 0;
	return a->info.start_tli > b->begin.tli ||
	    (a->info.start_tli == b->begin.tli &&
	        a->info.start_lsn > b->begin.from_lsn);
}

static bool
has_better(const struct survey *s, const struct backup *b)
{
	for (size_t i = 0; i < s->backups.n; i++) {
		const struct backup *o = &s->backups.list[i];

		if (o->state == BACKUP_COMPLETE && o->info.bad_pages == 0 &&
		    is_later(o, b))
			return true;
	}
	return false;
}

static bool
is_to_go(const struct expiring *e, const struct survey *s,
    const struct retain_plan *p, size_t i)
{
	const struct backup *b = survey_backup(s, i);
	const struct retain_verdict *v = &p->backups[i];

	if (p->unclear != 0)
		return false;
	switch (b->state) {
	case BACKUP_COMPLETE:
		return !v->keep && !p->no_rule;
	case BACKUP_UNFINISHED:
		return is_broken(e, s, b) && (v->reasons & NEEDED) == 0;
	case BACKUP_DAMAGED:
		return is_broken(e, s, b) && has_better(s, b) &&
		    (v->reasons & NEEDED) == 0;
	case BACKUP_DELETING:
		break;
	}
	/* A deletion that was cut short is brought to its end. */
	return !p->no_rule || e->args->broken;
}

static struct expire_backup *
report_backup(
    struct expire_report *out, const struct survey *s, const struct backup *b)
{
	struct expire_backup *x = &out->backups[out->n_backups++];

	*x = (struct expire_backup){ .backup = *b };
	for (size_t i = 0; i < s->backups.n_leases; i++) {
		const struct backup_lease *l = &s->backups.leases[i];

		if (strcmp(l->id, b->id) != 0 ||
		    (x->leased &&
		        backup_lease_until(l) <= backup_lease_until(&x->lease)))
			continue;
		x->leased = true;
		x->lease = *l;
	}
	return x;
}

/* Every backup with its fate, in the order of their ids. */
static int
report_backups(
    struct expiring *e, const struct survey *s, const struct retain_plan *p)
{
	struct expire_report *out = e->out;

	out->backups = calloc(s->backups.n + 1, sizeof *out->backups);
	if (out->backups == NULL)
		return fail_errno(e->f, "backups", "memory");
	for (size_t i = 0; i < s->backups.n; i++) {
		const struct backup *b = &s->backups.list[i];
		struct expire_backup *x = report_backup(out, s, b);

		x->keep = p->unclear != 0 || (p->no_rule && !e->args->broken);
		for (size_t k = 0; k < s->n; k++) {
			if (survey_backup(s, k) != b)
				continue;
			x->keep = !is_to_go(e, s, p, k);
			x->damaged = s->list[k].bad_pages &&
			    b->info.bad_pages == 0;
			x->reasons = p->backups[k].reasons;
			x->all_wal = p->backups[k].all_wal;
		}
	}
	return 0;
}

/*
 * What is there now stays: this run has decided about what was there before.
 * With dry_run, as if it had been deleted.
 */
static void
pin(const struct expiring *e, struct survey *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct expire_backup *x = expire_find(
		    e->out, s->list[i].id);

		if (x != NULL && !x->keep && e->args->dry_run)
			continue;
		s->list[n] = s->list[i];
		s->list[n].pinned = true;
		s->list[n].bad_pages |= x != NULL && x->damaged;
		n++;
	}
	s->n = n;
}

/* The WAL, from a listing that is newer than the last deletion. */
static int
expire_all_wal(struct expiring *e)
{
	struct survey s;
	struct retain_plan p = { 0 };
	int rc;

	if (survey_load(e->repo, e->id, &s, e->f) != 0)
		return -1;
	pin(e, &s);
	rc = survey_decide(&s, &e->args->rules, e->args->clock, &p, e->f);
	if (rc == 0) {
		e->out->no_backup = p.no_backup;
		e->out->unclear = p.unclear;
		rc = expire_wal(&s, &p, e->args->dry_run, e->out, e->f);
		if (rc == 0 && !p.no_rule && p.unclear == 0)
			expire_leases(e, &s);
		retain_clear(&p);
	}
	survey_clear(&s);
	return rc;
}

/* 0 it is whole, 1 it is not and does not count, -1. */
static int
is_not_whole(struct expiring *e, const char *id)
{
	int rc = backup_look_at(e->repo, id, e->f);

	if (rc >= 0)
		return rc;
	if (e->f->kind != FAIL_DAMAGED)
		return -1;
	log_error("expire: backup %s: it is damaged, and does not count as a "
	          "good one: %s: %s",
	    id, e->f->object, e->f->cause);
	e->out->damaged++;
	return 1;
}

/*
 * Before anything is deleted: are the backups that the rules count on what
 * they seem?  0 yes, 1 not all of them: they are marked now, decide again; -1.
 */
static int
check_promises(struct expiring *e, struct survey *s,
    const struct retain_plan *p, bool *whole)
{
	/* keep_wal takes WAL from backups that stay. */
	bool goes = e->args->rules.wal != 0;
	int again = 0;

	for (size_t i = 0; i < s->n; i++)
		goes |= is_to_go(e, s, p, i);
	for (size_t i = 0; goes && i < s->n; i++) {
		int rc;

		if ((p->backups[i].reasons & PROMISES) == 0 || whole[i] ||
		    s->list[i].bad_pages)
			continue;
		rc = is_not_whole(e, s->list[i].id);
		if (rc < 0)
			return -1;
		whole[i] = rc == 0;
		s->list[i].bad_pages = rc != 0;
		again |= rc;
	}
	return again;
}

static int
decide(struct expiring *e, struct survey *s, struct retain_plan *p)
{
	bool *whole = calloc(s->n + 1, sizeof *whole);
	int rc = 1;

	if (whole == NULL) {
		(void)fail_errno(e->f, "backups", "memory");
		return -1;
	}
	while (rc == 1) {
		rc = survey_decide(s, &e->args->rules, e->args->clock, p, e->f);
		if (rc != 0)
			break;
		rc = check_promises(e, s, p, whole);
		if (rc != 0)
			retain_clear(p);
	}
	free(whole);
	return rc;
}

/* The backups.  What is decided about them holds for the whole run. */
static int
expire_backups(struct expiring *e)
{
	struct expire_report *out = e->out;
	struct survey s;
	struct retain_plan p = { 0 };
	int rc;

	if (survey_load(e->repo, e->id, &s, e->f) != 0)
		return -1;
	rc = decide(e, &s, &p);
	if (rc == 0) {
		out->now = survey_now(&s, e->args->clock);
		e->times = (struct backup_times){ .now = out->now,
			.store = survey_store_now(&s, e->args->clock) };
		out->window = p.window;
		out->no_rule = p.no_rule;
		out->no_backup = p.no_backup;
		rc = report_backups(e, &s, &p);
		retain_clear(&p);
	}
	survey_clear(&s);
	for (size_t i = 0; rc == 0 && i < out->n_backups; i++)
		if (!out->backups[i].keep)
			expire_backup(e, &out->backups[i]);
	return rc;
}

static int
history_missing(uint32_t tli, struct fail *f)
{
	char name[32];

	(void)snprintf(name, sizeof name, "timeline %" PRIu32, tli);
	(void)fail_set(f, FAIL_ABSENT, name,
	    "its history file %08" PRIX32 ".history is not in the repository: "
	    "what its past needs cannot be told, nothing is deleted",
	    tli);
	return fail_hint(f,
	    "archive it from a server's pg_wal: walpush pg_wal/%08" PRIX32
	    ".history",
	    tli);
}

static int
promise_broken(const struct expire_report *r, struct fail *f)
{
	char name[64];

	(void)snprintf(name, sizeof name, "%zu backup%s", r->damaged,
	    r->damaged == 1 ? "" : "s");
	(void)fail_set(f, FAIL_DAMAGED, name,
	    "damaged, though a rule counts on %s: older ones stay instead",
	    r->damaged == 1 ? "it" : "them");
	return fail_hint(
	    f, "take a base backup; walvault verify ID says what is damaged");
}

int
expire(struct repository *r, const struct identity *id,
    const struct expire_args *args, struct expire_report *out, struct fail *f)
{
	struct expiring e = {
		.repo = r, .id = id, .args = args, .out = out, .f = f
	};

	*out = (struct expire_report){ .clock = args->clock,
		.segsize = id->segsize };
	if (expire_backups(&e) != 0 || expire_all_wal(&e) != 0)
		return -1;
	if (!args->dry_run && sweep_system(r, out->now, f) != 0)
		return -1;
	if (!args->dry_run)
		heads_renew(r, true);
	if (out->failed > 0)
		return -1;
	if (out->unclear != 0)
		return history_missing(out->unclear, f);
	return out->damaged > 0 ? promise_broken(out, f) : 0;
}

void
expire_clear(struct expire_report *r)
{
	free(r->backups);
	free(r->wal);
	*r = (struct expire_report){ 0 };
}
