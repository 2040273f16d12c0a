/* SPDX-License-Identifier: PostgreSQL */
/*
 * Damage in a WAL segment: the chain ends, and it ends behind the last record
 * that is good, whatever was done to the bytes.
 */
#include "walcheck.h"

#define PAGE ((uint64_t)8192)

/* A full segment; records[] are where its records begin. */
struct victim {
	struct walmaker w;
	uint64_t records[8192];
	size_t n;
};

static void
begin_victim(struct victim *v)
{
	struct walmaker w = WALMAKER_DEFAULT;
	uint64_t end, room;

	v->w = w;
	v->n = 0;
	walmaker_begin(&v->w, WALCHECK_START, 1);
	end = v->w.start + v->w.segsize;
	while ((room = walmaker_room(&v->w, v->w.at, end)) > 0) {
		/* Multiples of 8: no padding that nothing covers. */
		uint64_t n = 64 + v->n * 8 % 1000;

		if (v->n == 300)
			n = 20000;
		if (room < n + WALRECORD_HEADER)
			n = room;
		ck_assert_uint_lt(v->n, 8192);
		v->records[v->n++] = walmaker_filler(&v->w, (size_t)n);
	}
}

/* The record that the byte at lsn belongs to. */
static size_t
record_of(const struct victim *v, uint64_t lsn)
{
	size_t i = 0;

	while (i + 1 < v->n && v->records[i + 1] <= lsn)
		i++;
	return i;
}

static struct walfacts
scan_victim(struct victim *v)
{
	struct walscan_args args = { .max_tli = 1, .start_lsn = v->w.start };

	return scan_once(&args, v->w.bytes, v->w.len, v->w.segsize, SIZE_MAX);
}

START_TEST(a_changed_byte_of_a_record_ends_the_chain_before_it)
{
	struct victim v;
	uint64_t state = test_seed();

	begin_victim(&v);
	for (int round = 0; round < 3000; round++) {
		uint64_t at = v.w.start +
		    next_random(&state) % (v.w.len - PAGE);
		uint8_t *p = walmaker_at(&v.w, at);
		uint8_t bit = (uint8_t)(1 << next_random(&state) % 8);
		size_t r = record_of(&v, at);
		uint64_t header = at % v.w.segsize < PAGE ? WALHDR_LONG
		                                          : WALHDR_SHORT;
		struct walfacts f;

		if (at % PAGE < header)
			continue;
		*p ^= bit;
		f = scan_victim(&v);
		ck_assert_msg((f.flags & WALFACTS_COMPLETE) == 0,
		    "bit %x at %" PRIX64 " does no harm", bit, at);
		ck_assert_uint_le(f.end_lsn, v.records[r]);
		/* Not before the page that its record begins behind. */
		ck_assert_uint_ge(f.end_lsn + WALHDR_LONG, v.records[r]);
		*p ^= bit;
	}
	assert_complete(
	    &(struct walfacts){ .flags = scan_victim(&v).flags }, 0);
	walmaker_end(&v.w);
}
END_TEST

/* Bytes of a page header, the first page's left out, that mean something. */
START_TEST(a_changed_bit_of_a_page_header_ends_the_chain_before_it)
{
	struct victim v;

	begin_victim(&v);
	for (uint64_t page = 1; page < 128; page += 9)
		for (unsigned i = 0; i < 20 * 8; i++) {
			uint64_t at = v.w.start + page * PAGE;
			uint8_t *p = walmaker_at(&v.w, at);
			bool continued = p[2] & WALHDR_FIRST_IS_CONTRECORD;
			size_t r = record_of(&v, at);
			struct walfacts f;

			if (i == 16 + 2)
				continue; /* removable: of no meaning */
			if (i == 16 + 3 && !continued)
				continue; /* overwrite, but nothing to */
			if (i >= 16 * 8 && !continued)
				continue;
			p[i / 8] ^= (uint8_t)(1 << i % 8);
			f = scan_victim(&v);
			ck_assert_msg((f.flags & WALFACTS_COMPLETE) == 0,
			    "bit %u of page %" PRIu64 " does no harm", i, page);
			ck_assert_uint_le(f.end_lsn, at);
			ck_assert_uint_ge(
			    f.end_lsn, continued ? v.records[r] : at);
			p[i / 8] ^= (uint8_t)(1 << i % 8);
		}
	walmaker_end(&v.w);
}
END_TEST

START_TEST(a_wrong_link_ends_the_chain_though_its_checksum_is_right)
{
	for (unsigned split = 0; split <= 1; split++) {
		struct walmaker w = WALMAKER_DEFAULT;
		struct walfacts f;
		uint64_t lsn;

		walmaker_begin(&w, WALCHECK_START, 1);
		walmaker_fill_to(&w, w.start + 9 * PAGE - (split ? 16 : 4000));
		w.prev -= 8;
		lsn = walmaker_filler(&w, 200);
		fill_segment(&w);
		f = scan_segment(&w, 0);
		assert_ends(&f, lsn, "xl_prev");
		assert_flags(&f, 0);
		walmaker_end(&w);
	}
}
END_TEST

START_TEST(a_zero_page_in_the_middle_ends_the_chain)
{
	struct victim v;
	struct walfacts f;
	uint64_t at;

	begin_victim(&v);
	at = v.w.start + 64 * PAGE;
	memset(walmaker_at(&v.w, at), 0, PAGE);
	f = scan_segment(&v.w, 0);
	assert_ends(&f, v.records[record_of(&v, at)], "page address");
	/* What follows is not zero. */
	assert_flags(&f, 0);
	walmaker_end(&v.w);
}
END_TEST

/* An old segment's file, renamed for use again: only its beginning is new. */
START_TEST(a_stale_page_ends_the_chain)
{
	struct victim v;
	struct walfacts f;
	uint64_t at;
	uint8_t *p;

	begin_victim(&v);
	at = v.w.start + 64 * PAGE;
	p = walmaker_at(&v.w, at);
	encode_u64(p + 8, at - 5 * (uint64_t)v.w.segsize);
	f = scan_segment(&v.w, 0);
	assert_ends(&f, v.records[record_of(&v, at)], "page address");
	assert_flags(&f, 0);
	walmaker_end(&v.w);
}
END_TEST

START_TEST(a_segment_of_another_place_ends_at_once)
{
	struct victim v;
	struct walfacts f;

	begin_victim(&v);
	f = scan_bytes(
	    v.w.bytes, v.w.len, v.w.segsize, WALCHECK_START + v.w.segsize, 1);
	assert_ends(&f, WALCHECK_START + v.w.segsize, "page address");
	walmaker_end(&v.w);
}
END_TEST

START_TEST(a_page_of_a_higher_timeline_ends_the_chain)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 1);
	w.tli = 2;
	walmaker_fill_to(&w, w.start + 9 * PAGE);
	w.tli = 3;
	fill_segment(&w);
	w.tli = 2;
	f = scan_segment(&w, 0);
	assert_ends(&f, w.start + 9 * PAGE, "timeline");
	f = scan_bytes(w.bytes, w.len, w.segsize, w.start, 1);
	assert_ends(&f, w.start, "timeline");
	walmaker_end(&w);
}
END_TEST

START_TEST(a_timeline_that_goes_back_or_is_zero_ends_the_chain)
{
	for (uint32_t tli = 0; tli <= 1; tli++) {
		struct walmaker w = WALMAKER_DEFAULT;
		struct walfacts f;

		walmaker_begin(&w, WALCHECK_START, 1);
		w.tli = 2;
		walmaker_fill_to(&w, w.start + 9 * PAGE);
		w.tli = tli;
		fill_segment(&w);
		w.tli = 2;
		f = scan_segment(&w, 0);
		assert_ends(&f, w.start + 9 * PAGE, "timeline");
		walmaker_end(&w);
	}
}
END_TEST

START_TEST(another_clusters_segment_ends_the_chain_of_a_continuous_scan)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 2);
	fill_segment(&w);
	w.sysid++;
	fill_segment(&w);
	f = scan_bytes(w.bytes, w.len, w.len, w.start, 1);
	assert_ends(&f, w.start + w.segsize, "cluster");
	walmaker_end(&w);
}
END_TEST

START_TEST(zeros_to_the_end_are_told_from_other_bytes)
{
	struct walmaker w = WALMAKER_DEFAULT;
	uint64_t end;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 1);
	walmaker_fill_to(&w, w.start + 300000);
	end = w.at;
	f = scan_segment(&w, 0);
	assert_ends(&f, end, "ends here");
	assert_flags(&f, WALFACTS_TAIL_ZERO);
	w.bytes[w.len - 1] = 1;
	f = scan_segment(&w, 0);
	assert_ends(&f, end, "ends here");
	assert_flags(&f, 0);
	walmaker_end(&w);
}
END_TEST

START_TEST(zeros_may_begin_with_a_page)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 1);
	walmaker_fill_to(&w, w.start + 64 * PAGE);
	f = scan_segment(&w, 0);
	assert_ends(&f, w.start + 64 * PAGE, "page address");
	assert_flags(&f, WALFACTS_TAIL_ZERO);
	walmaker_end(&w);
}
END_TEST

START_TEST(a_header_and_nothing_else_is_not_complete)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 1);
	walmaker_page(&w, 0);
	f = scan_segment(&w, 0);
	assert_ends(&f, w.start + WALHDR_LONG, "ends here");
	assert_flags(&f, WALFACTS_TAIL_ZERO);
	ck_assert_uint_eq(f.first_lsn, LSN_NONE);
	walmaker_end(&w);
}
END_TEST

START_TEST(zeros_and_text_are_no_segment)
{
	static uint8_t bytes[1 << 20];
	struct walfacts f;

	f = scan_bytes(bytes, sizeof bytes, sizeof bytes, WALCHECK_START, 1);
	assert_ends(&f, WALCHECK_START, "header");
	memset(bytes, 'x', sizeof bytes);
	f = scan_bytes(bytes, sizeof bytes, sizeof bytes, WALCHECK_START, 1);
	assert_ends(&f, WALCHECK_START, "header");
	assert_flags(&f, 0);
}
END_TEST

START_TEST(junk_behind_a_switch_ends_the_chain)
{
	static const uint64_t places[] = { 100024, 110000, 13 * PAGE, 14 * PAGE,
		(1 << 20) - 1 };

	for (size_t i = 0; i < 5; i++) {
		struct walmaker w = WALMAKER_DEFAULT;
		uint64_t lsn, end;
		struct walfacts f;

		walmaker_begin(&w, WALCHECK_START, 1);
		walmaker_fill_to(&w, w.start + 100000);
		lsn = walmaker_switch(&w);
		end = lsn + WALRECORD_HEADER;
		w.bytes[places[i]] = 1;
		f = scan_segment(&w, 0);
		assert_ends(&f, end, "switch");
		ck_assert_uint_eq(f.last_ended, lsn);
		ck_assert_uint_eq(f.flags & WALFACTS_TAIL_ZERO, 0);
		walmaker_end(&w);
	}
}
END_TEST

START_TEST(junk_behind_the_rest_of_a_switch_ends_the_chain)
{
	static const uint64_t places[] = { 64, 8191, 8192, (1 << 20) - 1 };

	for (unsigned here = 8; here <= 16; here += 8)
		for (size_t i = 0; i < 4; i++) {
			struct walmaker w = WALMAKER_DEFAULT;
			uint64_t rest;
			struct walfacts f;

			walmaker_begin(&w, WALCHECK_START, 2);
			walmaker_fill_to(&w, w.start + w.segsize - here);
			(void)walmaker_switch(&w);
			rest = w.start + w.segsize + WALHDR_LONG + 24 - here;
			walmaker_segment(&w, 1)[places[i]] = 1;
			f = scan_segment(&w, 1);
			assert_ends(&f, rest, "");
			ck_assert_uint_eq(f.flags & WALFACTS_TAIL_ZERO, 0);
			walmaker_end(&w);
		}
}
END_TEST

/* 8 or 16 bytes of some other record, then zeros: that is no switch. */
START_TEST(a_short_continuation_before_zeros_is_not_complete)
{
	for (unsigned rest = 8; rest <= 24; rest += 8) {
		struct walmaker w = WALMAKER_DEFAULT;
		struct walfacts f;

		walmaker_begin(&w, WALCHECK_START, 2);
		walmaker_fill_to(&w, w.start + w.segsize - 80);
		(void)walmaker_filler(&w, 80 + rest);
		f = scan_segment(&w, 1);
		assert_ends(&f, w.at, "ends here");
		assert_flags(&f, WALFACTS_TAIL_ZERO);
		walmaker_end(&w);
	}
}
END_TEST

START_TEST(a_short_file_is_not_complete)
{
	struct victim v;
	uint64_t state = test_seed();

	begin_victim(&v);
	for (int round = 0; round < 40; round++) {
		size_t len = (size_t)(next_random(&state) % v.w.len);
		struct walscan_args args = { .max_tli = 1,
			.start_lsn = v.w.start };
		struct walfacts f;

		if (round % 2 == 0)
			len -= len % PAGE;
		f = scan_once(&args, v.w.bytes, len, v.w.segsize, SIZE_MAX);
		ck_assert_uint_eq(f.flags & WALFACTS_COMPLETE, 0);
		ck_assert_ptr_nonnull(f.end_why);
		ck_assert_uint_le(f.end_lsn, v.w.start + len);
		/* No whole page is lost. */
		if (len >= 4 * PAGE)
			ck_assert_uint_ge(
			    f.end_lsn + 4 * PAGE, v.w.start + len);
	}
	walmaker_end(&v.w);
}
END_TEST

START_TEST(a_short_file_inside_a_record_ends_in_that_file)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 3);
	walmaker_fill_to(&w, w.start + w.segsize - 80);
	(void)walmaker_filler(&w, 2000000);
	f = scan_bytes(walmaker_segment(&w, 1), w.segsize - PAGE, w.segsize,
	    w.start + w.segsize, 1);
	ck_assert_uint_eq(f.flags & WALFACTS_COMPLETE, 0);
	ck_assert_uint_ge(f.end_lsn, w.start + w.segsize);
	ck_assert_uint_le(f.end_lsn, w.start + 2 * w.segsize - PAGE);
	walmaker_end(&w);
}
END_TEST

START_TEST(an_empty_file_is_not_complete)
{
	struct walfacts f = scan_bytes(
	    (const uint8_t *)"", 0, 1 << 20, WALCHECK_START, 1);

	ck_assert_uint_eq(f.flags & WALFACTS_COMPLETE, 0);
	ck_assert_ptr_nonnull(f.end_why);
}
END_TEST

START_TEST(an_unfinished_record_must_go_on_with_its_length)
{
	struct victim v;
	struct walfacts f;
	uint64_t at, lsn;
	uint8_t *p;

	begin_victim(&v);
	at = v.w.start + 64 * PAGE;
	lsn = v.records[record_of(&v, at)];
	p = walmaker_at(&v.w, at);
	ck_assert(p[2] & WALHDR_FIRST_IS_CONTRECORD);
	encode_u32(p + 16, decode_u32(p + 16) + 8);
	f = scan_segment(&v.w, 0);
	assert_ends(&f, lsn, "length");
	encode_u32(p + 16, 0);
	f = scan_segment(&v.w, 0);
	assert_ends(&f, lsn, "length");
	p[2] = 0;
	f = scan_segment(&v.w, 0);
	assert_ends(&f, lsn, "continued");
	walmaker_end(&v.w);
}
END_TEST

START_TEST(a_continuation_that_nothing_began_ends_the_chain)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct walfacts f;
	uint8_t *p;

	walmaker_begin(&w, WALCHECK_START, 1);
	walmaker_fill_to(&w, w.start + 9 * PAGE);
	fill_segment(&w);
	p = w.bytes + 9 * PAGE;
	ck_assert_uint_eq(p[2], 0);
	p[2] = WALHDR_FIRST_IS_CONTRECORD;
	encode_u32(p + 16, 40);
	f = scan_segment(&w, 0);
	assert_ends(&f, w.start + 9 * PAGE, "not begun");
	walmaker_end(&w);
}
END_TEST

START_TEST(a_record_shorter_than_its_header_ends_the_chain)
{
	struct victim v;
	struct walfacts f;
	uint64_t lsn;

	begin_victim(&v);
	lsn = v.records[77];
	for (uint32_t len = 1; len < WALRECORD_HEADER; len += 11) {
		encode_u32(walmaker_at(&v.w, lsn), len);
		f = scan_segment(&v.w, 0);
		assert_ends(&f, lsn, "length");
	}
	/* And a length of 4 GiB does not fit what the next page says. */
	encode_u32(walmaker_at(&v.w, lsn), UINT32_MAX);
	f = scan_segment(&v.w, 0);
	ck_assert_uint_eq(f.end_lsn, lsn);
	ck_assert_uint_eq(f.flags & WALFACTS_COMPLETE, 0);
	walmaker_end(&v.w);
}
END_TEST

/* Facts that stand before the damage are still there for people. */
START_TEST(what_was_good_is_still_told)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct walfacts f;
	uint64_t lsn;

	walmaker_begin(&w, WALCHECK_START, 1);
	(void)walmaker_commit(&w, 700, 1000);
	lsn = walmaker_commit(&w, 701, 2000);
	(void)walmaker_commit(&w, 702, 3000);
	fill_segment(&w);
	walmaker_at(&w, lsn + 30)[0] ^= 1;
	f = scan_segment(&w, 0);
	assert_ends(&f, lsn, "checksum");
	ck_assert_uint_eq(f.xacts, 1);
	ck_assert_int_eq(f.xact_time_max, 1000);
	ck_assert_uint_eq(f.xid_max, 700);
	walmaker_end(&w);
}
END_TEST

START_TEST(random_bytes_never_make_a_complete_segment)
{
	static uint8_t bytes[1 << 20];
	uint64_t state = test_seed();
	struct walscan_args args = { .max_tli = UINT32_MAX,
		.start_lsn = WALCHECK_START };

	for (int round = 0; round < 20; round++) {
		struct walmaker w = WALMAKER_DEFAULT;
		struct walfacts f;

		fill_random(&state, bytes, sizeof bytes);
		walmaker_begin(&w, WALCHECK_START, 1);
		walmaker_page(&w, 0);
		memcpy(bytes, w.bytes, WALHDR_LONG);
		walmaker_end(&w);
		f = scan_once(&args, bytes, sizeof bytes, sizeof bytes,
		    chunk_sizes[round % 5]);
		ck_assert_uint_eq(f.flags & WALFACTS_COMPLETE, 0);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("waldamage");

	(void)test_seed();
	add_tests(s, "bits",
	    TESTS(a_changed_byte_of_a_record_ends_the_chain_before_it,
	        a_changed_bit_of_a_page_header_ends_the_chain_before_it,
	        a_wrong_link_ends_the_chain_though_its_checksum_is_right,
	        a_record_shorter_than_its_header_ends_the_chain,
	        what_was_good_is_still_told,
	        random_bytes_never_make_a_complete_segment));
	add_tests(s, "pages",
	    TESTS(a_zero_page_in_the_middle_ends_the_chain,
	        a_stale_page_ends_the_chain,
	        a_segment_of_another_place_ends_at_once,
	        a_page_of_a_higher_timeline_ends_the_chain,
	        a_timeline_that_goes_back_or_is_zero_ends_the_chain,
	        another_clusters_segment_ends_the_chain_of_a_continuous_scan,
	        an_unfinished_record_must_go_on_with_its_length,
	        a_continuation_that_nothing_began_ends_the_chain));
	add_tests(s, "ends",
	    TESTS(zeros_to_the_end_are_told_from_other_bytes,
	        zeros_may_begin_with_a_page,
	        a_header_and_nothing_else_is_not_complete,
	        zeros_and_text_are_no_segment,
	        junk_behind_a_switch_ends_the_chain,
	        junk_behind_the_rest_of_a_switch_ends_the_chain,
	        a_short_continuation_before_zeros_is_not_complete,
	        a_short_file_is_not_complete,
	        a_short_file_inside_a_record_ends_in_that_file,
	        an_empty_file_is_not_complete));
	return run_suite(s);
}
