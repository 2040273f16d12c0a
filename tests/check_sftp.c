/* SPDX-License-Identifier: PostgreSQL */
/* Addresses of SFTP stores, and what commands of exec: print. */
#include "sftp_store.h"
#include "store_exec.h"
#include "support.h"

START_TEST(an_address_has_a_user_a_host_a_port_and_a_directory)
{
	static const struct {
		const char *url, *user, *host, *root;
		unsigned port;
	} good[] = {
		{ "sftp://u@h/a/b", "u", "h", "/a/b", 22 },
		{ "sftp://h/a", "", "h", "/a", 22 },
		{ "sftp://h:2222/a/", "", "h", "/a", 2222 },
		{ "sftp://u@[::1]:2222/a", "u", "::1", "/a", 2222 },
		{ "sftp://[fe80::1]/a", "", "fe80::1", "/a", 22 },
		{ "sftp://a@b@h/x", "a@b", "h", "/x", 22 },
		{ "sftp://h/", "", "h", "", 22 },
		{ "sftp://h///", "", "h", "", 22 },
		{ "sftp://h/~/wal", "", "h", "wal", 22 },
		{ "sftp://h/~/", "", "h", ".", 22 },
		{ "sftp://h/~", "", "h", ".", 22 },
		{ "sftp://h/~user/wal", "", "h", "/~user/wal", 22 },
		{ "sftp://h:65535/a b%20c", "", "h", "/a b%20c", 65535 },
	};

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		struct sftp_options o = { 0 };
		struct fail f = { 0 };

		ck_assert_int_eq(sftp_parse_url(good[i].url, &o, &f), 0);
		ck_assert_str_eq(o.user, good[i].user);
		ck_assert_str_eq(o.host, good[i].host);
		ck_assert_str_eq(o.root, good[i].root);
		ck_assert_uint_eq(o.port, good[i].port);
	}
}
END_TEST

START_TEST(what_is_no_address_is_refused)
{
	static const char *const bad[] = { "sftp://", "sftp:///a", "sftp://h",
		"sftp://u@/a", "sftp://@h/a", "sftp://h:/a", "sftp://h:0/a",
		"sftp://h:65536/a", "sftp://h:22x/a", "sftp://h:-1/a",
		"sftp://u:p@h/a", "sftp://[::1/a", "sftp://[]/a",
		"sftp://[::1]x/a", "sftp://-oProxyCommand=x/a", "sftp://h o/a",
		"sftp://h:99999999999999999999/a" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct sftp_options o = { 0 };
		struct fail f = { 0 };

		ck_assert_int_eq(sftp_parse_url(bad[i], &o, &f), -1);
		ck_assert_int_eq(f.kind, FAIL_CONFIG);
		ck_assert_str_ne(f.hint, "");
	}
}
END_TEST

START_TEST(a_directory_too_deep_for_keys_is_refused)
{
	char url[SFTP_PATH_MAX + 64] = "sftp://h/";
	struct sftp_options o = { 0 };
	struct fail f = { 0 };

	memset(url + 9, 'd', SFTP_PATH_MAX - STORE_KEY_MAX - 3);
	ck_assert_int_eq(sftp_parse_url(url, &o, &f), 0);
	memset(url + 9, 'd', SFTP_PATH_MAX - STORE_KEY_MAX - 2);
	ck_assert_int_eq(sftp_parse_url(url, &o, &f), -1);
}
END_TEST

START_TEST(keys_become_paths)
{
	static const struct {
		const char *root, *key, *path;
	} tries[] = { { "/srv/wal", "a/b", "/srv/wal/a/b" },
		{ "/srv/wal", "a/", "/srv/wal/a" },
		{ "/srv/wal", "", "/srv/wal" }, { "", "", "/" },
		{ "", "a", "/a" }, { ".", "a", "./a" }, { ".", "", "." } };
	struct sftp_store s = { 0 };
	struct fail f = { 0 };
	char path[SFTP_PATH_MAX], dir[STORE_KEY_MAX];

	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
		(void)snprintf(
		    s.options.root, sizeof s.options.root, "%s", tries[i].root);
		sftp_path(&s, tries[i].key, path);
		ck_assert_str_eq(path, tries[i].path);
	}
	sftp_dir_of("a/b/c", dir);
	ck_assert_str_eq(dir, "a/b/");
	sftp_dir_of("a", dir);
	ck_assert_str_eq(dir, "");
	ck_assert_int_eq(sftp_check_key(&s, "a/.b/c", &f), 0);
	ck_assert_int_eq(sftp_check_key(&s, "a/", &f), 0);
	ck_assert_int_eq(sftp_check_key(&s, "", &f), 0);
	ck_assert_int_eq(sftp_check_key(&s, "../a", &f), -1);
	ck_assert_int_eq(sftp_check_key(&s, "a/../b", &f), -1);
	ck_assert_int_eq(sftp_check_key(&s, "a/./b", &f), -1);
	ck_assert_int_eq(sftp_check_key(&s, "a//b", &f), -1);
	ck_assert_int_eq(sftp_check_key(&s, "/a", &f), -1);
	ck_assert_int_eq(sftp_check_key(&s, "a/..", &f), -1);
}
END_TEST

START_TEST(a_size_and_a_time_are_read)
{
	struct store_info info;

	ck_assert_str_eq(exec_parse_info("12 946684801\n", &info), "\n");
	ck_assert_uint_eq(info.size, 12);
	ck_assert_int_eq(info.mtime, 1000000);
	ck_assert_str_eq(exec_parse_info("0 0.123 a b", &info), " a b");
	ck_assert_ptr_null(exec_parse_info("", &info));
	ck_assert_ptr_null(exec_parse_info("12", &info));
	ck_assert_ptr_null(exec_parse_info("12 ", &info));
	ck_assert_ptr_null(exec_parse_info("-1 5 a", &info));
	ck_assert_ptr_null(exec_parse_info("12 x", &info));
	ck_assert_ptr_null(exec_parse_info(" 12 5", &info));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sftp");

	add_tests(s, "addresses",
	    TESTS(an_address_has_a_user_a_host_a_port_and_a_directory,
	        what_is_no_address_is_refused,
	        a_directory_too_deep_for_keys_is_refused, keys_become_paths));
	add_tests(s, "commands", TESTS(a_size_and_a_time_are_read));
	return run_suite(s);
}
