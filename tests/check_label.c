/* SPDX-License-Identifier: PostgreSQL */
/*
 * backup_label and tablespace_map.  The labels are what servers of the majors
 * named beside them wrote; the maps follow do_pg_backup_start.
 */
#include "label.h"
#include "support.h"

/* A buffer on a text, which is not changed. */
static struct buf
of(const char *text)
{
	static uint8_t bytes[4096];
	struct buf b = { bytes, strlen(text), sizeof bytes };

	memcpy(bytes, text, b.len);
	return b;
}

static int
parse(const char *text, struct label *out)
{
	struct buf b = of(text);
	struct fail f = { 0 };
	int rc = label_parse(&b, out, &f);

	if (rc != 0) {
		assert_failed(&f, FAIL_DAMAGED);
		ck_assert_str_eq(f.object, "backup_label");
	}
	return rc;
}

#define FIRST_LINES                             \
	"START WAL LOCATION: 2/A1000028 (file " \
	"0000000A00000002000000A1)\n"           \
	"CHECKPOINT LOCATION: 2/A1000060\n"     \
	"BACKUP METHOD: streamed\n"

static const char from_15[] = FIRST_LINES
    "BACKUP FROM: primary\n"
    "START TIME: 2026-11-21 02:38:56 UTC\n"
    "LABEL: probe\n"
    "START TIMELINE: 10\n";

START_TEST(a_label_is_read)
{
	struct label l;

	ck_assert_int_eq(parse(from_15, &l), 0);
	ck_assert_uint_eq(l.start_lsn, UINT64_C(0x2A1000028));
	ck_assert_uint_eq(l.checkpoint_lsn, UINT64_C(0x2A1000060));
	ck_assert_uint_eq(l.start_tli, 10);
	ck_assert(!l.from_standby);
}
END_TEST

START_TEST(a_standby_says_so)
{
	struct label l;

	ck_assert_int_eq(
	    parse(FIRST_LINES "BACKUP FROM: standby\n"
	                      "START TIME: 2026-11-21 02:38:56 UTC\n"
	                      "LABEL: x\nSTART TIMELINE: 10\n"
	                      "INCREMENTAL FROM LSN: 0/2000028\n"
	                      "INCREMENTAL FROM TLI: 1\n",
	        &l),
	    0);
	ck_assert(l.from_standby);
}
END_TEST

START_TEST(a_label_of_several_lines_says_nothing)
{
	struct label l;

	ck_assert_int_eq(
	    parse(FIRST_LINES "BACKUP FROM: primary\n"
	                      "START TIME: 2026-11-21 02:38:56 UTC\n"
	                      "LABEL: x\nSTART TIMELINE: 7\n"
	                      "BACKUP FROM: standby\nSTART TIMELINE: 10\n",
	        &l),
	    0);
	ck_assert_uint_eq(l.start_tli, 10);
	ck_assert(!l.from_standby);
}
END_TEST

START_TEST(timelines_that_differ_are_damage)
{
	struct label l;

	ck_assert_int_eq(parse(FIRST_LINES "BACKUP FROM: primary\n"
	                                   "START TIMELINE: 11\n",
	                     &l),
	    -1);
	ck_assert_int_eq(parse(FIRST_LINES "BACKUP FROM: primary\n"
	                                   "START TIMELINE: what\n",
	                     &l),
	    -1);
	ck_assert_int_eq(parse(FIRST_LINES "BACKUP FROM: primary\n"
	                                   "START TIMELINE: 4294967306\n",
	                     &l),
	    -1);
}
END_TEST

START_TEST(a_label_without_its_lines_is_damaged)
{
	static const char *const bad[] = { "", "\n",
		"START WAL LOCATION: ", "CHECKPOINT LOCATION: 2/A1000060\n",
		"START WAL LOCATION: 2/A1000028\n",
		"START WAL LOCATION: x (file 0000000A00000002000000A1)\n",
		"START WAL LOCATION: 2/A1000028 (file 0000000A.history)\n",
		"START WAL LOCATION: 2/A1000028 (file 0000000A00000002)\n",
		"START WAL LOCATION: 2/A1000028 (file "
		"0000000A00000002000000A1)\nLABEL: x\n",
		"START WAL LOCATION: 2/A1000028 (file "
		"0000000A00000002000000A1)\nCHECKPOINT LOCATION: 1\n" };
	struct label l;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(parse(bad[i], &l) == -1, "'%s'", bad[i]);
}
END_TEST

START_TEST(a_label_cut_short_anywhere_is_not_misread)
{
	struct label l;
	struct fail f = { 0 };

	for (size_t len = 0; len < sizeof from_15; len++) {
		struct buf b = of(from_15);

		b.len = len;
		if (label_parse(&b, &l, &f) != 0) {
			assert_failed(&f, FAIL_DAMAGED);
			continue;
		}
		ck_assert_uint_eq(l.start_lsn, UINT64_C(0x2A1000028));
		ck_assert_uint_eq(l.start_tli, 10);
	}
}
END_TEST

START_TEST(a_nul_in_a_line_is_damage)
{
	struct buf b = of(from_15);
	struct label l;
	struct fail f = { 0 };

	b.data[24] = '\0';
	ck_assert_int_eq(label_parse(&b, &l, &f), -1);
	assert_failed(&f, FAIL_DAMAGED);
}
END_TEST

static int
parse_map(const char *text, int major, struct tablespace_map *m)
{
	struct buf b = of(text);
	struct fail f = { 0 };
	int rc = tablespace_map_parse(&b, major, m, &f);

	if (rc != 0) {
		assert_failed(&f, FAIL_DAMAGED);
		ck_assert_ptr_null(m->list);
	}
	return rc;
}

START_TEST(a_map_is_read)
{
	struct tablespace_map m;

	ck_assert_int_eq(
	    parse_map("16384 /a b\n4294967295 /new\\\nline\n", 15, &m), 0);
	ck_assert_uint_eq(m.n, 2);
	ck_assert_uint_eq(m.list[0].oid, 16384);
	ck_assert_str_eq(m.list[0].path, "/a b");
	ck_assert_uint_eq(m.list[1].oid, UINT32_MAX);
	ck_assert_str_eq(m.list[1].path, "/new\nline");
	tablespace_map_clear(&m);
	ck_assert_int_eq(parse_map("", 15, &m), 0);
	ck_assert_uint_eq(m.n, 0);
	tablespace_map_clear(&m);
}
END_TEST

START_TEST(a_backslash_is_doubled_from_14_on)
{
	struct tablespace_map m;

	ck_assert_int_eq(parse_map("16384 /a\\\\b\n", 14, &m), 0);
	ck_assert_str_eq(m.list[0].path, "/a\\b");
	tablespace_map_clear(&m);
	ck_assert_int_eq(parse_map("16384 /a\\b\\\\c\n", 13, &m), 0);
	ck_assert_str_eq(m.list[0].path, "/a\\b\\\\c");
	tablespace_map_clear(&m);
}
END_TEST

START_TEST(lines_that_are_none_are_damage)
{
	static const char *const bad[] = { "16384 /a", "16384\n", "16384 \n",
		"x /a\n", "0 /a\n", "4294967296 /a\n", " 16384 /a\n", "-1 /a\n",
		"16384 /a\n16385 /b\\\n", "16384\t/a\n" };
	struct tablespace_map m;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(parse_map(bad[i], 15, &m) == -1, "'%s'", bad[i]);
}
END_TEST

/* A path of bytes that need care, never empty. */
static char *
random_path(uint64_t *random, bool last_is_plain)
{
	static const char bytes[] = "\\\\\n\r /ab\xff";
	size_t len = 1 + next_random(random) % 20;
	char *path = calloc(1, len + 1);

	for (size_t i = 0; i < len; i++)
		path[i] = bytes[next_random(random) % (sizeof bytes - 1)];
	if (last_is_plain)
		path[len - 1] = 'z';
	return path;
}

START_TEST(every_path_survives_in_every_major)
{
	uint64_t random = test_seed();

	for (int i = 0; i < 3000; i++) {
		int major = 13 + i % 6;
		struct tablespace list[3];
		struct tablespace_map m = { list, 3 }, back;
		struct buf b = { 0 };
		struct fail f = { 0 };

		for (uint32_t j = 0; j < 3; j++) {
			list[j].oid = 1 + (uint32_t)next_random(&random) % 9999;
			list[j].path = random_path(&random, major == 13);
		}
		require(tablespace_map_format(&m, major, &b) == 0);
		require(tablespace_map_parse(&b, major, &back, &f) == 0);
		require(back.n == 3);
		for (int j = 0; j < 3; j++) {
			require(back.list[j].oid == list[j].oid);
			ck_assert_str_eq(back.list[j].path, list[j].path);
			free(list[j].path);
		}
		tablespace_map_clear(&back);
		buf_clear(&b);
	}
}
END_TEST

START_TEST(what_13_cannot_read_is_not_written)
{
	char path[] = "/a\\";
	struct tablespace one = { 16384, path };
	struct tablespace_map m = { &one, 1 };
	struct buf b = { 0 };

	errno = 0;
	ck_assert_int_eq(tablespace_map_format(&m, 13, &b), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(tablespace_map_format(&m, 14, &b), 0);
	buf_clear(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("label");

	add_tests(s, "backup_label",
	    TESTS(a_label_is_read, a_standby_says_so,
	        a_label_of_several_lines_says_nothing,
	        timelines_that_differ_are_damage,
	        a_label_without_its_lines_is_damaged,
	        a_label_cut_short_anywhere_is_not_misread,
	        a_nul_in_a_line_is_damage));
	add_tests(s, "tablespace_map",
	    TESTS(a_map_is_read, a_backslash_is_doubled_from_14_on,
	        lines_that_are_none_are_damage,
	        every_path_survives_in_every_major,
	        what_13_cannot_read_is_not_written));
	return run_suite(s);
}
