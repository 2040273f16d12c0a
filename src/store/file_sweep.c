/* SPDX-License-Identifier: PostgreSQL */
/* Temporary files whose writers died: see file_sweep.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_sweep.h"
#include "file_tree.h"

struct sweep {
	struct store *store;
	const char *prefix; /* for messages */
	int64_t before;
	size_t n;
	struct fail *f;
};

static int sweep_dir(struct sweep *w, int fd);

static int
failed(const struct sweep *w, const char *what)
{
	return file_place_failed(w->store, w->prefix, what, w->f);
}

/*
 * Does its writer live?  It may be on another host; then a process here that
 * has its number by chance only delays the end of what it left.
 */
static bool
has_writer(const char *name)
{
	long pid = strtol(name + strlen(FILE_TEMP_PREFIX), NULL, 10);

	if (pid <= 0 || pid == (long)getpid())
		return false;
	return kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

/* A file, or a directory that did not get its name either. */
static int
sweep_temp(struct sweep *w, int dir, const char *name, const struct stat *st)
{
	struct store_info info;

	file_tree_info(st, &info);
	if (info.mtime >= w->before || has_writer(name))
		return 0;
	if (unlinkat(dir, name, S_ISDIR(st->st_mode) ? AT_REMOVEDIR : 0) != 0)
		return errno == ENOENT ? 0 : failed(w, "delete");
	w->n++;
	return 0;
}

static int
sweep_entry(struct sweep *w, int dir, const char *name)
{
	struct stat st;
	int sub;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : failed(w, "stat");
	if (strncmp(name, FILE_TEMP_PREFIX, strlen(FILE_TEMP_PREFIX)) == 0 &&
	    (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		return sweep_temp(w, dir, name, &st);
	if (name[0] == '.' || !S_ISDIR(st.st_mode))
		return 0;
	sub = openat(
	    dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub < 0)
		return errno == ENOENT ? 0 : failed(w, "open");
	return sweep_dir(w, sub);
}

/* The directory and those below it; fd is consumed. */
static int
sweep_dir(struct sweep *w, int fd)
{
	DIR *dir = fdopendir(fd);
	struct dirent *d;
	int rc = 0;

	if (dir == NULL) {
		rc = failed(w, "list");
		(void)close(fd);
		return rc;
	}
	while (rc == 0 && (errno = 0, d = readdir(dir)) != NULL)
		rc = sweep_entry(w, dirfd(dir), d->d_name);
	if (rc == 0 && errno != 0)
		rc = failed(w, "list");
	(void)closedir(dir);
	return rc;
}

int
file_sweep(struct store *store, const char *prefix, int64_t before, size_t *n,
    struct fail *f)
{
	struct sweep w = {
		.store = store, .prefix = prefix, .before = before, .f = f
	};
	struct file_place place;
	int rc = file_place_open(
	    (struct file_store *)store, prefix, false, &place, f);

	if (rc == 0)
		rc = sweep_dir(&w, place.dir);
	*n = w.n;
	return rc < 0 ? -1 : 0;
}
