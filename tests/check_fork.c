/* SPDX-License-Identifier: PostgreSQL */
/* Forks of timelines, as the history files in a pg_wal directory tell them. */
#include "fork.h"
#include "support.h"

#define MIB ((uint32_t)1024 * 1024)

/* A new directory with history files; each text is that of timeline i + 2. */
static const char *
make_histories(const char *name, const char *const texts[], size_t n)
{
	const char *dir = temp_subdir(name);

	for (size_t i = 0; i < n; i++) {
		char path[PATH_MAX];
		FILE *file;

		if (texts[i] == NULL)
			continue;
		(void)snprintf(
		    path, sizeof path, "%s/%08zX.history", dir, i + 2);
		file = fopen(path, "w");
		ck_assert_ptr_nonnull(file);
		ck_assert(fputs(texts[i], file) >= 0);
		ck_assert(fclose(file) == 0);
	}
	return dir;
}

static uint32_t
fenced_by(const char *dir, uint32_t tli, uint64_t segno,
    const struct control *control)
{
	struct walname name;
	uint32_t newer = 99;

	walname_segment(tli, segno, MIB, &name);
	ck_assert_int_eq(fork_fences(dir, &name, MIB, control, &newer), 0);
	return newer;
}

START_TEST(the_old_timelines_segments_end_before_the_fork)
{
	const char *dir;

	dir = make_histories(
	    "fork", (const char *[]){ "1\t0/5000148\tr\n" }, 1);
	ck_assert_uint_eq(fenced_by(dir, 1, 0x4F, NULL), 0);
	ck_assert_uint_eq(fenced_by(dir, 1, 0x50, NULL), 2);
	ck_assert_uint_eq(fenced_by(dir, 1, 0x51, NULL), 2);
	ck_assert_uint_eq(fenced_by(dir, 2, 0x50, NULL), 0);
}
END_TEST

/* On its way to timeline 3 the server restores timeline 2's history, too. */
START_TEST(a_siblings_history_fences_nothing)
{
	const char *dir;

	dir = make_histories("sibling",
	    (const char *[]){ "1\t0/5000148\tr\n", "1\t0/B000148\tr\n" }, 2);
	ck_assert_uint_eq(fenced_by(dir, 1, 0x50, NULL), 0);
	ck_assert_uint_eq(fenced_by(dir, 1, 0xAF, NULL), 0);
	ck_assert_uint_eq(fenced_by(dir, 1, 0xB0, NULL), 3);
}
END_TEST

START_TEST(a_fork_that_the_server_has_passed_is_not_its_own)
{
	struct control behind = { .tli = 1, .redo = 0x6000028 };
	struct control before = { .tli = 1, .redo = 0x4000028 };
	const char *dir;

	dir = make_histories(
	    "passed", (const char *[]){ "1\t0/5000148\tr\n" }, 1);
	ck_assert_uint_eq(fenced_by(dir, 1, 0x61, &behind), 0);
	ck_assert_uint_eq(fenced_by(dir, 1, 0x61, &before), 2);
}
END_TEST

START_TEST(switch_points_that_fall_fence_at_the_lowest)
{
	const char *dir;

	dir = make_histories("falling",
	    (const char *[]){ NULL, "1\t0/8000148\tr\n2\t0/5000148\tr\n" }, 2);
	ck_assert_uint_eq(fenced_by(dir, 1, 0x50, NULL), 3);
	ck_assert_uint_eq(fenced_by(dir, 2, 0x50, NULL), 3);
	ck_assert_uint_eq(fenced_by(dir, 1, 0x4F, NULL), 0);
}
END_TEST

START_TEST(a_directory_that_cannot_be_read_is_a_failure)
{
	struct walname name;
	uint32_t newer;

	walname_segment(1, 5, MIB, &name);
	ck_assert_int_eq(
	    fork_fences("/nowhere/at/all", &name, MIB, NULL, &newer), -1);
}
END_TEST

START_TEST(a_timelines_end_is_known_with_and_without_a_page_header)
{
	const char *dir;

	dir = make_histories("end", (const char *[]){ "1\t0/5002018\tr\n" }, 1);
	ck_assert(fork_ends(dir, 1, 0x5000000, 0x5002018));
	ck_assert(fork_ends(dir, 1, 0x5000000, 0x5002000));
	ck_assert(!fork_ends(dir, 1, 0x5000000, 0x5002010));
	ck_assert(!fork_ends(dir, 1, 0x4000000, 0x4000100));
	/* Nothing of a segment behind the fork belongs to the timeline. */
	ck_assert(fork_ends(dir, 1, 0x6000000, 0x6000100));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("fork");

	(void)temp_dir();
	add_tests(s, "fork",
	    TESTS(the_old_timelines_segments_end_before_the_fork,
	        a_siblings_history_fences_nothing,
	        a_fork_that_the_server_has_passed_is_not_its_own,
	        switch_points_that_fall_fence_at_the_lowest,
	        a_directory_that_cannot_be_read_is_a_failure,
	        a_timelines_end_is_known_with_and_without_a_page_header));
	return run_suite(s);
}
