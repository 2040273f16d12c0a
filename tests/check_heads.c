/* SPDX-License-Identifier: PostgreSQL */
/* Index objects: their plain bytes, and what goes into them. */
#include <fcntl.h>

#include "heads.h"
#include "io.h"
#include "support.h"

#define SYSTEM "7710399568822349430.1"

/* What was found, written once more. */
struct again {
	struct buf bytes;
	size_t entries, replaced;
};

static int
again(void *arg, const struct heads_entry *e, const char *replaced)
{
	struct again *a = arg;

	if (e != NULL) {
		a->entries++;
		return heads_add(&a->bytes, e);
	}
	a->replaced++;
	return heads_add_replaced(&a->bytes, replaced);
}

static void
read_vector(struct buf *b)
{
	struct fail f;

	require(
	    io_read_file(AT_FDCWD, "tests/vectors/index", 1 << 20, b, &f) == 0);
}

START_TEST(the_vector_is_read_and_written_again)
{
	struct buf b = { 0 };
	struct again a = { 0 };
	struct fail f;

	read_vector(&b);
	ck_assert_int_eq(heads_each(&b, "vector", again, &a, &f), 0);
	ck_assert_uint_eq(a.entries, 1);
	ck_assert_uint_eq(a.replaced, 1);
	ck_assert_uint_eq(a.bytes.len, b.len);
	ck_assert_mem_eq(a.bytes.data, b.data, b.len);
	buf_clear(&a.bytes);
	buf_clear(&b);
}
END_TEST

START_TEST(one_that_is_cut_off_is_damaged)
{
	struct buf b = { 0 };
	struct fail f;
	size_t entry;

	read_vector(&b);
	entry = 6 + decode_u32(b.data + 2);
	for (size_t len = 1; len < b.len; len++) {
		struct again a = { 0 };
		struct buf cut = { .data = b.data, .len = len };

		if (len == entry)
			continue;
		ck_assert_int_eq(heads_each(&cut, "cut", again, &a, &f), -1);
		ck_assert_int_eq(f.kind, FAIL_DAMAGED);
		buf_clear(&a.bytes);
	}
	buf_clear(&b);
}
END_TEST

START_TEST(a_text_with_a_nul_is_damaged)
{
	struct buf b = { 0 };
	struct again a = { 0 };
	struct fail f;

	ck_assert_int_eq(heads_add_replaced(&b, "ab"), 0);
	b.data[b.len - 2] = '\0';
	ck_assert_int_eq(heads_each(&b, "nul", again, &a, &f), -1);
	ck_assert_int_eq(f.kind, FAIL_DAMAGED);
	buf_clear(&b);
}
END_TEST

START_TEST(what_is_critical_and_unknown_is_refused)
{
	struct buf b = { 0 };
	struct again a = { 0 };
	struct fail f;

	ck_assert_int_eq(buf_append_u16(&b, 9), 0);
	ck_assert_int_eq(buf_append_u32(&b, 0), 0);
	ck_assert_int_eq(heads_each(&b, "later", again, &a, &f), 0);
	b.data[1] = 0x80;
	ck_assert_int_eq(heads_each(&b, "later", again, &a, &f), -1);
	ck_assert_int_eq(f.kind, FAIL_CONFIG);
	buf_clear(&b);
}
END_TEST

START_TEST(headers_of_wal_and_manifests_and_small_notes_go_in)
{
	static const char backup[] = SYSTEM
	    "/backup/20261120T020003Z-full-4f2a9c1e/";
	static const struct {
		const char *key;
		enum heads_what what;
	} cases[] = {
		{ SYSTEM "/identity", HEADS_WHOLE },
		{ SYSTEM "/wal/history/00000002.history", HEADS_WHOLE },
		{ SYSTEM "/wal/00000001/00000000/000000010000000000000007",
		    HEADS_HEADER },
		{ SYSTEM "/wal/00000001/00000000/000000010000000000000007"
		         ".partial/0cb48b5fb01ec5d73b61fea0efd62af2",
		    HEADS_HEADER },
		{ SYSTEM "/wal/00000001/00000000/000000010000000000000007"
		         ".damaged-20261120T020003Z-00000001",
		    HEADS_NONE },
		{ SYSTEM "/index/20261120T020003Z-000000-4f2a9c1e",
		    HEADS_NONE },
		{ "repository", HEADS_NONE },
	};
	char key[LAYOUT_KEY_MAX];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		ck_assert_int_eq(heads_what(cases[i].key, 100), cases[i].what);
		if (cases[i].what == HEADS_WHOLE)
			ck_assert_int_eq(
			    heads_what(cases[i].key, HEADS_WHOLE_MAX + 1),
			    HEADS_NONE);
	}
	(void)snprintf(key, sizeof key, "%sbegin", backup);
	ck_assert_int_eq(heads_what(key, 100), HEADS_WHOLE);
	(void)snprintf(key, sizeof key, "%smanifest", backup);
	ck_assert_int_eq(heads_what(key, 100000), HEADS_HEADER);
	/* Leases and holds come and go. */
	(void)snprintf(key, sizeof key, "%shold-00000001", backup);
	ck_assert_int_eq(heads_what(key, 100), HEADS_NONE);
	(void)snprintf(key, sizeof key, "%spack-000001", backup);
	ck_assert_int_eq(heads_what(key, 100), HEADS_NONE);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("heads");

	add_tests(s, "index",
	    TESTS(the_vector_is_read_and_written_again,
	        one_that_is_cut_off_is_damaged, a_text_with_a_nul_is_damaged,
	        what_is_critical_and_unknown_is_refused,
	        headers_of_wal_and_manifests_and_small_notes_go_in));
	return run_suite(s);
}
