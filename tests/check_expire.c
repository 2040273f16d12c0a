/* SPDX-License-Identifier: PostgreSQL */
/* wrap: malloc calloc realloc reallocarray aligned_alloc open openat write */
/* wrap: pwrite pread read fsync sync_file_range linkat renameat2 mkdirat */
/* wrap: unlinkat fstatat clock_monotonic_ms */
/*
 * expire and verify on repositories that were made up: any times, timelines
 * and damage; and with every call that they make failing once.
 */
#include "expire.h"
#include "faults.h"
#include "keepcheck.h"
#include "log.h"
#include "lsn.h"
#include "plan.h"
#include "verify.h"

#define N_BACKUPS 10

/* Ten days, four segments a day, a backup at each day's end. */
struct world {
	struct repository r;
	struct keepcheck_backup backup[N_BACKUPS];
	int64_t start;
	char name[32];
	unsigned round;
	struct expire_args args; /* of the run in which calls fail */
};

static void
make_world(struct world *w, const char *name, uint64_t days)
{
	make_repository(name, &w->r);
	w->start = keepcheck_time("2026-11-01 00:00");
	for (uint64_t i = 0; i < days * 4 + 4; i++)
		keepcheck_wal(&w->r, 1, i + 1,
		    w->start + (int64_t)i * 6 * KEEPCHECK_HOUR);
	for (uint64_t d = 1; d <= days; d++) {
		struct keepcheck_backup *b = &w->backup[d - 1];

		*b = (struct keepcheck_backup){ .tli = 1,
			.start = d * 4,
			.stop = d * 4,
			.time = w->start + (int64_t)d * KEEPCHECK_DAY -
			    6 * KEEPCHECK_HOUR };
		keepcheck_take(&w->r, b);
	}
}

static struct expire_args
args_of(const struct retain_rules *rules, const char *clock)
{
	return (struct expire_args){ .rules = *rules,
		.clock = keepcheck_time(clock),
		.broken_age_ms = 24 * 3600 * 1000 };
}

static void
run(struct world *w, const struct expire_args *args, struct expire_report *out)
{
	struct fail f = { 0 };

	keepcheck_must(expire(&w->r, &keepcheck_identity, args, out, &f), &f);
}

/* One that ends by saying that a backup is damaged. */
static void
expire_damaged(
    struct world *w, const struct retain_rules *rules, const char *clock)
{
	struct expire_args args = args_of(rules, clock);
	struct expire_report report;
	struct fail f = { 0 };

	ck_assert_int_eq(
	    expire(&w->r, &keepcheck_identity, &args, &report, &f), -1);
	assert_failed(&f, FAIL_DAMAGED);
	ck_assert_uint_gt(report.damaged, 0);
	ck_assert_uint_eq(report.failed, 0);
	expire_clear(&report);
}

static void
expire_with(
    struct world *w, const struct retain_rules *rules, const char *clock)
{
	struct expire_args args = args_of(rules, clock);
	struct expire_report report;

	run(w, &args, &report);
	expire_clear(&report);
}

/* Findings of a whole verify. */
static size_t
verify_all(struct world *w, const struct retain_rules *rules,
    struct verify_report *out)
{
	struct store_args store = { .name = "test",
		.url = w->r.store->url,
		.dir_mode = 0700,
		.file_mode = 0600 };
	struct verify_args args = { .store = &store,
		.jobs = 2,
		.wal = true,
		.sample = 100,
		.rules = *rules,
		.clock = keepcheck_time("2026-11-12 00:00") };
	struct fail f = { 0 };

	keepcheck_must(verify(&w->r, &keepcheck_identity, &args, out, &f), &f);
	return out->n;
}

static void
assert_nothing_found(struct world *w, const struct retain_rules *rules)
{
	struct verify_report report;

	if (verify_all(w, rules, &report) != 0)
		ck_abort_msg("%s: %s: %s", report.list[0].object,
		    report.list[0].text, report.list[0].cost);
	verify_clear(&report);
}

START_TEST(the_recovery_window_is_kept_and_what_lies_before_it_goes)
{
	const struct retain_rules rules = { .days = 3 };
	struct world w;

	make_world(&w, "window", 10);
	expire_with(&w, &rules, "2026-11-11 03:00");
	for (size_t i = 0; i < 10; i++)
		ck_assert_int_eq(
		    keepcheck_has_backup(&w.r, w.backup[i].id), i >= 6);
	for (uint64_t s = 1; s <= 44; s++)
		ck_assert_int_eq(keepcheck_has_wal(&w.r, 1, s), s >= 28);
	assert_nothing_found(&w, &rules);
	store_free(w.r.store);
}
END_TEST

START_TEST(a_clock_in_2038_expires_what_the_true_one_does)
{
	const struct retain_rules rules = { .days = 3, .daily = 4 };
	struct expire_args args = args_of(&rules, "2038-01-19 03:14");
	struct expire_report report;
	struct world w;

	make_world(&w, "2038", 10);
	expire_with(&w, &rules, "2026-11-11 18:00");
	args.broken = true;
	run(&w, &args, &report);
	ck_assert_uint_eq(report.objects_deleted, 0);
	/* The last segment was written at 18:00 on the 11th. */
	ck_assert_int_eq(report.now, keepcheck_time("2026-11-11 18:00"));
	expire_clear(&report);
	store_free(w.r.store);
}
END_TEST

START_TEST(a_dry_run_deletes_nothing_and_tells_what_a_run_does)
{
	const struct retain_rules rules = { .full = 2, .weekly = 2, .wal = 1 };
	struct expire_args args = args_of(&rules, "2026-11-12 00:00");
	struct expire_report dry, wet;
	struct world w;

	make_world(&w, "dry", 10);
	args.dry_run = true;
	run(&w, &args, &dry);
	for (size_t i = 0; i < 10; i++)
		ck_assert(keepcheck_has_backup(&w.r, w.backup[i].id));
	args.dry_run = false;
	run(&w, &args, &wet);
	ck_assert_uint_eq(dry.n_backups, wet.n_backups);
	ck_assert_uint_eq(dry.n_wal, wet.n_wal);
	ck_assert_uint_eq(dry.objects_deleted, wet.objects_deleted);
	ck_assert_uint_eq(dry.bytes_deleted, wet.bytes_deleted);
	for (size_t i = 0; i < dry.n_backups; i++) {
		ck_assert_int_eq(dry.backups[i].keep, wet.backups[i].keep);
		ck_assert_int_eq(
		    keepcheck_has_backup(&w.r, wet.backups[i].backup.id),
		    wet.backups[i].keep);
	}
	for (size_t i = 0; i < dry.n_wal; i++) {
		ck_assert_uint_eq(dry.wal[i].first, wet.wal[i].first);
		ck_assert_uint_eq(dry.wal[i].last, wet.wal[i].last);
		ck_assert_int_eq(dry.wal[i].keep, wet.wal[i].keep);
	}
	expire_clear(&dry);
	expire_clear(&wet);
	assert_nothing_found(&w, &rules);
	store_free(w.r.store);
}
END_TEST

/* Timeline 2 leaves 1 in segment 42, 3 leaves 2 in 44; 4 left 1 in 10. */
static void
add_timelines(struct world *w)
{
	int64_t time = w->start + 12 * KEEPCHECK_DAY;

	keepcheck_history(&w->r, 2, "1\t0/2A00400\tno recovery target\n", time);
	keepcheck_history(&w->r, 3,
	    "1\t0/2A00400\tx\n2\t0/2C00400\tno recovery target\n", time);
	keepcheck_history(&w->r, 4, "1\t0/A00400\tno recovery target\n",
	    w->start + 3 * KEEPCHECK_DAY);
	for (uint64_t s = 0; s < 3; s++) {
		keepcheck_wal(&w->r, 2, 42 + s, time);
		keepcheck_wal(&w->r, 3, 44 + s, time + KEEPCHECK_HOUR);
		keepcheck_wal(&w->r, 4, 10 + s, w->start + 3 * KEEPCHECK_DAY);
	}
}

START_TEST(timelines_that_a_kept_backup_leads_to_stay_and_others_go)
{
	const struct retain_rules rules = { .full = 1 };
	struct walname name;
	char key[LAYOUT_KEY_MAX];
	struct world w;

	make_world(&w, "timelines", 10);
	add_timelines(&w);
	expire_with(&w, &rules, "2026-11-14 00:00");
	ck_assert(keepcheck_has_wal(&w.r, 2, 44));
	ck_assert(keepcheck_has_wal(&w.r, 3, 46));
	ck_assert(keepcheck_has_wal(&w.r, 1, 44));
	ck_assert(!keepcheck_has_wal(&w.r, 1, 39));
	ck_assert(!keepcheck_has_wal(&w.r, 4, 11));
	/* Its number is taken for ever. */
	walname_history(4, &name);
	layout_wal(&w.r.layout, &name, NULL, key);
	ck_assert(keepcheck_has(&w.r, key));
	assert_nothing_found(&w, &rules);
	store_free(w.r.store);
}
END_TEST

START_TEST(what_belongs_to_a_segment_goes_with_it)
{
	const struct retain_rules rules = { .full = 1 };
	char segment[LAYOUT_KEY_MAX], key[3][LAYOUT_KEY_MAX + 80];
	struct object_header h = { .kind = OBJECT_BACKUP_HISTORY,
		.facts.timed_max = INT64_MIN };
	struct walname name;
	struct world w;

	make_world(&w, "belongs", 3);
	walname_segment(1, 2, KEEPCHECK_SEGSIZE, &name);
	layout_wal(&w.r.layout, &name, NULL, segment);
	(void)snprintf(key[0], sizeof key[0], "%s.00000028.backup", segment);
	(void)snprintf(key[1], sizeof key[1],
	    "%s.partial/0123456789abcdef0123456789abcdef", segment);
	(void)snprintf(key[2], sizeof key[2],
	    "%s.damaged-20261101T000000Z-01234567", segment);
	for (size_t i = 0; i < 3; i++)
		keepcheck_object(&w.r, &h, key[i], "x", w.start);
	expire_with(&w, &rules, "2026-11-04 00:00");
	for (size_t i = 0; i < 3; i++)
		ck_assert_msg(!keepcheck_has(&w.r, key[i]), "%s", key[i]);
	ck_assert(!keepcheck_has(&w.r, segment));
	store_free(w.r.store);
}
END_TEST

START_TEST(remains_go_by_the_stores_clock_and_only_when_asked)
{
	const struct retain_rules rules = { .full = 2 };
	struct expire_args args = args_of(&rules, "2026-11-12 00:00");
	struct keepcheck_backup old = {
		.tli = 1, .start = 30, .unfinished = 1
	};
	struct keepcheck_backup fresh = {
		.tli = 1, .start = 44, .unfinished = 1
	};
	struct expire_report report;
	char key[2][LAYOUT_KEY_MAX];
	struct world w;

	make_world(&w, "broken", 10);
	old.time = keepcheck_time("2026-11-08 12:00");
	fresh.time = keepcheck_time("2026-11-11 17:00");
	keepcheck_take(&w.r, &old);
	keepcheck_take(&w.r, &fresh);
	backup_key(&w.r.layout, old.id, "begin", key[0]);
	backup_key(&w.r.layout, fresh.id, "begin", key[1]);
	run(&w, &args, &report);
	expire_clear(&report);
	ck_assert(keepcheck_has(&w.r, key[0]) && keepcheck_has(&w.r, key[1]));
	ck_assert(keepcheck_has_wal(&w.r, 1, 30));
	ck_assert(!keepcheck_has_wal(&w.r, 1, 29));
	args.broken = true;
	args.clock = keepcheck_time("2038-01-01 00:00");
	run(&w, &args, &report);
	expire_clear(&report);
	ck_assert(!keepcheck_has(&w.r, key[0]));
	ck_assert(keepcheck_has(&w.r, key[1]));
	ck_assert(!keepcheck_has_wal(&w.r, 1, 35));
	ck_assert(keepcheck_has_wal(&w.r, 1, 36));
	store_free(w.r.store);
}
END_TEST

START_TEST(what_a_restore_plans_with_is_what_stays)
{
	const struct retain_rules rules = { .full = 4, .wal = 1 };
	struct survey s;
	struct retain_plan p;
	struct fail f = { 0 };
	struct world w;

	make_world(&w, "plan", 10);
	add_timelines(&w);
	expire_with(&w, &rules, "2026-11-14 00:00");
	keepcheck_must(survey_load(&w.r, &keepcheck_identity, &s, &f), &f);
	keepcheck_must(survey_decide(&s, &rules,
	                   keepcheck_time("2026-11-14 00:00"), &p, &f),
	    &f);
	for (size_t i = 0; i < s.n; i++) {
		const struct backup *b = survey_backup(&s, i);
		struct wal_ranges need;

		keepcheck_must(plan_wal(&s.index, &b->info,
		                   p.backups[i].all_wal ? UINT64_MAX : LSN_NONE,
		                   &need, &f),
		    &f);
		ck_assert_uint_gt(need.n, 0);
		for (size_t k = 0; k < need.n; k++)
			for (uint64_t n = need.list[k].first_segno;
			     n <= need.list[k].last_segno && n < 60; n++)
				ck_assert(
				    retain_keeps_wal(&p, need.list[k].tli, n));
		wal_ranges_clear(&need);
	}
	retain_clear(&p);
	survey_clear(&s);
	store_free(w.r.store);
}
END_TEST

static void
damage(struct world *w, const char *key)
{
	char path[1024];
	uint8_t byte;
	struct stat st;
	int fd;

	keepcheck_path(&w->r, key, path);
	ck_assert_int_eq(stat(path, &st), 0);
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	/* Behind the header, within the payload. */
	ck_assert_int_eq(pread(fd, &byte, 1, st.st_size - 200), 1);
	byte ^= 0x10;
	ck_assert_int_eq(pwrite(fd, &byte, 1, st.st_size - 200), 1);
	ck_assert_int_eq(close(fd), 0);
}

START_TEST(a_damaged_manifest_leaves_the_last_good_backup_all_its_wal)
{
	const struct retain_rules rules = { .full = 1, .wal = 1 };
	char key[LAYOUT_KEY_MAX];
	struct world w;

	make_world(&w, "lastgood", 3);
	backup_key(&w.r.layout, w.backup[2].id, "manifest", key);
	damage(&w, key);
	expire_damaged(&w, &rules, "2026-11-05 00:00");
	ck_assert(!keepcheck_has_backup(&w.r, w.backup[0].id));
	ck_assert(keepcheck_has_backup(&w.r, w.backup[1].id));
	ck_assert(keepcheck_has_backup(&w.r, w.backup[2].id));
	for (uint64_t s = 1; s <= 16; s++)
		ck_assert_int_eq(keepcheck_has_wal(&w.r, 1, s), s >= 8);
	store_free(w.r.store);
}
END_TEST

START_TEST(a_missing_pack_leaves_the_backup_before_it)
{
	char key[LAYOUT_KEY_MAX];
	struct fail f = { 0 };
	struct world w;

	make_world(&w, "packless", 3);
	backup_pack_key(&w.r.layout, w.backup[2].id, 1, key);
	keepcheck_must(store_del(w.r.store, key, &f), &f);
	expire_damaged(
	    &w, &(struct retain_rules){ .full = 1 }, "2026-11-05 00:00");
	ck_assert(keepcheck_has_backup(&w.r, w.backup[1].id));
	store_free(w.r.store);
}
END_TEST

/* Cut a pack short: the manifest says another size. */
static void
shorten(struct world *w, size_t backup)
{
	char key[LAYOUT_KEY_MAX], path[1024];
	struct stat st;

	backup_pack_key(&w->r.layout, w->backup[backup].id, 1, key);
	keepcheck_path(&w->r, key, path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(truncate(path, st.st_size - 1), 0);
	keepcheck_touch(&w->r, key, w->backup[backup].time);
}

START_TEST(a_recovery_window_does_not_begin_with_a_damaged_backup)
{
	const struct retain_rules rules = { .days = 3 };
	struct world w;

	/* The base of the window is the 7th: see the first of these tests. */
	make_world(&w, "windowbase", 10);
	shorten(&w, 6);
	shorten(&w, 5);
	expire_damaged(&w, &rules, "2026-11-11 03:00");
	for (size_t i = 0; i < 10; i++)
		ck_assert_int_eq(keepcheck_has_backup(&w.r, w.backup[i].id),
		    i == 4 || i >= 6);
	for (uint64_t s = 1; s <= 44; s++)
		ck_assert_int_eq(keepcheck_has_wal(&w.r, 1, s), s >= 20);
	store_free(w.r.store);
}
END_TEST

START_TEST(keep_full_counts_no_damaged_backup)
{
	const struct retain_rules rules = { .full = 3 };
	struct world w;

	make_world(&w, "fullbase", 10);
	shorten(&w, 7);
	expire_damaged(&w, &rules, "2026-11-11 03:00");
	for (size_t i = 0; i < 10; i++)
		ck_assert_int_eq(
		    keepcheck_has_backup(&w.r, w.backup[i].id), i >= 6);
	store_free(w.r.store);
}
END_TEST

START_TEST(a_period_has_its_first_whole_backup)
{
	const struct retain_rules rules = { .full = 1, .monthly = 1 };
	struct world w;

	make_world(&w, "month", 10);
	shorten(&w, 0);
	expire_damaged(&w, &rules, "2026-11-11 03:00");
	ck_assert(!keepcheck_has_backup(&w.r, w.backup[0].id));
	ck_assert(keepcheck_has_backup(&w.r, w.backup[1].id));
	ck_assert(!keepcheck_has_backup(&w.r, w.backup[2].id));
	store_free(w.r.store);
}
END_TEST

/* Where no backup goes, keep_wal still takes WAL. */
START_TEST(keep_wal_takes_none_from_the_last_whole_backup)
{
	const struct retain_rules rules = { .full = 3, .wal = 1 };
	struct world w;

	make_world(&w, "walbase", 3);
	shorten(&w, 2);
	expire_damaged(&w, &rules, "2026-11-05 00:00");
	for (uint64_t s = 8; s <= 16; s++)
		ck_assert(keepcheck_has_wal(&w.r, 1, s));
	ck_assert(!keepcheck_has_wal(&w.r, 1, 6));
	store_free(w.r.store);
}
END_TEST

/* -- restores -- */

START_TEST(a_lease_keeps_a_backup_and_wal_to_its_end_until_it_is_over)
{
	const struct retain_rules rules = { .full = 1, .wal = 1 };
	struct expire_args args = args_of(&rules, "2026-11-12 00:00");
	struct expire_report report;
	struct backup_lease l;
	char key[LAYOUT_KEY_MAX];
	struct world w;

	/* The newest object is of the 11th, 18:00. */
	make_world(&w, "lease", 10);
	l = keepcheck_lease(
	    &w.r, &w.backup[2], 14, keepcheck_time("2026-11-11 12:00"), 24);
	backup_key(&w.r.layout, l.id, l.name, key);
	run(&w, &args, &report);
	ck_assert(report.backups[2].keep && report.backups[2].leased);
	ck_assert_uint_eq(report.backups[2].reasons, RETAIN_RESTORE);
	ck_assert_uint_eq(report.wal[1].first, 12);
	ck_assert_uint_eq(report.wal[1].last, 14);
	ck_assert(report.wal[1].keep && report.wal[1].restore);
	ck_assert_str_eq(report.wal[1].needed_by, w.backup[2].id);
	expire_clear(&report);
	for (uint64_t s = 1; s <= 44; s++)
		ck_assert_int_eq(keepcheck_has_wal(&w.r, 1, s),
		    (s >= 12 && s <= 14) || s >= 40);
	/* Whatever this host's clock says. */
	expire_with(&w, &rules, "2038-01-19 03:14");
	ck_assert(keepcheck_has_backup(&w.r, w.backup[2].id));
	ck_assert(keepcheck_has(&w.r, key));
	/* Now the store's says so, too. */
	keepcheck_wal(&w.r, 1, 45, keepcheck_time("2026-11-12 12:00"));
	expire_with(&w, &rules, "2026-11-12 13:00");
	ck_assert(!keepcheck_has_backup(&w.r, w.backup[2].id));
	ck_assert(!keepcheck_has_wal(&w.r, 1, 12));
	store_free(w.r.store);
}
END_TEST

START_TEST(leases_that_are_over_are_swept_and_a_dry_run_counts_them)
{
	const struct retain_rules rules = { .full = 1 };
	struct expire_args args = args_of(&rules, "2026-11-12 00:00");
	struct expire_report report;
	char over[LAYOUT_KEY_MAX], held[LAYOUT_KEY_MAX], alone[LAYOUT_KEY_MAX];
	struct keepcheck_backup gone = { .id = "20261101T000000Z-full-00000000",
		.tli = 1 };
	struct backup_lease l;
	struct world w;

	make_world(&w, "sweep", 10);
	expire_with(&w, &rules, "2026-11-12 00:00");
	l = keepcheck_lease(&w.r, &w.backup[9], UINT64_MAX,
	    keepcheck_time("2026-11-10 12:00"), 24);
	backup_key(&w.r.layout, l.id, l.name, over);
	l = keepcheck_lease(&w.r, &w.backup[9], UINT64_MAX,
	    keepcheck_time("2026-11-11 12:00"), 24);
	backup_key(&w.r.layout, l.id, l.name, held);
	/* Beside it, nothing: a restore was killed that had come too late. */
	l = keepcheck_lease(
	    &w.r, &gone, UINT64_MAX, keepcheck_time("2026-11-10 12:00"), 24);
	backup_key(&w.r.layout, l.id, l.name, alone);
	args.dry_run = true;
	run(&w, &args, &report);
	ck_assert_uint_eq(report.n_backups, 1);
	ck_assert_uint_eq(report.objects_deleted, 2);
	expire_clear(&report);
	ck_assert(keepcheck_has(&w.r, over) && keepcheck_has(&w.r, alone));
	args.dry_run = false;
	run(&w, &args, &report);
	ck_assert_uint_eq(report.objects_deleted, 2);
	expire_clear(&report);
	ck_assert(!keepcheck_has(&w.r, over) && !keepcheck_has(&w.r, alone));
	ck_assert(keepcheck_has(&w.r, held));
	store_free(w.r.store);
}
END_TEST

START_TEST(a_lease_that_cannot_be_read_is_one_for_all_wal_but_not_for_ever)
{
	const struct retain_rules rules = { .full = 1, .wal = 1 };
	struct backup_lease l;
	char key[LAYOUT_KEY_MAX], path[1024];
	struct world w;

	make_world(&w, "unread", 10);
	l = keepcheck_lease(
	    &w.r, &w.backup[2], 12, keepcheck_time("2026-11-01 12:00"), 1);
	backup_key(&w.r.layout, l.id, l.name, key);
	keepcheck_path(&w.r, key, path);
	ck_assert_int_eq(truncate(path, 20), 0);
	keepcheck_touch(&w.r, key, keepcheck_time("2026-11-01 12:00"));
	expire_with(&w, &rules, "2026-11-12 00:00");
	ck_assert(keepcheck_has_backup(&w.r, w.backup[2].id));
	ck_assert(keepcheck_has_wal(&w.r, 1, 30));
	keepcheck_wal(&w.r, 1, 45, keepcheck_time("2026-12-01 13:00"));
	expire_with(&w, &rules, "2026-12-02 00:00");
	ck_assert(!keepcheck_has_backup(&w.r, w.backup[2].id));
	ck_assert(!keepcheck_has_wal(&w.r, 1, 30));
	store_free(w.r.store);
}
END_TEST

/*
 * A store in which a restore of another host begins at a certain call, and
 * calls take time.
 */
static struct {
	struct world *w;
	const struct store_ops *real;
	struct store_ops ops;
	size_t backup;                  /* that is restored */
	struct keepcheck_backup *takes; /* or a backup that begins */
	const char *call;               /* "put", "list" or "del" */
	const char *key;                /* with this in its key, */
	int after;                      /* behind so many others like it */
	int64_t taken_ms;               /* by each deletion */
	bool begun;
} beside;

int64_t __real_clock_monotonic_ms(void);
int64_t __wrap_clock_monotonic_ms(void);

int64_t
__wrap_clock_monotonic_ms(void)
{
	return __real_clock_monotonic_ms() + beside.taken_ms;
}

static void
begin_restore(const char *call, const char *key)
{
	if (beside.begun || strcmp(call, beside.call) != 0 ||
	    strstr(key, beside.key) == NULL || beside.after-- > 0)
		return;
	beside.begun = true;
	if (beside.takes != NULL) {
		keepcheck_take(&beside.w->r, beside.takes);
		return;
	}
	(void)keepcheck_lease(&beside.w->r, &beside.w->backup[beside.backup],
	    UINT64_MAX, keepcheck_time("2026-11-11 18:00"), 24);
}

static struct stream *
beside_put(struct store *s, const char *key, const struct store_attrs *attrs,
    struct fail *f)
{
	begin_restore("put", key);
	return beside.real->put(s, key, attrs, f);
}

static int
beside_list(struct store *s, const struct store_scan *scan, store_list_fn *fn,
    void *arg, struct fail *f)
{
	begin_restore("list", scan->prefix);
	return beside.real->list(s, scan, fn, arg, f);
}

static int
beside_del(struct store *s, const char *key, struct fail *f)
{
	begin_restore("del", key);
	beside.taken_ms += 200;
	return beside.real->del(s, key, f);
}

static void
restore_beside(struct world *w, size_t backup, const char *call,
    const char *key, int after)
{
	memset(&beside, 0, sizeof beside);
	beside.w = w;
	beside.real = w->r.store->ops;
	beside.ops = *beside.real;
	beside.ops.put = beside_put;
	beside.ops.list = beside_list;
	beside.ops.del = beside_del;
	beside.backup = backup;
	beside.call = call;
	beside.key = key;
	beside.after = after;
	w->r.store->ops = &beside.ops;
}

START_TEST(a_restore_that_begins_before_the_tombstone_keeps_its_backup)
{
	const struct retain_rules rules = { .full = 1 };
	struct world w;

	make_world(&w, "beside", 10);
	restore_beside(&w, 2, "put", "/tombstone", 2);
	expire_with(&w, &rules, "2026-11-12 00:00");
	ck_assert(beside.begun);
	for (size_t i = 0; i < 10; i++)
		ck_assert_int_eq(keepcheck_has_backup(&w.r, w.backup[i].id),
		    i == 2 || i == 9);
	for (uint64_t s = 1; s <= 44; s++)
		ck_assert_int_eq(keepcheck_has_wal(&w.r, 1, s), s >= 12);
	assert_nothing_found(&w, &rules);
	store_free(w.r.store);
}
END_TEST

START_TEST(no_wal_goes_when_a_restore_has_begun)
{
	const struct retain_rules rules = { .full = 10, .wal = 1 };
	struct expire_args args = args_of(&rules, "2026-11-12 00:00");
	struct expire_report report;
	struct world w;

	make_world(&w, "besidewal", 10);
	/* The third listing of the WAL is that of what goes. */
	restore_beside(&w, 2, "list", "/wal/", 2);
	run(&w, &args, &report);
	ck_assert(beside.begun);
	ck_assert_uint_eq(report.objects_deleted, 0);
	for (size_t i = 0; i < report.n_wal; i++)
		ck_assert(report.wal[i].keep);
	expire_clear(&report);
	for (uint64_t s = 1; s <= 44; s++)
		ck_assert(keepcheck_has_wal(&w.r, 1, s));
	/* The next run knows what that one needs. */
	expire_with(&w, &rules, "2026-11-12 00:00");
	for (uint64_t s = 1; s <= 44; s++)
		ck_assert_int_eq(
		    keepcheck_has_wal(&w.r, 1, s), s == 4 || s == 8 || s >= 12);
	store_free(w.r.store);
}
END_TEST

START_TEST(no_wal_goes_when_a_backup_has_begun_from_an_old_checkpoint)
{
	const struct retain_rules rules = { .full = 1 };
	struct keepcheck_backup standby = {
		.tli = 1, .start = 30, .unfinished = true
	};
	struct world w;

	make_world(&w, "besidebegin", 10);
	standby.time = keepcheck_time("2026-11-11 18:00");
	restore_beside(&w, 0, "list", "/wal/", 2);
	beside.takes = &standby;
	expire_with(&w, &rules, "2026-11-12 00:00");
	ck_assert(beside.begun);
	for (uint64_t s = 1; s <= 44; s++)
		ck_assert(keepcheck_has_wal(&w.r, 1, s));
	expire_with(&w, &rules, "2026-11-12 00:00");
	for (uint64_t s = 1; s <= 44; s++)
		ck_assert_int_eq(keepcheck_has_wal(&w.r, 1, s), s >= 30);
	store_free(w.r.store);
}
END_TEST

START_TEST(deleting_wal_ends_within_a_second_of_a_restores_begin)
{
	const struct retain_rules rules = { .full = 10, .wal = 1 };
	struct expire_args args = args_of(&rules, "2026-11-12 00:00");
	struct expire_report report;
	size_t left = 0;
	struct world w;

	make_world(&w, "besidelong", 10);
	restore_beside(&w, 2, "del", "/wal/", 6);
	run(&w, &args, &report);
	ck_assert(beside.begun);
	/* Seven at most: five in a second, and those before. */
	ck_assert_uint_ge(report.objects_deleted, 7);
	ck_assert_uint_le(report.objects_deleted, 12);
	for (uint64_t s = 1; s <= 44; s++)
		left += keepcheck_has_wal(&w.r, 1, s);
	ck_assert_uint_eq(left, 44 - report.objects_deleted);
	left = 0;
	for (size_t i = 0; i < report.n_wal; i++)
		left += report.wal[i].keep ? report.wal[i].objects : 0;
	ck_assert_uint_eq(left, 44 - report.objects_deleted);
	expire_clear(&report);
	store_free(w.r.store);
}
END_TEST

/* -- every call fails once -- */

static const struct retain_rules failing_rules = { .full = 1 };

/* Restores from the one that stays, and, over, from one that goes. */
static void
make_failing(struct world *w, const char *name)
{
	make_world(w, name, 3);
	for (size_t i = 1; i < 3; i++)
		(void)keepcheck_lease(&w->r, &w->backup[i], 14,
		    keepcheck_time("2026-11-04 12:00"), i == 1 ? 1 : 24);
}

static int
run_failing(void *arg, struct fail *f)
{
	struct world *w = arg;
	struct expire_report report;
	int rc = expire(&w->r, &keepcheck_identity, &w->args, &report, f);

	expire_clear(&report);
	return rc;
}

/* What must stay is there and whole; the next run ends the work. */
static void
after_failing(void *arg, int rc, const char *failed)
{
	struct world *w = arg;

	(void)rc;
	(void)failed;
	ck_assert(keepcheck_has_backup(&w->r, w->backup[2].id));
	for (uint64_t s = 12; s <= 16; s++)
		ck_assert(keepcheck_has_wal(&w->r, 1, s));
	assert_nothing_found(w, &failing_rules);
	expire_with(w, &failing_rules, "2026-11-05 00:00");
	ck_assert(!keepcheck_has_backup(&w->r, w->backup[1].id));
	ck_assert(!keepcheck_has_wal(&w->r, 1, 11));
	store_free(w->r.store);
	(void)snprintf(w->name, sizeof w->name, "fail%u", ++w->round);
	make_failing(w, w->name);
}

/* Only deleting makes room, and that must not need any. */
static void
after_no_room(void *arg, int rc, const char *failed)
{
	if (failed != NULL && strcmp(failed, "write") == 0)
		ck_assert_int_eq(rc, 0);
	after_failing(arg, rc, failed);
}

START_TEST(a_full_store_can_be_expired)
{
	struct attempt a = { run_failing, after_no_room, NULL, true };
	struct world w = { .round = 1000 };

	a.arg = &w;
	w.args = args_of(&failing_rules, "2026-11-05 00:00");
	make_failing(&w, "full");
	ck_assert_uint_ge(failure_loop(&a, FAULT_FILES, ENOSPC), 50);
	store_free(w.r.store);
}
END_TEST

START_TEST(a_call_that_fails_costs_nothing_that_must_stay)
{
	struct attempt a = { run_failing, after_failing, NULL, true };
	struct world w = { .round = 0 };

	a.arg = &w;
	w.args = args_of(&failing_rules, "2026-11-05 00:00");
	make_failing(&w, "fail");
	ck_assert_uint_ge(failure_loop(&a, FAULT_FILES, EIO), 50);
	ck_assert_uint_ge(failure_loop(&a, FAULT_MEMORY, 0), 20);
	store_free(w.r.store);
}
END_TEST

/* -- verify -- */

static const struct verify_finding *
finding_of(const struct verify_report *r, const char *what)
{
	for (size_t i = 0; i < r->n; i++)
		if (strstr(r->list[i].object, what) != NULL)
			return &r->list[i];
	ck_abort_msg("nothing was found about %s", what);
}

START_TEST(a_damaged_pack_costs_the_files_in_it)
{
	const struct retain_rules rules = { .full = 10 };
	const struct verify_finding *x;
	struct verify_report report;
	char key[LAYOUT_KEY_MAX];
	struct world w;

	make_world(&w, "pack", 3);
	backup_pack_key(&w.r.layout, w.backup[1].id, 1, key);
	damage(&w, key);
	ck_assert_uint_eq(verify_all(&w, &rules, &report), 1);
	x = finding_of(&report, "pack-000001");
	ck_assert_ptr_nonnull(strstr(x->cost, w.backup[1].id));
	ck_assert_ptr_nonnull(strstr(x->cost, "file base/1/16384"));
	verify_clear(&report);
	store_free(w.r.store);
}
END_TEST

START_TEST(a_hole_in_the_wal_costs_the_time_to_the_next_backup)
{
	const struct retain_rules rules = { .full = 10 };
	const struct verify_finding *x;
	struct verify_report report;
	char key[LAYOUT_KEY_MAX];
	struct walname name;
	struct fail f = { 0 };
	struct world w;

	make_world(&w, "hole", 3);
	walname_segment(1, 6, KEEPCHECK_SEGSIZE, &name);
	layout_wal(&w.r.layout, &name, NULL, key);
	keepcheck_must(store_del(w.r.store, key, &f), &f);
	walname_segment(1, 12, KEEPCHECK_SEGSIZE, &name);
	layout_wal(&w.r.layout, &name, NULL, key);
	keepcheck_must(store_del(w.r.store, key, &f), &f);
	ck_assert_uint_eq(verify_all(&w, &rules, &report), 2);
	x = finding_of(&report, "000000010000000000000006");
	ck_assert_ptr_nonnull(strstr(x->cost, "no recovery between 0/600000 "));
	ck_assert_ptr_nonnull(strstr(x->cost, "0/8001F4"));
	ck_assert_ptr_nonnull(strstr(x->cost, w.backup[1].id));
	x = finding_of(&report, "00000001000000000000000C");
	ck_assert_ptr_nonnull(strstr(x->cost, "cannot be restored"));
	ck_assert_ptr_nonnull(strstr(x->cost, w.backup[2].id));
	ck_assert_ptr_nonnull(strstr(x->cost, "no recovery behind 0/C00000"));
	verify_clear(&report);
	/* Where keep_wal gave it up, it is none. */
	ck_assert_uint_eq(
	    verify_all(
	        &w, &(struct retain_rules){ .full = 10, .wal = 1 }, &report),
	    1);
	verify_clear(&report);
	store_free(w.r.store);
}
END_TEST

START_TEST(a_backup_without_any_wal_left_is_found)
{
	const struct retain_rules rules = { .full = 10 };
	struct verify_report report;
	struct fail f = { 0 };
	struct world w;

	make_world(&w, "bare", 1);
	for (uint64_t s = 1; s <= 8; s++) {
		char key[LAYOUT_KEY_MAX];
		struct walname name;

		walname_segment(1, s, KEEPCHECK_SEGSIZE, &name);
		layout_wal(&w.r.layout, &name, NULL, key);
		keepcheck_must(store_del(w.r.store, key, &f), &f);
	}
	ck_assert_uint_eq(verify_all(&w, &rules, &report), 1);
	(void)finding_of(&report, "000000010000000000000004");
	verify_clear(&report);
	store_free(w.r.store);
}
END_TEST

START_TEST(a_history_that_is_missing_costs_its_timeline)
{
	const struct retain_rules rules = { .full = 10 };
	const struct verify_finding *x;
	struct verify_report report;
	struct expire_args args;
	struct expire_report expired;
	char key[LAYOUT_KEY_MAX];
	struct walname name;
	struct fail f = { 0 };
	struct world w;

	make_world(&w, "history", 10);
	add_timelines(&w);
	walname_history(3, &name);
	layout_wal(&w.r.layout, &name, NULL, key);
	keepcheck_must(store_del(w.r.store, key, &f), &f);
	(void)verify_all(&w, &rules, &report);
	x = finding_of(&report, "00000003.history");
	ck_assert_ptr_nonnull(strstr(x->cost, "no recovery to timeline 3"));
	verify_clear(&report);
	/* What cannot be understood stays: all of it. */
	args = args_of(&(struct retain_rules){ .full = 1 }, "2026-11-14 00:00");
	ck_assert_int_eq(
	    expire(&w.r, &keepcheck_identity, &args, &expired, &f), -1);
	assert_failed(&f, FAIL_ABSENT);
	ck_assert_uint_eq(expired.objects_deleted, 0);
	expire_clear(&expired);
	ck_assert(keepcheck_has_backup(&w.r, w.backup[0].id));
	for (uint64_t s = 1; s < 45; s++)
		ck_assert(keepcheck_has_wal(&w.r, 1, s));
	store_free(w.r.store);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("expire");
	int failed;

	/* Thousands of objects are made, and none of them has to last. */
	if (access("/dev/shm", W_OK) == 0)
		(void)setenv("TMPDIR", "/dev/shm", 1);
	(void)temp_dir();
	log_setup("check_expire", LOG_ERROR + 1, false);
	add_tests(s, "expire",
	    TESTS(the_recovery_window_is_kept_and_what_lies_before_it_goes,
	        a_clock_in_2038_expires_what_the_true_one_does,
	        a_dry_run_deletes_nothing_and_tells_what_a_run_does,
	        timelines_that_a_kept_backup_leads_to_stay_and_others_go,
	        what_belongs_to_a_segment_goes_with_it,
	        remains_go_by_the_stores_clock_and_only_when_asked,
	        what_a_restore_plans_with_is_what_stays,
	        a_damaged_manifest_leaves_the_last_good_backup_all_its_wal,
	        a_missing_pack_leaves_the_backup_before_it,
	        a_recovery_window_does_not_begin_with_a_damaged_backup,
	        keep_full_counts_no_damaged_backup,
	        a_period_has_its_first_whole_backup,
	        keep_wal_takes_none_from_the_last_whole_backup,
	        a_full_store_can_be_expired,
	        a_call_that_fails_costs_nothing_that_must_stay));
	add_tests(s, "restores",
	    TESTS(a_lease_keeps_a_backup_and_wal_to_its_end_until_it_is_over,
	        leases_that_are_over_are_swept_and_a_dry_run_counts_them,
	        a_lease_that_cannot_be_read_is_one_for_all_wal_but_not_for_ever,
	        a_restore_that_begins_before_the_tombstone_keeps_its_backup,
	        no_wal_goes_when_a_restore_has_begun,
	        no_wal_goes_when_a_backup_has_begun_from_an_old_checkpoint,
	        deleting_wal_ends_within_a_second_of_a_restores_begin));
	add_tests(s, "verify",
	    TESTS(a_damaged_pack_costs_the_files_in_it,
	        a_hole_in_the_wal_costs_the_time_to_the_next_backup,
	        a_backup_without_any_wal_left_is_found,
	        a_history_that_is_missing_costs_its_timeline));
	failed = run_suite(s);
	return failed;
}
