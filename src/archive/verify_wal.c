/* SPDX-License-Identifier: PostgreSQL */
/*
 * The WAL's findings: what is damaged, where the chain behind a backup breaks,
 * and what that costs.  See verify_task.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "line.h"
#include "lsn.h"
#include "verify_task.h"

/*
 * A place on a line that no recovery crosses: a backup that starts at or
 * before `last` and stops at or behind `first` needs it; one that starts
 * behind `last` lies behind it.  Two segments that do not join: last is the
 * one before, first the one behind.
 */
struct hole {
	const struct line *line;
	const struct retain_timeline *timeline;
	uint64_t first, last;
	const struct line_segment *before; /* NULL: none */
};

static uint32_t
segsize(const struct verify_state *v)
{
	return v->survey.index.id.segsize;
}

static bool
is_on_line(const struct verify_state *v, const struct retain_backup *b,
    const struct retain_timeline *t)
{
	const struct retain_input in = { .segsize = segsize(v) };

	return b->state == RETAIN_COMPLETE && retain_suits(&in, b, t);
}

static uint64_t
start_segno(const struct verify_state *v, const struct retain_backup *b)
{
	return b->start_lsn / segsize(v);
}

static uint64_t
stop_segno(const struct verify_state *v, const struct retain_backup *b)
{
	return (b->stop_lsn - 1) / segsize(v);
}

struct costs {
	char *text;
	size_t cap;
	bool any;
};

static void
add_cost(struct costs *c, const char *text)
{
	size_t len = strlen(c->text);

	c->any = true;
	(void)snprintf(
	    c->text + len, c->cap - len, "%s%s", len > 0 ? "; " : "", text);
}

/* Where recovery ends before the hole. */
static void
last_moment(const struct verify_state *v, const struct hole *h,
    const struct retain_backup *b, char out[160])
{
	char lsn[LSN_TEXT], time[CLOCK_TEXT];

	(void)v;
	if (h->before == NULL) {
		lsn_format(b->stop_lsn, lsn);
		(void)snprintf(out, 160, "%s", lsn);
		return;
	}
	lsn_format(line_end_lsn(h->before), lsn);
	(void)snprintf(out, 160, "%s", lsn);
	if (h->before->facts.xacts == 0)
		return;
	clock_format(h->before->facts.xact_time_last, time);
	(void)snprintf(out, 160, "%s (%s)", lsn, time);
}

/*
 * The cost of a hole on one line.  False: it has none, for no backup that is
 * asked about leads there.
 */
static bool
hole_cost(
    const struct verify_state *v, const struct hole *h, char *out, size_t cap)
{
	const struct retain_backup *before = NULL, *behind = NULL;
	struct costs c = { .text = out, .cap = cap };
	char text[512], from[160], lsn[LSN_TEXT], time[CLOCK_TEXT];

	out[0] = '\0';
	for (size_t i = 0; i < v->survey.n; i++) {
		const struct retain_backup *b = &v->survey.list[i];

		if (!is_on_line(v, b, h->timeline))
			continue;
		if (start_segno(v, b) > h->last) {
			if (behind == NULL || b->stop_lsn < behind->stop_lsn)
				behind = b;
		} else if (!verify_is_asked(v, b->id)) {
			continue;
		} else if (stop_segno(v, b) >= h->first) {
			(void)snprintf(text, sizeof text,
			    "backup %s cannot be restored", b->id);
			add_cost(&c, text);
		} else if (v->plan.backups[i].all_wal &&
		    (before == NULL || b->stop_lsn > before->stop_lsn)) {
			before = b;
		}
	}
	if (before == NULL)
		return c.any;
	last_moment(v, h, before, from);
	if (behind != NULL) {
		lsn_format(behind->stop_lsn, lsn);
		clock_format(behind->stop_time, time);
		(void)snprintf(text, sizeof text,
		    "no recovery between %s and %s (%s, backup %s) on timeline "
		    "%" PRIu32,
		    from, lsn, time, behind->id, h->timeline->history->tli);
	} else {
		(void)snprintf(text, sizeof text,
		    "no recovery behind %s on timeline %" PRIu32, from,
		    h->timeline->history->tli);
	}
	add_cost(&c, text);
	return true;
}

/* Is it told already?  Lines share their ancestors' WAL. */
struct verify_finding *
verify_told(const struct verify_state *v, const char *object)
{
	for (size_t i = 0; i < v->out->n; i++)
		if (strcmp(v->out->list[i].object, object) == 0)
			return &v->out->list[i];
	return NULL;
}

static int
tell(struct verify_state *v, const char *object, const char *text,
    const char *cost)
{
	struct verify_finding *x = verify_told(v, object);
	size_t len;

	if (x == NULL) {
		x = verify_add_finding(v, object, "%s", text);
		if (x == NULL)
			return -1;
	}
	len = strlen(x->cost);
	if (strstr(x->cost, cost) == NULL)
		(void)snprintf(x->cost + len, sizeof x->cost - len, "%s%s",
		    len > 0 ? "; " : "", cost);
	return 0;
}

/* The task that read a segment back and found it bad. */
static const struct verify_task *
bad_task(const struct verify_state *v, const struct line_segment *s)
{
	for (size_t i = 0; v->any_bad && i < v->n_tasks; i++) {
		const struct verify_task *t = &v->tasks[i];

		if (t->is_wal && t->result == VERIFY_BAD &&
		    t->kind == LAYOUT_SEGMENT &&
		    strcmp(t->name.text, s->name.text) == 0)
			return t;
	}
	return NULL;
}

static int
tell_segment(struct verify_state *v, struct hole *h,
    const struct line_segment *s, const char *why)
{
	char cost[1024], key[LAYOUT_KEY_MAX];

	h->first = h->last = s->segno;
	layout_wal(&v->repo->layout, &s->name, NULL, key);
	(void)hole_cost(v, h, cost, sizeof cost);
	return tell(v, key, why, cost);
}

/* Segments [h->first, h->last] of the line are missing. */
static int
tell_missing(struct verify_state *v, const struct hole *h)
{
	const struct timeline *t = h->timeline->history;
	struct walname first, last;
	char cost[1024], object[128];

	if (!hole_cost(v, h, cost, sizeof cost))
		return 0;
	walname_segment(timeline_at(t, h->first * segsize(v)), h->first,
	    segsize(v), &first);
	walname_segment(
	    timeline_at(t, h->last * segsize(v)), h->last, segsize(v), &last);
	(void)snprintf(object, sizeof object, "%s - %s", first.text, last.text);
	return tell(v, object, "WAL is missing", cost);
}

static int
tell_broken(
    struct verify_state *v, struct hole *h, const struct line_segment *s)
{
	char cost[1024], object[128];

	h->first = s->segno;
	h->last = s->segno - 1;
	if (!hole_cost(v, h, cost, sizeof cost))
		return 0;
	(void)snprintf(object, sizeof object, "%s - %s", h->before->name.text,
	    s->name.text);
	return tell(v, object, s->broken, cost);
}

/* All places of a line that no recovery crosses. */
static int
verify_line(struct verify_state *v, const struct line *l,
    const struct retain_timeline *t)
{
	struct hole h = { .line = l, .timeline = t };
	bool damaged = false, before = false;

	for (size_t i = 0; i < l->n; i++, before = damaged) {
		const struct line_segment *s = &l->segment[i];
		const struct verify_task *bad = bad_task(v, s);

		damaged = s->damaged || bad != NULL;
		h.before = i > 0 ? s - 1 : NULL;
		if (i > 0 && s->segno > s[-1].segno + 1) {
			h.first = s[-1].segno + 1;
			h.last = s->segno - 1;
			if (tell_missing(v, &h) != 0)
				return -1;
		} else if (i > 0 && s->run != s[-1].run && !damaged &&
		    !before && tell_broken(v, &h, s) != 0) {
			return -1;
		}
		if (damaged &&
		    tell_segment(
		        v, &h, s, bad != NULL ? bad->why : s->damage) != 0)
			return -1;
	}
	return 0;
}

/* What lies before the first segment of a line, and behind the last. */
static int
verify_ends(struct verify_state *v, const struct line *l,
    const struct retain_timeline *t)
{
	struct hole h = { .line = l, .timeline = t };
	uint64_t first = UINT64_MAX, last = 0, begin, end;

	for (size_t i = 0; i < v->survey.n; i++) {
		const struct retain_backup *b = &v->survey.list[i];

		if (!is_on_line(v, b, t))
			continue;
		if (start_segno(v, b) < first)
			first = start_segno(v, b);
		if (stop_segno(v, b) > last)
			last = stop_segno(v, b);
	}
	if (first == UINT64_MAX)
		return 0;
	begin = l->n > 0 ? l->segment[0].segno : last + 1;
	end = l->n > 0 ? l->segment[l->n - 1].segno : last;
	if (first < begin) {
		h.first = first;
		h.last = begin - 1;
		if (tell_missing(v, &h) != 0)
			return -1;
	}
	if (last <= end)
		return 0;
	h.first = end + 1;
	h.last = last;
	h.before = l->n > 0 ? &l->segment[l->n - 1] : NULL;
	return tell_missing(v, &h);
}

/* The WAL of one line.  0 or -1. */
static int
verify_one(
    struct verify_state *v, const struct retain_timeline *t, struct fail *f)
{
	struct line l;
	char object[64], cost[128];
	int rc;

	if (line_load(&v->survey.index, t->history->tli, &l, f) != 0) {
		if (f->kind != FAIL_ABSENT)
			return -1;
		(void)snprintf(object, sizeof object, "%08" PRIX32 ".history",
		    t->history->tli);
		(void)snprintf(cost, sizeof cost,
		    "no recovery to timeline %" PRIu32, t->history->tli);
		rc = tell(v, object, "the history file is missing", cost);
	} else {
		rc = verify_ends(v, &l, t);
		if (rc == 0)
			rc = verify_line(v, &l, t);
		line_clear(&l);
	}
	return rc == 0 ? 0 : fail_errno(f, "WAL", "memory");
}

/* Does a complete backup end on a timeline of which there is no WAL? */
static bool
ends_a_backup(const struct verify_state *v, uint32_t tli)
{
	for (size_t i = 0; i < v->survey.n; i++)
		if (v->survey.list[i].state == RETAIN_COMPLETE &&
		    v->survey.list[i].stop_tli == tli)
			return true;
	return false;
}

/* What is bad and lies on no line that is looked at. */
static int
tell_others(struct verify_state *v)
{
	for (size_t i = 0; i < v->n_tasks; i++) {
		const struct verify_task *t = &v->tasks[i];
		char cost[160] = "";

		if (!t->is_wal || t->result != VERIFY_BAD ||
		    verify_told(v, t->key) != NULL)
			continue;
		if (t->kind == LAYOUT_HISTORY)
			(void)snprintf(cost, sizeof cost,
			    "no recovery to timeline %" PRIu32
			    " and those that fork from it",
			    t->name.tli);
		else if (t->kind == LAYOUT_PARTIAL)
			(void)snprintf(cost, sizeof cost,
			    "the last transactions of timeline %" PRIu32
			    " may be lost",
			    t->name.tli);
		if (tell(v, t->key, t->why, cost) != 0)
			return -1;
	}
	return 0;
}

/* Complete backups of whose timeline nothing is left at all. */
static int
tell_bare(struct verify_state *v)
{
	for (size_t i = 0; i < v->survey.n; i++) {
		const struct retain_backup *b = &v->survey.list[i];
		struct walname first;
		char cost[128];

		if (b->state != RETAIN_COMPLETE || !verify_is_asked(v, b->id) ||
		    index_timeline(&v->survey.index, b->stop_tli) != NULL)
			continue;
		walname_segment(
		    b->start_tli, start_segno(v, b), segsize(v), &first);
		(void)snprintf(
		    cost, sizeof cost, "backup %s cannot be restored", b->id);
		if (tell(v, first.text, "WAL is missing", cost) != 0)
			return -1;
	}
	return 0;
}

int
verify_wal(struct verify_state *v, struct fail *f)
{
	const struct index *x = &v->survey.index;

	for (size_t i = 0; i < x->n; i++) {
		const struct index_timeline *t = &x->timelines[i];

		if ((index_is_leaf(x, t) || ends_a_backup(v, t->tli)) &&
		    verify_one(v, &v->survey.timelines[i], f) != 0)
			return -1;
	}
	if (tell_bare(v) != 0 || tell_others(v) != 0)
		return fail_errno(f, "WAL", "memory");
	return v->args->set_aside ? verify_set_aside(v, f) : 0;
}
