/* SPDX-License-Identifier: PostgreSQL */
/* What is special about a store in a directory. */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "store_file.h"
#include "storecheck.h"

/* A store in a new directory; root must outlive nothing. */
static struct store *
new_store(const char *name, char root[512])
{
	char url[600];

	(void)snprintf(root, 512, "%s", temp_subdir(name));
	(void)snprintf(url, sizeof url, "file://%s", root);
	return open_url(url);
}

static void
in_root(const char *root, const char *key, char path[1024])
{
	(void)snprintf(path, 1024, "%s/%s", root, key);
}

static mode_t
mode_of(const char *root, const char *key)
{
	char path[1024];
	struct stat st;

	in_root(root, key, path);
	ck_assert_int_eq(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

/* All that lies below a directory, of whatever kind. */
static unsigned below;

static int
count_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)path;
	(void)st;
	below += flag != FTW_D && flag != FTW_DP && ftw->level > 0;
	return 0;
}

static unsigned
files_below(const char *root)
{
	below = 0;
	ck_assert_int_eq(nftw(root, count_one, 16, FTW_PHYS), 0);
	return below;
}

/* A store whose directory is gone cannot say that anything is absent. */
START_TEST(a_missing_directory_is_no_empty_store)
{
	char root[512], url[600];
	struct store_attrs attrs = { 0 };
	struct store_info info;
	struct fail f = { 0 };
	struct listed l = { 0 };
	struct sink out = { 0 };
	struct store *s;

	(void)snprintf(root, sizeof root, "%s/unmounted", temp_dir());
	(void)snprintf(url, sizeof url, "file://%s", root);
	s = open_url(url);
	ck_assert_ptr_null(store_put(s, "main/a", &attrs, &f));
	assert_failed(&f, FAIL_CONFIG);
	ck_assert_ptr_nonnull(strstr(f.hint, "mount"));
	f.kind = FAIL_NONE;
	ck_assert_int_eq(
	    store_get(s, "main/a", 0, STORE_ALL, sink_stream(&out), &f), -1);
	assert_failed(&f, FAIL_CONFIG);
	f.kind = FAIL_NONE;
	ck_assert_int_eq(store_stat(s, "main/a", &info, &f), -1);
	assert_failed(&f, FAIL_CONFIG);
	f.kind = FAIL_NONE;
	ck_assert_int_eq(store_settle(s, "main/a", &f), -1);
	assert_failed(&f, FAIL_CONFIG);
	f.kind = FAIL_NONE;
	ck_assert_int_eq(store_list(s, "", listed_add, &l, &f), -1);
	assert_failed(&f, FAIL_CONFIG);
	f.kind = FAIL_NONE;
	ck_assert_int_eq(store_del(s, "main/a", &f), -1);
	assert_failed(&f, FAIL_CONFIG);
	ck_assert_int_eq(access(root, F_OK), -1);
	store_free(s);
}
END_TEST

START_TEST(a_file_in_the_stores_place_is_an_error)
{
	char root[512], url[600];
	struct store_info info;
	struct fail f = { 0 };
	struct store *s;
	int fd;

	(void)snprintf(root, sizeof root, "%s/not-a-directory", temp_dir());
	(void)snprintf(url, sizeof url, "file://%s", root);
	fd = open(root, O_CREAT | O_WRONLY, 0600);
	ck_assert_int_ge(fd, 0);
	(void)close(fd);
	s = open_url(url);
	ck_assert_int_eq(store_stat(s, "a", &info, &f), -1);
	ck_assert_int_ne(f.cause[0], '\0');
	store_free(s);
}
END_TEST

START_TEST(a_missing_directory_is_made_by_prepare_alone)
{
	char root[512], url[600];
	struct fail f = { 0 };
	struct store *s;

	(void)umask(0);
	(void)snprintf(root, sizeof root, "%s/prepared", temp_dir());
	(void)snprintf(url, sizeof url, "file://%s", root);
	s = open_url(url);
	ck_assert_int_eq(store_prepare(s, &f), 0);
	ck_assert_uint_eq(mode_of(root, ""), 0700);
	ck_assert_int_eq(store_prepare(s, &f), 0);
	put_text(s, "main/a", "x");
	store_free(s);
	(void)snprintf(url, sizeof url, "file://%s/no/such", root);
	s = open_url(url);
	ck_assert_int_eq(store_prepare(s, &f), -1);
	ck_assert_int_ne(f.hint[0], '\0');
	store_free(s);
}
END_TEST

START_TEST(files_and_directories_belong_to_their_owner_alone)
{
	char root[512];
	struct store *s = new_store("modes", root);

	(void)umask(0);
	put_text(s, "main/wal/a", "x");
	ck_assert_uint_eq(mode_of(root, "main"), 0700);
	ck_assert_uint_eq(mode_of(root, "main/wal"), 0700);
	ck_assert_uint_eq(mode_of(root, "main/wal/a"), 0600);
	store_free(s);
}
END_TEST

START_TEST(other_modes_can_be_asked_for)
{
	char root[512], url[600];
	struct store_args args = {
		.name = "test", .dir_mode = 0750, .file_mode = 0640
	};
	struct fail f = { 0 };
	struct store *s;

	(void)umask(0);
	(void)snprintf(root, sizeof root, "%s", temp_subdir("group"));
	(void)snprintf(url, sizeof url, "file://%s", root);
	args.url = url;
	s = store_open(&args, &f);
	ck_assert_ptr_nonnull(s);
	put_text(s, "main/a", "x");
	ck_assert_uint_eq(mode_of(root, "main"), 0750);
	ck_assert_uint_eq(mode_of(root, "main/a"), 0640);
	store_free(s);
}
END_TEST

/* What someone else could plant is followed neither by writing nor reading. */
START_TEST(a_symbolic_link_in_a_keys_path_is_refused)
{
	char root[512], elsewhere[512], path[1024];
	struct store *s = new_store("links", root);
	struct store_attrs attrs = { 0 };
	struct store_info info;
	struct fail f = { 0 };
	struct sink out = { 0 };

	(void)snprintf(elsewhere, sizeof elsewhere, "%s", temp_subdir("else"));
	put_text(s, "main/a", "x");
	in_root(root, "main/wal", path);
	ck_assert_int_eq(symlink(elsewhere, path), 0);
	ck_assert_ptr_null(store_put(s, "main/wal/b", &attrs, &f));
	ck_assert_int_ne(f.cause[0], '\0');
	ck_assert_uint_eq(files_below(elsewhere), 0);
	in_root(elsewhere, "b", path);
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	ck_assert_int_eq(
	    store_get(s, "main/wal/b", 0, STORE_ALL, sink_stream(&out), &f),
	    -1);
	ck_assert_uint_eq(out.bytes.len, 0);
	ck_assert_int_eq(store_stat(s, "main/wal/b", &info, &f), -1);
	ck_assert_int_eq(store_settle(s, "main/wal/b", &f), -1);
	ck_assert_int_eq(store_del(s, "main/wal/b", &f), -1);
	ck_assert_uint_eq(files_below(elsewhere), 1);
	store_free(s);
}
END_TEST

START_TEST(a_symbolic_link_is_no_object_and_no_absence)
{
	char root[512], path[1024];
	struct store *s = new_store("link", root);
	struct store_info info;
	struct fail f = { 0 };
	struct sink out = { 0 };

	put_text(s, "main/a", "x");
	in_root(root, "main/b", path);
	ck_assert_int_eq(symlink("a", path), 0);
	ck_assert_int_eq(
	    store_get(s, "main/b", 0, STORE_ALL, sink_stream(&out), &f), -1);
	ck_assert_uint_eq(out.bytes.len, 0);
	ck_assert_int_eq(store_stat(s, "main/b", &info, &f), -1);
	ck_assert_int_ne(put_bytes(s, "main/b", "new", 3, NULL, &f), 0);
	assert_listing(s, "", "main/a ");
	assert_object(s, "main/a", "x", 1);
	store_free(s);
}
END_TEST

START_TEST(a_fifo_in_the_way_does_not_hang_a_reader)
{
	char root[512], path[1024];
	struct store *s = new_store("fifo", root);
	struct store_info info;
	struct fail f = { 0 };
	struct sink out = { 0 };

	in_root(root, "pipe", path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	(void)alarm(20);
	ck_assert_int_ne(
	    store_get(s, "pipe", 0, STORE_ALL, sink_stream(&out), &f), 0);
	ck_assert_uint_eq(out.bytes.len, 0);
	ck_assert_int_ne(store_stat(s, "pipe", &info, &f), 0);
	ck_assert_int_ne(store_settle(s, "pipe", &f), 0);
	(void)alarm(0);
	assert_listing(s, "", "");
	store_free(s);
}
END_TEST

START_TEST(a_component_too_long_is_an_error_and_not_an_overrun)
{
	char root[512], key[STORE_KEY_MAX];
	struct store *s = new_store("long", root);
	struct store_attrs attrs = { 0 };
	struct store_info info;
	struct fail f = { 0 };

	memset(key, 'k', sizeof key);
	key[300] = '\0';
	ck_assert_ptr_null(store_put(s, key, &attrs, &f));
	ck_assert_int_eq(store_stat(s, key, &info, &f), -1);
	memcpy(key + 295, "/a", 3);
	ck_assert_ptr_null(store_put(s, key, &attrs, &f));
	ck_assert_int_eq(store_stat(s, key, &info, &f), -1);
	key[255] = '/';
	key[257] = '\0';
	put_text(s, key, "x");
	assert_object(s, key, "x", 1);
	store_free(s);
}
END_TEST

/* Killed at any moment before the end, a writer leaves nothing behind. */
START_TEST(a_killed_writer_leaves_nothing)
{
	char root[512];
	struct store *s = new_store("killed", root);
	int ready[2], status;
	char byte;
	pid_t child;

	ck_assert_int_eq(pipe(ready), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		struct store_attrs attrs = { 0 };
		struct fail f = { 0 };
		struct stream *out = store_put(s, "main/wal/a", &attrs, &f);

		if (out == NULL || stream_write(out, "half", 4, &f) != 0 ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		(void)pause();
		_exit(1);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status));
	assert_absent(s, "main/wal/a");
	assert_listing(s, "", "");
	ck_assert_uint_eq(files_below(root), 0);
	put_text(s, "main/wal/a", "whole");
	(void)close(ready[0]);
	(void)close(ready[1]);
	store_free(s);
}
END_TEST

START_TEST(a_put_given_up_leaves_nothing_with_a_front_or_without)
{
	char root[512];
	struct store *s = new_store("given-up", root);

	for (int step = 0; step < 4; step++) {
		struct store_attrs attrs = { .front = step > 0 ? 4096 : 0 };
		static const uint8_t front[4096] = { 'h' };
		struct fail f = { 0 };
		struct stream *out = store_put(s, "main/wal/a", &attrs, &f);

		ck_assert_ptr_nonnull(out);
		if (step != 1)
			ck_assert_int_eq(stream_write(out, "half", 4, &f), 0);
		if (step == 3)
			ck_assert_int_eq(
			    store_front(s, out, front, 4096, &f), 0);
		stream_free(out);
		assert_absent(s, "main/wal/a");
		assert_listing(s, "", "");
		ck_assert_uint_eq(files_below(root), 0);
	}
	put_text(s, "main/wal/a", "whole");
	store_free(s);
}
END_TEST

START_TEST(temporary_names_and_strange_files_are_not_listed)
{
	char root[512], path[1024];
	struct store *s = new_store("strange", root);
	int fd;

	put_text(s, "main/a", "x");
	in_root(root, "main/.walvault-1-2", path);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	ck_assert_int_ge(fd, 0);
	(void)close(fd);
	in_root(root, "main/pipe", path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	assert_listing(s, "", "main/a ");
	assert_shallow_listing(s, "main/", "main/a ");
	store_free(s);
}
END_TEST

START_TEST(only_urls_of_absolute_directories_are_opened)
{
	static const char *const bad[] = { "", "/tmp/x", "file:/tmp/x",
		"file://tmp/x", "file://", "ftp://host/x", "FILE:///tmp/x",
		"s4://bucket/x", " file:///tmp/x" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct store_args args = { .name = "test", .url = bad[i] };
		struct fail f = { 0 };
		struct store *s = store_open(&args, &f);

		ck_assert_msg(s == NULL, "'%s' was opened", bad[i]);
		assert_failed(&f, FAIL_CONFIG);
		ck_assert_int_ne(f.hint[0], '\0');
	}
}
END_TEST

START_TEST(a_path_longer_than_any_is_refused)
{
	char *url = malloc(PATH_MAX + 100);
	struct store_args args = { .name = "test", .url = url };
	struct fail f = { 0 };

	ck_assert_ptr_nonnull(url);
	memset(url, 'x', PATH_MAX + 99);
	url[PATH_MAX + 99] = '\0';
	memcpy(url, "file:///", 8);
	ck_assert_ptr_null(store_open(&args, &f));
	assert_failed(&f, FAIL_CONFIG);
	free(url);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("store file");

	(void)temp_dir();
	add_tests(s, "root",
	    TESTS(a_missing_directory_is_no_empty_store,
	        a_file_in_the_stores_place_is_an_error,
	        a_missing_directory_is_made_by_prepare_alone,
	        only_urls_of_absolute_directories_are_opened,
	        a_path_longer_than_any_is_refused));
	add_tests(s, "modes",
	    TESTS(files_and_directories_belong_to_their_owner_alone,
	        other_modes_can_be_asked_for));
	add_tests(s, "planted",
	    TESTS(a_symbolic_link_in_a_keys_path_is_refused,
	        a_symbolic_link_is_no_object_and_no_absence,
	        a_fifo_in_the_way_does_not_hang_a_reader,
	        a_component_too_long_is_an_error_and_not_an_overrun));
	add_tests(s, "left behind",
	    TESTS(a_killed_writer_leaves_nothing,
	        a_put_given_up_leaves_nothing_with_a_front_or_without,
	        temporary_names_and_strange_files_are_not_listed));
	return run_suite(s);
}
