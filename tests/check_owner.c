/* SPDX-License-Identifier: PostgreSQL */
/* wrap: malloc calloc realloc reallocarray aligned_alloc open openat write */
/* wrap: pwrite pread read fsync sync_file_range linkat renameat2 mkdirat */
/* wrap: unlinkat fstatat */
/* Whose the directories are that root makes; what is left if that fails. */
#include <dirent.h>

#include "faults.h"
#include "owner.h"

/* Somebody, who need not exist. */
#define SOMEBODY 4711
#define GROUP    4712

struct place {
	char dir[512];
	int fd;
};

static void
make_place(struct place *p, const char *name)
{
	(void)snprintf(p->dir, sizeof p->dir, "%s", temp_subdir(name));
	if (geteuid() == 0)
		ck_assert_int_eq(chown(p->dir, SOMEBODY, GROUP), 0);
	p->fd = open(p->dir, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(p->fd, 0);
}

static void
assert_inherited(const struct place *p, const char *name)
{
	struct stat above, st;

	ck_assert_int_eq(fstat(p->fd, &above), 0);
	ck_assert_int_eq(fstatat(p->fd, name, &st, 0), 0);
	ck_assert_uint_eq(st.st_uid, above.st_uid);
	ck_assert_uint_eq(st.st_gid, above.st_gid);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
}

START_TEST(a_directory_and_a_file_get_the_owner_of_the_one_above)
{
	struct place p;
	char path[600];
	int fd;

	make_place(&p, "above");
	ck_assert_int_eq(owner_mkdir(p.fd, "name", 0700), 0);
	assert_inherited(&p, "name");
	(void)snprintf(path, sizeof path, "%s/name/path", p.dir);
	ck_assert_int_eq(owner_mkdir(AT_FDCWD, path, 0700), 0);
	assert_inherited(&p, "name/path");
	(void)snprintf(path, sizeof path, "%s/name/file", p.dir);
	fd = open(path, O_CREAT | O_WRONLY, 0700);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(owner_inherit_above(fd, path), 0);
	assert_inherited(&p, "name/file");
	(void)close(fd);
	ck_assert(!owner_is_root_above(path) || geteuid() != 0);
	(void)close(p.fd);
}
END_TEST

START_TEST(a_name_that_is_taken_stays_what_it_is)
{
	struct place p;
	struct stat before, after;

	make_place(&p, "taken");
	ck_assert_int_eq(mkdirat(p.fd, "name", 0750), 0);
	ck_assert_int_eq(fstatat(p.fd, "name", &before, 0), 0);
	errno = 0;
	ck_assert_int_eq(owner_mkdir(p.fd, "name", 0700), -1);
	ck_assert_int_eq(errno, EEXIST);
	ck_assert_int_eq(fstatat(p.fd, "name", &after, 0), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	ck_assert_uint_eq(before.st_uid, after.st_uid);
	(void)close(p.fd);
}
END_TEST

static int
run_mkdir(void *arg, struct fail *f)
{
	struct place *p = arg;

	if (owner_mkdir(p->fd, "name", 0700) == 0)
		return 0;
	return fail_errno(f, "name", "mkdir");
}

static unsigned
entries(const struct place *p)
{
	DIR *dir = opendir(p->dir);
	unsigned n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		n++;
	(void)closedir(dir);
	return n - 2;
}

/* Or whoever archives would find what it cannot enter. */
static void
after_mkdir(void *arg, int rc, const char *failed)
{
	struct place *p = arg;

	(void)failed;
	if (rc == 0) {
		ck_assert_uint_eq(entries(p), 1);
		assert_inherited(p, "name");
		ck_assert_int_eq(unlinkat(p->fd, "name", AT_REMOVEDIR), 0);
	}
	ck_assert_uint_eq(entries(p), 0);
}

START_TEST(a_directory_appears_with_its_owner_or_not_at_all)
{
	struct place p;
	struct attempt a = { run_mkdir, after_mkdir, &p, false };

	make_place(&p, "loop");
	/* mkdir; as root, the one above, open, and rename as well. */
	ck_assert_uint_ge(
	    failure_loop(&a, FAULT_FILES, EIO), geteuid() == 0 ? 4 : 1);
	(void)close(p.fd);
}
END_TEST

START_TEST(where_no_rename_is_without_replacement_it_is_given_away_too)
{
	struct place p;

	make_place(&p, "norename");
	faults.no_noreplace = true;
	faults.kind = FAULT_FILES;
	faults.at = 0;
	faults.armed = true;
	ck_assert_int_eq(owner_mkdir(p.fd, "name", 0700), 0);
	faults.armed = false;
	ck_assert_uint_eq(entries(&p), 1);
	assert_inherited(&p, "name");
	(void)close(p.fd);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("owner");

	add_tests(s, "owner",
	    TESTS(a_directory_and_a_file_get_the_owner_of_the_one_above,
	        a_name_that_is_taken_stays_what_it_is,
	        a_directory_appears_with_its_owner_or_not_at_all,
	        where_no_rename_is_without_replacement_it_is_given_away_too));
	return run_suite(s);
}
