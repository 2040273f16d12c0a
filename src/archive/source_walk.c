/* SPDX-License-Identifier: PostgreSQL */
/* Walking a data directory: see source_walk.h. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datafile.h"
#include "log.h"
#include "planfile.h"
#include "source_walk.h"

#define TABLESPACES  "pg_tblspc"
#define SUMMARIES_PG 17

struct spot {
	dev_t dev;
	ino_t ino;
};

/* The directories from PGDATA down to the one being walked. */
struct level {
	const struct level *above;
	struct spot spot;
};

struct walk {
	struct source_dir *s;
	struct source_list *out;
	struct fail *f;
	char version[64];    /* the directory that is ours in a tablespace */
	struct spot *spaces; /* roots of tablespaces */
	size_t n_spaces;
	char path[PATH_MAX]; /* of the entry at hand, relative to PGDATA */
	size_t len;
};

/* The names of one directory. */
struct names {
	char **name;
	size_t n, cap;
	char (*unlogged)[16]; /* nodes with an init fork, sorted */
	size_t n_unlogged;
};

static int walk_dir(struct walk *w, const struct level *here);

static int
failed(struct walk *w, const char *what)
{
	return source_failed(w->s, w->path, what, w->f);
}

static void
skip(const struct walk *w, const char *why)
{
	char full[PATH_MAX];

	source_full_path(w->s, w->path, full);
	log_warning("not in the backup: %s: %s", full, why);
}

/*
 * We may not read it: errno says so, or another reason.  What the server's
 * user does not own either is left out if the server cannot need it:
 * lost+found, or somebody's leftovers.
 */
static int
cannot_read(struct walk *w, const struct stat *st)
{
	if (errno != EACCES || st->st_uid == w->s->owner)
		return failed(w, "open");
	if (datafile_is_servers(w->path))
		return source_foreign(w->s, w->path, st, w->f);
	skip(w, "another user's, and not readable");
	return 0;
}

static int
add(struct walk *w, enum manifest_type type, const struct stat *st,
    const char *target)
{
	struct datafile_relation r;
	struct source_entry e = { .path = w->path,
		.target = target,
		.type = type,
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.mtime = source_time(&st->st_mtim) };

	if (type == MANIFEST_FILE) {
		e.size = (uint64_t)st->st_size;
		e.relation = datafile_relation(w->path, &r);
		if (strcmp(w->path, "global/pg_control") == 0)
			e.part = SOURCE_LAST;
	}
	return source_list_add(w->out, &e) == 0 ? 0 : failed(w, "memory");
}

static int
push_name(struct walk *w, const char *name)
{
	size_t len = strlen(name);

	if (w->len + len + 2 > sizeof w->path) {
		errno = ENAMETOOLONG;
		return failed(w, name);
	}
	if (w->len > 0)
		w->path[w->len++] = '/';
	memcpy(w->path + w->len, name, len + 1);
	w->len += len;
	return 0;
}

static void
pop_name(struct walk *w, size_t len)
{
	w->len = len;
	w->path[len] = '\0';
}

static bool
same_spot(const struct spot *a, const struct stat *st)
{
	return a->dev == st->st_dev && a->ino == st->st_ino;
}

static bool
is_tablespace_name(const char *name)
{
	return name[0] != '\0' && name[strspn(name, "0123456789")] == '\0';
}

/* Is the entry at hand pg_tblspc/OID? */
static bool
is_tablespace(const struct walk *w)
{
	size_t len = strlen(TABLESPACES "/");

	return strncmp(w->path, TABLESPACES "/", len) == 0 &&
	    is_tablespace_name(w->path + len);
}

/*
 * A tablespace may lie inside PGDATA: it is then saved by its link, not a
 * second time where it lies.
 */
static bool
is_space_elsewhere(const struct walk *w, const struct stat *st)
{
	if (is_tablespace(w))
		return false;
	for (size_t i = 0; i < w->n_spaces; i++)
		if (same_spot(&w->spaces[i], st))
			return true;
	return false;
}

/* Directories that must be there though their parent's content is left out. */
static int
add_wal_directories(struct walk *w, const struct stat *st)
{
	size_t len = w->len;
	int rc = push_name(w, "archive_status");

	if (rc == 0)
		rc = add(w, MANIFEST_DIR, st, NULL);
	pop_name(w, len);
	if (rc != 0 || w->s->args.major < SUMMARIES_PG)
		return rc;
	rc = push_name(w, "summaries");
	if (rc == 0)
		rc = add(w, MANIFEST_DIR, st, NULL);
	pop_name(w, len);
	return rc;
}

/* A directory, reached by a link (target) or not. */
static int
take_dir(struct walk *w, const struct stat *st, const char *target,
    const struct level *above)
{
	struct level here = { .above = above,
		.spot = { st->st_dev, st->st_ino } };

	if (datafile_skips_content(w->path)) {
		if (add(w, MANIFEST_DIR, st, NULL) != 0)
			return -1;
		return strcmp(w->path, "pg_wal") == 0
		    ? add_wal_directories(w, st)
		    : 0;
	}
	if (add(w, target != NULL ? MANIFEST_LINK : MANIFEST_DIR, st, target) !=
	    0)
		return -1;
	if (is_space_elsewhere(w, st))
		return 0;
	for (const struct level *l = above; l != NULL; l = l->above)
		if (same_spot(&l->spot, st)) {
			errno = ELOOP;
			return failed(w, "it leads back to a directory above");
		}
	return walk_dir(w, &here);
}

static int
take_link(struct walk *w, const struct level *above)
{
	char full[PATH_MAX], target[PATH_MAX];
	struct stat st;

	if (fstatat(w->s->fd, w->path, &st, 0) != 0) {
		if (errno == ENOENT && is_tablespace(w))
			return failed(w, "the tablespace's directory");
		if (errno != ENOENT)
			return failed(w, "follow the link");
		skip(w, "a link to nothing");
		return 0;
	}
	if (S_ISREG(st.st_mode))
		return add(w, MANIFEST_FILE, &st, NULL);
	if (!S_ISDIR(st.st_mode)) {
		skip(w, "a link to neither a file nor a directory");
		return 0;
	}
	source_full_path(w->s, w->path, full);
	if (realpath(full, target) == NULL)
		return failed(w, "resolve the link");
	return take_dir(w, &st, target, above);
}

static int
compare_nodes(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Only the init fork of an unlogged relation is saved. */
static bool
is_rebuilt(const struct walk *w, const struct names *names)
{
	struct datafile_relation r;

	if (!datafile_relation(w->path, &r))
		return false;
	if (r.temporary)
		return true;
	return strcmp(r.fork, "init") != 0 && names->n_unlogged > 0 &&
	    bsearch(r.node, names->unlogged, names->n_unlogged,
	        sizeof *names->unlogged, compare_nodes) != NULL;
}

/* The entry at w->path. */
static int
take(struct walk *w, const struct names *names, const struct level *above)
{
	struct stat st;

	if (datafile_is_excluded(w->path) || is_rebuilt(w, names) ||
	    strcmp(w->path, PLANFILE_NAME) == 0)
		return 0;
	if (fstatat(w->s->fd, w->path, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : failed(w, "stat");
	if (S_ISDIR(st.st_mode))
		return take_dir(w, &st, NULL, above);
	if (S_ISLNK(st.st_mode))
		return take_link(w, above);
	if (!S_ISREG(st.st_mode)) {
		skip(w, "neither a file nor a directory");
		return 0;
	}
	if (st.st_uid != w->s->owner &&
	    faccessat(w->s->fd, w->path, R_OK, AT_EACCESS) != 0 &&
	    errno != ENOENT)
		return cannot_read(w, &st);
	return add(w, MANIFEST_FILE, &st, NULL);
}

static int
add_name(struct names *x, const char *name)
{
	if (x->n == x->cap) {
		size_t cap = x->cap == 0 ? 64 : x->cap * 2;
		char **more = reallocarray(x->name, cap, sizeof *more);

		if (more == NULL)
			return -1;
		x->name = more;
		x->cap = cap;
	}
	x->name[x->n] = strdup(name);
	return x->name[x->n++] != NULL ? 0 : -1;
}

/* In a tablespace only what belongs to this version is ours. */
static bool
is_wanted(const struct walk *w, const char *name)
{
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	return !is_tablespace(w) || strcmp(name, w->version) == 0;
}

static int
read_names(struct walk *w, DIR *d, struct names *out)
{
	struct dirent *e;

	for (;;) {
		errno = 0;
		e = readdir(d);
		if (e == NULL)
			return errno == 0 ? 0 : failed(w, "read");
		if (is_wanted(w, e->d_name) && add_name(out, e->d_name) != 0)
			return failed(w, "memory");
	}
}

/* Find the relations that have an init fork. */
static int
find_unlogged(struct walk *w, struct names *x)
{
	size_t len = w->len;

	for (size_t i = 0; i < x->n; i++) {
		struct datafile_relation r;
		void *more;
		bool init;

		if (strstr(x->name[i], "_init") == NULL)
			continue;
		if (push_name(w, x->name[i]) != 0)
			return -1;
		init = datafile_relation(w->path, &r) &&
		    strcmp(r.fork, "init") == 0;
		pop_name(w, len);
		if (!init)
			continue;
		more = reallocarray(
		    x->unlogged, x->n_unlogged + 1, sizeof *x->unlogged);
		if (more == NULL)
			return failed(w, "memory");
		x->unlogged = more;
		memset(x->unlogged[x->n_unlogged], 0, sizeof *x->unlogged);
		(void)snprintf(x->unlogged[x->n_unlogged++],
		    sizeof *x->unlogged, "%s", r.node);
	}
	if (x->n_unlogged > 1)
		qsort(x->unlogged, x->n_unlogged, sizeof *x->unlogged,
		    compare_nodes);
	return 0;
}

static void
clear_names(struct names *x)
{
	for (size_t i = 0; i < x->n; i++)
		free(x->name[i]);
	free(x->name);
	free(x->unlogged);
}

/* A directory that cannot be read, or has vanished. */
static int
cannot_open(struct walk *w)
{
	struct stat st;
	int error = errno;

	if (error == ENOENT)
		return 0;
	if (fstatat(w->s->fd, w->path, &st, 0) != 0)
		st.st_uid = w->s->owner;
	errno = error;
	return cannot_read(w, &st);
}

/* All in the directory at w->path. */
static int
walk_dir(struct walk *w, const struct level *here)
{
	struct names names = { 0 };
	size_t len = w->len;
	int fd = openat(w->s->fd, len > 0 ? w->path : ".",
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	int rc;

	if (d == NULL) {
		rc = cannot_open(w);
		if (fd >= 0)
			(void)close(fd);
		return rc;
	}
	rc = read_names(w, d, &names);
	(void)closedir(d);
	if (rc == 0)
		rc = find_unlogged(w, &names);
	for (size_t i = 0; rc == 0 && i < names.n; i++) {
		rc = push_name(w, names.name[i]);
		if (rc == 0)
			rc = take(w, &names, here);
		pop_name(w, len);
	}
	clear_names(&names);
	return rc;
}

/* Where the tablespaces are, before anything else is walked. */
static int
find_tablespaces(struct walk *w)
{
	int fd = openat(
	    w->s->fd, TABLESPACES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (d == NULL)
		return failed(w, "open " TABLESPACES);
	while ((e = readdir(d)) != NULL) {
		struct stat st;
		struct spot *more;

		if (!is_tablespace_name(e->d_name) ||
		    fstatat(dirfd(d), e->d_name, &st, 0) != 0)
			continue;
		more = reallocarray(w->spaces, w->n_spaces + 1, sizeof *more);
		if (more == NULL) {
			(void)closedir(d);
			return failed(w, "memory");
		}
		w->spaces = more;
		more[w->n_spaces++] = (struct spot){ st.st_dev, st.st_ino };
	}
	(void)closedir(d);
	return 0;
}

int
source_walk(struct source_dir *s, struct source_list *out, struct fail *f)
{
	struct walk w = { .s = s, .out = out, .f = f };
	struct level top = { .above = NULL };
	struct stat st;
	int rc;

	(void)snprintf(w.version, sizeof w.version, "PG_%d_%u", s->args.major,
	    s->args.catalog_version);
	if (fstat(s->fd, &st) != 0)
		return failed(&w, "stat");
	top.spot = (struct spot){ st.st_dev, st.st_ino };
	rc = find_tablespaces(&w);
	if (rc == 0)
		rc = walk_dir(&w, &top);
	free(w.spaces);
	return rc;
}
