/* SPDX-License-Identifier: PostgreSQL */
/*
 * Planning along one line: see plan_line.h.  The newest backup from which the
 * target can be reached is the one with the shortest way; where it lies is
 * found by the same search that walvault find makes, from the backup's start on
 * (one time stamp from the future before it must not count).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "lsn.h"
#include "plan_line.h"

int
way_load(struct way *w, const struct backup *b, struct fail *f)
{
	uint32_t segsize = w->index->id.segsize;
	uint64_t first = b->info.start_lsn / segsize;

	if (w->loaded && first >= w->from)
		return 0;
	if (w->loaded) {
		/* Once the first guess was wrong, all may be asked for. */
		for (size_t i = 0; i < w->n; i++)
			if (w->backups[i].backup->info.start_lsn / segsize <
			    first)
				first = w->backups[i].backup->info.start_lsn /
				    segsize;
		line_clear(&w->line);
		w->loaded = false;
	}
	if (line_load_from(w->index, w->tli, first, true, &w->line, f) != 0)
		return -1;
	w->loaded = true;
	w->from = first;
	return 0;
}

bool
way_is_sound(const struct way *w, const struct backup *b, struct way_run *r)
{
	const struct line *l = &w->line;
	uint64_t segno = b->info.start_lsn / w->index->id.segsize;
	size_t i = 0;

	while (i < l->n && l->segment[i].segno < segno)
		i++;
	*r = (struct way_run){ b, i, i };
	if (i == l->n || l->segment[i].segno != segno || l->segment[i].damaged)
		return false;
	r->last = line_run_end(l, i);
	return line_end_lsn(&l->segment[r->last]) >= b->info.stop_lsn;
}

/* The name of a segment on the line: the child's if the line forks in it. */
static void
name_on_line(const struct way *w, uint64_t segno, struct walname *out)
{
	uint32_t segsize = w->index->id.segsize;

	walname_segment(
	    timeline_at(&w->line.history, (segno + 1) * segsize - 1), segno,
	    segsize, out);
}

void
way_broken(const struct way *w, size_t last, struct plan *p)
{
	const struct line *l = &w->line;
	const struct line_segment *next = last + 1 < l->n
	    ? &l->segment[last + 1]
	    : NULL;
	struct walname name;

	name_on_line(w, l->segment[last].segno + 1, &name);
	if (next != NULL && next->segno == l->segment[last].segno + 1) {
		(void)snprintf(
		    p->missing, sizeof p->missing, "%s", next->name.text);
		(void)snprintf(p->why, sizeof p->why,
		    "%s does not follow %s: "
		    "%s%s%s",
		    next->name.text, l->segment[last].name.text,
		    next->broken != NULL ? next->broken : "it is damaged",
		    next->damage[0] != '\0' ? ": " : "", next->damage);
		return;
	}
	(void)snprintf(p->missing, sizeof p->missing, "%s", name.text);
	if (next != NULL)
		(void)snprintf(p->why, sizeof p->why,
		    "%s is missing: the WAL "
		    "goes on with %s",
		    name.text, next->name.text);
	else
		(void)snprintf(p->why, sizeof p->why,
		    "the archived WAL of "
		    "timeline %u ends with %s; %s is not there",
		    w->tli, l->segment[last].name.text, name.text);
}

/* The same for a backup whose own WAL is not whole. */
static void
unsound(const struct way *w, const struct way_run *r, struct plan *p)
{
	const struct line *l = &w->line;
	const struct backup *b = r->backup;
	uint64_t segno = b->info.start_lsn / w->index->id.segsize;
	size_t first = r->first;
	struct walname name;
	char why[sizeof p->why];

	if (first == l->n || l->segment[first].segno != segno) {
		name_on_line(w, segno, &name);
		(void)snprintf(p->missing, sizeof p->missing, "%s", name.text);
		(void)snprintf(why, sizeof why, "%s is missing", name.text);
	} else if (l->segment[first].damaged) {
		(void)snprintf(p->missing, sizeof p->missing, "%s",
		    l->segment[first].name.text);
		(void)snprintf(why, sizeof why, "%s is damaged: %s", p->missing,
		    l->segment[first].damage);
	} else {
		way_broken(w, r->last, p);
		(void)snprintf(why, sizeof why, "%s", p->why);
	}
	(void)snprintf(p->why, sizeof p->why,
	    "backup %s is not consistent without its WAL: %.400s", b->id, why);
}

static int
find_target(const struct way *w, const struct way_run *r, struct find_answer *a,
    struct fail *f)
{
	static const enum find_type types[] = { [PLAN_LATEST] = FIND_LATEST,
		[PLAN_TIME] = FIND_TIME,
		[PLAN_LSN] = FIND_LSN,
		[PLAN_XID] = FIND_XID,
		[PLAN_NAME] = FIND_NAME,
		[PLAN_IMMEDIATE] = FIND_LSN };
	const struct plan_target *p = w->target;
	struct find_target t = { .type = types[p->type],
		.time = p->time,
		.lsn = p->lsn,
		.xid = p->xid,
		.name = p->name,
		.exclusive = p->exclusive,
		.from = r->backup->info.start_lsn };
	int rc;

	if (p->type == PLAN_LATEST)
		return way_find_end(w, r, a, f);
	rc = find_on_line(&w->line, &t, a, f);
	/* What a server calls its current LSN lies behind its last record. */
	if (rc == 0 && p->type == PLAN_LSN && !a->reachable &&
	    p->lsn <= a->covered_lsn)
		rc = way_find_end(w, r, a, f);
	return rc;
}

/* The names and places of restore points that are called the same. */
static void
list_names(const struct way *w, struct plan *p)
{
	size_t used = (size_t)snprintf(p->why, sizeof p->why,
	    "several restore points are called '%.80s':", w->target->name);

	for (size_t i = 0; i < w->line.n; i++) {
		const struct walfacts *facts = &w->line.segment[i].facts;

		for (uint32_t k = 0; k < facts->n_points; k++) {
			const struct walrestore_point *r = &facts->points[k];
			char lsn[LSN_TEXT], time[CLOCK_TEXT];

			if (strcmp(r->name, w->target->name) != 0 ||
			    used > sizeof p->why - 80)
				continue;
			lsn_format(r->lsn, lsn);
			clock_format(r->time, time);
			used += (size_t)snprintf(p->why + used,
			    sizeof p->why - used, " %s (%s)", lsn, time);
		}
	}
}

/* Is there another one of the name, before the chosen backup?  1 yes. */
static int
is_name_twice(struct way *w, struct plan *p, struct fail *f)
{
	const struct backup *oldest = w->backups[w->n - 1].backup;
	struct find_target t = { .type = FIND_NAME,
		.name = w->target->name,
		.from = oldest->info.start_lsn };
	struct find_answer a;

	if (way_load(w, oldest, f) != 0 ||
	    find_on_line(&w->line, &t, &a, f) != 0)
		return -1;
	if (a.hits <= 1 && (!a.reachable || a.stop_lsn == p->stop_lsn))
		return 0;
	list_names(w, p);
	return 1;
}

/*
 * Does the run end where the line does?  A hole shows by what follows it:
 * segments, or only a newer backup or a partial segment, whose WAL is lost.
 */
static bool
is_end_of_line(const struct way *w, const struct way_run *r)
{
	const struct line_segment *last = &w->line.segment[r->last];

	if (r->last + 1 < w->line.n)
		return false;
	/* Of two partial segments the first was once complete. */
	return last->segno + (last->key == NULL) >= w->partial_segno &&
	    line_end_lsn(last) >= w->backup_end;
}

/* Say what is in the way behind a run that is not the line's end. */
static void
hole(const struct way *w, const struct way_run *r, struct plan *p)
{
	const struct line_segment *last = &w->line.segment[r->last];
	struct walname name;

	if (r->last + 1 < w->line.n) {
		way_broken(w, r->last, p);
		return;
	}
	name_on_line(w, last->segno + (last->key == NULL), &name);
	(void)snprintf(p->missing, sizeof p->missing, "%s", name.text);
	(void)snprintf(p->why, sizeof p->why,
	    "%s is missing: a %s shows that the WAL went on", name.text,
	    line_end_lsn(last) < w->backup_end ? "newer backup"
	                                       : "later partial segment");
}

/* From this backup: 0 reachable, 1 not (p->why), -1. */
static int
try_backup(
    struct way *w, const struct backup *b, struct plan *p, struct fail *f)
{
	struct find_answer a = { 0 };
	struct way_run r;

	if (way_load(w, b, f) != 0)
		return -1;
	if (!way_is_sound(w, b, &r)) {
		unsound(w, &r, p);
		return 1;
	}
	if (w->target->type == PLAN_IMMEDIATE)
		return way_immediate(w, &r, p, f);
	if (w->target->type == PLAN_LATEST && !is_end_of_line(w, &r)) {
		hole(w, &r, p);
		return 1;
	}
	if (find_target(w, &r, &a, f) != 0)
		return -1;
	p->covered_lsn = a.covered_lsn;
	p->covered_time = a.covered_time;
	if (a.hits > 1) {
		list_names(w, p);
		return 1;
	}
	if (!a.reachable) {
		if (r.last + 1 < w->line.n)
			way_broken(w, r.last, p);
		else
			(void)snprintf(p->why, sizeof p->why, "%s", a.why);
		return 1;
	}
	way_take_answer(&a, p);
	if (way_measure(w, &r, p, f) != 0)
		return -1;
	if (p->end_lsn >= b->info.stop_lsn)
		return 0;
	(void)snprintf(p->why, sizeof p->why,
	    "the target lies before the end of backup %s, which is not "
	    "consistent there",
	    b->id);
	return 1;
}

/* Could the target lie behind the backup's end? */
static bool
may_serve(const struct plan_target *t, const struct backup *b)
{
	if (t->type == PLAN_LSN)
		return b->info.stop_lsn <= t->lsn;
	if (t->type == PLAN_TIME)
		return b->info.stop_time <= t->time;
	return true;
}

/*
 * The i-th to be tried: those with damaged pages come behind all others, whose
 * way is longer, but leads to pages that WAL has made whole.  What is asked of
 * --immediate is the newest one itself.
 */
static const struct backup *
to_try(const struct way *w, size_t i)
{
	size_t n = 0;

	if (w->target->type == PLAN_IMMEDIATE)
		return w->backups[i].backup;
	for (int bad = 0; bad < 2; bad++)
		for (size_t k = 0; k < w->n; k++) {
			const struct backup *b = w->backups[k].backup;

			if ((b->info.bad_pages > 0) == (bad != 0) && n++ == i)
				return b;
		}
	return NULL; /* not reached: i < w->n */
}

static int
try_backups(struct way *w, struct plan *p, struct fail *f)
{
	struct plan first = { 0 };
	int rc;

	for (size_t i = 0; i < w->n; i++) {
		const struct backup *b = to_try(w, i);
		struct plan one = *p;

		if (!may_serve(w->target, b))
			continue;
		rc = try_backup(w, b, &one, f);
		if (rc < 0)
			return -1;
		one.backup = *b;
		if (rc == 0 && w->target->type == PLAN_NAME)
			rc = is_name_twice(w, &one, f);
		if (rc < 0)
			return -1;
		one.reachable = rc == 0;
		if (one.reachable) {
			*p = one;
			return 0;
		}
		/* The newest one's reason says most. */
		if (first.why[0] == '\0')
			first = one;
	}
	if (first.why[0] != '\0')
		*p = first;
	else
		(void)snprintf(p->why, sizeof p->why,
		    w->n == 0
		        ? "no complete backup is on the line of timeline %u"
		        : "the target lies before the end of the oldest "
		          "backup on the line of timeline %u",
		    w->tli);
	return 0;
}

static int
newest_first(const void *a, const void *b)
{
	const struct backup *x = ((const struct way_backup *)a)->backup;
	const struct backup *y = ((const struct way_backup *)b)->backup;

	if (x->info.stop_lsn != y->info.stop_lsn)
		return x->info.stop_lsn > y->info.stop_lsn ? -1 : 1;
	return strcmp(y->id, x->id);
}

static int
choose_backups(struct way *w, const struct backup_list *all, struct fail *f)
{
	const struct index_timeline *t = index_timeline(w->index, w->tli);
	struct index_timeline bare = { .tli = w->tli, .history.tli = w->tli };

	w->backups = calloc(all->n + 1, sizeof *w->backups);
	if (w->backups == NULL)
		return fail_errno(f, "backups", "memory");
	for (size_t i = 0; i < all->n; i++) {
		const struct backup *b = &all->list[i];

		if (b->state != BACKUP_COMPLETE ||
		    !plan_is_on_line(t != NULL ? t : &bare, &b->info))
			continue;
		if (w->backup_end < b->info.stop_lsn)
			w->backup_end = b->info.stop_lsn;
		if (w->target->backup == NULL ||
		    strcmp(w->target->backup, b->id) == 0)
			w->backups[w->n++].backup = b;
	}
	for (size_t i = 0; t != NULL && i < t->partials.n; i++)
		if (w->partial_segno < t->partials.list[i].segno)
			w->partial_segno = t->partials.list[i].segno;
	if (w->n > 1)
		qsort(w->backups, w->n, sizeof *w->backups, newest_first);
	return 0;
}

static int
copy_history(const struct timeline *from, struct timeline *to, struct fail *f)
{
	*to = (struct timeline){ .tli = from->tli };
	if (from->n == 0)
		return 0;
	to->ancestors = calloc(from->n, sizeof *to->ancestors);
	if (to->ancestors == NULL)
		return fail_errno(f, "timeline history", "memory");
	memcpy(to->ancestors, from->ancestors, from->n * sizeof *to->ancestors);
	to->n = from->n;
	return 0;
}

int
plan_on_line(struct index *x, const struct backup_list *backups,
    const struct plan_target *t, uint32_t tli, struct plan *p, struct fail *f)
{
	const struct index_timeline *own = index_timeline(x, tli);
	struct way w = { .index = x, .target = t, .tli = tli };
	int rc;

	*p = (struct plan){ .index = x,
		.target = *t,
		.tli = tli,
		.history.tli = tli,
		.tablespace.lsn = LSN_NONE,
		.covered_time = WAL_NO_TIME };
	rc = choose_backups(&w, backups, f);
	if (rc == 0)
		rc = try_backups(&w, p, f);
	if (rc == 0 && !p->reachable)
		rc = way_nearest(&w, p, f);
	if (rc == 0 && own != NULL)
		rc = copy_history(&own->history, &p->history, f);
	if (w.loaded)
		line_clear(&w.line);
	free(w.backups);
	return rc;
}
