/* SPDX-License-Identifier: PostgreSQL */
/*
 * PostgreSQL's backup_manifest.  The expected texts follow the documentation
 * ("Backup Manifest Format") and what pg_basebackup 15 and 17 write; that
 * pg_verifybackup reads ours is shown by the end-to-end tests.
 */
#include "hash.h"
#include "mem.h"
#include "pgmanifest.h"
#include "sum.h"
#include "support.h"

static struct fail f;
static struct mem out;

static void
setup(void)
{
	mem_init(&out);
}

static void
teardown(void)
{
	buf_clear(&out.bytes);
}

static const char *
text(void)
{
	ck_assert_int_eq(buf_append_u8(&out.bytes, 0), 0);
	return (const char *)out.bytes.data;
}

static void
write_manifest(int major, const char *path)
{
	static const struct pgmanifest_range ranges[] = {
		{ 2, 0x5000148, 0x6000100 },
		{ 1, 0x4000028, 0x5000148 },
	};
	struct pgmanifest *m = pgmanifest_begin(
	    &out.stream, major, UINT64_C(7431000000000000002), &f);

	ck_assert_ptr_nonnull(m);
	/* 2026-11-20 02:00:03.5 UTC */
	if (path != NULL)
		ck_assert_int_eq(pgmanifest_file(m, path, 3,
		                     INT64_C(848455203500000), 0x12345678, &f),
		    0);
	ck_assert_int_eq(pgmanifest_end(m, ranges, 2, &f), 0);
	pgmanifest_free(m);
}

START_TEST(version_1_is_as_the_server_writes_it)
{
	static const char want[] =
	    "{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n"
	    "\"Files\": [\n"
	    "{ \"Path\": \"base/1/1255\", \"Size\": 3, "
	    "\"Last-Modified\": \"2026-11-20 02:00:03 GMT\", "
	    "\"Checksum-Algorithm\": \"CRC32C\", "
	    "\"Checksum\": \"78563412\" }\n"
	    "],\n"
	    "\"WAL-Ranges\": [\n"
	    "{ \"Timeline\": 2, \"Start-LSN\": \"0/5000148\", "
	    "\"End-LSN\": \"0/6000100\" },\n"
	    "{ \"Timeline\": 1, \"Start-LSN\": \"0/4000028\", "
	    "\"End-LSN\": \"0/5000148\" }\n"
	    "],\n";

	write_manifest(16, "base/1/1255");
	ck_assert_msg(strncmp(text(), want, strlen(want)) == 0, "%s", text());
}
END_TEST

START_TEST(version_2_names_the_system)
{
	static const char want[] =
	    "{ \"PostgreSQL-Backup-Manifest-Version\": 2,\n"
	    "\"System-Identifier\": 7431000000000000002,\n"
	    "\"Files\": [\n";

	write_manifest(17, "x");
	ck_assert_msg(strncmp(text(), want, strlen(want)) == 0, "%s", text());
}
END_TEST

START_TEST(its_checksum_is_that_of_all_lines_before)
{
	struct sha256 *h = sha256_new();
	char sum[SHA256_TEXT], line[128];
	const char *last;

	write_manifest(15, "x");
	last = strstr(text(), "\"Manifest-Checksum\"");
	ck_assert_ptr_nonnull(last);
	sha256_update(h, text(), (size_t)(last - text()));
	sha256_text(h, sum);
	sha256_free(h);
	(void)snprintf(
	    line, sizeof line, "\"Manifest-Checksum\": \"%s\"}\n", sum);
	ck_assert_str_eq(last, line);
}
END_TEST

START_TEST(paths_are_escaped_or_encoded)
{
	static const struct {
		const char *path, *want;
	} cases[] = {
		{ "a\"b\\c", "\"Path\": \"a\\\"b\\\\c\"" },
		{ "a\nb", "\"Path\": \"a\\u000ab\"" },
		{ "gr\xc3\xbc\xc3\x9f", "\"Path\": \"gr\xc3\xbc\xc3\x9f\"" },
		{ "\xf0\x9f\x98\x80", "\"Path\": \"\xf0\x9f\x98\x80\"" },
		{ "x\xff", "\"Encoded-Path\": \"78ff\"" },
		{ "\xc0\x80", "\"Encoded-Path\": \"c080\"" },
		{ "\xed\xa0\x80", "\"Encoded-Path\": \"eda080\"" },
		{ "\xc3", "\"Encoded-Path\": \"c3\"" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		out.bytes.len = 0;
		write_manifest(15, cases[i].path);
		ck_assert_msg(strstr(text(), cases[i].want) != NULL,
		    "%s in: %s", cases[i].want, text());
	}
}
END_TEST

START_TEST(times_before_2000_are_rounded_down)
{
	struct pgmanifest *m = pgmanifest_begin(&out.stream, 15, 1, &f);

	ck_assert_int_eq(pgmanifest_file(m, "x", 0, -1, 0, &f), 0);
	ck_assert_int_eq(pgmanifest_end(m, NULL, 0, &f), 0);
	pgmanifest_free(m);
	ck_assert_ptr_nonnull(strstr(text(), "\"1999-12-31 23:59:59 GMT\""));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pgmanifest");

	add_fixture_tests(s, "text", setup, teardown,
	    TESTS(version_1_is_as_the_server_writes_it,
	        version_2_names_the_system,
	        its_checksum_is_that_of_all_lines_before,
	        paths_are_escaped_or_encoded,
	        times_before_2000_are_rounded_down));
	return run_suite(s);
}
