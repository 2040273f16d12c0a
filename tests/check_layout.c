/* SPDX-License-Identifier: PostgreSQL */
/* Keys of a repository, its small text files, and the repository itself. */
#include "layout.h"
#include "note.h"
#include "repository.h"
#include "storecheck.h"

static const struct layout layout = { .cluster = "main",
	.sysid = UINT64_C(7431000000000000123),
	.generation = 2 };

#define SYSTEM "main/7431000000000000123.2"

static void
assert_key(const char *name, const char *want)
{
	struct sum128 sum = { { 0x01, 0x23, 0xAB } };
	char key[LAYOUT_KEY_MAX];
	struct walname n;

	ck_assert_int_eq(walname_parse(name, &n), 0);
	layout_wal(&layout, &n, &sum, key);
	ck_assert_str_eq(key, want);
}

START_TEST(the_key_of_a_wal_file_follows_from_its_name)
{
	assert_key("000000010000000A000000FF",
	    SYSTEM "/wal/00000001/0000000A/000000010000000A000000FF");
	assert_key("000000010000000A000000FF.00000028.backup",
	    SYSTEM "/wal/00000001/0000000A/"
	           "000000010000000A000000FF.00000028.backup");
	assert_key("0000000B.history", SYSTEM "/wal/history/0000000B.history");
	assert_key("000000010000000A000000FF.partial",
	    SYSTEM "/wal/00000001/0000000A/000000010000000A000000FF.partial/"
	           "0123ab00000000000000000000000000");
}
END_TEST

START_TEST(the_other_keys_are_where_the_format_says)
{
	char key[LAYOUT_KEY_MAX];

	layout_marker(&layout, key);
	ck_assert_str_eq(key, "main/repository");
	layout_identity(&layout, key);
	ck_assert_str_eq(key, SYSTEM "/identity");
	layout_wal_prefix(&layout, key);
	ck_assert_str_eq(key, SYSTEM "/wal/");
	ck_assert_str_eq(layout_own_key(&layout, SYSTEM "/identity"),
	    "7431000000000000123.2/identity");
	/* Another cluster's name is no prefix of this one's. */
	ck_assert_str_eq(
	    layout_own_key(&layout, "mainly/repository"), "mainly/repository");
}
END_TEST

START_TEST(the_longest_keys_fit)
{
	struct layout l = layout;
	struct sum128 sum = { { 0 } };
	char key[LAYOUT_KEY_MAX], aside[LAYOUT_KEY_MAX];
	struct walname n;

	memset(l.cluster, 'c', sizeof l.cluster - 1);
	l.sysid = UINT64_MAX;
	l.generation = UINT32_MAX;
	ck_assert_int_eq(
	    walname_parse("FFFFFFFFFFFFFFFFFFFFFFFF.partial", &n), 0);
	layout_wal(&l, &n, &sum, key);
	ck_assert_ptr_nonnull(strstr(key,
	    "partial/0000000000000000000000000000"
	    "0000"));
	layout_aside(key, aside);
	ck_assert_uint_eq(strlen(aside),
	    strlen(key) + strlen(".damaged-20261120T020003Z-") + 8);
}
END_TEST

START_TEST(a_key_to_set_aside_is_never_the_same)
{
	char a[LAYOUT_KEY_MAX], b[LAYOUT_KEY_MAX];

	layout_aside("main/x/y", a);
	layout_aside("main/x/y", b);
	ck_assert_int_eq(strncmp(a, "main/x/y.damaged-", 17), 0);
	ck_assert_str_ne(a, b);
}
END_TEST

START_TEST(keys_are_told_apart_again)
{
	static const struct {
		const char *key;
		enum layout_kind kind;
		const char *name;
	} cases[] = {
		{ "00000001/0000000A/000000010000000A000000FF", LAYOUT_SEGMENT,
		    "000000010000000A000000FF" },
		{ "000000010000000A000000FF", LAYOUT_SEGMENT,
		    "000000010000000A000000FF" },
		{ "00000001/0000000A/000000010000000A000000FF.00000028.backup",
		    LAYOUT_BACKUP, "000000010000000A000000FF.00000028.backup" },
		{ "history/0000000B.history", LAYOUT_HISTORY,
		    "0000000B.history" },
		{ "00000001/0000000A/000000010000000A000000FF.partial/"
		  "0123ab00000000000000000000000000",
		    LAYOUT_PARTIAL, "000000010000000A000000FF.partial" },
		{ "00000001/0000000A/000000010000000A000000FF.partial",
		    LAYOUT_OTHER, NULL },
		{ "00000001/0000000A/000000010000000A000000FF.damaged-"
		  "20261120T020003Z-01234567",
		    LAYOUT_ASIDE, NULL },
		{ "history/0000000B.history.damaged-20261120T020003Z-01234567",
		    LAYOUT_ASIDE, NULL },
		{ "00000001/0000000A/readme", LAYOUT_OTHER, NULL },
		{ "x", LAYOUT_OTHER, NULL },
		{ "", LAYOUT_OTHER, NULL },
		{ "/", LAYOUT_OTHER, NULL },
		{ "00000001/0000000A/000000010000000a000000ff", LAYOUT_OTHER,
		    NULL },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct walname n = { .text = "" };
		enum layout_kind kind = layout_parse_wal(cases[i].key, &n);

		ck_assert_msg(kind == cases[i].kind, "'%s' is %d", cases[i].key,
		    (int)kind);
		if (cases[i].name != NULL)
			ck_assert_str_eq(n.text, cases[i].name);
	}
}
END_TEST

START_TEST(a_system_is_its_identifier_and_its_generation)
{
	uint64_t sysid = 0;
	uint32_t generation = 0;

	ck_assert_int_eq(layout_parse_system("7431.2", &sysid, &generation), 0);
	ck_assert_uint_eq(sysid, 7431);
	ck_assert_uint_eq(generation, 2);
	ck_assert_int_eq(
	    layout_parse_system("18446744073709551615.4294967295/identity",
	        &sysid, &generation),
	    0);
	ck_assert_uint_eq(sysid, UINT64_MAX);
	ck_assert_uint_eq(generation, UINT32_MAX);
}
END_TEST

START_TEST(what_is_not_a_system_is_refused)
{
	static const char *const bad[] = { "", ".", "7431", "7431.", ".1",
		"0.1", "7431.0", "-1.1", "1.-1", "7431.1x", "x.1", "7431,1",
		"repository", "7431.4294967296", "99999999999999999999.1",
		"18446744073709551616.1", " 7431.1", "+7431.1", "7431.+1",
		"7431. 1", "007431.1", "7431.01", "0x10.1" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		uint64_t sysid = 0;
		uint32_t generation = 0;

		ck_assert_msg(
		    layout_parse_system(bad[i], &sysid, &generation) == -1,
		    "'%s' is %" PRIu64 ".%" PRIu32, bad[i], sysid, generation);
	}
}
END_TEST

static struct store *
new_store(const char *name, char root[512])
{
	char url[600];

	(void)snprintf(root, 512, "%s", temp_subdir(name));
	(void)snprintf(url, sizeof url, "file://%s", root);
	return open_url(url);
}

START_TEST(a_note_gives_back_its_lines)
{
	char root[512], value[64];
	struct store *s = new_store("note", root);
	struct buf b = { 0 }, back = { 0 };
	struct fail f = { 0 };
	uint64_t number = 0;

	ck_assert_int_eq(note_add(&b, "id", "abc def"), 0);
	ck_assert_int_eq(note_add(&b, "identity", "other"), 0);
	ck_assert_int_eq(note_add_number(&b, "number", UINT64_MAX), 0);
	ck_assert_int_eq(note_write(s, "main/note", &b, &f), 0);
	ck_assert_int_eq(note_read(s, "main/note", &back, &f), 0);
	ck_assert_int_eq(
	    note_get(&back, "id", value, sizeof value, "note", &f), 0);
	ck_assert_str_eq(value, "abc def");
	ck_assert_int_eq(
	    note_get_number(&back, "number", &number, "note", &f), 0);
	ck_assert_uint_eq(number, UINT64_MAX);
	ck_assert_int_eq(
	    note_get(&back, "missing", value, sizeof value, "note", &f), -1);
	assert_failed(&f, FAIL_DAMAGED);
	ck_assert_int_eq(note_get(&back, "id", value, 3, "note", &f), -1);
	ck_assert_int_eq(note_get_number(&back, "id", &number, "note", &f), -1);
	buf_clear(&b);
	buf_clear(&back);
	store_free(s);
}
END_TEST

START_TEST(a_note_is_written_once_and_missed_if_absent)
{
	char root[512];
	struct store *s = new_store("once", root);
	struct buf a = { 0 }, b = { 0 }, back = { 0 };
	struct fail f = { 0 };

	ck_assert_int_eq(note_read(s, "main/note", &back, &f), 1);
	buf_clear(&back);
	ck_assert_int_eq(note_add(&a, "id", "first"), 0);
	ck_assert_int_eq(note_write(s, "main/note", &a, &f), 0);
	ck_assert_int_eq(note_add(&b, "id", "second"), 0);
	ck_assert_int_eq(note_write(s, "main/note", &b, &f), 1);
	ck_assert_int_eq(note_read(s, "main/note", &back, &f), 0);
	ck_assert_uint_eq(back.len, a.len);
	ck_assert_mem_eq(back.data, a.data, a.len);
	buf_clear(&a);
	buf_clear(&b);
	buf_clear(&back);
	store_free(s);
}
END_TEST

START_TEST(a_note_with_any_changed_bit_is_damaged)
{
	char root[512];
	struct store *s = new_store("bits", root);
	struct buf b = { 0 };
	struct fail f = { 0 };

	ck_assert_int_eq(note_add(&b, "id", "0123456789abcdef"), 0);
	ck_assert_int_eq(note_write(s, "main/good", &b, &f), 0);
	for (size_t i = 0; i <= b.len * 8; i++) {
		struct buf back = { 0 };
		char key[64];

		/* The last one is cut short instead. */
		if (i < b.len * 8)
			b.data[i / 8] ^= (uint8_t)(1 << i % 8);
		(void)snprintf(key, sizeof key, "main/bad/%zu", i);
		require(put_bytes(s, key, b.data, b.len - (i == b.len * 8),
		            NULL, &f) == 0);
		require(note_read(s, key, &back, &f) == -1);
		require(f.kind == FAIL_DAMAGED);
		if (i < b.len * 8)
			b.data[i / 8] ^= (uint8_t)(1 << i % 8);
		buf_clear(&back);
	}
	buf_clear(&b);
	store_free(s);
}
END_TEST

START_TEST(a_place_without_a_marker_is_no_repository)
{
	char root[512];
	struct store *s = new_store("empty", root);
	struct repository r = { .store = s, .layout = layout };
	struct identity id;
	struct fail f = { 0 };

	ck_assert_int_eq(repository_open(&r, &f), -1);
	assert_failed(&f, FAIL_CONFIG);
	ck_assert_ptr_nonnull(strstr(f.hint, "init"));
	/* With one, the system must be known too. */
	repository_new_id(r.id);
	ck_assert_int_eq(repository_create(&r, &f), 0);
	ck_assert_int_eq(repository_open(&r, &f), 0);
	ck_assert_int_eq(repository_identity(&r, &id, &f), 1);
	ck_assert_int_eq(repository_require(&r, &id, &f), -1);
	assert_failed(&f, FAIL_REFUSED);
	ck_assert_ptr_nonnull(strstr(f.hint, "init"));
	store_free(s);
}
END_TEST

START_TEST(a_damaged_marker_is_an_error_and_not_absence)
{
	char root[512];
	struct store *s = new_store("marker", root);
	struct repository r = { .store = s, .layout = layout };
	struct fail f = { 0 };

	put_text(s, "main/repository", "<html>captive portal</html>");
	ck_assert_int_eq(repository_open(&r, &f), -1);
	assert_failed(&f, FAIL_DAMAGED);
	ck_assert_int_eq(repository_create(&r, &f), -1);
	store_free(s);
}
END_TEST

START_TEST(a_repository_keeps_its_first_id)
{
	char root[512], first[REPOSITORY_ID];
	struct store *s = new_store("ids", root);
	struct repository r = { .store = s, .layout = layout };
	struct fail f = { 0 };

	repository_new_id(r.id);
	ck_assert_uint_eq(strlen(r.id), 32);
	ck_assert_uint_eq(strspn(r.id, "0123456789abcdef"), 32);
	(void)snprintf(first, sizeof first, "%s", r.id);
	ck_assert_int_eq(repository_create(&r, &f), 0);
	repository_new_id(r.id);
	ck_assert_str_ne(r.id, first);
	ck_assert_int_eq(repository_create(&r, &f), 1);
	ck_assert_str_eq(r.id, first);
	memset(r.id, 0, sizeof r.id);
	ck_assert_int_eq(repository_open(&r, &f), 0);
	ck_assert_str_eq(r.id, first);
	store_free(s);
}
END_TEST

START_TEST(identities_are_added_once_and_listed)
{
	struct identity id = { .sysid = UINT64_C(7431000000000000123),
		.generation = 2,
		.major = 15,
		.segsize = 1 << 24 };
	char root[512];
	struct store *s = new_store("identities", root);
	struct repository r = { .store = s, .layout = layout };
	struct identity *all = NULL, back;
	struct fail f = { 0 };
	size_t n = 0;

	repository_new_id(r.id);
	ck_assert_int_eq(repository_create(&r, &f), 0);
	ck_assert_int_eq(repository_systems(&r, &all, &n, &f), 0);
	ck_assert_uint_eq(n, 0);
	free(all);
	ck_assert_int_eq(repository_add_identity(&r, &id, &f), 0);
	ck_assert_int_eq(repository_add_identity(&r, &id, &f), 1);
	ck_assert_int_eq(repository_identity(&r, &back, &f), 0);
	ck_assert_uint_eq(back.sysid, id.sysid);
	ck_assert_uint_eq(back.generation, 2);
	ck_assert_int_eq(back.major, 15);
	ck_assert_uint_eq(back.segsize, 1 << 24);
	r.layout.sysid = id.sysid = 42;
	r.layout.generation = id.generation = 1;
	id.segsize = 1 << 20;
	ck_assert_int_eq(repository_add_identity(&r, &id, &f), 0);
	ck_assert_int_eq(repository_systems(&r, &all, &n, &f), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(all[0].sysid, 42);
	ck_assert_uint_eq(all[0].segsize, 1 << 20);
	ck_assert_uint_eq(all[1].generation, 2);
	free(all);
	store_free(s);
}
END_TEST

/* pg_resetwal --wal-segsize: the same system, but not the same history. */
START_TEST(an_identity_that_differs_is_not_the_same)
{
	struct identity id = { .sysid = UINT64_C(7431000000000000123),
		.generation = 2,
		.major = 15,
		.segsize = 1 << 24 };
	char root[512];
	struct store *s = new_store("differs", root);
	struct repository r = { .store = s, .layout = layout };
	struct fail f = { 0 };

	repository_new_id(r.id);
	ck_assert_int_eq(repository_create(&r, &f), 0);
	ck_assert_int_eq(repository_add_identity(&r, &id, &f), 0);
	id.segsize = 1 << 20;
	ck_assert_int_eq(repository_add_identity(&r, &id, &f), -1);
	assert_failed(&f, FAIL_REFUSED);
	store_free(s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("layout");

	(void)temp_dir();
	add_tests(s, "keys",
	    TESTS(the_key_of_a_wal_file_follows_from_its_name,
	        the_other_keys_are_where_the_format_says, the_longest_keys_fit,
	        a_key_to_set_aside_is_never_the_same, keys_are_told_apart_again,
	        a_system_is_its_identifier_and_its_generation,
	        what_is_not_a_system_is_refused));
	add_tests(s, "notes",
	    TESTS(a_note_gives_back_its_lines,
	        a_note_is_written_once_and_missed_if_absent,
	        a_note_with_any_changed_bit_is_damaged));
	add_tests(s, "repository",
	    TESTS(a_place_without_a_marker_is_no_repository,
	        a_damaged_marker_is_an_error_and_not_absence,
	        a_repository_keeps_its_first_id,
	        identities_are_added_once_and_listed,
	        an_identity_that_differs_is_not_the_same));
	return run_suite(s);
}
