/* SPDX-License-Identifier: PostgreSQL */
/* What the places are like before anything is written: see restore.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "io.h"
#include "restore.h"
#include "units.h"

/* Who this is, for people. */
static void
who(char *out, size_t cap)
{
	const struct passwd *u = getpwuid(geteuid());

	if (u != NULL)
		(void)snprintf(out, cap, "%s", u->pw_name);
	else
		(void)snprintf(out, cap, "%u", (unsigned)geteuid());
}

static int
hint_denied(const struct restore_place *p, struct fail *f)
{
	char user[64];

	who(user, sizeof user);
	return fail_hint(f,
	    "nothing was touched; this is user %s: run pitr-restore as the "
	    "user that will run the server, and as root before: "
	    "install -d -o %s -m 0700 %s",
	    user, user, p->path);
}

/* 1 new, 0 an empty directory, -1. */
static int
check_empty(const struct restore_place *p, struct fail *f)
{
	DIR *d = opendir(p->path);
	struct dirent *e;

	if (d == NULL && errno == ENOENT)
		return 1;
	if (d == NULL) {
		(void)fail_errno(f, p->path, "open");
		if (errno == ENOTDIR)
			f->kind = FAIL_CONFIG;
		return f->kind == FAIL_DENIED ? hint_denied(p, f) : -1;
	}
	while (errno = 0, (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		(void)fail_set(f, FAIL_CONFIG, p->path,
		    "not empty: it holds %s", e->d_name);
		(void)closedir(d);
		return fail_hint(f,
		    "restore into a new or an empty directory; nothing there "
		    "was touched");
	}
	if (errno != 0) {
		(void)fail_errno(f, p->path, "read");
		(void)closedir(d);
		return -1;
	}
	(void)closedir(d);
	return 0;
}

/* A file system without locks has none: then only what is there is seen. */
static bool
has_no_locks(int error)
{
	return error == EOPNOTSUPP || error == ENOLCK || error == ENOSYS ||
	    error == EINVAL;
}

int
restore_claim_place(const struct restore_place *p, struct fail *f)
{
	int fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		(void)fail_errno(f, p->path, "open");
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 || has_no_locks(errno)) {
		if (check_empty(p, f) >= 0)
			return fd;
	} else if (errno != EWOULDBLOCK) {
		(void)fail_errno(f, p->path, "lock");
	} else {
		(void)fail_set(f, FAIL_CONFIG, p->path,
		    "another pitr-restore is filling it");
		(void)fail_hint(f, "choose another directory, or wait for it");
	}
	(void)close(fd);
	return -1;
}

/* The nearest directory above that exists.  0, or -1 with errno. */
static int
existing_above(const char *path, char out[PATH_MAX])
{
	int rc;

	(void)snprintf(out, PATH_MAX, "%s", path);
	while ((rc = io_exists(out)) == 0 && strcmp(out, "/") != 0) {
		char up[PATH_MAX];

		io_above(out, 1, up, sizeof up);
		if (strcmp(up, out) == 0)
			break;
		memcpy(out, up, sizeof up);
	}
	return rc < 0 ? -1 : 0;
}

/* The path without links, "." and "..", also of what is not there yet. */
static int
canonical_once(const char *path, char out[PATH_MAX], struct fail *f)
{
	char above[PATH_MAX];
	const char *rest;
	size_t n;

	if (existing_above(path, above) != 0 || realpath(above, out) == NULL)
		return fail_errno(f, path, "resolve");
	n = strcmp(out, "/") == 0 ? 0 : strlen(out);
	for (rest = path + strlen(above); *rest != '\0';) {
		size_t len;

		rest += strspn(rest, "/");
		len = strcspn(rest, "/");
		if (len == 2 && rest[0] == '.' && rest[1] == '.') {
			while (n > 0 && out[--n] != '/')
				;
		} else if (len > 0 && (len > 1 || rest[0] != '.')) {
			if (n + len + 2 > PATH_MAX)
				return fail_set(
				    f, FAIL_CONFIG, path, "too long");
			out[n++] = '/';
			memcpy(out + n, rest, len);
			n += len;
		}
		rest += len;
	}
	if (n == 0)
		out[n++] = '/';
	out[n] = '\0';
	return 0;
}

/* Behind "nothing/../link" there is a link again. */
static int
canonical(const char *path, char out[PATH_MAX], struct fail *f)
{
	char once[PATH_MAX] = "";

	return canonical_once(path, once, f) == 0 ? canonical_once(once, out, f)
	                                          : -1;
}

/* Is path dir itself, or below it? */
static bool
is_within(const char *path, const char *dir)
{
	size_t len = strcmp(dir, "/") == 0 ? 0 : strlen(dir);

	return strncmp(path, dir, len) == 0 &&
	    (path[len] == '/' || path[len] == '\0');
}

static bool
is_same_directory(const char *one, const char *two)
{
	struct stat a, b;

	return stat(one, &a) == 0 && stat(two, &b) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* No place is another, or within another: the server would find files there
 * that it does not know. */
static int
check_apart(const struct restore_place *p, const struct restore_place *other,
    struct fail *f)
{
	char path[PATH_MAX] = "", dir[PATH_MAX] = "";

	if (canonical(p->path, path, f) != 0 ||
	    canonical(other->path, dir, f) != 0)
		return -1;
	if (!is_within(path, dir) && !is_within(dir, path) &&
	    !is_same_directory(p->path, other->path))
		return 0;
	(void)fail_set(f, FAIL_CONFIG, p->path,
	    "a tablespace cannot lie in, or around, %s %.300s",
	    other->oid == 0 ? "the data directory" : "another tablespace,",
	    other->path);
	return fail_hint(
	    f, "give each a directory of its own, beside %s", other->path);
}

/* It, or what is above it, can be written; and its mode can be set. */
static int
check_writable(const struct restore_place *p, struct fail *f)
{
	char dir[PATH_MAX];
	struct stat st;

	if (existing_above(p->path, dir) != 0 || access(dir, W_OK | X_OK) != 0)
		(void)fail_errno(f, p->path,
		    strcmp(dir, p->path) == 0 ? "write there"
		                              : "make this directory");
	else if (strcmp(dir, p->path) == 0 && geteuid() != 0 &&
	    stat(dir, &st) == 0 && st.st_uid != geteuid())
		(void)fail_set(
		    f, FAIL_DENIED, p->path, "it belongs to another user");
	else
		return 0;
	return hint_denied(p, f);
}

/* Each place, and all of them together. */
static int
check_place(const struct restore_places *p, size_t i, struct fail *f)
{
	if (check_empty(&p->list[i], f) < 0)
		return -1;
	for (size_t k = 0; k < i; k++)
		if (check_apart(&p->list[i], &p->list[k], f) != 0)
			return -1;
	return check_writable(&p->list[i], f);
}

/* How much is free where it will be, and which file system is that? */
static int
measure(struct restore_place *p, struct fail *f)
{
	struct statvfs v;
	struct stat st;
	char dir[PATH_MAX];

	if (existing_above(p->path, dir) != 0 || statvfs(dir, &v) != 0 ||
	    stat(dir, &st) != 0)
		return fail_errno(f, p->path, "look for free space");
	p->free = (uint64_t)v.f_bavail * v.f_frsize;
	/* Some file systems make inodes as they need them, and count none. */
	p->free_files = v.f_files > 0 ? (uint64_t)v.f_favail : UINT64_MAX;
	p->device = st.st_dev;
	return 0;
}

int
restore_check_places(struct restore_places *p, struct fail *f)
{
	for (size_t i = 0; i < p->n; i++)
		if (check_place(p, i, f) != 0 || measure(&p->list[i], f) != 0)
			return -1;
	return 0;
}

/* All that goes to the file system of one place must find room there. */
static int
check_room(const struct restore_places *p, size_t i, struct fail *f)
{
	const struct restore_place *x = &p->list[i];
	uint64_t bytes = 0, files = 0;
	char have[UNITS_TEXT], want[UNITS_TEXT];

	for (size_t k = 0; k < p->n; k++)
		if (p->list[k].device == x->device) {
			bytes += p->list[k].bytes;
			files += p->list[k].files;
		}
	if (bytes > x->free) {
		units_format_bytes(x->free, have);
		units_format_bytes(bytes, want);
		(void)fail_set(f, FAIL_SPACE, x->path,
		    "%s are free there, %s are needed", have, want);
	} else if (files > x->free_files) {
		(void)fail_set(f, FAIL_SPACE, x->path,
		    "%" PRIu64 " files can be made there (inodes), %" PRIu64
		    " are needed",
		    x->free_files, files);
	} else {
		return 0;
	}
	return fail_hint(f,
	    "nothing was touched; make room there, or restore to "
	    "another disk");
}

int
restore_check_room(const struct restore_places *p, struct fail *f)
{
	for (size_t i = 0; i < p->n; i++)
		if (check_room(p, i, f) != 0)
			return -1;
	return 0;
}
