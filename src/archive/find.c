/* SPDX-License-Identifier: PostgreSQL */
/*
 * Finding a moment: see find.h.  First the facts tell in which segments the
 * stop point can be; then one of them is scanned again.  From the stop point
 * the last transaction end before it and the first one after it are looked
 * for in the same way.
 */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "find.h"
#include "lsn.h"

struct search {
	const struct line *line;
	const struct find_target *target;
	struct find_answer *answer;
	size_t first, last; /* the run being searched */
	size_t start;       /* where in it the search begins */
	bool found;
};

/* Can a record straddling the cut behind segment i concern the target? */
static bool
straddler_may_match(const struct search *s, size_t i)
{
	const struct line *l = s->line;
	struct walxact x;

	if (l->segment[i].facts.unfinished == LSN_NONE || i == s->last)
		return false;
	/* Of a restore point the name may stand behind the cut. */
	if (s->target->type == FIND_NAME)
		return true;
	if (!line_straddles(l, i, &x))
		return false;
	if (s->target->type == FIND_XID)
		return x.xid == 0 || x.xid == (uint32_t)s->target->xid;
	return s->target->exclusive ? x.time >= s->target->time
	                            : x.time > s->target->time;
}

/* What the facts of segment i say: can the stop point begin in it? */
static bool
may_match(const struct search *s, size_t i)
{
	const struct walfacts *f = &s->line->segment[i].facts;
	const struct find_target *t = s->target;
	uint32_t xid = (uint32_t)t->xid;

	switch (t->type) {
	case FIND_LATEST:
		return false;
	case FIND_LSN:
		return f->last_ended >= t->lsn || f->unfinished >= t->lsn;
	case FIND_TIME:
		if (f->xacts > 0 &&
		    (t->exclusive ? f->xact_time_max >= t->time
		                  : f->xact_time_max > t->time))
			return true;
		break;
	case FIND_XID:
		if (f->xacts > 0 && xid >= f->xid_min && xid <= f->xid_max)
			return true;
		break;
	case FIND_NAME:
		if (f->flags & WALFACTS_MORE_POINTS)
			return true;
		for (uint32_t k = 0; k < f->n_points; k++)
			if (strcmp(f->points[k].name, t->name) == 0)
				return true;
		break;
	}
	return straddler_may_match(s, i);
}

static int
stop_at(struct search *s, uint64_t lsn, bool inclusive)
{
	s->found = true;
	s->answer->stop_lsn = lsn;
	s->answer->inclusive = inclusive;
	return 1;
}

static int
match_record(void *arg, uint64_t lsn, uint64_t end, int64_t time)
{
	struct search *s = arg;

	(void)end;
	(void)time;
	if (s->target->type == FIND_LSN && lsn >= s->target->lsn &&
	    lsn >= s->target->from)
		return stop_at(s, lsn, !s->target->exclusive);
	return 0;
}

static int
match_xact(void *arg, const struct walxact *x)
{
	struct search *s = arg;
	const struct find_target *t = s->target;

	if (x->lsn < t->from)
		return 0;
	if (t->type == FIND_TIME &&
	    (t->exclusive ? x->time >= t->time : x->time > t->time))
		return stop_at(s, x->lsn, false);
	if (t->type == FIND_XID && x->xid == (uint32_t)t->xid)
		return stop_at(s, x->lsn, !t->exclusive);
	return 0;
}

static int
match_point(void *arg, const struct walrestore_point *p, uint64_t end)
{
	struct search *s = arg;

	(void)end;
	if (s->target->type != FIND_NAME || p->lsn < s->target->from ||
	    strcmp(p->name, s->target->name) != 0)
		return 0;
	/* The server stops at the first; a second one is worth knowing of. */
	s->answer->hits++;
	if (!s->found)
		(void)stop_at(s, p->lsn, true);
	return 0;
}

/* Search the run for the stop point; s->found tells. */
static int
search_run(struct search *s, struct fail *f)
{
	struct walscan_events events = { .record = match_record,
		.xact = match_xact,
		.restore_point = match_point,
		.arg = s };

	for (size_t i = s->start; i <= s->last; i++) {
		if (!may_match(s, i))
			continue;
		if (line_scan(s->line, i, i, &events, f) != 0)
			return -1;
		if (s->found && s->target->type != FIND_NAME)
			break;
	}
	return 0;
}

static bool
is_before(const struct find_answer *a, uint64_t lsn)
{
	return lsn < a->stop_lsn || (a->inclusive && lsn == a->stop_lsn);
}

static int
around_xact(void *arg, const struct walxact *x)
{
	struct find_answer *a = arg;

	if (is_before(a, x->lsn)) {
		a->has_before = true;
		a->before = *x;
		return 0;
	}
	a->has_after = true;
	a->after = *x;
	return 1;
}

static bool
has_xacts(const struct line *l, size_t i)
{
	struct walxact x;

	return l->segment[i].facts.xacts > 0 || line_straddles(l, i, &x);
}

/* The segment of the run in which the record at lsn begins. */
static size_t
segment_of(const struct search *s, uint64_t lsn)
{
	size_t i = s->first;

	while (i < s->last && s->line->segment[i + 1].facts.start_lsn <= lsn)
		i++;
	return i;
}

/*
 * Scan backwards, segment by segment, to the last transaction end that is
 * replayed, and forwards to the first that is not.
 */
static int
look_around(struct search *s, struct fail *f)
{
	struct find_answer *a = s->answer;
	struct walscan_events events = { .xact = around_xact, .arg = a };
	size_t at = segment_of(s, a->stop_lsn), i;

	a->segment = s->line->segment[at].name;
	for (i = at + 1; i > s->first && !a->has_before; i--)
		if (has_xacts(s->line, i - 1) &&
		    line_scan(s->line, i - 1, i - 1, &events, f) != 0)
			return -1;
	/* A segment before the stop point knows nothing of what is after. */
	a->has_after = false;
	for (i = at; i <= s->last && !a->has_after; i++)
		if (has_xacts(s->line, i) &&
		    line_scan(s->line, i, i, &events, f) != 0)
			return -1;
	return 0;
}

/* The last record that is whole in the run. */
static uint64_t
last_record(const struct search *s)
{
	return line_last_record(s->line, s->first, s->last);
}

/* How far the run reaches, in WAL and in time. */
static void
measure(struct search *s)
{
	struct find_answer *a = s->answer;

	a->covered_lsn = line_end_lsn(&s->line->segment[s->last]);
	a->covered_time = WAL_NO_TIME;
	for (size_t i = s->start; i <= s->last; i++) {
		struct walxact x;

		if (s->line->segment[i].facts.timed_max > a->covered_time)
			a->covered_time = s->line->segment[i].facts.timed_max;
		if (line_straddles(s->line, i, &x) && x.time > a->covered_time)
			a->covered_time = x.time;
	}
}

/* Nothing stops recovery in this run; is the target known to lie in it? */
static void
judge_end(struct search *s)
{
	struct find_answer *a = s->answer;

	bool known = s->target->type == FIND_LATEST ||
	    (s->target->type == FIND_TIME && a->covered_time != WAL_NO_TIME &&
	        a->covered_time > s->target->time);

	if (known && last_record(s) != LSN_NONE)
		(void)stop_at(s, last_record(s), true);
}

/* What is missing, and the nearest moment that can be reached. */
static void
explain(struct search *s)
{
	struct find_answer *a = s->answer;
	const struct line *l = s->line;
	char lsn[LSN_TEXT], time[CLOCK_TEXT] = "no time";
	struct walname next;

	lsn_format(a->covered_lsn, lsn);
	if (a->covered_time != WAL_NO_TIME)
		clock_format(a->covered_time, time);
	walname_segment(l->segment[s->last].name.tli,
	    l->segment[s->last].segno + 1, l->index->id.segsize, &next);
	(void)snprintf(a->why, sizeof a->why,
	    "the archived WAL of timeline %u reaches to %s (latest time in it: "
	    "%s) and does not contain the target; next would be %s",
	    l->history.tli, lsn, time, next.text);
}

/*
 * A target before all that this run knows lies in the gap before it, or before
 * the archive begins: it is not known what it would contain.
 */
static bool
lies_before(const struct search *s)
{
	const struct find_target *t = s->target;

	if (t->from != LSN_NONE)
		return false;
	if (t->type == FIND_LSN)
		return t->lsn < s->line->segment[s->first].facts.start_lsn;
	return t->type == FIND_TIME && !s->answer->has_before;
}

static void
explain_before(struct search *s)
{
	struct find_answer *a = s->answer;
	const struct line_segment *behind = &s->line->segment[s->first];

	if (s->first == 0) {
		(void)snprintf(a->why, sizeof a->why,
		    "the target lies before the first archived %s, in %s",
		    s->target->type == FIND_LSN ? "WAL" : "transaction",
		    behind->name.text);
		return;
	}
	(void)snprintf(a->why, sizeof a->why,
	    "the target lies between %s and %s, where the WAL is broken (%s)",
	    s->line->segment[s->first - 1].name.text, behind->name.text,
	    behind->broken != NULL ? behind->broken : "segments are missing");
}

/* The answer of one run: 1 it is final, 0 ask the next run, -1. */
static int
ask_run(struct search *s, struct fail *f)
{
	struct find_answer *a = s->answer;

	*a = (struct find_answer){ .covered_time = WAL_NO_TIME };
	measure(s);
	if (search_run(s, f) != 0)
		return -1;
	if (!s->found)
		judge_end(s);
	if (!s->found) {
		explain(s);
		return 0;
	}
	if (look_around(s, f) != 0)
		return -1;
	a->tli = timeline_at(&s->line->history, a->stop_lsn);
	if (lies_before(s)) {
		explain_before(s);
		return 1;
	}
	a->reachable = true;
	if (a->hits > 1) {
		a->reachable = false;
		(void)snprintf(a->why, sizeof a->why,
		    "%zu restore points have this name; recovery stops at the "
		    "first: use --lsn or --time",
		    a->hits);
	}
	return 1;
}

int
find_on_line(const struct line *l, const struct find_target *t,
    struct find_answer *a, struct fail *f)
{
	size_t i = 0, last_sound = l->n;

	/* "Latest" is the end of the last run that is not a damaged segment. */
	while (last_sound > 0 && l->segment[last_sound - 1].damaged)
		last_sound--;
	*a = (struct find_answer){ .covered_time = WAL_NO_TIME };
	(void)snprintf(a->why, sizeof a->why,
	    "no WAL of timeline %u is archived%s", l->history.tli,
	    t->from != LSN_NONE ? " from there on" : "");
	while (i < l->n) {
		struct search s = { .line = l,
			.target = t,
			.answer = a,
			.first = i,
			.start = i,
			.last = line_run_end(l, i) };
		int rc = 0;

		i = s.last + 1;
		if (t->type == FIND_LATEST && i < last_sound)
			continue;
		if (t->from != LSN_NONE) {
			if (line_end_lsn(&l->segment[s.last]) <= t->from)
				continue;
			s.start = segment_of(&s, t->from);
		}
		if (!l->segment[s.first].damaged)
			rc = ask_run(&s, f);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
		if (t->from != LSN_NONE)
			break;
	}
	return 0;
}
