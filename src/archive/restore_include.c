/* SPDX-License-Identifier: PostgreSQL */
/* Where included files were and where they are now: see restore_include.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io.h"
#include "restore_include.h"

/*
 * A place is an absolute path, or one below PGDATA, without "." and "..";
 * empty: above PGDATA, where nothing that is restored can have been.
 */
static void
tidy(const char *path, char out[PATH_MAX])
{
	size_t n = 0;

	if (path[0] == '/')
		out[n++] = '/';
	while (*path != '\0') {
		size_t len = strcspn(path, "/");

		if (len == 2 && path[0] == '.' && path[1] == '.') {
			if (n == 0)
				break;
			while (n > 0 && out[n - 1] != '/')
				n--;
			if (n > 1)
				n--;
		} else if (len > 0 && (len > 1 || path[0] != '.') &&
		    n + len + 2 < PATH_MAX) {
			if (n > 0 && out[n - 1] != '/')
				out[n++] = '/';
			memcpy(out + n, path, len);
			n += len;
		}
		path += len;
		path += *path == '/';
	}
	out[n] = '\0';
}

/* What name means in a file at that place. */
static void
resolve(const char *place, const char *name, char out[PATH_MAX])
{
	char dir[PATH_MAX], path[PATH_MAX];

	io_above(place, 1, dir, sizeof dir);
	if (name[0] == '/')
		(void)snprintf(path, sizeof path, "%s", name);
	else
		(void)snprintf(path, sizeof path, "%.2000s/%.2000s", dir, name);
	tidy(path, out);
}

/* Where a file was. */
static void
place_of(const struct restore_file *file, char out[PATH_MAX])
{
	tidy(file->outside != NULL ? file->outside : file->path, out);
}

static bool
is_file(const struct restore_file *file)
{
	return file != NULL && file->type == MANIFEST_FILE;
}

const struct restore_file *
restore_outside_find(const struct restore_set *s, const char *place)
{
	char wanted[PATH_MAX], was[PATH_MAX];

	tidy(place, wanted);
	for (size_t i = 0; i < s->n_files; i++) {
		if (s->files[i].outside == NULL || !is_file(&s->files[i]))
			continue;
		place_of(&s->files[i], was);
		if (strcmp(was, wanted) == 0)
			return &s->files[i];
	}
	return NULL;
}

/* Does the server read it when it reads all of that directory? */
static bool
lies_in(const char *place, const char *dir)
{
	size_t len = strlen(dir);
	const char *name = place;

	if (len > 0 && strcmp(dir, "/") != 0) {
		if (strncmp(place, dir, len) != 0 || place[len] != '/')
			return false;
		name = place + len + 1;
	} else if (dir[0] == '/') {
		name = place + 1;
	}
	len = strlen(name);
	return strchr(name, '/') == NULL && name[0] != '.' && len > 5 &&
	    strcmp(name + len - 5, ".conf") == 0;
}

/* By name; the set's order is that of new paths. */
static int
compare_names(const void *a, const void *b)
{
	const struct restore_meant *x = a, *y = b;
	char one[PATH_MAX], two[PATH_MAX];

	place_of(x->file, one);
	place_of(y->file, two);
	return strcmp(one, two);
}

/* The files of a directory; and those that it has now, if was is another. */
static int
find_directory(const struct restore_set *s, const char *was, const char *is,
    struct restore_included *out)
{
	const struct restore_file *dir = restore_set_find(s, is);

	out->same = is[0] != '\0' && dir != NULL && dir->type != MANIFEST_FILE;
	for (size_t i = 0; i < s->n_files; i++) {
		const struct restore_file *x = &s->files[i];
		struct restore_meant *more;
		char place[PATH_MAX];
		bool meant;

		if (!is_file(x))
			continue;
		place_of(x, place);
		meant = was[0] != '\0' && lies_in(place, was);
		if (meant != (is[0] != '\0' && lies_in(x->path, is)))
			out->same = false;
		if (!meant)
			continue;
		more = reallocarray(out->files, out->n + 1, sizeof *more);
		if (more == NULL)
			return -1;
		out->files = more;
		more[out->n++].file = x;
	}
	if (out->n > 1)
		qsort(out->files, out->n, sizeof *out->files, compare_names);
	return 0;
}

static int
find_one(const struct restore_set *s, const char *was, const char *is,
    bool need_not_exist, struct restore_included *out)
{
	const struct restore_file *wanted = NULL, *now = NULL;

	if (was[0] == '/')
		wanted = restore_outside_find(s, was);
	else if (was[0] != '\0')
		wanted = restore_set_find(s, was);
	if (!is_file(wanted) || (was[0] != '/' && wanted->outside != NULL))
		wanted = NULL;
	if (is[0] != '\0')
		now = restore_set_find(s, is);
	out->same = is[0] != '\0' && wanted == now &&
	    (wanted != NULL || need_not_exist);
	if (wanted == NULL)
		return 0;
	out->files = malloc(sizeof *out->files);
	if (out->files == NULL)
		return -1;
	out->files[out->n++].file = wanted;
	return 0;
}

int
restore_included(const struct restore_set *s, const struct restore_file *file,
    const struct confline *l, struct restore_included *out)
{
	char from[PATH_MAX], was[PATH_MAX], is[PATH_MAX] = "";
	int rc;

	*out = (struct restore_included){ 0 };
	place_of(file, from);
	resolve(from, l->value, was);
	/* An absolute one goes on naming the old place. */
	if (l->value[0] != '/')
		resolve(file->path, l->value, is);
	if (confline_sets(l, "include_dir"))
		rc = find_directory(s, was, is, out);
	else
		rc = find_one(
		    s, was, is, confline_sets(l, "include_if_exists"), out);
	if (rc != 0)
		free(out->files);
	return rc;
}
