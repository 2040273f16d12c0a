/* SPDX-License-Identifier: PostgreSQL */
/* Names of WAL files and positions (walname.h, lsn.h). */
#include "lsn.h"
#include "support.h"
#include "walhdr.h"
#include "walname.h"

START_TEST(the_four_kinds_of_names_are_told_apart)
{
	struct walname n;

	ck_assert_int_eq(walname_parse("000000010000000A000000FF", &n), 0);
	ck_assert_int_eq(n.kind, WALNAME_SEGMENT);
	ck_assert_uint_eq(n.tli, 1);
	ck_assert_uint_eq(n.log, 0xA);
	ck_assert_uint_eq(n.seg, 0xFF);
	ck_assert_str_eq(n.text, "000000010000000A000000FF");
	ck_assert_int_eq(
	    walname_parse("0000000B0000000A000000FF.partial", &n), 0);
	ck_assert_int_eq(n.kind, WALNAME_PARTIAL);
	ck_assert_uint_eq(n.tli, 0xB);
	ck_assert_int_eq(walname_parse("FFFFFFFF.history", &n), 0);
	ck_assert_int_eq(n.kind, WALNAME_HISTORY);
	ck_assert_uint_eq(n.tli, 0xFFFFFFFF);
	ck_assert_str_eq(n.text, "FFFFFFFF.history");
	ck_assert_int_eq(
	    walname_parse("000000010000000000000002.00000028.backup", &n), 0);
	ck_assert_int_eq(n.kind, WALNAME_BACKUP);
	ck_assert_uint_eq(n.seg, 2);
	ck_assert_uint_eq(n.offset, 0x28);
}
END_TEST

START_TEST(other_names_are_refused)
{
	static const char *const bad[] = { "", "0", "00000001",
		"000000010000000A000000F", "000000010000000A000000FFF",
		"000000010000000a000000ff", "000000010000000A000000FF ",
		" 00000010000000A000000FF", "00000000000000000000000A",
		"00000000.history", "0000000G0000000A000000FF",
		"0000000100000G0A000000FF", "000000010000000A0000G0FF",
		"000000010000000A000000FF.partia",
		"000000010000000A000000FF.partials",
		"000000010000000A000000FF.PARTIAL", "000000010000000A000000FF.",
		"00000001.histor", "00000001.historyy", "0000001.history",
		"00000002.HISTORY", "000000010000000000000002.0000028.backup",
		"000000010000000000000002.000000028.backup",
		"000000010000000000000002.00000028.backu",
		"000000010000000000000002.00000028.backupp",
		"000000010000000000000002.0000002g.backup",
		"000000010000000000000002-00000028.backup",
		"000000010000000000000002.00000028.history",
		"000000010000000A000000FF.gz", "RECOVERYXLOG",
		"RECOVERYHISTORY", "../00000001.history",
		"000000010000000A/00000FF", "+0000001.history",
		"0x0000010000000A000000FF",
		"000000010000000000000002.00000028.backup.and.much.more.text" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct walname n;

		ck_assert_msg(walname_parse(bad[i], &n) == -1, "'%s'", bad[i]);
	}
}
END_TEST

START_TEST(segment_sizes_are_powers_of_two_from_1mib_to_1gib)
{
	for (int bit = 0; bit < 64; bit++) {
		uint64_t size = UINT64_C(1) << bit;

		ck_assert_int_eq(
		    walname_segsize_ok(size), bit >= 20 && bit <= 30);
		ck_assert(!walname_segsize_ok(size | 1) || size == 0);
	}
	ck_assert(!walname_segsize_ok(0));
	ck_assert(!walname_segsize_ok(UINT64_C(3) << 20));
	ck_assert(!walname_segsize_ok((UINT64_C(1) << 32) + (1 << 24)));
}
END_TEST

/* The segment behind the last one of a log is the first of the next. */
START_TEST(numbering_crosses_logs_at_every_segment_size)
{
	static const struct {
		uint32_t segsize;
		const char *last, *next;
	} cases[] = {
		{ 1 << 20, "000000070000000100000FFF",
		    "000000070000000200000000" },
		{ 1 << 24, "0000000700000001000000FF",
		    "000000070000000200000000" },
		{ 1 << 26, "00000007000000010000003F",
		    "000000070000000200000000" },
		{ 1 << 30, "000000070000000100000003",
		    "000000070000000200000000" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct walname last, next;
		uint64_t segno;

		ck_assert_int_eq(walname_parse(cases[i].last, &last), 0);
		segno = walname_segno(&last, cases[i].segsize);
		ck_assert_uint_eq(
		    segno, (UINT64_C(2) << 32) / cases[i].segsize - 1);
		walname_segment(7, segno + 1, cases[i].segsize, &next);
		ck_assert_str_eq(next.text, cases[i].next);
		walname_segment(7, segno, cases[i].segsize, &next);
		ck_assert_str_eq(next.text, cases[i].last);
		ck_assert_mem_eq(&next, &last, sizeof last);
	}
}
END_TEST

START_TEST(the_very_last_segment_has_a_name)
{
	struct walname n;

	ck_assert_int_eq(walname_parse("FFFFFFFFFFFFFFFF000000FF", &n), 0);
	ck_assert_uint_eq(walname_segno(&n, 1 << 24), UINT64_C(0xFFFFFFFFFF));
	walname_segment(0xFFFFFFFF, UINT64_C(0xFFFFFFFFFF), 1 << 24, &n);
	ck_assert_str_eq(n.text, "FFFFFFFFFFFFFFFF000000FF");
}
END_TEST

START_TEST(a_history_name_is_hexadecimal)
{
	struct walname n, parsed;

	walname_history(10, &n);
	ck_assert_str_eq(n.text, "0000000A.history");
	ck_assert_int_eq(walname_parse(n.text, &parsed), 0);
	ck_assert_uint_eq(parsed.tli, 10);
	ck_assert_mem_eq(&n, &parsed, sizeof n);
}
END_TEST

START_TEST(positions_are_written_and_read_as_postgresql_does)
{
	static const struct {
		const char *text;
		uint64_t lsn;
	} cases[] = { { "0/0", 0 }, { "0/1", 1 },
		{ "1/6D002A08", UINT64_C(0x16D002A08) },
		{ "FFFFFFFF/FFFFFFFF", UINT64_MAX },
		{ "A/B", UINT64_C(0xA0000000B) } };

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[LSN_TEXT];
		uint64_t lsn = 99;

		lsn_format(cases[i].lsn, text);
		ck_assert_str_eq(text, cases[i].text);
		ck_assert_int_eq(lsn_parse(text, &lsn), 0);
		ck_assert_uint_eq(lsn, cases[i].lsn);
	}
}
END_TEST

START_TEST(lower_case_and_leading_zeros_are_read)
{
	uint64_t lsn = 0;

	ck_assert_int_eq(lsn_parse("00000001/6d002a08", &lsn), 0);
	ck_assert_uint_eq(lsn, UINT64_C(0x16D002A08));
}
END_TEST

START_TEST(what_is_not_a_position_is_refused)
{
	static const char *const bad[] = { "", "/", "1", "1/", "/1", "1/1/",
		"1/1 ", " 1/1", "1/G", "0x1/1", "+1/1", "-1/1", "100000000/0",
		"0/100000000", "1//1", "1\\1" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		uint64_t lsn = 0;

		ck_assert_msg(lsn_parse(bad[i], &lsn) == -1, "'%s'", bad[i]);
	}
}
END_TEST

START_TEST(the_magic_number_names_the_major_version)
{
	ck_assert_int_eq(walhdr_major(0xD106), 13);
	ck_assert_int_eq(walhdr_major(0xD10D), 14);
	ck_assert_int_eq(walhdr_major(0xD110), 15);
	ck_assert_int_eq(walhdr_major(0xD113), 16);
	ck_assert_int_eq(walhdr_major(0xD116), 17);
	ck_assert_int_eq(walhdr_major(0xD118), 18);
	ck_assert_int_eq(walhdr_major(0xD121), 0);
	ck_assert_int_eq(walhdr_major(0), 0);
}
END_TEST

START_TEST(a_long_page_header_is_decoded)
{
	static const uint8_t page[WALHDR_LONG] = { 0x10, 0xD1, 0x07, 0x00, 0x03,
		0, 0, 0, 0, 0, 0, 0x02, 0x01, 0, 0, 0, 0x2A, 0, 0, 0, 0, 0, 0,
		0, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0, 1, 0, 0x20, 0, 0 };
	struct walhdr h;

	walhdr_decode(page, &h);
	ck_assert_uint_eq(h.magic, 0xD110);
	ck_assert_uint_eq(h.info, 7);
	ck_assert_uint_eq(h.tli, 3);
	ck_assert_uint_eq(h.pageaddr, UINT64_C(0x102000000));
	ck_assert_uint_eq(h.rem_len, 0x2A);
	ck_assert_uint_eq(h.sysid, UINT64_C(0x0102030405060708));
	ck_assert_uint_eq(h.segsize, 1 << 24);
	ck_assert_uint_eq(h.blcksz, 8192);
	ck_assert_uint_eq(h.size, WALHDR_LONG);
	ck_assert(walhdr_is_segment_start(&h));
}
END_TEST

START_TEST(unlawful_sizes_do_not_start_a_segment)
{
	static const uint32_t bad_blocks[] = { 0, 1, 512, 8191, 12288, 131072 };
	static const uint32_t bad_segments[] = { 0, 1, 1 << 19, 3 << 20,
		UINT32_C(1) << 31 };
	struct walhdr h = { .info = WALHDR_IS_LONG, .segsize = 1 << 24 };

	for (size_t i = 0; i < sizeof bad_blocks / sizeof bad_blocks[0]; i++) {
		h.blcksz = bad_blocks[i];
		ck_assert(!walhdr_is_segment_start(&h));
	}
	h.blcksz = 8192;
	ck_assert(walhdr_is_segment_start(&h));
	h.info = 0;
	ck_assert(!walhdr_is_segment_start(&h));
	h.info = WALHDR_IS_LONG;
	for (size_t i = 0; i < sizeof bad_segments / sizeof bad_segments[0];
	     i++) {
		h.segsize = bad_segments[i];
		ck_assert(!walhdr_is_segment_start(&h));
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("walname");

	add_tests(s, "walname",
	    TESTS(the_four_kinds_of_names_are_told_apart,
	        other_names_are_refused,
	        segment_sizes_are_powers_of_two_from_1mib_to_1gib,
	        numbering_crosses_logs_at_every_segment_size,
	        the_very_last_segment_has_a_name,
	        a_history_name_is_hexadecimal));
	add_tests(s, "lsn",
	    TESTS(positions_are_written_and_read_as_postgresql_does,
	        lower_case_and_leading_zeros_are_read,
	        what_is_not_a_position_is_refused));
	add_tests(s, "walhdr",
	    TESTS(the_magic_number_names_the_major_version,
	        a_long_page_header_is_decoded,
	        unlawful_sizes_do_not_start_a_segment));
	return run_suite(s);
}
