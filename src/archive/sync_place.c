/* SPDX-License-Identifier: PostgreSQL */
/* A store in a sync: what it has, and what it would keep.  See sync.h. */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "sync_job.h"

struct listing {
	struct sync_place *place;
	const struct carry_pace *pace;
	struct fail *f;
};

static int
append(struct sync_place *p, const char *key, uint64_t size)
{
	if (p->n_wal == p->cap) {
		size_t cap = p->cap == 0 ? 1024 : p->cap * 2;
		struct sync_object *more = reallocarray(
		    p->wal, cap, sizeof *more);

		if (more == NULL)
			return -1;
		p->wal = more;
		p->cap = cap;
	}
	p->wal[p->n_wal].key = strdup(key);
	if (p->wal[p->n_wal].key == NULL)
		return -1;
	p->wal[p->n_wal++].size = size;
	return 0;
}

static int
add_listed(void *arg, const char *key, const struct store_info *info)
{
	struct listing *l = arg;

	carry_moved(l->pace);
	if (append(l->place, key, info->size) == 0)
		return 0;
	return fail_errno(l->f, key, "memory");
}

int
sync_place_add(struct sync_place *p, const char *key, uint64_t size)
{
	struct sync_object last;
	size_t i;

	if (append(p, key, size) != 0)
		return -1;
	last = p->wal[p->n_wal - 1];
	for (i = p->n_wal - 1; i > 0 && strcmp(p->wal[i - 1].key, key) > 0; i--)
		continue;
	memmove(
	    &p->wal[i + 1], &p->wal[i], (p->n_wal - 1 - i) * sizeof *p->wal);
	p->wal[i] = last;
	return 0;
}

int
sync_place_load(struct repository *r, const struct identity *id,
    const struct carry_pace *pace, struct sync_place *out, struct fail *f)
{
	struct listing l = { out, pace, f };
	char prefix[LAYOUT_KEY_MAX];

	*out = (struct sync_place){ .repo = r };
	if (survey_load(r, id, &out->survey, f) != 0)
		return -1;
	carry_moved(pace);
	layout_wal_prefix(&r->layout, prefix);
	if (store_list(r->store, prefix, add_listed, &l, f) == 0)
		return 0;
	sync_place_clear(out);
	return -1;
}

void
sync_place_clear(struct sync_place *p)
{
	for (size_t i = 0; i < p->n_wal; i++)
		free(p->wal[i].key);
	free(p->wal);
	survey_clear(&p->survey);
	*p = (struct sync_place){ 0 };
}

/* -- what would be kept -- */

static const struct retain_backup *
listed(const struct survey *s, const char *id)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->list[i].id, id) == 0)
			return &s->list[i];
	return NULL;
}

/*
 * Has it, damaged or not, or is deleting it: then nothing is brought.  What is
 * damaged is told (sync_compare_backups), and repair mends it.
 */
static bool
is_settled(const struct survey *s, const char *id)
{
	const struct backup *b = backup_find(&s->backups, id);

	return b != NULL && b->state != BACKUP_UNFINISHED;
}

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* The timelines of both, each with the WAL of both. */
static void
merge_timelines(struct survey *out, const struct survey *s)
{
	for (size_t i = 0; i < s->n_timelines; i++) {
		const struct retain_timeline *t = &s->timelines[i];
		struct retain_timeline *own = NULL;

		for (size_t k = 0; k < out->n_timelines; k++)
			if (out->timelines[k].history->tli == t->history->tli)
				own = &out->timelines[k];
		if (own == NULL) {
			out->timelines[out->n_timelines++] = *t;
			continue;
		}
		if (!own->known && t->known) {
			own->known = true;
			own->history = t->history;
		}
		own->has_wal |= t->has_wal;
		if (t->first_segno < own->first_segno)
			own->first_segno = t->first_segno;
		own->until = later(own->until, t->until);
	}
}

static int
compare_ids(const void *a, const void *b)
{
	return strcmp(((const struct retain_backup *)a)->id,
	    ((const struct retain_backup *)b)->id);
}

/* Its own backups, but the finished ones of `from` where it has none. */
static void
merge_backups(
    struct survey *out, const struct survey *to, const struct survey *from)
{
	for (size_t i = 0; i < to->n; i++) {
		const struct backup *b = backup_find(
		    &from->backups, to->list[i].id);

		if (is_settled(to, to->list[i].id) || b == NULL ||
		    b->state != BACKUP_COMPLETE)
			out->list[out->n++] = to->list[i];
	}
	for (size_t i = 0; i < from->n; i++)
		if (from->list[i].state == RETAIN_COMPLETE &&
		    !is_settled(to, from->list[i].id))
			out->list[out->n++] = from->list[i];
	qsort(out->list, out->n, sizeof *out->list, compare_ids);
}

/*
 * basebackup writes its manifests one after another, and one store may hold it
 * up for a while: a backup that was begun there before it was finished here
 * may be on its way by itself.  A copy that came first would make it fail.
 */
static bool
is_coming(const struct syncing *x, const struct backup *b)
{
	const struct backup *there = backup_find(&x->to->survey.backups, b->id);

	/* Now: it may have been finished since this run began. */
	return there != NULL && there->newest < b->newest &&
	    llabs(clock_now() - b->newest) < x->args->coming_us;
}

/* Choose the backups, when the plan is there. */
static int
choose(struct syncing *x, const struct survey *merged)
{
	x->backups = calloc(merged->n + 1, sizeof *x->backups);
	if (x->backups == NULL)
		return fail_errno(x->f, "backups", "memory");
	for (size_t i = 0; i < merged->n; i++) {
		const struct backup *b = backup_find(
		    &x->from->survey.backups, merged->list[i].id);

		if (b == NULL || b->state != BACKUP_COMPLETE ||
		    is_settled(&x->to->survey, b->id) ||
		    listed(&x->from->survey, b->id) == NULL ||
		    (!x->args->all && !x->plan.no_rule &&
		        x->plan.unclear == 0 && !x->plan.backups[i].keep))
			continue;
		if (is_coming(x, b)) {
			log_info("left: backup %s: it was begun in %s, too, "
			         "and may come by itself",
			    b->id, x->to->repo->store->name);
			x->out->coming++;
			continue;
		}
		x->backups[x->n_backups++] = *b;
	}
	return 0;
}

int
sync_decide(struct syncing *x)
{
	const struct survey *from = &x->from->survey, *to = &x->to->survey;
	struct survey merged = *to;
	int rc = -1;

	merged.list = calloc(from->n + to->n + 1, sizeof *merged.list);
	merged.timelines = calloc(
	    from->n_timelines + to->n_timelines + 1, sizeof *merged.timelines);
	merged.n = merged.n_timelines = 0;
	merged.server = later(from->server, to->server);
	merged.store = later(from->store, to->store);
	if (merged.list == NULL || merged.timelines == NULL) {
		(void)fail_errno(x->f, "retention", "memory");
	} else {
		merge_timelines(&merged, to);
		merge_timelines(&merged, from);
		merge_backups(&merged, to, from);
		rc = survey_decide(
		    &merged, &x->to->rules, x->args->clock, &x->plan, x->f);
	}
	if (rc == 0) {
		rc = choose(x, &merged);
		if (rc != 0)
			sync_decided_clear(x);
	}
	free(merged.list);
	free(merged.timelines);
	return rc;
}

void
sync_decided_clear(struct syncing *x)
{
	retain_clear(&x->plan);
	free(x->backups);
	x->backups = NULL;
	x->n_backups = 0;
}
