/* SPDX-License-Identifier: PostgreSQL */
/*
 * Which backup it begins with: see restore_job.h.  The planner knows backups
 * by the heads of their manifests; here the manifest is read and its packs are
 * looked for, so that nothing is touched for a backup of which a part is gone.
 * Another backup takes its place only if it leads to the very same record.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lsn.h"
#include "restore_job.h"

/* The first backup that was not whole, and where it would have led. */
struct lacking {
	bool any;
	char id[BACKUP_ID];
	char missing[64]; /* the pack, or "" */
	char why[160];
	uint64_t stop_lsn;
	uint32_t stop_tli;
	bool inclusive;
};

static void
forget_plan(struct restore_job *j)
{
	if (j->has_plan)
		plan_clear(&j->plan);
	if (j->has_set)
		restore_set_clear(&j->set);
	j->has_plan = j->has_set = false;
}

/* Read its manifest, look for its packs.  0 whole, 1 not (f says why), -1. */
static int
look_at_backup(struct restore_job *j, char missing[64], struct fail *f)
{
	struct repository *r = &j->repo;
	size_t gap;

	missing[0] = '\0';
	if (restore_set_load(r, j->plan.backup.id, &j->set, f) == 0) {
		j->has_set = true;
		if (restore_set_check_packs(r, &j->set, &gap, f) == 0)
			return 0;
		if (gap < j->set.n_packs) {
			const struct manifest_pack *p = &j->set.packs[gap];

			(void)snprintf(missing, 64, "backup/%s/pack-%06" PRIu32,
			    j->set.head.backups[p->backup], p->pack);
		}
	}
	return f->kind == FAIL_DAMAGED || f->kind == FAIL_ABSENT ? 1 : -1;
}

/* Take the plan's backup out of the choice, for a reason. */
static void
pass_over(struct restore_job *j, const char *why)
{
	for (size_t i = 0; i < j->backups.n; i++) {
		struct backup *b = &j->backups.list[i];

		if (strcmp(b->id, j->plan.backup.id) != 0)
			continue;
		b->state = BACKUP_DAMAGED;
		(void)snprintf(
		    b->why, sizeof b->why, "%.*s", (int)sizeof b->why - 1, why);
	}
}

static void
note_lacking(
    struct lacking *l, const struct restore_job *j, const struct fail *f)
{
	if (l->any)
		return;
	l->any = true;
	(void)snprintf(l->id, sizeof l->id, "%s", j->plan.backup.id);
	(void)snprintf(l->why, sizeof l->why, "%.159s", f->cause);
	l->stop_lsn = j->plan.stop_lsn;
	l->stop_tli = j->plan.stop_tli;
	l->inclusive = j->plan.inclusive;
}

/* Plan, until the backup is whole or there is none left.  0 or -1. */
static int
search(struct restore_job *j, const struct plan_target *t, struct lacking *l,
    struct fail *f)
{
	char missing[64];
	int rc;

	for (;;) {
		forget_plan(j);
		if (plan_make(&j->index, &j->backups, t, &j->plan, f) != 0)
			return -1;
		j->has_plan = true;
		if (!j->plan.reachable)
			return 0;
		rc = look_at_backup(j, missing, f);
		if (rc <= 0)
			return rc;
		if (!l->any)
			memcpy(l->missing, missing, sizeof missing);
		note_lacking(l, j, f);
		pass_over(j, f->cause);
	}
}

static bool
same_moment(const struct lacking *l, const struct plan *p)
{
	return p->reachable && p->stop_lsn == l->stop_lsn &&
	    p->stop_tli == l->stop_tli && p->inclusive == l->inclusive;
}

/* There is no way with what is whole: say what is in the way, and what is
 * left. */
static void
set_unreachable(struct restore_job *j, const struct lacking *l)
{
	struct plan *p = &j->plan;
	char why[sizeof p->why];

	(void)snprintf(
	    why, sizeof why, "backup %s is not whole: %s", l->id, l->why);
	if (same_moment(l, p)) {
		(void)snprintf(p->why, sizeof p->why,
		    "%.250s; another backup leads to the same moment: "
		    "pitr-restore --backup %s ...",
		    why, p->backup.id);
	} else if (p->reachable) {
		(void)snprintf(p->why, sizeof p->why,
		    "%.250s; backup %s leads to another moment", why,
		    p->backup.id);
		p->before = (struct plan_moment){ .known = true,
			.lsn = p->end_lsn,
			.time = p->has_before ? p->last.time : WAL_NO_TIME };
		(void)snprintf(p->before.options, sizeof p->before.options,
		    "%s--backup %s",
		    p->target.type == PLAN_IMMEDIATE ? "--immediate " : "",
		    p->backup.id);
	} else {
		char rest[sizeof p->why];

		memcpy(rest, p->why, sizeof rest);
		(void)snprintf(p->why, sizeof p->why,
		    "%.200s; without it: %.280s", why, rest);
	}
	p->reachable = false;
	memcpy(p->missing, l->missing, sizeof l->missing);
}

int
restore_choose(struct restore_job *j, struct fail *f)
{
	struct plan_target any = j->target;
	struct lacking l = { .any = false };

	if (search(j, &j->target, &l, f) != 0)
		return -1;
	if (!l.any || same_moment(&l, &j->plan))
		return 0;
	any.backup = NULL;
	if (j->target.backup != NULL && search(j, &any, &l, f) != 0)
		return -1;
	set_unreachable(j, &l);
	return 0;
}

int
restore_name_other(struct restore_job *j, struct fail *f)
{
	struct plan_target any = j->target;
	struct lacking l = { .any = false };
	struct fail other;

	if (!j->result.backup_damaged)
		return -1;
	note_lacking(&l, j, f);
	pass_over(j, f->cause);
	any.backup = NULL;
	if (search(j, &any, &l, &other) != 0 || !same_moment(&l, &j->plan))
		return fail_hint(f,
		    "walvault verify %s shows what else is damaged; no other "
		    "backup leads to the same moment",
		    l.id);
	return fail_hint(f,
	    "another backup leads to the same moment: empty %s, then "
	    "pitr-restore --backup %s and everything else as before",
	    j->dest, j->plan.backup.id);
}
