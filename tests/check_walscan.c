/* SPDX-License-Identifier: PostgreSQL */
/*
 * Every lawful oddity of a WAL segment: it is complete, and its facts are
 * right, in whatever portions its bytes come.
 */
#include "walcheck.h"

/* Record bytes in a whole segment. */
static uint64_t
capacity(const struct walmaker *w)
{
	return walmaker_room(w, w->start, w->start + w->segsize);
}

START_TEST(an_exactly_full_segment_is_complete)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 2);
	w.prev = WALCHECK_START - 0x100;
	fill_segment(&w);
	fill_segment(&w);
	f = scan_segment(&w, 0);
	assert_complete(&f, 0);
	ck_assert_uint_eq(f.sysid, w.sysid);
	ck_assert_uint_eq(f.segsize, w.segsize);
	ck_assert_uint_eq(f.blcksz, 8192);
	ck_assert_uint_eq(f.magic, 0xD110);
	ck_assert_uint_eq(f.first_tli, 1);
	ck_assert_uint_eq(f.last_tli, 1);
	ck_assert_uint_eq(f.start_lsn, WALCHECK_START);
	ck_assert_uint_eq(f.cont_len, 0);
	ck_assert_uint_eq(f.head_len, 0);
	ck_assert_uint_eq(f.first_lsn, WALCHECK_START + WALHDR_LONG);
	ck_assert_uint_eq(f.first_prev, WALCHECK_START - 0x100);
	ck_assert_uint_eq(f.unfinished, LSN_NONE);
	ck_assert_uint_eq(f.tail_len, 0);
	ck_assert_uint_eq(f.xacts, 0);
	ck_assert_int_eq(f.timed_max, WAL_NO_TIME);
	ck_assert_uint_eq(
	    f.last_ended + f.last_ended_len, WALCHECK_START + w.segsize);
	f = scan_segment(&w, 1);
	assert_complete(&f, 0);
	ck_assert_uint_eq(f.last_ended, w.prev);
	ck_assert_uint_eq(
	    f.first_lsn, WALCHECK_START + w.segsize + WALHDR_LONG);
	walmaker_end(&w);
}
END_TEST

START_TEST(a_record_that_goes_on_in_the_next_segment_is_told_on_both_sides)
{
	struct walmaker w = WALMAKER_DEFAULT;
	uint64_t cut, lsn, behind, before;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 2);
	cut = w.start + w.segsize;
	walmaker_fill_to(&w, cut - 104);
	before = w.prev;
	lsn = walmaker_filler(&w, 304);
	behind = walmaker_next(&w);
	fill_segment(&w);
	f = scan_segment(&w, 0);
	assert_complete(&f, 0);
	ck_assert_uint_eq(f.last_ended, before);
	ck_assert_uint_eq(f.unfinished, lsn);
	ck_assert_uint_eq(f.unfinished_len, 304);
	ck_assert_uint_eq(f.unfinished_here, 104);
	ck_assert_uint_eq(f.tail_len, WALFACTS_CUT);
	ck_assert_mem_eq(f.tail, walmaker_at(&w, lsn), WALFACTS_CUT);
	f = scan_segment(&w, 1);
	assert_complete(&f, 0);
	ck_assert_uint_eq(f.cont_len, 200);
	ck_assert_uint_eq(f.head_len, WALFACTS_CUT);
	ck_assert_mem_eq(
	    f.head, walmaker_at(&w, cut + WALHDR_LONG), WALFACTS_CUT);
	ck_assert_uint_eq(f.first_lsn, behind);
	ck_assert_uint_eq(f.first_prev, lsn);
	walmaker_end(&w);
}
END_TEST

/* here bytes of a header before a cut, at every place a header can be cut. */
START_TEST(a_record_header_may_be_split_over_segments)
{
	for (unsigned here = 8; here <= 24; here += 8) {
		struct walmaker w = WALMAKER_DEFAULT;
		uint64_t lsn;
		struct walfacts f;

		walmaker_begin(&w, WALCHECK_START, 2);
		walmaker_fill_to(&w, w.start + w.segsize - here);
		lsn = walmaker_filler(&w, 61);
		fill_segment(&w);
		f = scan_segment(&w, 0);
		assert_complete(&f, 0);
		ck_assert_uint_eq(f.unfinished, lsn);
		ck_assert_uint_eq(f.unfinished_len, 61);
		ck_assert_uint_eq(f.unfinished_here, here);
		ck_assert_uint_eq(f.tail_len, here);
		ck_assert_mem_eq(f.tail, walmaker_at(&w, lsn), here);
		f = scan_segment(&w, 1);
		assert_complete(&f, 0);
		ck_assert_uint_eq(f.cont_len, 61 - here);
		ck_assert_uint_eq(f.head_len, 61 - here);
		ck_assert_uint_eq(f.first_prev, lsn);
		walmaker_end(&w);
	}
}
END_TEST

START_TEST(a_record_header_may_be_split_over_pages)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 1);
	for (unsigned page = 1; page < 60; page++) {
		walmaker_fill_to(
		    &w, w.start + page * w.blcksz - 8 * (1 + page % 4));
		(void)walmaker_filler(&w, 24 + page * 7);
	}
	fill_segment(&w);
	f = scan_segment(&w, 0);
	assert_complete(&f, 0);
	ck_assert_uint_eq(f.last_ended, w.prev);
	walmaker_end(&w);
}
END_TEST

START_TEST(a_segment_may_lie_wholly_inside_one_record)
{
	struct walmaker w = WALMAKER_DEFAULT;
	uint64_t lsn, room;
	size_t total;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 4);
	room = capacity(&w);
	walmaker_fill_to(&w, w.start + w.segsize - 1000);
	total = (size_t)(1000 + 2 * room + 500);
	lsn = walmaker_filler(&w, total);
	w.at = walmaker_next(&w);
	fill_segment(&w);
	f = scan_segment(&w, 0);
	assert_complete(&f, 0);
	ck_assert_uint_eq(f.unfinished, lsn);
	ck_assert_uint_eq(f.unfinished_len, total);
	for (unsigned i = 1; i <= 2; i++) {
		f = scan_segment(&w, i);
		assert_complete(&f, 0);
		ck_assert_uint_eq(f.cont_len, total - 1000 - (i - 1) * room);
		ck_assert_uint_eq(f.first_lsn, LSN_NONE);
		ck_assert_uint_eq(f.last_ended, LSN_NONE);
		ck_assert_uint_eq(f.unfinished, LSN_NONE);
		ck_assert_uint_eq(f.head_len, WALFACTS_CUT);
	}
	f = scan_segment(&w, 3);
	assert_complete(&f, 0);
	ck_assert_uint_eq(f.cont_len, 500);
	ck_assert_uint_eq(f.first_prev, lsn);
	walmaker_end(&w);
}
END_TEST

START_TEST(a_continuation_may_end_with_the_segment)
{
	struct walmaker w = WALMAKER_DEFAULT;
	uint64_t lsn;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 3);
	walmaker_fill_to(&w, w.start + w.segsize - 64);
	lsn = walmaker_filler(&w, (size_t)(64 + capacity(&w)));
	ck_assert_uint_eq(w.at, w.start + 2 * w.segsize);
	fill_segment(&w);
	f = scan_segment(&w, 1);
	assert_complete(&f, 0);
	ck_assert_uint_eq(f.cont_len, capacity(&w));
	ck_assert_uint_eq(f.first_lsn, LSN_NONE);
	f = scan_segment(&w, 2);
	assert_complete(&f, 0);
	ck_assert_uint_eq(f.cont_len, 0);
	ck_assert_uint_eq(f.first_prev, lsn);
	walmaker_end(&w);
}
END_TEST

START_TEST(a_switch_ends_a_segment_early)
{
	struct walmaker w = WALMAKER_DEFAULT;
	uint64_t lsn;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 2);
	walmaker_fill_to(&w, w.start + 100000);
	lsn = walmaker_switch(&w);
	fill_segment(&w);
	f = scan_segment(&w, 0);
	assert_complete(&f, WALFACTS_SWITCHED);
	ck_assert_uint_eq(f.last_ended, lsn);
	ck_assert_uint_eq(f.last_ended_len, 24);
	ck_assert_uint_eq(f.unfinished, LSN_NONE);
	f = scan_segment(&w, 1);
	assert_complete(&f, 0);
	ck_assert_uint_eq(f.first_prev, lsn);
	walmaker_end(&w);
}
END_TEST

START_TEST(a_switch_may_be_the_only_record)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 1);
	w.prev = 0x28;
	(void)walmaker_switch(&w);
	f = scan_segment(&w, 0);
	assert_complete(&f, WALFACTS_SWITCHED);
	ck_assert_uint_eq(f.first_lsn, w.start + WALHDR_LONG);
	ck_assert_uint_eq(f.last_ended, w.start + WALHDR_LONG);
	ck_assert_uint_eq(f.first_prev, 0x28);
	walmaker_end(&w);
}
END_TEST

/* Before the end of every page, the segment's included. */
START_TEST(a_switch_may_end_with_a_page)
{
	for (unsigned page = 1; page <= 128; page += 127)
		for (unsigned here = 8; here <= 32; here += 8) {
			struct walmaker w = WALMAKER_DEFAULT;
			struct walfacts f;

			if (page == 128 && here < 24)
				continue; /* the next test */
			walmaker_begin(&w, WALCHECK_START, 1);
			walmaker_fill_to(&w, w.start + page * w.blcksz - here);
			(void)walmaker_switch(&w);
			f = scan_segment(&w, 0);
			assert_complete(&f, WALFACTS_SWITCHED);
			ck_assert_uint_eq(f.last_ended, w.prev);
			walmaker_end(&w);
		}
}
END_TEST

/* The next segment is its rest and zeros; none of its records begins there. */
START_TEST(a_switch_may_straddle_the_segments_end)
{
	for (unsigned here = 8; here <= 16; here += 8) {
		struct walmaker w = WALMAKER_DEFAULT;
		uint64_t lsn;
		struct walfacts f;

		walmaker_begin(&w, WALCHECK_START, 3);
		walmaker_fill_to(&w, w.start + w.segsize - here);
		lsn = walmaker_switch(&w);
		ck_assert_uint_eq(w.at, w.start + 2 * w.segsize);
		fill_segment(&w);
		f = scan_segment(&w, 0);
		assert_complete(&f, 0);
		ck_assert_uint_eq(f.unfinished, lsn);
		ck_assert_uint_eq(f.unfinished_here, here);
		f = scan_segment(&w, 1);
		assert_complete(&f, WALFACTS_SWITCHED);
		ck_assert_uint_eq(f.cont_len, 24 - here);
		ck_assert_uint_eq(f.first_lsn, LSN_NONE);
		ck_assert_uint_eq(f.last_ended, LSN_NONE);
		f = scan_segment(&w, 2);
		assert_complete(&f, 0);
		ck_assert_uint_eq(f.first_prev, lsn);
		walmaker_end(&w);
	}
}
END_TEST

START_TEST(an_abandoned_record_may_be_overwritten_in_mid_segment)
{
	struct walmaker w = WALMAKER_DEFAULT;
	uint64_t abandoned, complete;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 1);
	walmaker_fill_to(&w, w.start + 200000);
	complete = w.prev;
	abandoned = walmaker_abandon(
	    &w, 90000, w.start + 30 * (uint64_t)w.blcksz);
	ck_assert_uint_eq(w.prev, complete);
	(void)walmaker_overwrite(&w, abandoned);
	fill_segment(&w);
	f = scan_segment(&w, 0);
	assert_complete(&f, WALFACTS_OVERWRITE);
	ck_assert_uint_eq(f.last_ended, w.prev);
	ck_assert_uint_eq(f.unfinished, LSN_NONE);
	walmaker_end(&w);
}
END_TEST

/* Of the abandoned record only the first 8, 16 or 24 bytes were written. */
START_TEST(an_abandoned_record_may_have_lost_its_header)
{
	for (unsigned here = 8; here <= 24; here += 8) {
		struct walmaker w = WALMAKER_DEFAULT;
		uint64_t page, abandoned;
		struct walfacts f;

		walmaker_begin(&w, WALCHECK_START, 1);
		page = w.start + 5 * (uint64_t)w.blcksz;
		walmaker_fill_to(&w, page - here);
		abandoned = walmaker_abandon(&w, 500, page);
		ck_assert_uint_eq(abandoned, page - here);
		(void)walmaker_overwrite(&w, abandoned);
		fill_segment(&w);
		f = scan_segment(&w, 0);
		assert_complete(&f, WALFACTS_OVERWRITE);
		walmaker_end(&w);
	}
}
END_TEST

/* Begun in one segment, three segments long, given up in the last of them. */
START_TEST(an_abandoned_record_may_be_overwritten_segments_later)
{
	struct walmaker w = WALMAKER_DEFAULT;
	uint64_t abandoned, complete, first;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 3);
	walmaker_fill_to(&w, w.start + w.segsize - 80);
	complete = w.prev;
	abandoned = walmaker_abandon(&w, 5000000,
	    w.start + 2 * (uint64_t)w.segsize + 2 * (uint64_t)w.blcksz);
	first = walmaker_overwrite(&w, abandoned);
	fill_segment(&w);
	f = scan_segment(&w, 0);
	assert_complete(&f, 0);
	ck_assert_uint_eq(f.unfinished, abandoned);
	f = scan_segment(&w, 1);
	assert_complete(&f, 0);
	ck_assert_uint_eq(f.cont_len, 5000000 - 80);
	f = scan_segment(&w, 2);
	assert_complete(&f, WALFACTS_OVERWRITE);
	ck_assert_uint_eq(f.cont_len, 5000000 - 80 - capacity(&w));
	ck_assert_uint_eq(f.first_lsn, first);
	ck_assert_uint_eq(f.first_prev, complete);
	walmaker_end(&w);
}
END_TEST

START_TEST(an_abandoned_record_may_be_overwritten_at_the_first_page)
{
	struct walmaker w = WALMAKER_DEFAULT;
	uint64_t abandoned, complete;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 2);
	walmaker_fill_to(&w, w.start + w.segsize - 4000);
	complete = w.prev;
	abandoned = walmaker_abandon(&w, 9000, w.start + w.segsize);
	(void)walmaker_overwrite(&w, abandoned);
	fill_segment(&w);
	f = scan_segment(&w, 1);
	assert_complete(&f, WALFACTS_OVERWRITE | WALFACTS_OVERWRITE_FIRST);
	ck_assert_uint_eq(f.cont_len, 0);
	ck_assert_uint_eq(f.first_lsn, w.start + w.segsize + WALHDR_LONG);
	ck_assert_uint_eq(f.first_prev, complete);
	walmaker_end(&w);
}
END_TEST

/* The first segment of a timeline begins with its parent's pages. */
START_TEST(a_fork_segment_begins_with_pages_of_the_parent)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 1);
	walmaker_fill_to(&w, w.start + 50000);
	w.tli = 3;
	fill_segment(&w);
	f = scan_segment(&w, 0);
	assert_complete(&f, 0);
	ck_assert_uint_eq(f.first_tli, 1);
	ck_assert_uint_eq(f.last_tli, 3);
	walmaker_end(&w);
}
END_TEST

START_TEST(every_lawful_segment_and_page_size_is_read)
{
	static const uint32_t blocks[] = { 1024, 4096, 8192, 16384, 65536 };
	static const uint32_t segments[] = { 1 << 20, 1 << 22, 1 << 24 };

	for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; b++)
		for (size_t s = 0; s < 3; s++) {
			struct walmaker w = WALMAKER_DEFAULT;
			struct walfacts f;
			struct walscan_args args = { .max_tli = 1,
				.start_lsn = WALCHECK_START };

			w.blcksz = blocks[b];
			w.segsize = segments[s];
			walmaker_begin(&w, WALCHECK_START, 1);
			(void)walmaker_filler(&w, 300000);
			fill_segment(&w);
			if (s == 0)
				f = scan_segment(&w, 0);
			else
				f = scan_once(&args, w.bytes, w.len, w.segsize,
				    65536 + 8);
			assert_complete(&f, 0);
			ck_assert_uint_eq(f.blcksz, blocks[b]);
			ck_assert_uint_eq(f.segsize, segments[s]);
			ck_assert_uint_eq(f.last_ended, w.prev);
			walmaker_end(&w);
		}
}
END_TEST

START_TEST(every_major_version_is_read)
{
	static const uint16_t magics[] = { 0xD106, 0xD10D, 0xD110, 0xD113,
		0xD116, 0xD118 };

	for (size_t i = 0; i < 6; i++) {
		struct walmaker w = WALMAKER_DEFAULT;
		struct walfacts f;

		w.magic = magics[i];
		walmaker_begin(&w, WALCHECK_START, 1);
		(void)walmaker_commit(&w, 700, 42);
		fill_segment(&w);
		f = scan_segment(&w, 0);
		assert_complete(&f, 0);
		ck_assert_uint_eq(f.magic, magics[i]);
		ck_assert_uint_eq(f.xacts, 1);
		ck_assert_int_eq(f.xact_time_max, 42);
		walmaker_end(&w);
	}
}
END_TEST

/* A newer server's: not read, not condemned; its header counts. */
START_TEST(an_unknown_version_is_left_unread)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct walfacts f;

	w.magic = 0xD130;
	walmaker_begin(&w, WALCHECK_START, 1);
	fill_segment(&w);
	f = scan_segment(&w, 0);
	assert_flags(&f, WALFACTS_UNREAD);
	ck_assert_uint_eq(f.sysid, w.sysid);
	ck_assert_uint_eq(f.segsize, w.segsize);
	ck_assert_uint_eq(f.first_tli, 1);
	ck_assert_uint_eq(f.magic, 0xD130);
	encode_u64(w.bytes + 8, WALCHECK_START + w.segsize);
	f = scan_segment(&w, 0);
	ck_assert_uint_eq(f.flags & WALFACTS_UNREAD, 0);
	assert_ends(&f, WALCHECK_START, "page address");
	walmaker_end(&w);
}
END_TEST

START_TEST(the_removable_flag_changes_nothing)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 1);
	fill_segment(&w);
	for (size_t off = 0; off < w.len; off += w.blcksz)
		w.bytes[off + 2] |= WALHDR_BKP_REMOVABLE;
	f = scan_segment(&w, 0);
	assert_complete(&f, 0);
	walmaker_end(&w);
}
END_TEST

START_TEST(records_of_every_length_at_every_place_are_read)
{
	uint64_t state = test_seed();

	for (int round = 0; round < 10; round++) {
		struct walmaker w = WALMAKER_DEFAULT;
		struct walscan_args args = { .max_tli = 1,
			.start_lsn = WALCHECK_START };
		uint64_t end;

		w.blcksz = UINT32_C(1024) << next_random(&state) % 7;
		walmaker_begin(&w, WALCHECK_START, 2);
		end = w.start + w.segsize;
		while (w.at < end - 40000) {
			uint64_t r = next_random(&state);
			size_t most = r % 16 == 0 ? 30000 : 300;

			(void)walmaker_filler(
			    &w, (size_t)(24 + (r >> 8) % most));
		}
		fill_segment(&w);
		for (size_t i = 0; i < N_CHUNK_SIZES; i++) {
			struct walfacts f = scan_once(&args, w.bytes, w.segsize,
			    w.segsize, chunk_sizes[i]);

			assert_complete(&f, 0);
			ck_assert_uint_eq(f.last_ended, w.prev);
		}
		walmaker_end(&w);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("walscan");

	(void)test_seed();
	add_tests(s, "cuts",
	    TESTS(an_exactly_full_segment_is_complete,
	        a_record_that_goes_on_in_the_next_segment_is_told_on_both_sides,
	        a_record_header_may_be_split_over_segments,
	        a_record_header_may_be_split_over_pages,
	        a_segment_may_lie_wholly_inside_one_record,
	        a_continuation_may_end_with_the_segment));
	add_tests(s, "switch",
	    TESTS(a_switch_ends_a_segment_early,
	        a_switch_may_be_the_only_record, a_switch_may_end_with_a_page,
	        a_switch_may_straddle_the_segments_end));
	add_tests(s, "overwrite",
	    TESTS(an_abandoned_record_may_be_overwritten_in_mid_segment,
	        an_abandoned_record_may_have_lost_its_header,
	        an_abandoned_record_may_be_overwritten_segments_later,
	        an_abandoned_record_may_be_overwritten_at_the_first_page));
	add_tests(s, "kinds",
	    TESTS(a_fork_segment_begins_with_pages_of_the_parent,
	        every_lawful_segment_and_page_size_is_read,
	        every_major_version_is_read, an_unknown_version_is_left_unread,
	        the_removable_flag_changes_nothing,
	        records_of_every_length_at_every_place_are_read));
	return run_suite(s);
}
