/* SPDX-License-Identifier: PostgreSQL */
/*
 * Timeline history files.  The texts follow what PostgreSQL 15's
 * writeTimeLineHistory makes: "%s%u\t%X/%X\t%s\n" behind the parent's file.
 */
#include "lsn.h"
#include "support.h"
#include "timeline.h"

static int
parse(const char *text, uint32_t tli, struct timeline *t)
{
	struct fail f = { 0 };
	int rc = timeline_parse(text, strlen(text), tli, "history", t, &f);

	if (rc != 0) {
		assert_failed(&f, FAIL_DAMAGED);
		ck_assert_str_eq(f.object, "history");
	}
	return rc;
}

static void
assert_parses(const char *text, uint32_t tli, size_t n)
{
	struct timeline t;

	ck_assert_msg(parse(text, tli, &t) == 0, "'%s'", text);
	ck_assert_uint_eq(t.n, n);
	ck_assert_uint_eq(t.tli, tli);
	timeline_clear(&t);
}

static void
assert_damaged(const char *text, uint32_t tli)
{
	struct timeline t;

	ck_assert_msg(parse(text, tli, &t) == -1, "'%s'", text);
	/* Nothing is left to free. */
	ck_assert_ptr_null(t.ancestors);
}

START_TEST(a_promotion_makes_one_line)
{
	struct timeline t;

	ck_assert_int_eq(
	    parse("1\t0/5000148\tno recovery target specified\n", 2, &t), 0);
	ck_assert_uint_eq(t.tli, 2);
	ck_assert_uint_eq(t.n, 1);
	ck_assert_uint_eq(t.ancestors[0].tli, 1);
	ck_assert_uint_eq(t.ancestors[0].switch_lsn, 0x5000148);
	timeline_clear(&t);
	ck_assert_ptr_null(t.ancestors);
	ck_assert_uint_eq(t.n, 0);
}
END_TEST

START_TEST(three_generations_keep_their_order)
{
	struct timeline t;

	ck_assert_int_eq(parse("1\t0/A000198\tbefore 2024-02-29 12:00:00+00\n\n"
	                       "3\t1/80\tat restore point \"x\"\n\n"
	                       "4\t1/6D002A08\tno recovery target specified\n",
	                     9, &t),
	    0);
	ck_assert_uint_eq(t.n, 3);
	ck_assert_uint_eq(t.ancestors[2].tli, 4);
	ck_assert_uint_eq(timeline_switch(&t, 1), 0xA000198);
	ck_assert_uint_eq(timeline_switch(&t, 3), UINT64_C(0x100000080));
	ck_assert_uint_eq(timeline_switch(&t, 4), UINT64_C(0x16D002A08));
	ck_assert_uint_eq(timeline_switch(&t, 9), UINT64_MAX);
	/* Not on this line. */
	ck_assert_uint_eq(timeline_switch(&t, 2), LSN_NONE);
	ck_assert_uint_eq(timeline_switch(&t, 10), LSN_NONE);
	ck_assert_uint_eq(timeline_at(&t, 0), 1);
	ck_assert_uint_eq(timeline_at(&t, 0xA000197), 1);
	ck_assert_uint_eq(timeline_at(&t, 0xA000198), 3);
	ck_assert_uint_eq(timeline_at(&t, UINT64_C(0x16D002A07)), 4);
	ck_assert_uint_eq(timeline_at(&t, UINT64_C(0x16D002A08)), 9);
	ck_assert_uint_eq(timeline_at(&t, UINT64_MAX), 9);
	timeline_clear(&t);
}
END_TEST

START_TEST(comments_blanks_and_missing_reasons_are_lawful)
{
	assert_parses("# a comment\n1\t0/3000000\treason\n", 2, 1);
	assert_parses("  # indented\n\n\t\n1\t0/3000000\n", 2, 1);
	assert_parses("1 0/3000000", 2, 1);
	assert_parses("  1   0/3000000  reason", 2, 1);
	assert_parses("1\t0/3000000\treason # not a comment\n", 2, 1);
	assert_parses("1\t0/3000000\treason\r\n2\t0/4000000\tr\r\n", 3, 2);
	assert_parses("1\t0/3000000\r\n", 2, 1);
	assert_parses("1\t0/3000000\tJ\xc3\xbcrgen\xff\n", 2, 1);
}
END_TEST

START_TEST(timelines_are_decimal_in_the_file)
{
	struct timeline t;

	ck_assert_int_eq(
	    parse("10\t0/3000000\tr\n16\t0/4000000\tr\n", UINT32_MAX, &t), 0);
	ck_assert_uint_eq(t.ancestors[0].tli, 0xA);
	ck_assert_uint_eq(t.ancestors[1].tli, 0x10);
	timeline_clear(&t);
	ck_assert_int_eq(
	    parse("4294967294\t0/3000000\tr\n", UINT32_MAX, &t), 0);
	ck_assert_uint_eq(t.ancestors[0].tli, 0xFFFFFFFE);
	ck_assert_uint_eq(timeline_switch(&t, UINT32_MAX), UINT64_MAX);
	timeline_clear(&t);
	assert_damaged("A\t0/3000000\tr\n", 20);
	assert_damaged("1A\t0/3000000\tr\n", 20);
	assert_damaged("4294967295\t0/3000000\tr\n", UINT32_MAX);
	assert_damaged("4294967296\t0/3000000\tr\n", UINT32_MAX);
	assert_damaged("4294967297\t0/3000000\tr\n", 3);
	assert_damaged("18446744073709551617\t0/3000000\tr\n", 3);
	assert_damaged("-1\t0/3000000\tr\n", UINT32_MAX);
	assert_damaged("+1\t0/3000000\tr\n", 2);
}
END_TEST

START_TEST(a_file_without_a_parent_is_damaged)
{
	assert_damaged("", 2);
	assert_damaged("\n", 2);
	assert_damaged("# nothing else\n", 2);
	assert_damaged("<html><body>404</body></html>\n", 2);
}
END_TEST

START_TEST(timelines_that_do_not_rise_are_damaged)
{
	assert_damaged("1\t0/3000000\tr\n1\t0/4000000\tr\n", 3);
	assert_damaged("2\t0/3000000\tr\n1\t0/4000000\tr\n", 3);
	assert_damaged("0\t0/3000000\tr\n", 3);
	assert_damaged("3\t0/3000000\tr\n", 3);
	assert_damaged("4\t0/3000000\tr\n", 3);
}
END_TEST

/* Recovery to the latest timeline that stops before its newest fork. */
START_TEST(switch_points_that_fall_cut_the_ancestors_before_them)
{
	struct timeline t;

	ck_assert_int_eq(parse("1\t0/4000000\tr\n2\t0/3000000\tr\n", 3, &t), 0);
	ck_assert_uint_eq(timeline_switch(&t, 1), 0x3000000);
	ck_assert_uint_eq(timeline_switch(&t, 2), 0x3000000);
	ck_assert_uint_eq(timeline_at(&t, 0x2FFFFFF), 1);
	ck_assert_uint_eq(timeline_at(&t, 0x3000000), 3);
	timeline_clear(&t);
	/* Promoted twice without a record between: the same point. */
	assert_parses("1\t0/4000000\tr\n2\t0/4000000\tr\n", 3, 2);
}
END_TEST

START_TEST(a_line_without_a_switch_point_is_damaged)
{
	assert_damaged("1\n", 2);
	assert_damaged("1\treason\n", 2);
	assert_damaged("1\t\n", 2);
	assert_damaged("1\t0/0\treason\n", 2);
	assert_damaged("1\t0/\treason\n", 2);
	assert_damaged("1\t0/3000000x\treason\n", 2);
	assert_damaged("1\t0/30000000000000000000\treason\n", 2);
	assert_damaged("10/3000000\treason\n", 2);
}
END_TEST

START_TEST(a_history_cut_short_anywhere_is_not_misread)
{
	static const char text[] = "1\t0/5000148\tr\n2\t0/6000000\tr\n";
	struct fail f;
	struct timeline t;

	for (size_t len = 0; len < strlen(text); len++) {
		char *copy = malloc(len + 1);

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, text, len);
		/* An exact copy, so that ASan sees a read behind it. */
		copy = realloc(copy, len > 0 ? len : 1);
		if (timeline_parse(copy, len, 3, "h", &t, &f) == 0) {
			ck_assert_uint_ge(t.n, 1);
			ck_assert_uint_eq(t.ancestors[0].tli, 1);
			timeline_clear(&t);
		}
		free(copy);
	}
}
END_TEST

START_TEST(a_nul_byte_is_damage)
{
	static const char zeros[64];
	static const char inside[] = "1\t0/3000000\tre\0ason\n";
	struct timeline t;
	struct fail f = { 0 };

	ck_assert_int_eq(
	    timeline_parse(zeros, sizeof zeros, 2, "h", &t, &f), -1);
	assert_failed(&f, FAIL_DAMAGED);
	memset(&f, 0, sizeof f);
	ck_assert_int_eq(
	    timeline_parse(inside, sizeof inside - 1, 2, "h", &t, &f), -1);
	assert_failed(&f, FAIL_DAMAGED);
	ck_assert_ptr_nonnull(strstr(f.cause, "line 1"));
}
END_TEST

START_TEST(the_number_of_the_bad_line_is_named)
{
	static const char text[] = "# one\n1\t0/3000000\tr\n\nnonsense\n";
	struct timeline t;
	struct fail f = { 0 };

	ck_assert_int_eq(
	    timeline_parse(text, strlen(text), 2, "h", &t, &f), -1);
	ck_assert_ptr_nonnull(strstr(f.cause, "line 4"));
}
END_TEST

START_TEST(a_huge_line_is_damage)
{
	size_t len = 100000;
	char *text = malloc(len);
	struct timeline t;
	struct fail f = { 0 };

	ck_assert_ptr_nonnull(text);
	memset(text, '1', len);
	ck_assert_int_eq(timeline_parse(text, len, 2, "h", &t, &f), -1);
	assert_failed(&f, FAIL_DAMAGED);
	free(text);
}
END_TEST

START_TEST(five_hundred_generations_are_read)
{
	struct buf b = { 0 };
	struct timeline t;
	struct fail f = { 0 };

	for (unsigned i = 1; i <= 500; i++) {
		char line[64];
		int n = snprintf(line, sizeof line, "%u\t%X/28\tr\n\n", i, i);

		ck_assert_int_eq(buf_append(&b, line, (size_t)n), 0);
	}
	ck_assert_int_eq(timeline_parse(b.data, b.len, 501, "h", &t, &f), 0);
	ck_assert_uint_eq(t.n, 500);
	for (uint32_t i = 1; i <= 500; i++) {
		uint64_t at = (uint64_t)i << 32 | 0x28;

		ck_assert_uint_eq(timeline_switch(&t, i), at);
		ck_assert_uint_eq(timeline_at(&t, at - 1), i);
		ck_assert_uint_eq(timeline_at(&t, at), i + 1);
	}
	timeline_clear(&t);
	buf_clear(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("timeline");

	add_tests(s, "timeline",
	    TESTS(a_promotion_makes_one_line,
	        three_generations_keep_their_order,
	        comments_blanks_and_missing_reasons_are_lawful,
	        timelines_are_decimal_in_the_file,
	        a_file_without_a_parent_is_damaged,
	        timelines_that_do_not_rise_are_damaged,
	        switch_points_that_fall_cut_the_ancestors_before_them,
	        a_line_without_a_switch_point_is_damaged,
	        a_history_cut_short_anywhere_is_not_misread,
	        a_nul_byte_is_damage, the_number_of_the_bad_line_is_named,
	        a_huge_line_is_damage, five_hundred_generations_are_read));
	return run_suite(s);
}
