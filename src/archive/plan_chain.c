/* SPDX-License-Identifier: PostgreSQL */
/* What must be read to get to a stop point: see plan_line.h. */
#include <stdio.h>

#include "lsn.h"
#include "plan_line.h"

struct record_end {
	uint64_t lsn, end;
};

static int
see_record(void *arg, uint64_t lsn, uint64_t end, int64_t time)
{
	struct record_end *r = arg;

	(void)time;
	if (lsn < r->lsn)
		return 0;
	if (lsn == r->lsn)
		r->end = end;
	return 1;
}

static size_t
segment_at(const struct way *w, const struct way_run *r, uint64_t lsn)
{
	const struct line *l = &w->line;
	size_t i = r->first;

	while (i < r->last && l->segment[i + 1].facts.start_lsn <= lsn)
		i++;
	return i;
}

/* Where does the record at lsn end, which begins in segment i? */
static int
record_end(
    const struct way *w, size_t i, uint64_t lsn, uint64_t *end, struct fail *f)
{
	struct record_end r = { .lsn = lsn };
	struct walscan_events events = { .record = see_record, .arg = &r };

	if (line_scan(&w->line, i, i, &events, f) != 0)
		return -1;
	*end = r.end;
	return r.end != LSN_NONE
	    ? 0
	    : fail_set(f, FAIL_DAMAGED, w->line.segment[i].name.text,
	          "the record at the stop point is not there any more");
}

/* The segments of the run up to the plan's last one. */
static void
count_segments(const struct way *w, const struct way_run *r, struct plan *p)
{
	const struct line *l = &w->line;

	p->first_segno = l->segment[r->first].segno;
	p->first_segment = l->segment[r->first].name;
	for (size_t i = r->first;
	     i <= r->last && l->segment[i].segno <= p->last_segno; i++) {
		const struct line_segment *s = &l->segment[i];

		p->segments++;
		p->wal_stored += s->stored;
		p->last_segment = s->name;
		if (s->key != NULL)
			(void)snprintf(p->partial_key, sizeof p->partial_key,
			    "%s", s->key);
	}
}

struct search {
	uint64_t from, to;
	struct waltablespace first;
};

static int
see_tablespace(void *arg, const struct waltablespace *t)
{
	struct search *s = arg;

	if (t->lsn < s->from || t->lsn >= s->to)
		return 0;
	s->first = *t;
	return 1;
}

/* The first one that is created between the backup's start and the end. */
static int
find_tablespace(const struct way *w, const struct way_run *r, struct plan *p,
    struct fail *f)
{
	const struct line *l = &w->line;
	struct search s = { .from = r->backup->info.start_lsn,
		.to = p->end_lsn,
		.first.lsn = LSN_NONE };
	struct walscan_events events = { .tablespace = see_tablespace,
		.arg = &s };

	for (size_t i = r->first; i <= r->last &&
	     l->segment[i].segno <= p->last_segno && s.first.lsn == LSN_NONE;
	     i++)
		if ((l->segment[i].facts.flags & WALFACTS_TABLESPACE) != 0 &&
		    line_scan(l, i, i, &events, f) != 0)
			return -1;
	p->tablespace = s.first;
	return 0;
}

int
way_measure(const struct way *w, const struct way_run *r, struct plan *p,
    struct fail *f)
{
	size_t at = segment_at(w, r, p->stop_lsn);
	const struct walfacts *facts = &w->line.segment[at].facts;
	uint32_t segsize = w->index->id.segsize;
	uint64_t need = (r->backup->info.stop_lsn - 1) / segsize, end;

	if (record_end(w, at, p->stop_lsn, &end, f) != 0)
		return -1;
	p->end_lsn = p->inclusive ? end : p->stop_lsn;
	/* A switch record counts to the end of its segment. */
	if (p->inclusive && (facts->flags & WALFACTS_SWITCHED) != 0 &&
	    facts->last_ended == p->stop_lsn)
		p->end_lsn = facts->start_lsn + segsize;
	/* Also a record before which it stops is read. */
	p->last_segno = (end - 1) / segsize;
	if (need > p->last_segno)
		p->last_segno = need;
	count_segments(w, r, p);
	return find_tablespace(w, r, p, f);
}

void
way_take_answer(const struct find_answer *a, struct plan *p)
{
	p->stop_lsn = a->stop_lsn;
	p->inclusive = a->inclusive;
	p->stop_tli = a->tli;
	p->has_before = a->has_before;
	p->last = a->before;
	p->has_after = a->has_after;
	p->first_not = a->after;
}

int
way_find_end(const struct way *w, const struct way_run *r,
    struct find_answer *a, struct fail *f)
{
	struct find_target t = { .type = FIND_LSN,
		.from = r->backup->info.start_lsn,
		.lsn = line_last_record(&w->line, r->first, r->last) };

	if (t.lsn < t.from)
		t.lsn = t.from;
	return find_on_line(&w->line, &t, a, f);
}

/* The server stops where the backup is consistent: behind its last record. */
int
way_immediate(const struct way *w, const struct way_run *r, struct plan *p,
    struct fail *f)
{
	const struct manifest_summary *b = &r->backup->info;
	struct find_answer a;
	struct find_target t = { .type = FIND_LSN,
		.lsn = b->stop_lsn,
		.exclusive = true,
		.from = b->start_lsn };

	/* The record behind it need not be there. */
	if (find_on_line(&w->line, &t, &a, f) != 0)
		return -1;
	if (!a.reachable && way_find_end(w, r, &a, f) != 0)
		return -1;
	way_take_answer(&a, p);
	p->stop_lsn = p->end_lsn = b->stop_lsn;
	p->inclusive = false;
	p->stop_tli = b->stop_tli;
	p->last_segno = (b->stop_lsn - 1) / w->index->id.segsize;
	count_segments(w, r, p);
	return 0;
}
