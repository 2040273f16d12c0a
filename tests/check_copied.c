/* SPDX-License-Identifier: PostgreSQL */
/*
 * What became of the files of a backup: lists of several workers, merged.
 */
#include "copied.h"
#include "sum.h"
#include "support.h"

#define LISTS 3

static struct copied_list *lists[LISTS];
static struct fail f;

static void
setup(void)
{
	for (int i = 0; i < LISTS; i++) {
		lists[i] = copied_new("/tmp");
		ck_assert_ptr_nonnull(lists[i]);
	}
}

static void
teardown(void)
{
	for (int i = 0; i < LISTS; i++)
		copied_free(lists[i]);
}

/* A part of a file: len bytes of value `fill` from off. */
static void
add_part(int list, uint64_t index, uint64_t size, uint64_t off, uint64_t len,
    uint8_t fill)
{
	uint8_t bytes[64];
	struct manifest_piece piece = {
		.pack = 1 + (uint32_t)list, .plain_off = off, .len = len
	};
	struct copied c = { .index = index,
		.size = size,
		.mtime = (int64_t)(1000 + off),
		.pieces = &piece,
		.n_pieces = len > 0 ? 1 : 0 };

	ck_assert_uint_le(len, sizeof bytes);
	memset(bytes, fill, sizeof bytes);
	piece.crc = ~crc32c(UINT32_MAX, bytes, len);
	ck_assert_int_eq(copied_add(lists[list], &c, &f), 0);
}

static struct copied_merge *
merge(void)
{
	struct copied_merge *m = copied_merge_new(lists, LISTS, &f);

	ck_assert_ptr_nonnull(m);
	return m;
}

START_TEST(files_come_in_the_order_of_their_entries)
{
	struct copied_merge *m;
	struct copied c;
	uint32_t crc;

	add_part(0, 0, 10, 0, 10, 'a');
	add_part(1, 1, 10, 0, 10, 'b');
	add_part(0, 2, 0, 0, 0, 'c');
	add_part(2, 5, 10, 0, 10, 'd');
	add_part(1, 7, 10, 0, 10, 'e');
	/* Any number of times. */
	for (int i = 0; i < 2; i++) {
		static const uint64_t order[] = { 0, 1, 2, 5, 7 };

		m = merge();
		for (size_t k = 0; k < 5; k++) {
			ck_assert_int_eq(copied_next(m, &c, &crc, &f), 0);
			ck_assert_uint_eq(c.index, order[k]);
		}
		ck_assert_int_eq(copied_next(m, &c, &crc, &f), 1);
		copied_merge_free(m);
	}
}
END_TEST

START_TEST(parts_of_several_workers_make_one_file_with_its_crc)
{
	struct copied_merge *m;
	struct copied c;
	uint8_t bytes[150];
	uint32_t crc;

	add_part(2, 4, 150, 0, 50, 'x');
	add_part(0, 4, 150, 100, 50, 'z');
	add_part(1, 4, 150, 50, 50, 'y');
	memset(bytes, 'x', 50);
	memset(bytes + 50, 'y', 50);
	memset(bytes + 100, 'z', 50);
	m = merge();
	ck_assert_int_eq(copied_next(m, &c, &crc, &f), 0);
	ck_assert_uint_eq(c.n_pieces, 3);
	ck_assert_uint_eq(c.pieces[1].plain_off, 50);
	ck_assert_uint_eq(c.pieces[1].pack, 2);
	ck_assert_int_eq(c.mtime, 1100);
	ck_assert_uint_eq(crc, ~crc32c(UINT32_MAX, bytes, sizeof bytes));
	ck_assert_int_eq(copied_next(m, &c, &crc, &f), 1);
	copied_merge_free(m);
}
END_TEST

START_TEST(a_file_that_lost_a_part_is_passed_over)
{
	struct copied_merge *m;
	struct copied c;
	uint32_t crc;

	add_part(0, 1, 150, 0, 50, 'x'); /* the middle is missing */
	add_part(1, 1, 150, 100, 50, 'z');
	add_part(0, 2, 100, 0, 50, 'x');  /* the end is missing */
	add_part(1, 3, 100, 50, 50, 'x'); /* the beginning is missing */
	add_part(2, 9, 5, 0, 5, 'k');
	m = merge();
	ck_assert_int_eq(copied_next(m, &c, &crc, &f), 0);
	ck_assert_uint_eq(c.index, 9);
	ck_assert_int_eq(copied_next(m, &c, &crc, &f), 1);
	copied_merge_free(m);
}
END_TEST

START_TEST(no_files_are_no_files)
{
	struct copied_merge *m = merge();
	struct copied c;
	uint32_t crc;

	ck_assert_int_eq(copied_next(m, &c, &crc, &f), 1);
	copied_merge_free(m);
}
END_TEST

/* Enough that all lists go to their files, with bad blocks between. */
START_TEST(more_than_fits_in_memory_comes_back_the_same)
{
	enum { FILES = 40000 };
	struct copied_merge *m;
	struct copied c;
	uint32_t crc;

	for (uint64_t i = 0; i < FILES; i++) {
		uint32_t bad[3] = { (uint32_t)i + 2, 7, (uint32_t)i + 1 };
		struct manifest_piece piece = { .pack = 1,
			.len = i + 1,
			.off = i * 3,
			.crc = (uint32_t)i };
		struct copied one = { .index = i,
			.size = i + 1,
			.mtime = -(int64_t)i,
			.pieces = &piece,
			.n_pieces = 1,
			.bad = bad,
			.n_bad = i % 4 };

		if (i % 4 == 3)
			one.n_bad = 3;
		ck_assert_int_eq(
		    copied_add(lists[(i * 7 + i / 3) % LISTS], &one, &f), 0);
	}
	m = merge();
	for (uint64_t i = 0; i < FILES; i++) {
		ck_assert_int_eq(copied_next(m, &c, &crc, &f), 0);
		ck_assert_uint_eq(c.index, i);
		ck_assert_uint_eq(c.size, i + 1);
		ck_assert_int_eq(c.mtime, -(int64_t)i);
		ck_assert_uint_eq(c.pieces[0].off, i * 3);
		ck_assert_uint_eq(crc, i);
		ck_assert_uint_eq(c.n_bad, i % 4);
		for (size_t k = 1; k < c.n_bad; k++)
			ck_assert_uint_le(c.bad[k - 1], c.bad[k]);
	}
	ck_assert_int_eq(copied_next(m, &c, &crc, &f), 1);
	copied_merge_free(m);
}
END_TEST

/* Add files until the list goes to its file.  What became of that. */
static int
overflow(struct copied_list *l)
{
	struct copied c = { .size = 0 };
	int rc = 0;

	for (; c.index < 100000 && rc == 0; c.index++)
		rc = copied_add(l, &c, &f);
	return rc;
}

START_TEST(a_missing_directory_for_the_temporary_file_is_told)
{
	struct copied_list *l = copied_new("/nonexistent/directory");

	ck_assert_int_eq(overflow(l), -1);
	ck_assert_str_eq(f.object, "/nonexistent/directory");
	ck_assert_ptr_nonnull(strstr(f.hint, "spool_dir"));
	copied_free(l);
}
END_TEST

/* Which directory that is depends on where the program was started. */
START_TEST(a_relative_tmpdir_is_not_obeyed)
{
	struct copied_list *l;

	ck_assert_int_eq(setenv("TMPDIR", "nonexistent/directory", 1), 0);
	l = copied_new(NULL);
	ck_assert_int_eq(overflow(l), 0);
	copied_free(l);
}
END_TEST

START_TEST(an_absolute_tmpdir_is_obeyed)
{
	struct copied_list *l;

	ck_assert_int_eq(setenv("TMPDIR", "/nonexistent/directory", 1), 0);
	l = copied_new(NULL);
	ck_assert_int_eq(overflow(l), -1);
	ck_assert_str_eq(f.object, "/nonexistent/directory");
	copied_free(l);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("copied");

	add_fixture_tests(s, "lists", setup, teardown,
	    TESTS(files_come_in_the_order_of_their_entries,
	        parts_of_several_workers_make_one_file_with_its_crc,
	        a_file_that_lost_a_part_is_passed_over, no_files_are_no_files,
	        more_than_fits_in_memory_comes_back_the_same,
	        a_missing_directory_for_the_temporary_file_is_told,
	        a_relative_tmpdir_is_not_obeyed, an_absolute_tmpdir_is_obeyed));
	return run_suite(s);
}
