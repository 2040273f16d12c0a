/* SPDX-License-Identifier: PostgreSQL */
/* Which line leads to the target: see plan.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lsn.h"
#include "plan_line.h"

void
plan_clear(struct plan *p)
{
	timeline_clear(&p->history);
	free(p->newer);
	p->newer = NULL;
	p->n_newer = 0;
}

/*
 * Do both lead to the same past?  Up to one record of one timeline there is
 * one past only.  For a moment behind the last common transaction the stop
 * points differ, and all that was committed does not.
 */
static bool
same_way(const struct plan *a, const struct plan *b)
{
	if (a->stop_lsn == b->stop_lsn && a->stop_tli == b->stop_tli &&
	    a->inclusive == b->inclusive)
		return true;
	return a->target.type == PLAN_TIME && a->has_before && b->has_before &&
	    a->last.lsn == b->last.lsn && a->last.xid == b->last.xid &&
	    a->last.time == b->last.time;
}

/* The same words lead to two different pasts. */
static void
set_ambiguous(struct plan *p, const struct plan *other)
{
	char one[LSN_TEXT], two[LSN_TEXT];

	lsn_format(p->stop_lsn, one);
	lsn_format(other->stop_lsn, two);
	p->reachable = false;
	(void)snprintf(p->why, sizeof p->why,
	    "it is reached on timeline %u (stop at %s, timeline %u's record) "
	    "and on timeline %u (stop at %s), which differ: say which one with "
	    "--timeline",
	    p->tli, one, p->stop_tli, other->tli, two);
	p->before = p->after = (struct plan_moment){ .known = false };
	p->missing[0] = '\0';
}

/* Of two that cannot be reached, the one that knows more. */
static bool
tells_more(const struct plan *a, const struct plan *b)
{
	if (a->before.known != b->before.known)
		return a->before.known;
	if (a->after.known != b->after.known)
		return a->after.known;
	return a->tli > b->tli;
}

struct choice {
	struct index *index;
	const struct backup_list *backups;
	const struct plan_target *target;
	struct plan *best;
	bool any, ambiguous;
};

static int
consider(struct choice *c, uint32_t tli, struct fail *f)
{
	struct plan one;
	bool better;

	if (plan_on_line(c->index, c->backups, c->target, tli, &one, f) != 0)
		return -1;
	if (c->any && c->best->reachable && one.reachable &&
	    !same_way(c->best, &one)) {
		c->ambiguous = true;
		set_ambiguous(c->best, &one);
	}
	better = !c->any || (one.reachable && !c->best->reachable) ||
	    (one.reachable && c->best->reachable) ||
	    (!one.reachable && !c->best->reachable &&
	        tells_more(&one, c->best));
	if (better && !c->ambiguous) {
		if (c->any)
			plan_clear(c->best);
		*c->best = one;
	} else {
		plan_clear(&one);
	}
	c->any = true;
	return 0;
}

/* All lines that have an end of their own. */
static int
consider_leaves(struct choice *c, struct fail *f)
{
	struct index *x = c->index;

	for (size_t i = 0; i < x->n && !c->ambiguous; i++)
		if (index_is_leaf(x, &x->timelines[i]) &&
		    consider(c, x->timelines[i].tli, f) != 0)
			return -1;
	return 0;
}

static const struct backup *
newest_backup(const struct backup_list *l)
{
	const struct backup *best = NULL;

	for (size_t i = 0; i < l->n; i++)
		if (l->list[i].state == BACKUP_COMPLETE &&
		    (best == NULL ||
		        l->list[i].info.stop_time > best->info.stop_time))
			best = &l->list[i];
	return best;
}

/* Find the backup that was asked for, or any; NULL: p->why says why not. */
static const struct backup *
require_backup(const struct choice *c)
{
	const struct plan_target *t = c->target;
	struct plan *p = c->best;
	const struct backup *b;

	if (t->backup == NULL) {
		b = newest_backup(c->backups);
		if (b == NULL)
			(void)snprintf(p->why, sizeof p->why,
			    "the repository holds no complete backup");
		return b;
	}
	b = backup_find(c->backups, t->backup);
	if (b != NULL && b->state == BACKUP_COMPLETE)
		return b;
	(void)snprintf(p->why, sizeof p->why, "backup %.40s %s%s", t->backup,
	    b == NULL                           ? "does not exist"
	        : b->state == BACKUP_UNFINISHED ? "was never finished"
	        : b->state == BACKUP_DELETING   ? "is being deleted"
	                                        : "is damaged: ",
	    b != NULL && b->state == BACKUP_DAMAGED ? b->why : "");
	return NULL;
}

static int
no_timeline(const struct index *x, uint32_t tli, struct fail *f)
{
	char known[160] = "", object[32];
	size_t used = 0;

	for (size_t i = 0; i < x->n && used < sizeof known - 16; i++)
		used += (size_t)snprintf(known + used, sizeof known - used,
		    " %" PRIu32, x->timelines[i].tli);
	(void)snprintf(object, sizeof object, "timeline %" PRIu32, tli);
	return fail_set(f, FAIL_CONFIG, object,
	    "nothing of it is in the repository, which knows:%s",
	    used > 0 ? known : " none");
}

static int
consider_lines(struct choice *c, const struct backup *b, struct fail *f)
{
	struct index *x = c->index;
	size_t i = x->n;

	switch (c->target->line) {
	case PLAN_NUMBER:
		if (index_timeline(x, c->target->tli) == NULL)
			return no_timeline(x, c->target->tli, f);
		return consider(c, c->target->tli, f);
	case PLAN_CURRENT:
		return consider(c, b->info.stop_tli, f);
	case PLAN_NEWEST:
		while (i > 0 && x->timelines[i - 1].segments.n == 0)
			i--;
		return i > 0 ? consider(c, x->timelines[i - 1].tli, f)
		             : consider(c, b->info.stop_tli, f);
	case PLAN_ANY:
		break;
	}
	if (consider_leaves(c, f) != 0)
		return -1;
	/* A backup behind the last fork may be on no line with an end. */
	if (!c->any ||
	    (!c->best->reachable && !c->ambiguous && c->target->backup != NULL))
		return consider(c, b->info.stop_tli, f);
	return 0;
}

/*
 * A line that stops on an ancestor goes no further than that: the new history
 * then says where it really comes from.
 */
static void
shorten_line(struct plan *p)
{
	uint64_t end = timeline_switch(&p->history, p->stop_tli);
	size_t n = 0;

	if (p->stop_tli == p->tli || end == LSN_NONE ||
	    p->last_segno >= end / p->index->id.segsize)
		return;
	while (n < p->history.n && p->history.ancestors[n].tli != p->stop_tli)
		n++;
	p->history.n = n;
	p->history.tli = p->tli = p->stop_tli;
}

static int
list_newer(const struct index *x, struct plan *p, struct fail *f)
{
	p->newer = calloc(x->n + 1, sizeof *p->newer);
	if (p->newer == NULL)
		return fail_errno(f, "timelines", "memory");
	for (size_t i = 0; i < x->n; i++)
		if (x->timelines[i].tli > p->tli && x->timelines[i].has_history)
			p->newer[p->n_newer++] = x->timelines[i].tli;
	return 0;
}

int
plan_make(struct index *x, const struct backup_list *backups,
    const struct plan_target *t, struct plan *out, struct fail *f)
{
	struct choice c = {
		.index = x, .backups = backups, .target = t, .best = out
	};
	const struct backup *b;

	*out = (struct plan){
		.index = x, .target = *t, .covered_time = WAL_NO_TIME
	};
	b = require_backup(&c);
	if (b == NULL)
		return 0;
	if (consider_lines(&c, b, f) != 0) {
		plan_clear(out);
		return -1;
	}
	if (!out->reachable)
		return 0;
	shorten_line(out);
	if (list_newer(x, out, f) == 0)
		return 0;
	plan_clear(out);
	return -1;
}
