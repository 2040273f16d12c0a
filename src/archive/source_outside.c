/* SPDX-License-Identifier: PostgreSQL */
/*
 * Configuration outside PGDATA (Debian keeps it below /etc/postgresql): what
 * the server reads at its start is saved as if it lay in PGDATA, with a note
 * of where it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "log.h"
#include "source_walk.h"

struct outside {
	struct source_dir *s;
	struct source_list *out;
	size_t begin; /* in out: what was added here */
	char pgdata[PATH_MAX], config_dir[PATH_MAX]; /* resolved */
};

/* Below dir: the rest of the path; else NULL. */
static const char *
below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (len == 0 || strncmp(path, dir, len) != 0 || path[len] != '/')
		return NULL;
	return path + len + 1;
}

static const struct source_entry *
find_added(const struct outside *o, const char *path)
{
	for (size_t i = o->begin; i < o->out->n; i++)
		if (strcmp(o->out->list[i].path, path) == 0)
			return &o->out->list[i];
	return NULL;
}

static bool
is_in_pgdata(const struct outside *o, const char *path)
{
	struct stat st;

	return fstatat(o->s->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The directories on the way to path that PGDATA does not have. */
static int
add_parents(struct outside *o, const char *path, struct fail *f)
{
	char dir[PATH_MAX];
	const char *slash = path;

	while ((slash = strchr(slash, '/')) != NULL) {
		struct source_entry e = { .path = dir,
			.type = MANIFEST_DIR,
			.mode = 0700,
			.uid = o->s->owner };
		struct stat st;

		(void)snprintf(
		    dir, sizeof dir, "%.*s", (int)(slash - path), path);
		slash++;
		if (is_in_pgdata(o, dir) || find_added(o, dir) != NULL)
			continue;
		if (fstat(o->s->fd, &st) == 0) {
			e.mode = st.st_mode & 07777;
			e.gid = st.st_gid;
			e.mtime = source_time(&st.st_mtim);
		}
		if (source_list_add(o->out, &e) != 0)
			return fail_errno(f, dir, "memory");
	}
	return 0;
}

static int
add_file(struct outside *o, const char *name, struct fail *f)
{
	char real[PATH_MAX];
	const char *path;
	struct source_entry e = { .type = MANIFEST_FILE, .outside = name };
	const struct source_entry *other;
	struct stat st;

	if (realpath(name, real) == NULL || stat(real, &st) != 0) {
		/* A disk that fails is no reason to do without it. */
		if (errno == EIO || errno == ESTALE)
			return fail_errno(f, name, "resolve");
		log_warning("not in the backup: %s: %s", name, strerror(errno));
		return 0;
	}
	if (!S_ISREG(st.st_mode) || below(real, o->pgdata) != NULL)
		return 0;
	path = below(name, o->config_dir);
	e.path = path != NULL ? path : strrchr(name, '/') + 1;
	other = find_added(o, e.path);
	if (other != NULL &&
	    (other->outside == NULL || strcmp(other->outside, name) != 0))
		log_warning("not in the backup: %s: there is another %s", name,
		    other->path);
	if (other != NULL || is_in_pgdata(o, e.path))
		return 0;
	e.size = (uint64_t)st.st_size;
	e.mode = st.st_mode & 07777;
	e.uid = st.st_uid;
	e.gid = st.st_gid;
	e.mtime = source_time(&st.st_mtim);
	if (add_parents(o, e.path, f) != 0)
		return -1;
	if (source_list_add(o->out, &e) != 0)
		return fail_errno(f, name, "memory");
	return 0;
}

/* Each line of text is a file's name. */
static int
add_included(struct outside *o, const char *text, struct fail *f)
{
	char name[PATH_MAX];

	while (text != NULL && *text != '\0') {
		size_t len = strcspn(text, "\n");

		if (len < sizeof name && text[0] == '/') {
			memcpy(name, text, len);
			name[len] = '\0';
			if (add_file(o, name, f) != 0)
				return -1;
		}
		text += len;
		text += *text == '\n';
	}
	return 0;
}

int
source_outside(struct source_dir *s, struct source_list *out, struct fail *f)
{
	const struct source_dir_args *a = &s->args;
	const char *files[] = { a->config_file, a->hba_file, a->ident_file };
	struct outside o = { .s = s, .out = out, .begin = out->n };
	char *slash;

	if (realpath(a->pgdata, o.pgdata) == NULL)
		return source_failed(s, "", "resolve", f);
	if (a->config_file != NULL && a->config_file[0] == '/') {
		(void)snprintf(
		    o.config_dir, sizeof o.config_dir, "%s", a->config_file);
		slash = strrchr(o.config_dir, '/');
		*slash = '\0';
	}
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (files[i] != NULL && files[i][0] == '/' &&
		    add_file(&o, files[i], f) != 0)
			return -1;
	return add_included(&o, a->included, f);
}
