/* SPDX-License-Identifier: PostgreSQL */
/*
 * Numbers with units, and times.  Seconds since 1970 were printed by date -u.
 */
#include "clock.h"
#include "support.h"
#include "units.h"

struct number {
	const char *text;
	uint64_t value;
};

static void
assert_parses(enum units_kind kind, const struct number *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = 12345;
		const char *why = NULL;

		ck_assert_msg(
		    units_parse(numbers[i].text, kind, &value, &why) == 0,
		    "'%s': %s", numbers[i].text, why);
		ck_assert_msg(value == numbers[i].value, "'%s' is %" PRIu64,
		    numbers[i].text, value);
	}
}

static void
assert_refuses(enum units_kind kind, const char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = 0;
		const char *why = NULL;

		ck_assert_msg(units_parse(texts[i], kind, &value, &why) == -1,
		    "'%s' is %" PRIu64, texts[i], value);
		ck_assert_ptr_nonnull(why);
	}
}

START_TEST(sizes_take_binary_units)
{
	static const struct number good[] = {
		{ "0", 0 },
		{ "512", 512 },
		{ "512B", 512 },
		{ "1KiB", 1024 },
		{ "1kB", 1024 },
		{ "1KB", 1024 },
		{ "64MiB", 67108864 },
		{ "64MB", 67108864 },
		{ "3GiB", UINT64_C(3221225472) },
		{ "2TB", UINT64_C(2199023255552) },
		{ "18446744073709551615", UINT64_MAX },
		{ "16777215TiB", UINT64_C(16777215) << 40 },
	};
	static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "1 MiB",
		"1.5MiB", "0x10", "MiB", "1mib", "1M", "1s",
		"18446744073709551616", "16777216TiB", "99999999999999999999" };

	assert_parses(UNITS_BYTES, good, sizeof good / sizeof good[0]);
	assert_refuses(UNITS_BYTES, bad, sizeof bad / sizeof bad[0]);
}
END_TEST

START_TEST(a_bare_duration_means_seconds)
{
	static const struct number good[] = { { "5", 5000 }, { "5s", 5000 },
		{ "250ms", 250 }, { "10min", 600000 }, { "2h", 7200000 },
		{ "1d", 86400000 }, { "0", 0 } };
	static const char *const bad[] = { "", "5m", "5 s", "-5s", "5sec",
		"1.5s", "18446744073709551615", "5MiB" };

	assert_parses(UNITS_MS, good, sizeof good / sizeof good[0]);
	assert_refuses(UNITS_MS, bad, sizeof bad / sizeof bad[0]);
}
END_TEST

START_TEST(a_count_takes_no_unit)
{
	static const struct number good[] = { { "0", 0 }, { "007", 7 },
		{ "12", 12 } };
	static const char *const bad[] = { "", "12s", "1KiB", "-1", "1.0",
		"twelve" };

	assert_parses(UNITS_COUNT, good, sizeof good / sizeof good[0]);
	assert_refuses(UNITS_COUNT, bad, sizeof bad / sizeof bad[0]);
}
END_TEST

START_TEST(formatted_numbers_are_read_back_exactly)
{
	static const uint64_t values[] = { 0, 1, 999, 1000, 1001, 1024, 1536,
		60000, 61000, 3600000, 86400000, 16777216, 16777217,
		UINT64_C(1) << 40, UINT64_MAX };
	static const enum units_kind kinds[] = { UNITS_COUNT, UNITS_BYTES,
		UNITS_MS };

	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
		for (size_t k = 0; k < 3; k++) {
			char text[UNITS_TEXT];
			const char *why = NULL;
			uint64_t back = 0;

			units_format(values[i], kinds[k], text);
			ck_assert_msg(
			    units_parse(text, kinds[k], &back, &why) == 0,
			    "'%s' is not read back", text);
			ck_assert_uint_eq(back, values[i]);
		}
}
END_TEST

START_TEST(numbers_are_written_in_their_largest_unit)
{
	char text[UNITS_TEXT];

	units_format(16777216, UNITS_BYTES, text);
	ck_assert_str_eq(text, "16MiB");
	units_format(300000, UNITS_MS, text);
	ck_assert_str_eq(text, "5min");
	units_format(1500, UNITS_MS, text);
	ck_assert_str_eq(text, "1500ms");
	units_format_bytes(16777216, text);
	ck_assert_str_eq(text, "16.0 MiB");
	units_format_bytes(512, text);
	ck_assert_str_eq(text, "512 B");
	units_format_bytes(1536, text);
	ck_assert_str_eq(text, "1.5 KiB");
}
END_TEST

struct moment {
	const char *text;
	int64_t unix_sec;
	int usec;
};

static int64_t
pg_time(int64_t unix_sec, int usec)
{
	return (unix_sec - 946684800) * 1000000 + usec;
}

START_TEST(times_are_parsed_in_every_zone)
{
	static const struct moment good[] = {
		{ "2000-01-01 00:00:00Z", 946684800, 0 },
		{ "2024-02-29 12:34:56.5 UTC", 1709210096, 500000 },
		{ "2024-02-29T12:34:56.000001+00", 1709210096, 1 },
		{ "2024-02-29 13:34:56+01", 1709210096, 0 },
		{ "2024-02-29 18:04:56+05:30", 1709210096, 0 },
		{ "2024-02-29 18:04:56 +0530", 1709210096, 0 },
		{ "2024-02-29 07:34:56-05", 1709210096, 0 },
		{ "2024-03-01 01:34:56+13", 1709210096, 0 },
		{ "2026-11-20 02:00:03.123456+00", 1795140003, 123456 },
		{ "2026-11-20 02:00Z", 1795140000, 0 },
		{ "1999-12-31 23:59:59+00", 946684799, 0 },
		{ "1900-03-01 00:00:00Z", -2203891200, 0 },
		{ "2100-03-01 00:00:00Z", 4107542400, 0 },
	};

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		int64_t time = 0;
		const char *why = NULL;

		ck_assert_msg(
		    clock_parse(good[i].text, false, &time, &why) == 0,
		    "'%s': %s", good[i].text, why);
		ck_assert_msg(time == pg_time(good[i].unix_sec, good[i].usec),
		    "'%s' is %" PRId64, good[i].text, time);
	}
}
END_TEST

START_TEST(a_time_without_a_zone_needs_the_utc_option)
{
	int64_t time = 0;
	const char *why = NULL;

	ck_assert_int_eq(
	    clock_parse("2024-02-29 12:34:56", false, &time, &why), -1);
	ck_assert_ptr_nonnull(strstr(why, "zone"));
	ck_assert_int_eq(
	    clock_parse("2024-02-29 12:34:56", true, &time, &why), 0);
	ck_assert_int_eq(time, pg_time(1709210096, 0));
	/* A zone that is given counts, with the option too. */
	ck_assert_int_eq(
	    clock_parse("2024-02-29 13:34:56+01", true, &time, &why), 0);
	ck_assert_int_eq(time, pg_time(1709210096, 0));
}
END_TEST

START_TEST(what_is_not_a_time_is_refused)
{
	static const char *const bad[] = { "", "now", "2024-02-30 00:00:00Z",
		"2023-02-29 00:00:00Z", "1900-02-29 00:00:00Z",
		"2100-02-29 00:00:00Z", "2024-13-01 00:00:00Z",
		"2024-00-01 00:00:00Z", "2024-01-00 00:00:00Z",
		"2024-04-31 00:00:00Z", "2024-01-01 24:00:00Z",
		"2024-01-01 00:60:00Z", "2024-01-01 00:00:60Z",
		"2024-01-01 00:00:00.Z", "2024-01-01 00:00:00.1234567Z",
		"2024-01-01", "2024-01-01 00Z", "24-01-01 00:00:00Z",
		"2024-1-1 00:00:00Z", "2024-01-01 00:00:00 CET",
		"2024-01-01 00:00:00+1", "2024-01-01 00:00:00+16",
		"2024-01-01 00:00:00+01:60", "2024-01-01 00:00:00+01:00x",
		"2024-01-01 00:00:00+01:", " 2024-01-01 00:00:00Z",
		"2024-01-01 00:00:00Z ", "2024/01/01 00:00:00Z",
		"2024-01-01  00:00:00Z", "-024-01-01 00:00:00Z" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		int64_t time = 0;
		const char *why = NULL;

		ck_assert_msg(clock_parse(bad[i], false, &time, &why) == -1,
		    "'%s' is %" PRId64, bad[i], time);
		ck_assert_ptr_nonnull(why);
	}
}
END_TEST

START_TEST(times_before_2000_are_rounded_down)
{
	char text[CLOCK_TEXT];

	clock_format(-1, text);
	ck_assert_str_eq(text, "1999-12-31 23:59:59.999999+00");
	clock_format(-1000000, text);
	ck_assert_str_eq(text, "1999-12-31 23:59:59.000000+00");
	clock_format(0, text);
	ck_assert_str_eq(text, "2000-01-01 00:00:00.000000+00");
	clock_format_compact(-1, text);
	ck_assert_str_eq(text, "19991231T235959Z");
	clock_format_compact(pg_time(1795140003, 999999), text);
	ck_assert_str_eq(text, "20261120T020003Z");
}
END_TEST

START_TEST(every_formatted_time_is_read_back)
{
	uint64_t state = test_seed();

	for (int i = 0; i < 20000; i++) {
		/* From year 1 to 9999. */
		int64_t span = INT64_C(9998) * 365 * 86400;
		int64_t sec = (int64_t)(next_random(&state) % (uint64_t)span) -
		    INT64_C(62135596800);
		int64_t time = pg_time(
		    sec, (int)(next_random(&state) % 1000000));
		int64_t back = 0;
		char text[CLOCK_TEXT];
		const char *why = NULL;

		clock_format(time, text);
		ck_assert_msg(clock_parse(text, false, &back, &why) == 0,
		    "'%s': %s", text, why);
		ck_assert_msg(back == time, "'%s'", text);
	}
}
END_TEST

START_TEST(absurd_times_are_formatted_without_overrun)
{
	static const int64_t times[] = { INT64_MIN, INT64_MIN + 1, INT64_MAX };

	for (size_t i = 0; i < 3; i++) {
		char text[CLOCK_TEXT];

		clock_format(times[i], text);
		ck_assert_uint_lt(strlen(text), CLOCK_TEXT);
		clock_format_compact(times[i], text);
		ck_assert_uint_lt(strlen(text), CLOCK_TEXT);
	}
}
END_TEST

START_TEST(a_deadline_that_has_passed_leaves_nothing)
{
	ck_assert_int_eq(deadline_left(deadline_in(-1000)), 0);
	ck_assert_int_eq(deadline_left(deadline_in(0)), 0);
	ck_assert_int_gt(deadline_left(deadline_in(600000)), 500000);
	ck_assert_int_le(deadline_left(deadline_in(600000)), 600000);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("clock");

	(void)test_seed();
	add_tests(s, "units",
	    TESTS(sizes_take_binary_units, a_bare_duration_means_seconds,
	        a_count_takes_no_unit, formatted_numbers_are_read_back_exactly,
	        numbers_are_written_in_their_largest_unit));
	add_tests(s, "clock",
	    TESTS(times_are_parsed_in_every_zone,
	        a_time_without_a_zone_needs_the_utc_option,
	        what_is_not_a_time_is_refused,
	        times_before_2000_are_rounded_down,
	        every_formatted_time_is_read_back,
	        absurd_times_are_formatted_without_overrun,
	        a_deadline_that_has_passed_leaves_nothing));
	return run_suite(s);
}
