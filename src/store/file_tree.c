/* SPDX-License-Identifier: PostgreSQL */
/* A directory tree as a list of keys: see file_tree.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "file_tree.h"

static int
failed(const struct file_tree *t, const char *key, const char *what,
    struct fail *f)
{
	char object[STORE_KEY_MAX + 1024];
	int error = errno;

	(void)snprintf(object, sizeof object, "%s/%s", t->url, key);
	errno = error;
	return fail_errno(f, object, what);
}

void
file_tree_info(const struct stat *st, struct store_info *info)
{
	info->size = (uint64_t)st->st_size;
	info->mtime = ((int64_t)st->st_mtim.tv_sec - CLOCK_PG_EPOCH_UNIX) *
	        1000000 +
	    st->st_mtim.tv_nsec / 1000;
}

struct entry {
	char *name; /* directories end with '/': that is how keys sort */
};

static int
compare_entries(const void *a, const void *b)
{
	return strcmp(
	    ((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void
free_entries(struct entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(entries[i].name);
	free(entries);
}

/* Is it a directory?  Links and special files count as neither. */
static int
entry_kind(int dir, const struct dirent *d)
{
	struct stat st;

	if (d->d_type != DT_UNKNOWN)
		return d->d_type;
	if (fstatat(dir, d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return DT_UNKNOWN;
	return S_ISDIR(st.st_mode) ? DT_DIR
	    : S_ISREG(st.st_mode)  ? DT_REG
	                           : DT_UNKNOWN;
}

/* The names of a directory, sorted as keys; temporary files left out. */
static int
read_entries(DIR *dir, struct entry **out, size_t *n)
{
	struct entry *entries, *more;
	struct dirent *d;
	size_t cap = 64;

	*n = 0;
	entries = reallocarray(NULL, cap, sizeof *entries);
	if (entries == NULL)
		return -1;
	while (errno = 0, (d = readdir(dir)) != NULL) {
		int kind = entry_kind(dirfd(dir), d);

		if (d->d_name[0] == '.' || (kind != DT_DIR && kind != DT_REG))
			continue;
		if (*n == cap) {
			cap *= 2;
			more = reallocarray(entries, cap, sizeof *more);
			if (more == NULL)
				goto fail;
			entries = more;
		}
		if (asprintf(&entries[*n].name, "%s%s", d->d_name,
		        kind == DT_DIR ? "/" : "") < 0)
			goto fail;
		(*n)++;
	}
	if (errno != 0)
		goto fail;
	if (*n > 1)
		qsort(entries, *n, sizeof *entries, compare_entries);
	*out = entries;
	return 0;
fail:
	free_entries(entries, *n);
	return -1;
}

/* Is all that the key stands for (a '/' at its end: a directory) passed? */
static bool
passed(const struct file_tree *t, const char *key)
{
	size_t len = strlen(key);

	if (t->after == NULL)
		return false;
	if (key[len - 1] == '/' && strncmp(t->after, key, len) == 0)
		return t->shallow;
	return strcmp(key, t->after) <= 0;
}

static int
list_entry(const struct file_tree *t, int fd, const char *prefix,
    const char *name, struct fail *f)
{
	char key[STORE_KEY_MAX];
	struct store_info info;
	struct stat st;
	size_t len = strlen(name);
	int sub;

	if (snprintf(key, sizeof key, "%s%s", prefix, name) >= (int)sizeof key)
		return 0;
	if (passed(t, key))
		return 0;
	if (name[len - 1] != '/') {
		if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			return errno == ENOENT ? 0 : failed(t, key, "stat", f);
		file_tree_info(&st, &info);
		return t->fn(t->arg, key, &info);
	}
	if (t->shallow)
		return t->fn(t->arg, key, NULL);
	sub = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub < 0)
		return errno == ENOENT ? 0 : failed(t, key, "open", f);
	return file_tree_list(t, sub, key, f);
}

int
file_tree_list(
    const struct file_tree *t, int fd, const char *prefix, struct fail *f)
{
	DIR *dir = fdopendir(fd);
	struct entry *entries = NULL;
	size_t n = 0;
	int rc = 0;

	if (dir == NULL || read_entries(dir, &entries, &n) != 0) {
		rc = failed(t, prefix, "list", f);
		if (dir != NULL)
			(void)closedir(dir);
		else
			(void)close(fd);
		return rc;
	}
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = list_entry(t, dirfd(dir), prefix, entries[i].name, f);
	free_entries(entries, n);
	(void)closedir(dir);
	return rc;
}
