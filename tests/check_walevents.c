/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the WAL scanner finds: the ends of transactions with their times and
 * numbers, restore points, checkpoints; in one segment as facts, over several
 * as events in WAL order, those that straddle a cut included.
 */
#include "walcheck.h"

#define MAX_SEEN 40000

struct seen {
	struct walxact xacts[MAX_SEEN];
	struct walrestore_point points[64];
	size_t n_xacts, n_points, n_records;
	uint64_t last_lsn, last_end;
	size_t stop_after; /* transactions; 0 never */
	bool stopped;
};

static int
see_xact(void *arg, const struct walxact *x)
{
	struct seen *seen = arg;

	require(!seen->stopped);
	require(seen->n_xacts < MAX_SEEN);
	/* The record itself was told of before. */
	require(x->lsn == seen->last_lsn);
	require(x->end == seen->last_end);
	seen->xacts[seen->n_xacts++] = *x;
	seen->stopped = seen->n_xacts == seen->stop_after;
	return seen->stopped;
}

static int
see_point(void *arg, const struct walrestore_point *p, uint64_t end)
{
	struct seen *seen = arg;

	require(p->lsn == seen->last_lsn);
	require(end == seen->last_end);
	seen->points[seen->n_points++] = *p;
	return 0;
}

static int
see_record(void *arg, uint64_t lsn, uint64_t end, int64_t time)
{
	struct seen *seen = arg;

	(void)time;
	require(!seen->stopped);
	require(lsn > seen->last_lsn);
	require(lsn >= seen->last_end);
	require(end > lsn);
	require(end % 8 == 0);
	seen->last_lsn = lsn;
	seen->last_end = end;
	seen->n_records++;
	return 0;
}

static struct walscan_args
args_for(struct seen *seen, const struct walmaker *w)
{
	return (struct walscan_args){ .max_tli = w->tli,
		.start_lsn = w->start,
		.events = { .xact = see_xact,
		    .restore_point = see_point,
		    .record = see_record,
		    .arg = seen } };
}

static struct seen *
see(struct walmaker *w, uint64_t from, size_t chunk, size_t stop_after)
{
	struct seen *seen = calloc(1, sizeof *seen);
	struct walscan_args args;
	size_t skip = (size_t)(from - w->start);

	ck_assert_ptr_nonnull(seen);
	seen->stop_after = stop_after;
	args = args_for(seen, w);
	args.start_lsn = from;
	(void)scan_once(&args, w->bytes + skip, w->len - skip, 0, chunk);
	return seen;
}

static void
assert_xact(const struct walxact *x, enum walxact_kind kind, uint64_t lsn,
    uint32_t xid, int64_t time)
{
	require(x->kind == kind);
	require(x->lsn == lsn);
	require(x->xid == xid);
	require(x->time == time);
}

START_TEST(every_way_to_end_a_transaction_is_found)
{
	struct walmaker w = WALMAKER_DEFAULT;
	uint64_t a, b, c, d;
	struct seen *seen;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 1);
	a = walmaker_commit(&w, 700, 1000);
	(void)walmaker_filler(&w, 100);
	b = walmaker_abort(&w, 701, 900);
	(void)walmaker_xact(&w,
	    &(struct walmaker_xact){
	        .op = WALMAKER_PREPARE, .xid = 702, .time = 5000 });
	c = walmaker_xact(&w,
	    &(struct walmaker_xact){ .op = WALMAKER_COMMIT_PREPARED,
	        .time = 1100,
	        .prepared_xid = 699 });
	d = walmaker_xact(&w,
	    &(struct walmaker_xact){ .op = WALMAKER_ABORT_PREPARED,
	        .time = 1050,
	        .prepared_xid = 702 });
	fill_segment(&w);
	seen = see(&w, w.start, SIZE_MAX, 0);
	ck_assert_uint_eq(seen->n_xacts, 4);
	assert_xact(&seen->xacts[0], WALXACT_COMMIT, a, 700, 1000);
	assert_xact(&seen->xacts[1], WALXACT_ABORT, b, 701, 900);
	assert_xact(&seen->xacts[2], WALXACT_COMMIT_PREPARED, c, 699, 1100);
	assert_xact(&seen->xacts[3], WALXACT_ABORT_PREPARED, d, 702, 1050);
	f = scan_segment(&w, 0);
	assert_complete(&f, 0);
	ck_assert_uint_eq(f.xacts, 4);
	ck_assert_int_eq(f.xact_time_min, 900);
	ck_assert_int_eq(f.xact_time_max, 1100);
	ck_assert_int_eq(f.xact_time_last, 1050);
	ck_assert_uint_eq(f.xid_min, 699);
	ck_assert_uint_eq(f.xid_max, 702);
	ck_assert_int_eq(f.timed_max, 1100);
	free(seen);
	walmaker_end(&w);
}
END_TEST

START_TEST(times_before_2000_count_too)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 1);
	(void)walmaker_commit(&w, 700, -5);
	(void)walmaker_commit(&w, 701, -7);
	fill_segment(&w);
	f = scan_segment(&w, 0);
	ck_assert_int_eq(f.xact_time_min, -7);
	ck_assert_int_eq(f.xact_time_max, -5);
	ck_assert_int_eq(f.xact_time_last, -7);
	ck_assert_int_eq(f.timed_max, -5);
	walmaker_end(&w);
}
END_TEST

/* Its xid stands behind all the arrays; they cross pages. */
START_TEST(a_prepared_transaction_is_known_by_its_own_number)
{
	static const uint16_t magics[] = { 0xD106, 0xD110, 0xD118 };
	static const uint32_t sizes[] = { 0, 1, 3, 20, 900 };

	for (size_t m = 0; m < 3; m++)
		for (size_t i = 0; i < 5; i++) {
			struct walmaker w = WALMAKER_DEFAULT;
			struct walfacts f;

			w.magic = magics[m];
			walmaker_begin(&w, WALCHECK_START, 1);
			(void)walmaker_xact(&w,
			    &(struct walmaker_xact){
			        .op = WALMAKER_COMMIT_PREPARED,
			        .xid = 12,
			        .time = 77,
			        .prepared_xid = 4000000000,
			        .dbinfo = i % 2 == 0,
			        .subxacts = sizes[i],
			        .relations = sizes[(i + 1) % 5],
			        .stats = m > 0 ? sizes[(i + 2) % 5] : 0,
			        .invals = sizes[(i + 3) % 5] });
			fill_segment(&w);
			f = scan_segment(&w, 0);
			assert_complete(&f, 0);
			ck_assert_uint_eq(f.xacts, 1);
			ck_assert_uint_eq(f.xid_min, 4000000000);
			ck_assert_uint_eq(f.xid_max, 4000000000);
			walmaker_end(&w);
		}
}
END_TEST

START_TEST(a_commit_with_many_arrays_keeps_its_time)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 1);
	(void)walmaker_xact(&w,
	    &(struct walmaker_xact){ .op = WALMAKER_COMMIT,
	        .xid = 700,
	        .time = 123456789,
	        .dbinfo = true,
	        .subxacts = 5000,
	        .invals = 3000 });
	fill_segment(&w);
	f = scan_segment(&w, 0);
	ck_assert_uint_eq(f.xacts, 1);
	ck_assert_int_eq(f.xact_time_max, 123456789);
	ck_assert_uint_eq(f.xid_max, 700);
	walmaker_end(&w);
}
END_TEST

/* In logical replication and in subtransactions the data stands later. */
START_TEST(an_origin_and_a_toplevel_xid_may_stand_before_the_data)
{
	static const uint8_t body[] = { 253, 7, 0, 252, 1, 2, 3, 4, 255, 8, 39,
		0, 0, 0, 0, 0, 0, 0 };
	struct walmaker w = WALMAKER_DEFAULT;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 1);
	(void)walmaker_record(
	    &w, WALMAKER_RM_XACT, WALMAKER_COMMIT, 700, body, sizeof body);
	fill_segment(&w);
	f = scan_segment(&w, 0);
	ck_assert_uint_eq(f.xacts, 1);
	ck_assert_int_eq(f.xact_time_max, 39);
	walmaker_end(&w);
}
END_TEST

/* Lawful checksums, senseless insides: nothing is found, nothing breaks. */
START_TEST(an_xact_record_without_sense_is_passed_over)
{
	static const uint8_t bodies[][12] = { { 255, 7, 1, 1, 1, 1, 1, 1, 1 },
		{ 255 }, { 254, 255, 255, 255, 255, 1 }, { 253 },
		{ 252, 253, 253 }, { 0, 1, 2, 3 }, { 255, 0 },
		{ 255, 200, 1, 2, 3, 4, 5 } };
	struct walmaker w = WALMAKER_DEFAULT;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 1);
	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
		for (size_t len = 0; len <= 9; len++)
			for (uint8_t op = 0; op <= 0x40; op += 0x10)
				(void)walmaker_record(&w, WALMAKER_RM_XACT,
				    op | 0x80, 700, bodies[i],
				    len < 8 ? len : 8);
	fill_segment(&w);
	f = scan_segment(&w, 0);
	assert_complete(&f, 0);
	ck_assert_uint_eq(f.xacts, 0);
	walmaker_end(&w);
}
END_TEST

START_TEST(restore_points_are_kept_by_name)
{
	struct walmaker w = WALMAKER_DEFAULT;
	uint64_t lsn;
	struct walfacts f;
	struct seen *seen;

	walmaker_begin(&w, WALCHECK_START, 1);
	(void)walmaker_commit(&w, 700, 100);
	lsn = walmaker_restore_point(&w, "before the upgrade", 5000);
	fill_segment(&w);
	f = scan_segment(&w, 0);
	assert_complete(&f, 0);
	ck_assert_uint_eq(f.n_points, 1);
	ck_assert_uint_eq(f.points[0].lsn, lsn);
	ck_assert_int_eq(f.points[0].time, 5000);
	ck_assert_str_eq(f.points[0].name, "before the upgrade");
	ck_assert_int_eq(f.timed_max, 5000);
	ck_assert_int_eq(f.xact_time_max, 100);
	seen = see(&w, w.start, 7, 0);
	ck_assert_uint_eq(seen->n_points, 1);
	ck_assert_str_eq(seen->points[0].name, "before the upgrade");
	free(seen);
	walmaker_end(&w);
}
END_TEST

START_TEST(more_restore_points_than_fit_are_flagged)
{
	for (unsigned n = 16; n <= 20; n += 4) {
		struct walmaker w = WALMAKER_DEFAULT;
		struct walfacts f;
		struct seen *seen;

		walmaker_begin(&w, WALCHECK_START, 1);
		for (unsigned i = 0; i < n; i++) {
			char name[16];

			(void)snprintf(name, sizeof name, "point %u", i);
			(void)walmaker_restore_point(&w, name, i);
		}
		fill_segment(&w);
		f = scan_segment(&w, 0);
		assert_complete(&f, n > 16 ? WALFACTS_MORE_POINTS : 0);
		ck_assert_uint_eq(f.n_points, WALFACTS_RESTORE_POINTS);
		ck_assert_str_eq(f.points[15].name, "point 15");
		seen = see(&w, w.start, SIZE_MAX, 0);
		ck_assert_uint_eq(seen->n_points, n);
		free(seen);
		walmaker_end(&w);
	}
}
END_TEST

START_TEST(the_longest_restore_point_name_is_whole)
{
	char name[WAL_RESTORE_POINT_NAME];
	struct walmaker w = WALMAKER_DEFAULT;
	struct walfacts f;

	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	walmaker_begin(&w, WALCHECK_START, 1);
	(void)walmaker_restore_point(&w, name, 1);
	fill_segment(&w);
	f = scan_segment(&w, 0);
	ck_assert_str_eq(f.points[0].name, name);
	walmaker_end(&w);
}
END_TEST

START_TEST(checkpoints_and_ends_of_recovery_carry_times_too)
{
	static const uint8_t zero[8];
	struct walmaker w = WALMAKER_DEFAULT;
	struct buf b = { 0 };
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 1);
	(void)walmaker_checkpoint(&w, 946684800 + 60);
	fill_segment(&w);
	f = scan_segment(&w, 0);
	ck_assert_int_eq(f.timed_max, 60000000);
	ck_assert_uint_eq(f.xacts, 0);
	walmaker_end(&w);

	walmaker_begin(&w, WALCHECK_START, 1);
	ck_assert_int_eq(buf_append_u64(&b, 70000000), 0);
	ck_assert_int_eq(buf_append(&b, zero, 8), 0);
	(void)walmaker_data(
	    &w, WALMAKER_RM_XLOG, WALMAKER_END_OF_RECOVERY, 0, &b);
	fill_segment(&w);
	f = scan_segment(&w, 0);
	ck_assert_int_eq(f.timed_max, 70000000);
	buf_clear(&b);
	walmaker_end(&w);
}
END_TEST

/* Commits all over four segments, one of them across every cut. */
static size_t
make_history(struct walmaker *w, unsigned before_cut, struct walxact *made)
{
	size_t n = 0;

	walmaker_begin(w, WALCHECK_START, 4);
	for (unsigned i = 1; i <= 4; i++) {
		uint64_t end = w->start + (uint64_t)i * w->segsize;

		while (w->at < end - 3000) {
			uint32_t xid = (uint32_t)(700 + n);
			int64_t time = (int64_t)(1000 * n) % 77777;

			(void)walmaker_filler(w, 24 + n * 13 % 500);
			made[n].lsn = walmaker_commit(w, xid, time);
			made[n].end = w->at;
			made[n].xid = xid;
			made[n++].time = time;
		}
		if (i == 4)
			break;
		walmaker_fill_to(w, end - before_cut);
		made[n].lsn = walmaker_commit(w, (uint32_t)(700 + n), 55);
		made[n].end = w->at;
		made[n].xid = (uint32_t)(700 + n);
		made[n++].time = 55;
	}
	fill_segment(w);
	return n;
}

START_TEST(commits_that_straddle_a_cut_are_found_in_a_continuous_scan)
{
	struct walxact *made = calloc(MAX_SEEN, sizeof *made);

	ck_assert_ptr_nonnull(made);
	for (unsigned here = 8; here <= 32; here += 8)
		for (size_t c = 0; c < N_CHUNK_SIZES; c++) {
			struct walmaker w = WALMAKER_DEFAULT;
			size_t n = make_history(&w, here, made);
			struct seen *seen = see(&w, w.start, chunk_sizes[c], 0);

			ck_assert_uint_eq(seen->n_xacts, n);
			for (size_t i = 0; i < n; i++) {
				assert_xact(&seen->xacts[i], WALXACT_COMMIT,
				    made[i].lsn, made[i].xid, made[i].time);
				require(seen->xacts[i].end == made[i].end);
			}
			ck_assert_uint_eq(seen->last_lsn, w.prev);
			free(seen);
			walmaker_end(&w);
		}
	free(made);
}
END_TEST

/* One by one the segments know only what lies wholly in them. */
START_TEST(a_straddling_commit_is_in_no_segments_own_count)
{
	struct walxact *made = calloc(MAX_SEEN, sizeof *made);
	struct walmaker w = WALMAKER_DEFAULT;
	uint32_t counted = 0;
	size_t n;

	ck_assert_ptr_nonnull(made);
	n = make_history(&w, 16, made);
	for (unsigned i = 0; i < 4; i++) {
		struct walfacts f = scan_segment(&w, i);

		assert_complete(&f, 0);
		counted += f.xacts;
		if (i < 3) {
			struct walfacts next = scan_segment(&w, i + 1);
			uint8_t whole[128];

			/* But both sides together hold all of it. */
			ck_assert_uint_eq(f.tail_len, 16);
			ck_assert_uint_eq(next.head_len, 34 - 16);
			memcpy(whole, f.tail, f.tail_len);
			memcpy(whole + f.tail_len, next.head, next.head_len);
			ck_assert_int_eq(walrecord_time(whole, 34, 15), 55);
		}
	}
	ck_assert_uint_eq(counted, n - 3);
	walmaker_end(&w);
	free(made);
}
END_TEST

START_TEST(a_scan_may_begin_with_any_segment)
{
	struct walxact *made = calloc(MAX_SEEN, sizeof *made);
	struct walmaker w = WALMAKER_DEFAULT;
	size_t n, first = 0;
	struct seen *seen;

	ck_assert_ptr_nonnull(made);
	n = make_history(&w, 16, made);
	seen = see(&w, w.start + w.segsize, 4096, 0);
	while (made[first].lsn < w.start + w.segsize)
		first++;
	ck_assert_uint_eq(seen->n_xacts, n - first);
	ck_assert_uint_eq(seen->xacts[0].lsn, made[first].lsn);
	free(seen);
	walmaker_end(&w);
	free(made);
}
END_TEST

START_TEST(an_event_may_stop_the_scan)
{
	struct walxact *made = calloc(MAX_SEEN, sizeof *made);
	struct walmaker w = WALMAKER_DEFAULT;

	ck_assert_ptr_nonnull(made);
	(void)make_history(&w, 16, made);
	for (size_t stop = 1; stop < 4000; stop += 517)
		for (size_t c = 0; c < N_CHUNK_SIZES; c++) {
			struct seen *seen = see(
			    &w, w.start, chunk_sizes[c], stop);

			ck_assert_uint_eq(seen->n_xacts, stop);
			ck_assert_uint_eq(
			    seen->xacts[stop - 1].lsn, made[stop - 1].lsn);
			free(seen);
		}
	walmaker_end(&w);
	free(made);
}
END_TEST

START_TEST(the_scanner_says_that_it_was_stopped)
{
	struct seen *seen = calloc(1, sizeof *seen);
	struct walmaker w = WALMAKER_DEFAULT;
	struct walscan_args args;
	struct walscan *s;

	ck_assert_ptr_nonnull(seen);
	walmaker_begin(&w, WALCHECK_START, 1);
	(void)walmaker_commit(&w, 700, 1);
	(void)walmaker_commit(&w, 701, 2);
	fill_segment(&w);
	seen->stop_after = 1;
	args = args_for(seen, &w);
	s = walscan_new(&args);
	ck_assert_ptr_nonnull(s);
	walscan_push(s, w.bytes, 100);
	ck_assert(!walscan_ended(s));
	walscan_push(s, w.bytes + 100, w.len - 100);
	ck_assert(walscan_ended(s));
	walscan_free(s);
	walscan_free(NULL);
	free(seen);
	walmaker_end(&w);
}
END_TEST

START_TEST(a_switch_between_segments_does_not_hide_what_follows)
{
	struct walmaker w = WALMAKER_DEFAULT;

	for (unsigned here = 8; here <= 4000; here += 3992) {
		struct seen *seen;

		walmaker_begin(&w, WALCHECK_START, 4);
		(void)walmaker_commit(&w, 700, 1);
		walmaker_fill_to(&w, w.start + w.segsize - here);
		(void)walmaker_switch(&w);
		(void)walmaker_commit(&w, 701, 2);
		fill_segment(&w);
		seen = see(&w, w.start, 65536, 0);
		ck_assert_uint_eq(seen->n_xacts, 2);
		ck_assert_uint_eq(seen->xacts[1].xid, 701);
		free(seen);
		walmaker_end(&w);
	}
}
END_TEST

START_TEST(an_abandoned_commit_is_not_found)
{
	struct walmaker w = WALMAKER_DEFAULT;
	uint64_t abandoned;
	struct seen *seen;

	walmaker_begin(&w, WALCHECK_START, 2);
	(void)walmaker_commit(&w, 700, 1);
	walmaker_fill_to(&w, w.start + w.segsize - 400);
	abandoned = walmaker_abandon(&w, 9000, w.start + w.segsize);
	(void)walmaker_overwrite(&w, abandoned);
	(void)walmaker_commit(&w, 702, 2);
	fill_segment(&w);
	seen = see(&w, w.start, 65536, 0);
	ck_assert_uint_eq(seen->n_xacts, 2);
	ck_assert_uint_eq(seen->xacts[1].xid, 702);
	free(seen);
	walmaker_end(&w);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("walevents");

	add_tests(s, "transactions",
	    TESTS(every_way_to_end_a_transaction_is_found,
	        times_before_2000_count_too,
	        a_prepared_transaction_is_known_by_its_own_number,
	        a_commit_with_many_arrays_keeps_its_time,
	        an_origin_and_a_toplevel_xid_may_stand_before_the_data,
	        an_xact_record_without_sense_is_passed_over));
	add_tests(s, "other times",
	    TESTS(restore_points_are_kept_by_name,
	        more_restore_points_than_fit_are_flagged,
	        the_longest_restore_point_name_is_whole,
	        checkpoints_and_ends_of_recovery_carry_times_too));
	add_tests(s, "continuous",
	    TESTS(commits_that_straddle_a_cut_are_found_in_a_continuous_scan,
	        a_straddling_commit_is_in_no_segments_own_count,
	        a_scan_may_begin_with_any_segment, an_event_may_stop_the_scan,
	        the_scanner_says_that_it_was_stopped,
	        a_switch_between_segments_does_not_hide_what_follows,
	        an_abandoned_commit_is_not_found));
	return run_suite(s);
}
