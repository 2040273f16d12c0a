/* SPDX-License-Identifier: PostgreSQL */
/* Which backups stay: see retain.h. */
#include <stdlib.h>
#include <string.h>

#include "lsn.h"
#include "retain.h"
#include "retain_wal.h"

#define USEC_PER_DAY (INT64_C(86400) * 1000000)

/* Reasons that want a backup and all WAL behind it. */
#define WITH_ALL_WAL                                        \
	(RETAIN_LAST_GOOD | RETAIN_NEWEST | RETAIN_WINDOW | \
	    RETAIN_WINDOW_BASE | RETAIN_DEPTH)

enum order { BY_TIME, BY_LSN };

/* Which backups are asked for. */
struct question {
	enum order order;
	bool good;                        /* without bad pages */
	const struct retain_timeline *on; /* suiting it; NULL: any */
	int64_t before;                   /* stop_time at most */
};

int64_t
retain_now(int64_t clock, int64_t server, int64_t store)
{
	if (server != INT64_MIN && server < clock)
		clock = server;
	return store != INT64_MIN && store < clock ? store : clock;
}

/* The newest end of a complete backup before a time; INT64_MIN: none. */
static int64_t
end_before(int64_t time, const struct retain_backup *backups, size_t n)
{
	int64_t end = INT64_MIN;

	for (size_t i = 0; i < n; i++)
		if (backups[i].state == RETAIN_COMPLETE &&
		    backups[i].stop_time < time && backups[i].stop_time > end)
			end = backups[i].stop_time;
	return end;
}

int64_t
retain_believed(int64_t now, const struct retain_backup *backups, size_t n)
{
	int64_t believed = now, time = now, end;

	for (int behind = 0; behind < RETAIN_LEAP_BACKUPS; behind++) {
		end = end_before(time, backups, n);
		if (end == INT64_MIN)
			break;
		if (time - end > RETAIN_LEAP)
			believed = end;
		time = end;
	}
	return believed;
}

bool
retain_suits(const struct retain_input *in, const struct retain_backup *b,
    const struct retain_timeline *t)
{
	uint64_t end;

	if (t->history->tli == b->stop_tli)
		return true;
	if (t->known) {
		end = timeline_switch(t->history, b->stop_tli);
		return end != LSN_NONE && end >= b->stop_lsn;
	}
	/* Without its history: what lies before its first WAL may suit. */
	return b->stop_tli < t->history->tli && t->has_wal &&
	    b->stop_lsn / in->segsize <= t->first_segno;
}

/* Is a newer than b? */
static bool
is_newer(const struct retain_backup *a, const struct retain_backup *b,
    enum order order)
{
	if (order == BY_TIME && a->stop_time != b->stop_time)
		return a->stop_time > b->stop_time;
	if (a->stop_lsn != b->stop_lsn)
		return a->stop_lsn > b->stop_lsn;
	return strcmp(a->id, b->id) > 0;
}

static bool
answers(const struct retain_input *in, const struct retain_backup *b,
    const struct question *q)
{
	return b->state == RETAIN_COMPLETE && !(q->good && b->bad_pages) &&
	    b->stop_time <= q->before &&
	    (q->on == NULL || retain_suits(in, b, q->on));
}

/* The newest that is older than `than` (unless NULL); NULL if there is none. */
static const struct retain_backup *
next_older(const struct retain_input *in, const struct question *q,
    const struct retain_backup *than)
{
	const struct retain_backup *best = NULL;

	for (size_t i = 0; i < in->n_backups; i++) {
		const struct retain_backup *b = &in->backups[i];

		if (!answers(in, b, q) ||
		    (than != NULL && !is_newer(than, b, q->order)))
			continue;
		if (best == NULL || is_newer(b, best, q->order))
			best = b;
	}
	return best;
}

static void
keep(const struct retain_input *in, struct retain_plan *out,
    const struct retain_backup *b, enum retain_reason reason)
{
	struct retain_verdict *v = &out->backups[b - in->backups];

	v->keep = true;
	v->reasons |= reason;
	v->all_wal |= (reason & WITH_ALL_WAL) != 0;
}

/* The time of the newest complete backup, or INT64_MIN. */
static int64_t
newest_time(const struct retain_input *in)
{
	struct question q = { .order = BY_TIME, .before = INT64_MAX };
	const struct retain_backup *b = next_older(in, &q, NULL);

	return b != NULL ? b->stop_time : INT64_MIN;
}

bool
retain_is_live(const struct retain_input *in, size_t timeline)
{
	const struct retain_timeline *t = &in->timelines[timeline];
	int64_t backup = newest_time(in);
	bool newest = true;

	for (size_t i = 0; i < in->n_timelines; i++) {
		const struct retain_timeline *o = &in->timelines[i];

		if (o->has_wal &&
		    (o->until > t->until ||
		        (o->until == t->until &&
		            o->history->tli > t->history->tli)))
			newest = false;
	}
	return t->has_wal && (newest || t->until >= backup);
}

static void
keep_of(const struct retain_input *in, struct retain_plan *out,
    const struct question *q, uint64_t n, enum retain_reason reason)
{
	const struct retain_backup *b = NULL;

	while (n-- > 0 && (b = next_older(in, q, b)) != NULL)
		keep(in, out, b, reason);
}

/* The newest so many, of all and of every live line. */
static void
keep_newest(const struct retain_input *in, struct retain_plan *out, bool good,
    uint64_t n, enum retain_reason reason)
{
	struct question q = {
		.order = BY_TIME, .good = good, .before = INT64_MAX
	};

	keep_of(in, out, &q, n, reason);
	q.order = BY_LSN;
	for (size_t i = 0; i < in->n_timelines; i++) {
		q.on = &in->timelines[i];
		if (retain_is_live(in, i))
			keep_of(in, out, &q, n, reason);
	}
}

/*
 * The recovery window: what was taken within it, and for every line that has
 * WAL in it the newest backup before it.
 */
static void
keep_window(const struct retain_input *in, struct retain_plan *out)
{
	for (size_t i = 0; i < in->n_backups; i++)
		if (in->backups[i].state == RETAIN_COMPLETE &&
		    in->backups[i].stop_time > out->window)
			keep(in, out, &in->backups[i], RETAIN_WINDOW);
	for (size_t i = 0; i < in->n_timelines; i++) {
		const struct retain_timeline *t = &in->timelines[i];

		if (!t->has_wal || t->until < out->window)
			continue;
		for (int k = 0; k < 4; k++) {
			struct question q = {
				.order = k % 2 == 0 ? BY_TIME : BY_LSN,
				.good = k / 2 == 0,
				.on = t,
				.before = out->window,
			};

			keep_of(in, out, &q, 1, RETAIN_WINDOW_BASE);
		}
	}
}

/* Days since 2000-01-01, rounded down. */
static int64_t
days_of(int64_t time)
{
	int64_t days = time / USEC_PER_DAY;

	return time % USEC_PER_DAY < 0 ? days - 1 : days;
}

/* Months since year 0 (H. Hinnant, "chrono-compatible date algorithms"). */
static int64_t
months_of(int64_t days)
{
	int64_t z = days + 730425, era, doe, yoe, doy, mp;

	era = (z >= 0 ? z : z - 146096) / 146097;
	doe = z - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	return (yoe + era * 400) * 12 + mp + 2;
}

int64_t
retain_period(int64_t time, enum retain_reason kind)
{
	int64_t days = days_of(time), months;

	if (kind == RETAIN_DAILY)
		return days;
	/* 2000-01-03 was a Monday. */
	if (kind == RETAIN_WEEKLY)
		return days >= 2 ? (days - 2) / 7 : (days - 8) / 7;
	months = months_of(days);
	if (kind == RETAIN_MONTHLY)
		return months;
	return months >= 0 ? months / 12 : (months - 11) / 12;
}

/*
 * The first good backup of each of the last n periods that have any: periods
 * without a backup do not count, so no clock makes these few.
 */
static void
keep_periods(const struct retain_input *in, struct retain_plan *out, uint64_t n,
    enum retain_reason kind)
{
	struct question q = { .order = BY_TIME, .before = INT64_MAX };
	const struct retain_backup *b = next_older(in, &q, NULL), *first, *good;

	for (; n > 0 && b != NULL; n--) {
		int64_t period = retain_period(b->stop_time, kind);

		first = good = NULL;
		while (
		    b != NULL && retain_period(b->stop_time, kind) == period) {
			first = b;
			if (!b->bad_pages)
				good = b;
			b = next_older(in, &q, b);
		}
		keep(in, out, good != NULL ? good : first, kind);
	}
}

bool
retain_is_leased(const struct retain_input *in, const struct retain_lease *l)
{
	return l->until > in->store_now;
}

static void
keep_leased(const struct retain_input *in, struct retain_plan *out)
{
	for (size_t k = 0; k < in->n_leases; k++)
		for (size_t i = 0; i < in->n_backups; i++)
			if (retain_is_leased(in, &in->leases[k]) &&
			    strcmp(in->backups[i].id, in->leases[k].id) == 0)
				keep(in, out, &in->backups[i], RETAIN_RESTORE);
}

/* What stays whatever the rules say. */
static void
keep_always(const struct retain_input *in, struct retain_plan *out)
{
	for (size_t i = 0; i < in->n_backups; i++) {
		const struct retain_backup *b = &in->backups[i];

		if (b->state == RETAIN_UNFINISHED)
			keep(in, out, b, RETAIN_RUNNING);
		if (b->state == RETAIN_DAMAGED)
			keep(in, out, b, RETAIN_UNKNOWN);
		if (b->held_until != RETAIN_NOT_HELD && b->held_until > in->now)
			keep(in, out, b, RETAIN_HELD);
		if (b->pinned)
			keep(in, out, b, RETAIN_PINNED);
	}
	keep_leased(in, out);
	keep_newest(in, out, true, 1, RETAIN_LAST_GOOD);
	keep_newest(in, out, false, 1, RETAIN_NEWEST);
}

/*
 * A line that is live, or has WAL in the window, and whose history is missing:
 * its timeline, 0 if there is none.
 */
static uint32_t
unclear_line(const struct retain_input *in, const struct retain_plan *out)
{
	for (size_t i = 0; i < in->n_timelines; i++) {
		const struct retain_timeline *t = &in->timelines[i];

		if (!t->known && t->has_wal &&
		    (retain_is_live(in, i) ||
		        (in->rules.days != 0 && t->until >= out->window)))
			return t->history->tli;
	}
	return 0;
}

static bool
has_backup_rule(const struct retain_rules *r)
{
	return r->full != 0 || r->days != 0 || r->daily != 0 ||
	    r->weekly != 0 || r->monthly != 0 || r->yearly != 0;
}

static void
keep_by_rules(const struct retain_input *in, struct retain_plan *out)
{
	const struct retain_rules *r = &in->rules;

	if (!has_backup_rule(r))
		for (size_t i = 0; i < in->n_backups; i++)
			keep(in, out, &in->backups[i], RETAIN_NO_RULE);
	for (size_t i = 0; out->unclear != 0 && i < in->n_backups; i++)
		keep(in, out, &in->backups[i], RETAIN_UNCLEAR);
	keep_newest(in, out, false, r->full, RETAIN_FULL);
	keep_newest(in, out, true, r->full, RETAIN_FULL);
	if (r->days != 0)
		keep_window(in, out);
	keep_periods(in, out, r->daily, RETAIN_DAILY);
	keep_periods(in, out, r->weekly, RETAIN_WEEKLY);
	keep_periods(in, out, r->monthly, RETAIN_MONTHLY);
	keep_periods(in, out, r->yearly, RETAIN_YEARLY);
}

/* Which of the kept ones keep all WAL behind them. */
static void
decide_depth(const struct retain_input *in, struct retain_plan *out)
{
	for (size_t i = 0; i < in->n_backups; i++)
		if (in->rules.wal == 0 ||
		    in->backups[i].state != RETAIN_COMPLETE)
			out->backups[i].all_wal = true;
	keep_newest(in, out, false, in->rules.wal, RETAIN_DEPTH);
	keep_newest(in, out, true, in->rules.wal, RETAIN_DEPTH);
}

int
retain_decide(const struct retain_input *in, struct retain_plan *out)
{
	*out = (struct retain_plan){ .n_backups = in->n_backups,
		.n_timelines = in->n_timelines,
		.no_rule = !has_backup_rule(&in->rules) && in->rules.wal == 0,
		.no_backup = newest_time(in) == INT64_MIN,
		.window = in->now - (int64_t)in->rules.days * USEC_PER_DAY };
	out->backups = calloc(in->n_backups + 1, sizeof *out->backups);
	out->timelines = calloc(in->n_timelines + 1, sizeof *out->timelines);
	if (out->backups == NULL || out->timelines == NULL)
		goto fail;
	for (size_t i = 0; i < in->n_timelines; i++)
		out->timelines[i] = in->timelines[i].history->tli;
	out->unclear = unclear_line(in, out);
	keep_always(in, out);
	keep_by_rules(in, out);
	decide_depth(in, out);
	if (retain_wal(in, out) == 0)
		return 0;
fail:
	retain_clear(out);
	return -1;
}

void
retain_clear(struct retain_plan *p)
{
	free(p->backups);
	free(p->ranges);
	free(p->timelines);
	*p = (struct retain_plan){ 0 };
}

const char *
retain_reason_name(enum retain_reason reason)
{
	static const char *const names[RETAIN_REASONS] = { "no rule is set",
		"the last good one", "the newest", "held", "keep_full",
		"keep_days", "keep_days: the window's first moments need it",
		"keep_daily", "keep_weekly", "keep_monthly", "keep_yearly",
		"not finished", "its manifest cannot be read",
		"not asked about in this run",
		"the history of a timeline is missing", "a restore needs it",
		"keep_wal" };

	for (int i = 0; i < RETAIN_REASONS; i++)
		if (reason == 1U << i)
			return names[i];
	return "";
}
