/* SPDX-License-Identifier: PostgreSQL */
/*
 * Which backups and which WAL stay.  Known cases, then random histories beside
 * a model that knows segments, backups and moments, and nothing of retain.c.
 */
#include <time.h>

#include "clock.h"
#include "retain.h"
#include "support.h"

#define SEGSIZE  UINT32_C(0x100000)
#define HOUR     (INT64_C(3600) * 1000000)
#define DAY      (24 * HOUR)
#define MAX_TLI  8
#define MAX_SEGS 400
#define MAX_BACK 40
#define MAX_RUNS 4

/* A world: what a repository holds. */
struct segment {
	uint32_t tli;
	uint64_t segno;
	int64_t time;
};

struct world {
	struct segment seg[MAX_SEGS];
	size_t n_seg;
	struct timeline line[MAX_TLI]; /* [tli - 1] */
	struct timeline_entry entries[MAX_TLI][MAX_TLI];
	size_t n_line;
	struct retain_backup backup[MAX_BACK];
	char ids[MAX_BACK][16];
	size_t n_backup;
	struct retain_lease lease[MAX_RUNS];
	size_t n_lease;
	struct retain_timeline timelines[MAX_TLI];
	struct retain_input in;
};

static int64_t
at(const char *text)
{
	int64_t time;
	const char *why;

	ck_assert_int_eq(clock_parse(text, true, &time, &why), 0);
	return time;
}

static void
world_new(struct world *w)
{
	memset(w, 0, sizeof *w);
	w->n_line = 1;
	w->line[0] = (struct timeline){ .tli = 1 };
}

/* A timeline that leaves parent at lsn. */
static uint32_t
fork_line(struct world *w, uint32_t parent, uint64_t lsn)
{
	const struct timeline *p = &w->line[parent - 1];
	size_t i = w->n_line++;

	if (p->n > 0)
		memcpy(
		    w->entries[i], p->ancestors, p->n * sizeof *p->ancestors);
	w->entries[i][p->n] = (struct timeline_entry){ parent, lsn };
	w->line[i] = (struct timeline){ .tli = (uint32_t)i + 1,
		.ancestors = w->entries[i],
		.n = p->n + 1 };
	return (uint32_t)i + 1;
}

static void
add_segment(struct world *w, uint32_t tli, uint64_t segno, int64_t time)
{
	if (w->n_seg < MAX_SEGS)
		w->seg[w->n_seg++] = (struct segment){ tli, segno, time };
}

static struct retain_backup *
add_backup(struct world *w, uint32_t tli, uint64_t start_segno,
    uint64_t stop_segno, int64_t time)
{
	struct retain_backup *b = &w->backup[w->n_backup];

	(void)snprintf(w->ids[w->n_backup], 16, "b%02zu", w->n_backup);
	*b = (struct retain_backup){ .id = w->ids[w->n_backup],
		.start_tli = tli,
		.stop_tli = tli,
		.start_lsn = start_segno * SEGSIZE + 40,
		.stop_lsn = stop_segno * SEGSIZE + 1000,
		.stop_time = time,
		.held_until = RETAIN_NOT_HELD };
	w->n_backup++;
	return b;
}

/* What a repository's listing would say of the world. */
static const struct retain_input *
look(struct world *w, const struct retain_rules *rules, int64_t now)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n_line; i++) {
		struct retain_timeline t = { .history = &w->line[i],
			.known = true,
			.until = INT64_MIN };

		for (size_t k = 0; k < w->n_seg; k++) {
			if (w->seg[k].tli != w->line[i].tli)
				continue;
			if (!t.has_wal || w->seg[k].segno < t.first_segno)
				t.first_segno = w->seg[k].segno;
			t.has_wal = true;
			if (w->seg[k].time > t.until)
				t.until = w->seg[k].time;
		}
		w->timelines[n++] = t;
	}
	w->in = (struct retain_input){ .rules = *rules,
		.now = now,
		.store_now = now,
		.segsize = SEGSIZE,
		.backups = w->backup,
		.n_backups = w->n_backup,
		.leases = w->lease,
		.n_leases = w->n_lease,
		.timelines = w->timelines,
		.n_timelines = n };
	return &w->in;
}

static void
decide(struct world *w, const struct retain_rules *rules, int64_t now,
    struct retain_plan *p)
{
	require(retain_decide(look(w, rules, now), p) == 0);
}

/* Ten days, a backup at each day's end, 4 segments a day, from segment 1. */
static void
ten_days(struct world *w)
{
	int64_t start = at("2026-11-01 00:00");

	world_new(w);
	for (uint64_t i = 0; i < 44; i++)
		add_segment(w, 1, i + 1, start + (int64_t)i * 6 * HOUR);
	for (uint64_t d = 1; d <= 10; d++)
		(void)add_backup(
		    w, 1, d * 4, d * 4, start + (int64_t)d * DAY - 6 * HOUR);
}

static size_t
n_kept(const struct retain_plan *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_backups; i++)
		n += p->backups[i].keep;
	return n;
}

START_TEST(without_a_rule_nothing_is_deleted)
{
	struct world w;
	struct retain_plan p;

	ten_days(&w);
	decide(&w, &(struct retain_rules){ 0 }, at("2026-11-11 00:00"), &p);
	ck_assert(p.no_rule);
	ck_assert_uint_eq(n_kept(&p), 10);
	ck_assert(retain_keeps_wal(&p, 1, 1));
	retain_clear(&p);
}
END_TEST

START_TEST(without_a_complete_backup_no_wal_is_deleted)
{
	struct world w;
	struct retain_plan p;

	ten_days(&w);
	w.n_backup = 0;
	add_backup(&w, 1, 20, 20, 0)->state = RETAIN_UNFINISHED;
	decide(&w, &(struct retain_rules){ .full = 1 }, at("2026-11-11 00:00"),
	    &p);
	ck_assert(p.no_backup);
	ck_assert(retain_keeps_wal(&p, 1, 1));
	retain_clear(&p);
}
END_TEST

START_TEST(keep_full_keeps_the_newest_and_the_wal_behind_the_oldest_of_them)
{
	struct world w;
	struct retain_plan p;

	ten_days(&w);
	decide(&w, &(struct retain_rules){ .full = 3 }, at("2026-11-11 00:00"),
	    &p);
	for (size_t i = 0; i < 10; i++)
		ck_assert_int_eq(p.backups[i].keep, i >= 7);
	ck_assert(!retain_keeps_wal(&p, 1, 31));
	ck_assert(retain_keeps_wal(&p, 1, 32));
	ck_assert(retain_keeps_wal(&p, 1, 1000));
	retain_clear(&p);
}
END_TEST

START_TEST(the_last_good_backup_stays_behind_bad_ones)
{
	struct world w;
	struct retain_plan p;

	ten_days(&w);
	for (size_t i = 5; i < 10; i++)
		w.backup[i].bad_pages = true;
	decide(&w, &(struct retain_rules){ .daily = 1 }, at("2026-11-11 00:00"),
	    &p);
	ck_assert(p.backups[4].keep && p.backups[9].keep);
	ck_assert_uint_eq(n_kept(&p), 2);
	ck_assert(retain_keeps_wal(&p, 1, 20));
	ck_assert(!retain_keeps_wal(&p, 1, 19));
	retain_clear(&p);
}
END_TEST

START_TEST(keep_days_keeps_the_backup_before_the_window)
{
	struct world w;
	struct retain_plan p;

	ten_days(&w);
	/* The window begins on the 8th, 03:00: before the backup at 18:00. */
	decide(&w, &(struct retain_rules){ .days = 3 }, at("2026-11-11 03:00"),
	    &p);
	for (size_t i = 0; i < 10; i++)
		ck_assert_int_eq(p.backups[i].keep, i >= 6);
	ck_assert(p.backups[6].reasons & RETAIN_WINDOW_BASE);
	ck_assert(!retain_keeps_wal(&p, 1, 27));
	ck_assert(retain_keeps_wal(&p, 1, 28));
	retain_clear(&p);
}
END_TEST

START_TEST(a_clock_in_2038_deletes_nothing)
{
	struct world w;
	struct retain_plan p;
	int64_t newest = at("2026-11-11 18:00"), now;

	ten_days(&w);
	now = retain_now(at("2038-01-19 03:14"), newest, newest);
	ck_assert_int_eq(now, newest);
	decide(&w, &(struct retain_rules){ .days = 30, .daily = 10 }, now, &p);
	ck_assert_uint_eq(n_kept(&p), 10);
	retain_clear(&p);
	/* One transaction from 2038 does not either. */
	ck_assert_int_eq(
	    retain_now(newest, at("2038-01-19 03:14"), newest), newest);
	ck_assert_int_eq(
	    retain_now(at("2038-01-19 03:14"), at("2038-01-19 03:14"), newest),
	    newest);
	ck_assert_int_eq(retain_now(newest, INT64_MIN, INT64_MIN), newest);
}
END_TEST

START_TEST(all_clocks_in_2038_at_once_delete_nothing)
{
	struct world w;
	struct retain_plan p;
	int64_t leap = at("2038-01-19 03:14"), now, last;

	ten_days(&w);
	last = w.backup[9].stop_time;
	/* WAL alone, then backups too. */
	for (int n = 0; n < RETAIN_LEAP_BACKUPS; n++) {
		now = leap + n * DAY + HOUR;
		ck_assert_int_eq(
		    retain_believed(now, w.backup, w.n_backup), last);
		decide(&w, &(struct retain_rules){ .days = 14 }, last, &p);
		ck_assert_uint_eq(n_kept(&p), w.n_backup);
		retain_clear(&p);
		(void)add_backup(&w, 1, 50 + 4 * (uint64_t)n,
		    51 + 4 * (uint64_t)n, leap + n * DAY);
	}
	/* So many are no accident. */
	now = leap + 3 * DAY;
	ck_assert_int_eq(retain_believed(now, w.backup, w.n_backup), now);
	ck_assert_int_eq(
	    retain_believed(last + HOUR, w.backup, 10), last + HOUR);
	ck_assert_int_eq(retain_believed(leap, w.backup, 0), leap);
}
END_TEST

START_TEST(a_server_clock_that_jumped_makes_no_backup_old)
{
	struct world w;
	struct retain_plan p;

	ten_days(&w);
	w.backup[3].stop_time = at("2038-01-01 00:00");
	w.backup[9].stop_time = at("1999-01-01 00:00");
	decide(&w, &(struct retain_rules){ .full = 2 }, at("2026-11-11 00:00"),
	    &p);
	ck_assert(p.backups[9].keep && p.backups[8].keep);
	ck_assert(p.backups[9].reasons & RETAIN_LAST_GOOD);
	retain_clear(&p);
}
END_TEST

START_TEST(keep_wal_shortens_old_backups_to_what_makes_them_consistent)
{
	struct world w;
	struct retain_plan p;

	ten_days(&w);
	w.backup[1].stop_lsn = 10 * SEGSIZE; /* ends segment 9 */
	decide(&w, &(struct retain_rules){ .full = 10, .wal = 2 },
	    at("2026-11-11 00:00"), &p);
	ck_assert_uint_eq(n_kept(&p), 10);
	ck_assert(retain_keeps_wal(&p, 1, 8) && retain_keeps_wal(&p, 1, 9));
	ck_assert(!retain_keeps_wal(&p, 1, 10));
	ck_assert(retain_keeps_wal(&p, 1, 4) && !retain_keeps_wal(&p, 1, 5));
	ck_assert(retain_keeps_wal(&p, 1, 36) && retain_keeps_wal(&p, 1, 37));
	retain_clear(&p);
}
END_TEST

/* What was given up is not asked back when those that were counted are gone. */
START_TEST(keep_wal_keeps_the_backups_that_it_counts)
{
	const struct retain_rules rules = { .full = 1, .wal = 2 };
	int64_t now = at("2026-11-11 00:00");
	struct world w;
	struct retain_plan p;

	ten_days(&w);
	w.backup[0].held_until = INT64_MAX;
	decide(&w, &rules, now, &p);
	ck_assert_uint_eq(n_kept(&p), 3);
	ck_assert(p.backups[0].keep && !p.backups[0].all_wal);
	ck_assert_uint_eq(p.backups[8].reasons, RETAIN_DEPTH);
	ck_assert(p.backups[8].all_wal);
	retain_clear(&p);
}
END_TEST

START_TEST(keep_wal_never_goes_below_the_recovery_window)
{
	struct world w;
	struct retain_plan p;

	ten_days(&w);
	decide(&w, &(struct retain_rules){ .days = 3, .wal = 1 },
	    at("2026-11-11 03:00"), &p);
	for (uint64_t s = 28; s < 44; s++)
		ck_assert(retain_keeps_wal(&p, 1, s));
	retain_clear(&p);
}
END_TEST

START_TEST(an_unfinished_backup_protects_wal_from_where_it_began)
{
	struct world w;
	struct retain_plan p;
	struct retain_backup *b;

	ten_days(&w);
	b = add_backup(&w, 1, 6, 6, 0);
	b->state = RETAIN_UNFINISHED;
	decide(&w, &(struct retain_rules){ .full = 1 }, at("2026-11-11 00:00"),
	    &p);
	ck_assert(!retain_keeps_wal(&p, 1, 5));
	ck_assert(retain_keeps_wal(&p, 1, 6) && retain_keeps_wal(&p, 1, 7));
	retain_clear(&p);
	/* Where it began cannot be read: all of it stays. */
	b->start_lsn = 0;
	decide(&w, &(struct retain_rules){ .full = 1 }, at("2026-11-11 00:00"),
	    &p);
	ck_assert(retain_keeps_wal(&p, 1, 1));
	retain_clear(&p);
}
END_TEST

START_TEST(an_unfinished_backup_may_have_begun_before_the_fork_of_its_timeline)
{
	struct world w;
	struct retain_plan p;
	struct retain_backup *b;
	uint32_t t2, t3;

	/* Promoted; the last checkpoint is of timeline 1. */
	ten_days(&w);
	t2 = fork_line(&w, 1, 20 * SEGSIZE + 100);
	t3 = fork_line(&w, 1, 10 * SEGSIZE + 100);
	add_segment(&w, t2, 20, at("2026-11-12 00:00"));
	add_segment(&w, t3, 10, at("2026-11-02 00:00"));
	b = add_backup(&w, t2, 18, 18, 0);
	b->state = RETAIN_UNFINISHED;
	decide(&w, &(struct retain_rules){ .full = 1 }, at("2026-11-12 00:00"),
	    &p);
	ck_assert(retain_keeps_wal(&p, 1, 18) && retain_keeps_wal(&p, t2, 20));
	ck_assert(!retain_keeps_wal(&p, 1, 15));
	ck_assert(!retain_keeps_wal(&p, t3, 10));
	retain_clear(&p);
	/* A history that is missing may be any.  (The line is not live.) */
	look(&w, &(struct retain_rules){ .full = 1 }, at("2026-11-12 00:00"));
	w.timelines[t2 - 1].until = at("2026-11-05 00:00");
	w.timelines[t2 - 1].known = false;
	w.line[t2 - 1].n = 0;
	require(retain_decide(&w.in, &p) == 0);
	ck_assert_uint_eq(p.unclear, 0);
	ck_assert(retain_keeps_wal(&p, 1, 18) && retain_keeps_wal(&p, t2, 20));
	ck_assert(!retain_keeps_wal(&p, 1, 15));
	retain_clear(&p);
}
END_TEST

START_TEST(a_backup_protects_the_wal_of_all_its_descendants)
{
	struct world w;
	struct retain_plan p;
	uint32_t t2, t3, t4;

	ten_days(&w);
	t2 = fork_line(&w, 1, 42 * SEGSIZE + 100);
	t3 = fork_line(&w, t2, 45 * SEGSIZE + 100);
	t4 = fork_line(&w, 1, 10 * SEGSIZE + 100); /* before what is kept */
	for (uint64_t s = 0; s < 4; s++) {
		add_segment(&w, t2, 42 + s, at("2026-11-12 00:00"));
		add_segment(&w, t3, 45 + s, at("2026-11-13 00:00"));
		add_segment(&w, t4, 10 + s, at("2026-11-04 00:00"));
	}
	decide(&w, &(struct retain_rules){ .full = 1 }, at("2026-11-13 00:00"),
	    &p);
	ck_assert(retain_keeps_wal(&p, t2, 43) && retain_keeps_wal(&p, t3, 47));
	ck_assert(retain_keeps_wal(&p, 1, 44) && !retain_keeps_wal(&p, 1, 39));
	ck_assert(!retain_keeps_wal(&p, t4, 11));
	retain_clear(&p);
}
END_TEST

START_TEST(the_last_backup_of_a_line_that_went_back_stays)
{
	struct world w;
	struct retain_plan p;
	uint32_t t2;

	/* Restored to the third day; no backup of the new timeline yet. */
	ten_days(&w);
	t2 = fork_line(&w, 1, 14 * SEGSIZE + 100);
	for (uint64_t s = 14; s < 18; s++)
		add_segment(&w, t2, s, at("2026-11-12 00:00"));
	decide(&w, &(struct retain_rules){ .full = 1 }, at("2026-11-12 00:00"),
	    &p);
	ck_assert(p.backups[9].keep && p.backups[2].keep);
	ck_assert_uint_eq(n_kept(&p), 2);
	for (uint64_t s = 12; s <= 14; s++)
		ck_assert(retain_keeps_wal(&p, 1, s));
	ck_assert(retain_keeps_wal(&p, t2, 17));
	retain_clear(&p);
}
END_TEST

START_TEST(a_line_without_a_backup_keeps_its_newest_wal)
{
	struct world w;
	struct retain_plan p;
	uint32_t t2;

	ten_days(&w);
	t2 = fork_line(&w, 1, 2 * SEGSIZE + 100);
	add_segment(&w, t2, 2, at("2026-11-12 00:00"));
	decide(&w, &(struct retain_rules){ .full = 1 }, at("2026-11-12 00:00"),
	    &p);
	ck_assert(retain_keeps_wal(&p, t2, 2));
	retain_clear(&p);
}
END_TEST

START_TEST(while_the_history_of_a_live_line_is_missing_nothing_is_deleted)
{
	struct world w;
	struct retain_plan p;
	uint32_t t2;

	ten_days(&w);
	t2 = fork_line(&w, 1, 14 * SEGSIZE + 100);
	add_segment(&w, t2, 14, at("2026-11-12 00:00"));
	look(&w, &(struct retain_rules){ .full = 1 }, at("2026-11-12 00:00"));
	w.timelines[t2 - 1].known = false;
	w.line[t2 - 1].n = 0;
	require(retain_decide(&w.in, &p) == 0);
	ck_assert_uint_eq(p.unclear, t2);
	ck_assert_uint_eq(n_kept(&p), 10);
	ck_assert(retain_keeps_wal(&p, 1, 1));
	retain_clear(&p);
	/* An old one stops nothing. */
	w.timelines[t2 - 1].until = at("2026-11-05 00:00");
	require(retain_decide(&w.in, &p) == 0);
	ck_assert_uint_eq(p.unclear, 0);
	ck_assert(!retain_keeps_wal(&p, 1, 1));
	retain_clear(&p);
}
END_TEST

START_TEST(wal_of_a_timeline_that_was_not_decided_about_stays)
{
	struct world w;
	struct retain_plan p;

	ten_days(&w);
	decide(&w, &(struct retain_rules){ .full = 1 }, at("2026-11-11 00:00"),
	    &p);
	ck_assert(retain_keeps_wal(&p, 7, 1));
	retain_clear(&p);
}
END_TEST

START_TEST(holds_count_until_their_time_and_damaged_manifests_stay)
{
	struct world w;
	struct retain_plan p;

	ten_days(&w);
	w.backup[0].held_until = INT64_MAX;
	w.backup[1].held_until = at("2026-11-10 00:00"); /* over */
	w.backup[2].held_until = at("2026-12-10 00:00");
	w.backup[3].state = RETAIN_DAMAGED;
	decide(&w, &(struct retain_rules){ .full = 1 }, at("2026-11-11 00:00"),
	    &p);
	ck_assert(p.backups[0].keep && !p.backups[1].keep);
	ck_assert(p.backups[2].keep && p.backups[3].keep);
	ck_assert_uint_eq(n_kept(&p), 4);
	retain_clear(&p);
}
END_TEST

static void
add_lease(
    struct world *w, const struct retain_backup *b, uint64_t to, int64_t until)
{
	w->lease[w->n_lease++] = (struct retain_lease){ b->id, to, until };
}

START_TEST(a_restore_keeps_its_backup_and_the_wal_to_its_end)
{
	const struct retain_rules rules = { .full = 1, .wal = 1 };
	int64_t now = at("2026-11-11 00:00");
	struct world w;
	struct retain_plan p;

	ten_days(&w);
	add_lease(&w, &w.backup[2], 15 * SEGSIZE, now + 1); /* ends 14 */
	add_lease(&w, &w.backup[4], 0, now);                /* over */
	decide(&w, &rules, now, &p);
	ck_assert_uint_eq(n_kept(&p), 2);
	ck_assert_uint_eq(p.backups[2].reasons, RETAIN_RESTORE);
	for (uint64_t s = 1; s < 40; s++)
		ck_assert_int_eq(
		    retain_keeps_wal(&p, 1, s), s >= 12 && s <= 14);
	retain_clear(&p);
	/* One without an end needs all. */
	w.lease[0].to_lsn = 0;
	decide(&w, &rules, now, &p);
	for (uint64_t s = 1; s < 40; s++)
		ck_assert_int_eq(retain_keeps_wal(&p, 1, s), s >= 12);
	retain_clear(&p);
	/* Servers' clocks have no part in it. */
	look(&w, &rules, now);
	w.in.now = INT64_MIN;
	w.in.store_now = now + 1;
	require(retain_decide(&w.in, &p) == 0);
	ck_assert(!p.backups[2].keep);
	retain_clear(&p);
}
END_TEST

START_TEST(a_restore_keeps_the_timelines_that_its_backup_leads_to)
{
	const struct retain_rules rules = { .full = 1, .wal = 1 };
	int64_t now = at("2026-11-11 00:00");
	struct world w;
	struct retain_plan p;
	uint32_t t2, t3;

	ten_days(&w);
	t2 = fork_line(&w, 1, 14 * SEGSIZE + 100);
	t3 = fork_line(&w, 1, 10 * SEGSIZE + 100); /* before its backup */
	for (uint64_t s = 0; s < 6; s++) {
		add_segment(&w, t2, 14 + s, at("2026-11-04 00:00"));
		add_segment(&w, t3, 10 + s, at("2026-11-04 00:00"));
	}
	add_lease(&w, &w.backup[2], 17 * SEGSIZE, now + 1);
	decide(&w, &rules, now, &p);
	ck_assert(retain_keeps_wal(&p, 1, 14) && retain_keeps_wal(&p, t2, 16));
	ck_assert(!retain_keeps_wal(&p, t2, 17));
	ck_assert(!retain_keeps_wal(&p, t3, 12));
	retain_clear(&p);
}
END_TEST

/* The same as a person would ask the calendar. */
static void
calendar(int64_t time, enum retain_reason kind, char out[32])
{
	time_t t = (time_t)(time / 1000000 + CLOCK_PG_EPOCH_UNIX);
	struct tm tm;

	require(gmtime_r(&t, &tm) != NULL);
	switch (kind) {
	case RETAIN_DAILY:
		(void)strftime(out, 32, "%Y-%m-%d", &tm);
		break;
	case RETAIN_WEEKLY:
		(void)strftime(out, 32, "%G-W%V", &tm);
		break;
	case RETAIN_MONTHLY:
		(void)strftime(out, 32, "%Y-%m", &tm);
		break;
	default:
		(void)strftime(out, 32, "%Y", &tm);
		break;
	}
}

static const enum retain_reason kinds[] = { RETAIN_DAILY, RETAIN_WEEKLY,
	RETAIN_MONTHLY, RETAIN_YEARLY };

START_TEST(periods_are_those_of_the_calendar)
{
	for (size_t k = 0; k < 4; k++) {
		char a[32], b[32];
		int64_t time = at("1996-12-20 13:00");

		for (int i = 0; i < 20000; i++, time += DAY) {
			calendar(time, kinds[k], a);
			calendar(time + DAY, kinds[k], b);
			require((strcmp(a, b) == 0) ==
			    (retain_period(time, kinds[k]) ==
			        retain_period(time + DAY, kinds[k])));
		}
	}
	ck_assert_int_eq(
	    retain_period(at("2026-11-20 00:00"), RETAIN_YEARLY), 2026);
	ck_assert_int_eq(retain_period(at("2026-11-20 00:00"), RETAIN_MONTHLY),
	    2026 * 12 + 10);
}
END_TEST

START_TEST(the_first_good_backup_of_a_period_counts)
{
	struct world w;
	struct retain_plan p;

	world_new(&w);
	add_segment(&w, 1, 30, at("2026-12-02 00:00"));
	for (uint64_t m = 0; m < 30; m++) /* every second day from 1 October */
		(void)add_backup(&w, 1, m + 1, m + 1,
		    at("2026-10-01 02:00") + (int64_t)m * 2 * DAY);
	w.backup[0].bad_pages = true;
	decide(&w, &(struct retain_rules){ .monthly = 2 },
	    at("2026-12-02 00:00"), &p);
	/* October's first is bad; November's is the 2nd; the newest stays. */
	for (size_t i = 0; i < 30; i++)
		ck_assert_int_eq(
		    p.backups[i].keep, i == 1 || i == 16 || i == 29);
	retain_clear(&p);
}
END_TEST

/* From here on: random histories. */
static uint64_t rng;

static uint64_t
pick(uint64_t n)
{
	return (next_random(&rng) >> 11) % n;
}

/* One writer goes on with its timeline. */
struct writer {
	uint32_t tli;
	uint64_t segno;
};

static void
write_wal(struct world *w, struct writer *x, uint64_t n, int64_t *time)
{
	for (uint64_t i = 0; i < n; i++) {
		*time += (int64_t)(1 + pick(20)) * HOUR;
		if (pick(60) != 0) /* else: a gap */
			add_segment(w, x->tli, x->segno, *time);
		x->segno++;
	}
}

static void
take_backup(struct world *w, struct writer *x, int64_t *time, bool sane)
{
	uint64_t start = x->segno;
	struct retain_backup *b;

	if (w->n_backup == MAX_BACK)
		return;
	for (uint64_t n = pick(3); n > 0; n--) {
		*time += HOUR;
		add_segment(w, x->tli, x->segno++, *time);
	}
	*time += HOUR;
	add_segment(w, x->tli, x->segno, *time);
	b = add_backup(w, x->tli, start, x->segno, *time);
	x->segno++;
	b->bad_pages = pick(8) == 0;
	if (pick(10) == 0)
		b->state = pick(2) == 0 ? RETAIN_UNFINISHED : RETAIN_DAMAGED;
	if (pick(12) == 0)
		b->held_until = pick(2) == 0 ? INT64_MAX
		                             : *time + (int64_t)pick(60) * DAY;
	if (!sane && pick(10) == 0)
		b->stop_time += ((int64_t)pick(9000) - 4500) * DAY;
}

/* Back to a place behind a backup, or on from the end: a new timeline. */
static void
change_timeline(struct world *w, struct writer *x)
{
	const struct retain_backup *b;
	uint64_t lsn = x->segno * SEGSIZE + 500;
	uint32_t parent = x->tli;

	if (w->n_line == MAX_TLI)
		return;
	if (w->n_backup > 0 && pick(2) == 0) {
		b = &w->backup[pick(w->n_backup)];
		parent = b->stop_tli;
		lsn = b->stop_lsn + pick(6) * SEGSIZE;
	}
	x->tli = fork_line(w, parent, lsn);
	x->segno = lsn / SEGSIZE;
}

static void
make_history(struct world *w, bool sane, int64_t *time)
{
	struct writer x[2] = { { 1, 1 }, { 0, 0 } };
	uint64_t steps = pick(40);

	world_new(w);
	*time = at("2026-01-01 00:00") + (int64_t)pick(300) * DAY;
	for (; steps > 0; steps--) {
		struct writer *one = &x[pick(5) == 0];

		/* A second one, of a restored copy, has its own timeline. */
		if (one->tli == 0) {
			*one = x[0];
			change_timeline(w, one);
			if (one->tli == x[0].tli)
				one->tli = 0;
			continue;
		}
		switch (pick(8)) {
		case 0:
			change_timeline(w, one);
			break;
		case 1:
		case 2:
		case 3:
			take_backup(w, one, time, sane);
			break;
		default:
			write_wal(w, one, pick(5), time);
			break;
		}
	}
}

/* Some restores run, or have run. */
static void
add_restores(struct world *w, int64_t now)
{
	while (w->n_backup > 0 && w->n_lease < MAX_RUNS && pick(3) == 0) {
		const struct retain_backup *b = &w->backup[pick(w->n_backup)];
		uint64_t to = b->stop_lsn + pick(20) * SEGSIZE;

		add_lease(w, b, pick(4) == 0 ? 0 : to,
		    now + ((int64_t)pick(48) - 24) * HOUR);
	}
}

static uint64_t
pick_rule(uint64_t n)
{
	return pick(3) == 0 ? 1 + pick(n) : 0;
}

static struct retain_rules
pick_rules(void)
{
	struct retain_rules r = { .full = pick_rule(6),
		.days = pick_rule(40),
		.daily = pick_rule(10),
		.weekly = pick_rule(5),
		.monthly = pick_rule(4),
		.yearly = pick_rule(2) };

	r.wal = pick(2) == 0 ? pick_rule(4) : 0;
	if (r.full + r.days + r.daily + r.weekly + r.monthly + r.yearly == 0)
		r.full = 1 + pick(3);
	return r;
}

/* The model: is the segment there, and kept? */
static bool
has(const struct world *w, const struct retain_plan *p, uint32_t tli,
    uint64_t segno)
{
	for (size_t i = 0; i < w->n_seg; i++)
		if (w->seg[i].tli == tli && w->seg[i].segno == segno)
			return p == NULL || retain_keeps_wal(p, tli, segno);
	return false;
}

/* The timeline that a segment of t's line is taken from. */
static uint32_t
tli_of(const struct timeline *t, uint64_t segno)
{
	for (size_t i = 0; i < t->n; i++)
		if (segno < t->ancestors[i].switch_lsn / SEGSIZE)
			return t->ancestors[i].tli;
	return t->tli;
}

/* Can the end of a segment on t's line be reached from b? */
static bool
leads_to(const struct world *w, const struct retain_plan *p,
    const struct retain_backup *b, const struct timeline *t, uint64_t segno)
{
	uint64_t until = 0;

	if (b->state != RETAIN_COMPLETE || b->bad_pages)
		return false;
	for (size_t i = 0; i < t->n; i++)
		if (t->ancestors[i].tli == b->stop_tli)
			until = t->ancestors[i].switch_lsn;
	if (t->tli != b->stop_tli && b->stop_lsn > until)
		return false;
	if (b->stop_lsn > (segno + 1) * SEGSIZE)
		return false;
	for (uint64_t s = b->start_lsn / SEGSIZE; s <= segno; s++)
		if (!has(w, p, tli_of(t, s), s))
			return false;
	return true;
}

/* Some backup (of those kept, with a plan) that had ended by then leads there.
 */
static bool
reachable(const struct world *w, const struct retain_plan *p,
    const struct timeline *t, const struct segment *moment)
{
	for (size_t i = 0; i < w->n_backup; i++)
		if ((p == NULL || p->backups[i].keep) &&
		    w->backup[i].stop_time <= moment->time &&
		    leads_to(w, p, &w->backup[i], t, moment->segno))
			return true;
	return false;
}

static void
check_window(const struct world *w, const struct retain_plan *p, int64_t now,
    uint64_t days)
{
	if (days == 0)
		return;
	for (size_t l = 0; l < w->n_line; l++) {
		const struct timeline *t = &w->line[l];

		for (size_t i = 0; i < w->n_seg; i++) {
			const struct segment *m = &w->seg[i];

			if (m->time < now - (int64_t)days * DAY ||
			    tli_of(t, m->segno) != m->tli)
				continue;
			require(
			    !reachable(w, NULL, t, m) || reachable(w, p, t, m));
		}
	}
}

/* The WAL that makes each kept backup consistent, or that one may need. */
static void
check_needs(const struct world *w, const struct retain_plan *p)
{
	for (size_t i = 0; i < w->n_backup; i++) {
		const struct retain_backup *b = &w->backup[i];
		uint64_t first = b->start_lsn / SEGSIZE;
		uint64_t last = (b->stop_lsn - 1) / SEGSIZE;

		if (b->state != RETAIN_COMPLETE)
			last = UINT64_MAX;
		for (size_t k = 0; p->backups[i].keep && k < w->n_seg; k++) {
			const struct segment *s = &w->seg[k];

			require(s->tli != b->stop_tli || s->segno < first ||
			    s->segno > last ||
			    retain_keeps_wal(p, s->tli, s->segno));
		}
		require(b->state == RETAIN_COMPLETE || p->backups[i].keep);
	}
}

/*
 * Wherever a restore goes from its backup, to its end, the WAL that was there
 * is there.
 */
static void
check_restores(const struct world *w, const struct retain_plan *p, int64_t now)
{
	for (size_t k = 0; k < w->n_lease; k++) {
		const struct retain_lease *l = &w->lease[k];
		size_t i = 0;

		while (strcmp(w->backup[i].id, l->id) != 0)
			i++;
		if (l->until <= now)
			continue;
		require(p->backups[i].keep);
		for (size_t s = 0; s < w->n_seg; s++) {
			const struct segment *seg = &w->seg[s];
			struct retain_backup b = w->backup[i];

			b.bad_pages = false;
			if (l->to_lsn != 0 && seg->segno * SEGSIZE >= l->to_lsn)
				continue;
			for (size_t n = 0; n < w->n_line; n++)
				require(tli_of(&w->line[n], seg->segno) !=
				        seg->tli ||
				    !leads_to(
				        w, NULL, &b, &w->line[n], seg->segno) ||
				    leads_to(
				        w, p, &b, &w->line[n], seg->segno));
		}
	}
}

/* Everything that a keeps, b keeps. */
static void
check_keeps_all_of(const struct world *w, const struct retain_plan *b,
    const struct retain_plan *a)
{
	for (size_t i = 0; i < w->n_backup; i++)
		require(!a->backups[i].keep || b->backups[i].keep);
	for (size_t k = 0; k < w->n_seg; k++) {
		const struct segment *s = &w->seg[k];

		require(!retain_keeps_wal(a, s->tli, s->segno) ||
		    retain_keeps_wal(b, s->tli, s->segno));
	}
}

/* One that is over changes nothing. */
static void
check_restores_over(struct world *w, const struct retain_plan *p,
    const struct retain_rules *rules, int64_t now)
{
	struct retain_lease all[MAX_RUNS];
	size_t n = w->n_lease;
	struct retain_plan q;

	memcpy(all, w->lease, sizeof all);
	w->n_lease = 0;
	for (size_t k = 0; k < n; k++)
		if (all[k].until > now)
			w->lease[w->n_lease++] = all[k];
	decide(w, rules, now, &q);
	check_keeps_all_of(w, p, &q);
	check_keeps_all_of(w, &q, p);
	retain_clear(&q);
	memcpy(w->lease, all, sizeof all);
	w->n_lease = n;
}

/* Held ones, the last good one, the newest one. */
static void
check_always(const struct world *w, const struct retain_plan *p, int64_t now)
{
	size_t good = SIZE_MAX, any = SIZE_MAX;

	for (size_t i = 0; i < w->n_backup; i++) {
		const struct retain_backup *b = &w->backup[i];

		if (b->held_until != RETAIN_NOT_HELD && b->held_until > now)
			require(p->backups[i].keep);
		if (b->state != RETAIN_COMPLETE)
			continue;
		if (any == SIZE_MAX || b->stop_time > w->backup[any].stop_time)
			any = i;
		if (!b->bad_pages &&
		    (good == SIZE_MAX ||
		        b->stop_time > w->backup[good].stop_time))
			good = i;
	}
	require(any == SIZE_MAX || p->backups[any].keep);
	require(good == SIZE_MAX || p->backups[good].keep);
	for (size_t i = 0; i < p->n_backups; i++)
		require(p->backups[i].keep == (p->backups[i].reasons != 0));
}

/* Every live line can still be recovered to its end, if it could. */
static void
check_newest_line(const struct world *w, const struct retain_plan *p)
{
	const struct segment *newest = NULL;
	const struct timeline *t;
	bool could = false, can = false;

	for (size_t i = 0; i < w->n_seg; i++)
		if (newest == NULL || w->seg[i].time >= newest->time)
			newest = &w->seg[i];
	if (newest == NULL)
		return;
	t = &w->line[newest->tli - 1];
	for (size_t i = 0; i < w->n_backup; i++) {
		could |= leads_to(w, NULL, &w->backup[i], t, newest->segno);
		can |= p->backups[i].keep &&
		    leads_to(w, p, &w->backup[i], t, newest->segno);
	}
	require(can || !could);
}

/* A rule more, or a larger number. */
static struct retain_rules
more_rules(struct retain_rules r)
{
	uint64_t *const number[] = { &r.full, &r.days, &r.daily, &r.weekly,
		&r.monthly, &r.yearly };

	*number[pick(6)] += 1 + pick(3);
	if (r.wal != 0 && pick(3) == 0)
		r.wal++;
	return r;
}

static void
check_monotone(struct world *w, const struct retain_plan *p,
    const struct retain_rules *rules, int64_t now)
{
	struct retain_rules more = more_rules(*rules);
	struct retain_plan q;

	decide(w, &more, now, &q);
	check_keeps_all_of(w, &q, p);
	retain_clear(&q);
}

/* Do what the plan says. */
static void
apply(struct world *w, const struct retain_plan *p)
{
	size_t n = 0;

	for (size_t k = 0; k < w->n_seg; k++)
		if (retain_keeps_wal(p, w->seg[k].tli, w->seg[k].segno))
			w->seg[n++] = w->seg[k];
	w->n_seg = n;
	n = 0;
	for (size_t i = 0; i < w->n_backup; i++)
		if (p->backups[i].keep)
			w->backup[n++] = w->backup[i];
	w->n_backup = n;
}

/* The next run deletes nothing more, and wants nothing that is gone. */
static void
check_idempotent(struct world *w, const struct retain_plan *p,
    const struct retain_rules *rules, int64_t now)
{
	static struct segment before[MAX_SEGS];
	size_t n = w->n_seg;
	struct retain_plan q;

	memcpy(before, w->seg, n * sizeof *before);
	apply(w, p);
	decide(w, rules, now, &q);
	require(n_kept(&q) == w->n_backup);
	for (size_t k = 0; k < n; k++)
		require(!retain_keeps_wal(&q, before[k].tli, before[k].segno) ||
		    retain_keeps_wal(p, before[k].tli, before[k].segno));
	for (size_t k = 0; k < w->n_seg; k++)
		require(retain_keeps_wal(&q, w->seg[k].tli, w->seg[k].segno));
	retain_clear(&q);
}

START_TEST(random_histories_keep_what_was_promised)
{
	static struct world w;

	rng = test_seed();
	for (int i = 0; i < 20000; i++) {
		bool sane = pick(4) != 0;
		struct retain_rules rules;
		struct retain_plan p;
		int64_t now;

		make_history(&w, sane, &now);
		add_restores(&w, now);
		rules = pick_rules();
		decide(&w, &rules, now, &p);
		check_needs(&w, &p);
		check_restores(&w, &p, now);
		check_restores_over(&w, &p, &rules, now);
		check_always(&w, &p, now);
		check_newest_line(&w, &p);
		if (sane)
			check_window(&w, &p, now, rules.days);
		check_monotone(&w, &p, &rules, now);
		check_idempotent(&w, &p, &rules, now);
		retain_clear(&p);
	}
}
END_TEST

/* Not too much either: one timeline, counting alone. */
START_TEST(random_counts_keep_no_more_than_they_say)
{
	static struct world w;

	rng = test_seed() ^ 0x5DEECE66D;
	for (int i = 0; i < 2000; i++) {
		uint64_t n = 1 + pick(6), last = 0, first;
		struct retain_plan p;

		ten_days(&w);
		w.n_backup = 1 + pick(10);
		decide(&w, &(struct retain_rules){ .full = n },
		    at("2026-11-11 00:00"), &p);
		require(n_kept(&p) == (n < w.n_backup ? n : w.n_backup));
		first = w.n_backup - n_kept(&p) + 1;
		for (uint64_t s = 1; s <= 44; s++)
			last += !retain_keeps_wal(&p, 1, s);
		require(last == first * 4 - 1);
		retain_clear(&p);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("retain");

	add_tests(s, "rules",
	    TESTS(without_a_rule_nothing_is_deleted,
	        without_a_complete_backup_no_wal_is_deleted,
	        keep_full_keeps_the_newest_and_the_wal_behind_the_oldest_of_them,
	        the_last_good_backup_stays_behind_bad_ones,
	        keep_days_keeps_the_backup_before_the_window,
	        keep_wal_shortens_old_backups_to_what_makes_them_consistent,
	        keep_wal_keeps_the_backups_that_it_counts,
	        keep_wal_never_goes_below_the_recovery_window,
	        holds_count_until_their_time_and_damaged_manifests_stay,
	        periods_are_those_of_the_calendar,
	        the_first_good_backup_of_a_period_counts));
	add_tests(s, "restores",
	    TESTS(a_restore_keeps_its_backup_and_the_wal_to_its_end,
	        a_restore_keeps_the_timelines_that_its_backup_leads_to));
	add_tests(s, "clocks",
	    TESTS(a_clock_in_2038_deletes_nothing,
	        all_clocks_in_2038_at_once_delete_nothing,
	        a_server_clock_that_jumped_makes_no_backup_old));
	add_tests(s, "lines",
	    TESTS(an_unfinished_backup_protects_wal_from_where_it_began,
	        an_unfinished_backup_may_have_begun_before_the_fork_of_its_timeline,
	        a_backup_protects_the_wal_of_all_its_descendants,
	        the_last_backup_of_a_line_that_went_back_stays,
	        a_line_without_a_backup_keeps_its_newest_wal,
	        while_the_history_of_a_live_line_is_missing_nothing_is_deleted,
	        wal_of_a_timeline_that_was_not_decided_about_stays));
	add_tests(s, "histories",
	    TESTS(random_histories_keep_what_was_promised,
	        random_counts_keep_no_more_than_they_say));
	return run_suite(s);
}
