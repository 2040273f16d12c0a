/* SPDX-License-Identifier: PostgreSQL */
/*
 * The facts of neighbouring segments prove that they follow one another:
 * every lawful way to cross a cut joins, and no other sequence does.
 */
#include "walcheck.h"
#include "waljoin.h"

#define MAX_SEGMENTS 8

/* The facts of every segment that the maker made. */
struct row {
	struct walfacts f[MAX_SEGMENTS];
	unsigned n;
};

static void
look(struct walmaker *w, struct row *row)
{
	row->n = (unsigned)(w->len / w->segsize);
	ck_assert_uint_le(row->n, MAX_SEGMENTS);
	for (unsigned i = 0; i < row->n; i++) {
		struct walscan_args args = { .max_tli = w->tli,
			.start_lsn = w->start + (uint64_t)i * w->segsize };

		row->f[i] = scan_once(&args, walmaker_segment(w, i), w->segsize,
		    w->segsize, SIZE_MAX);
	}
}

/* From every segment on, the rest joins. */
static void
assert_row_joins(const struct row *row)
{
	for (unsigned first = 0; first < row->n; first++) {
		struct waljoin j = { .started = false };

		for (unsigned i = first; i < row->n; i++) {
			const char *why = waljoin_next(&j, &row->f[i]);

			ck_assert_msg(why == NULL, "segment %u, from %u on: %s",
			    i, first, why);
		}
	}
}

/* From first on, all join but the one at broken. */
static void
assert_breaks_at(const struct row *row, unsigned broken, const char *words)
{
	struct waljoin j = { .started = false };

	for (unsigned i = 0; i < row->n; i++) {
		const char *why = waljoin_next(&j, &row->f[i]);

		if (i != broken) {
			ck_assert_msg(why == NULL, "segment %u: %s", i, why);
			continue;
		}
		ck_assert_msg(why != NULL, "segment %u joins", i);
		ck_assert_msg(
		    strstr(why, words) != NULL, "'%s': no '%s'", why, words);
	}
}

static uint64_t
cut_of(const struct walmaker *w, unsigned i)
{
	return w->start + (uint64_t)i * w->segsize;
}

START_TEST(segments_that_end_with_a_record_join)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct row row;

	walmaker_begin(&w, WALCHECK_START, 4);
	for (int i = 0; i < 4; i++)
		fill_segment(&w);
	look(&w, &row);
	assert_row_joins(&row);
	walmaker_end(&w);
}
END_TEST

START_TEST(a_record_across_a_cut_joins_wherever_it_is_cut)
{
	for (unsigned here = 8; here <= 64; here += 8) {
		struct walmaker w = WALMAKER_DEFAULT;
		struct row row;

		walmaker_begin(&w, WALCHECK_START, 3);
		walmaker_fill_to(&w, cut_of(&w, 1) - here);
		(void)walmaker_filler(&w, here + 61);
		walmaker_fill_to(&w, cut_of(&w, 2) - here);
		(void)walmaker_filler(&w, here + 25);
		fill_segment(&w);
		look(&w, &row);
		assert_row_joins(&row);
		walmaker_end(&w);
	}
}
END_TEST

START_TEST(a_record_over_whole_segments_joins)
{
	for (unsigned rest = 0; rest <= 40; rest += 8) {
		struct walmaker w = WALMAKER_DEFAULT;
		struct row row;
		uint64_t room;

		walmaker_begin(&w, WALCHECK_START, 5);
		room = walmaker_room(&w, w.start, cut_of(&w, 1));
		walmaker_fill_to(&w, cut_of(&w, 1) - 16);
		(void)walmaker_filler(&w, (size_t)(16 + 2 * room + rest));
		fill_segment(&w);
		if (rest == 0)
			ck_assert_uint_eq(w.at, cut_of(&w, 4));
		else
			fill_segment(&w);
		while (w.at < cut_of(&w, 5))
			fill_segment(&w);
		look(&w, &row);
		assert_row_joins(&row);
		walmaker_end(&w);
	}
}
END_TEST

START_TEST(a_switch_joins_wherever_it_stands)
{
	for (unsigned here = 8; here <= 48; here += 8) {
		struct walmaker w = WALMAKER_DEFAULT;
		struct row row;

		walmaker_begin(&w, WALCHECK_START, 5);
		walmaker_fill_to(&w, cut_of(&w, 1) - here);
		(void)walmaker_switch(&w);
		(void)walmaker_switch(&w);
		while (w.at < cut_of(&w, 5))
			fill_segment(&w);
		look(&w, &row);
		assert_row_joins(&row);
		walmaker_end(&w);
	}
}
END_TEST

/* given_up is the page at which the server began anew after the crash. */
static void
check_abandoned(unsigned begun_before_cut, uint64_t given_up)
{
	struct walmaker w = WALMAKER_DEFAULT;
	uint64_t abandoned;
	struct row row;

	walmaker_begin(&w, WALCHECK_START, 5);
	walmaker_fill_to(&w, cut_of(&w, 1) - begun_before_cut);
	abandoned = walmaker_abandon(
	    &w, 9000000, w.start + given_up * w.blcksz);
	(void)walmaker_overwrite(&w, abandoned);
	while (w.at < cut_of(&w, 5))
		fill_segment(&w);
	look(&w, &row);
	assert_row_joins(&row);
	walmaker_end(&w);
}

START_TEST(an_abandoned_record_joins_wherever_it_was_given_up)
{
	static const uint64_t pages[] = { 128, 129, 130, 255, 256, 257, 300,
		384, 385 };
	static const unsigned begun[] = { 8, 16, 24, 32, 4000, 20000 };

	for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
		for (size_t b = 0; b < sizeof begun / sizeof begun[0]; b++)
			check_abandoned(begun[b], pages[i]);
}
END_TEST

/*
 * The abandoned record is the first that begins in its segment, and of its
 * header only the length was written before the crash.
 */
START_TEST(an_abandoned_record_without_its_link_may_be_the_first_of_a_segment)
{
	for (unsigned here = 8; here <= 24; here += 8) {
		struct walmaker w = WALMAKER_DEFAULT;
		uint64_t page, abandoned;
		struct row row;

		walmaker_begin(&w, WALCHECK_START, 3);
		walmaker_fill_to(&w, cut_of(&w, 1) - 80);
		page = cut_of(&w, 1) + w.blcksz;
		(void)walmaker_filler(&w,
		    (size_t)(80 +
		        walmaker_room(&w, cut_of(&w, 1), page - here)));
		ck_assert_uint_eq(w.at, page - here);
		abandoned = walmaker_abandon(&w, 500, page);
		(void)walmaker_overwrite(&w, abandoned);
		fill_segment(&w);
		fill_segment(&w);
		look(&w, &row);

		assert_row_joins(&row);
		walmaker_end(&w);
	}
}
END_TEST

/* A continuation that ends here, and an overwrite later in the segment. */
START_TEST(an_overwrite_behind_a_finished_continuation_joins)
{
	struct walmaker w = WALMAKER_DEFAULT;
	uint64_t abandoned;
	struct row row;

	walmaker_begin(&w, WALCHECK_START, 3);
	walmaker_fill_to(&w, cut_of(&w, 1) - 80);
	(void)walmaker_filler(&w, 300);
	walmaker_fill_to(&w, cut_of(&w, 1) + 100000);
	abandoned = walmaker_abandon(
	    &w, 90000, cut_of(&w, 1) + 15 * (uint64_t)w.blcksz);
	(void)walmaker_overwrite(&w, abandoned);
	fill_segment(&w);
	fill_segment(&w);
	look(&w, &row);
	assert_row_joins(&row);
	walmaker_end(&w);
}
END_TEST

START_TEST(a_fork_segment_joins_its_parent)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct row row;

	walmaker_begin(&w, WALCHECK_START, 3);
	fill_segment(&w);
	walmaker_fill_to(&w, cut_of(&w, 1) + 50000);
	w.tli = 2;
	fill_segment(&w);
	fill_segment(&w);
	look(&w, &row);
	assert_row_joins(&row);
	walmaker_end(&w);
}
END_TEST

START_TEST(a_missing_segment_does_not_join)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct row row;

	walmaker_begin(&w, WALCHECK_START, 4);
	for (int i = 0; i < 4; i++)
		fill_segment(&w);
	look(&w, &row);
	row.f[2] = row.f[3];
	row.n = 3;
	assert_breaks_at(&row, 2, "xl_prev");
	walmaker_end(&w);
}
END_TEST

/* pg_resetwal goes on numbering, and its first record follows nothing. */
START_TEST(a_reset_log_does_not_join)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct row row;

	walmaker_begin(&w, WALCHECK_START, 3);
	fill_segment(&w);
	w.prev = 0;
	fill_segment(&w);
	fill_segment(&w);
	look(&w, &row);
	assert_breaks_at(&row, 1, "xl_prev");
	walmaker_end(&w);
}
END_TEST

/* Two lines of one cluster, from the same start: a clone, or a rollback. */
START_TEST(segments_of_another_line_do_not_join)
{
	struct walmaker a = WALMAKER_DEFAULT, b = WALMAKER_DEFAULT;
	struct row row, other;

	walmaker_begin(&a, WALCHECK_START, 3);
	walmaker_begin(&b, WALCHECK_START, 3);
	(void)walmaker_filler(&b, 72);
	for (unsigned i = 1; i < 3; i++) {
		walmaker_fill_to(&a, cut_of(&a, i) - 80);
		(void)walmaker_filler(&a, 280);
		walmaker_fill_to(&b, cut_of(&b, i) - 160);
		(void)walmaker_filler(&b, 360);
	}
	fill_segment(&a);
	fill_segment(&b);
	look(&a, &row);
	look(&b, &other);
	assert_row_joins(&row);
	assert_row_joins(&other);
	/* The rest is as long in both; only the link tells. */
	ck_assert_uint_eq(row.f[2].cont_len, other.f[2].cont_len);
	row.f[2] = other.f[2];
	assert_breaks_at(&row, 2, "xl_prev");
	walmaker_end(&a);
	walmaker_end(&b);
}
END_TEST

START_TEST(an_unfinished_record_must_be_continued)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct row row;

	walmaker_begin(&w, WALCHECK_START, 2);
	walmaker_fill_to(&w, cut_of(&w, 1) - 80);
	(void)walmaker_filler(&w, 280);
	fill_segment(&w);
	look(&w, &row);
	row.f[1].cont_len = 0;
	assert_breaks_at(&row, 1, "not continued");
	row.f[1].cont_len = 208;
	assert_breaks_at(&row, 1, "not continued");
	walmaker_end(&w);
}
END_TEST

START_TEST(a_continuation_of_nothing_does_not_join)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct row row;

	walmaker_begin(&w, WALCHECK_START, 2);
	fill_segment(&w);
	fill_segment(&w);
	look(&w, &row);
	row.f[1].cont_len = 100;
	assert_breaks_at(&row, 1, "not begun");
	walmaker_end(&w);
}
END_TEST

/* On the last page of a segment a wrong length goes unnoticed; here not. */
START_TEST(a_length_made_longer_on_the_last_page_is_found_at_the_cut)
{
	struct walmaker w = WALMAKER_DEFAULT;
	uint64_t lsn;
	struct row row;

	walmaker_begin(&w, WALCHECK_START, 2);
	walmaker_fill_to(&w, cut_of(&w, 1) - 4000);
	lsn = walmaker_next(&w);
	fill_segment(&w);
	fill_segment(&w);
	encode_u32(walmaker_at(&w, lsn), 5000);
	look(&w, &row);
	assert_breaks_at(&row, 1, "not continued");
	walmaker_end(&w);
}
END_TEST

/* Behind a segment that is not whole nothing can be proved. */
START_TEST(a_chain_begins_anew_behind_damage)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct waljoin j = { .started = false };
	struct row row;

	walmaker_begin(&w, WALCHECK_START, 3);
	for (int i = 0; i < 3; i++)
		fill_segment(&w);
	walmaker_segment(&w, 1)[500000] ^= 1;
	look(&w, &row);
	ck_assert_ptr_null(waljoin_next(&j, &row.f[0]));
	ck_assert(j.started);
	(void)waljoin_next(&j, &row.f[1]);
	ck_assert(!j.started);
	ck_assert_ptr_null(waljoin_next(&j, &row.f[2]));
	ck_assert(j.started);
	walmaker_end(&w);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("waljoin");

	add_tests(s, "joins",
	    TESTS(segments_that_end_with_a_record_join,
	        a_record_across_a_cut_joins_wherever_it_is_cut,
	        a_record_over_whole_segments_joins,
	        a_switch_joins_wherever_it_stands,
	        an_abandoned_record_joins_wherever_it_was_given_up,
	        an_abandoned_record_without_its_link_may_be_the_first_of_a_segment,
	        an_overwrite_behind_a_finished_continuation_joins,
	        a_fork_segment_joins_its_parent));
	add_tests(s, "breaks",
	    TESTS(a_missing_segment_does_not_join, a_reset_log_does_not_join,
	        segments_of_another_line_do_not_join,
	        an_unfinished_record_must_be_continued,
	        a_continuation_of_nothing_does_not_join,
	        a_length_made_longer_on_the_last_page_is_found_at_the_cut,
	        a_chain_begins_anew_behind_damage));
	return run_suite(s);
}
