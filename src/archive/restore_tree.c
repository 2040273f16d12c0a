/* SPDX-License-Identifier: PostgreSQL */
/* Directories, links and files as such: see restore_files.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"
#include "log.h"
#include "restore_files.h"
#include "sum.h"

int
restore_failed(
    const struct restore *r, const char *path, const char *what, struct fail *f)
{
	char object[PATH_MAX];

	(void)snprintf(object, sizeof object, "%.2000s/%.2000s",
	    r->args->places->list[0].path, path);
	return fail_errno(f, object, what);
}

/* Root gives what it writes to whom it belonged. */
static int
give(const struct restore *r, int fd, const struct restore_file *file,
    struct fail *f)
{
	if (r->ids == NULL)
		return 0;
	if (fchown(fd, r->ids[file->owner].uid, r->ids[file->owner].gid) != 0)
		return restore_failed(r, file->path, "change the owner", f);
	return 0;
}

int
restore_open(const struct restore *r, const struct restore_file *file,
    int flags, struct fail *f)
{
	int fd = openat(r->dir, file->path, flags | O_NOFOLLOW | O_CLOEXEC,
	    file->mode | 0600);

	if (fd < 0)
		return restore_failed(r, file->path, "create", f);
	if (give(r, fd, file, f) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static int
remember(struct restore *r, const char *path, const struct buf *b)
{
	struct restore_made *more = reallocarray(
	    r->made, r->n_made + 1, sizeof *more);

	if (more == NULL)
		return -1;
	r->made = more;
	more[r->n_made++] = (struct restore_made){ path, b->len,
		crc32c(0xFFFFFFFF, b->data, b->len) ^ 0xFFFFFFFF };
	return 0;
}

int
restore_make_file(struct restore *r, const struct restore_file *file,
    const struct buf *b, struct fail *f)
{
	int fd = restore_open(r, file, O_WRONLY | O_CREAT | O_TRUNC, f);

	if (fd < 0)
		return -1;
	if (io_write(fd, b->data, b->len) != 0) {
		(void)restore_failed(r, file->path, "write", f);
		(void)close(fd);
		return -1;
	}
	if (close(fd) != 0)
		return restore_failed(r, file->path, "close", f);
	return remember(r, file->path, b) == 0
	    ? 0
	    : restore_failed(r, file->path, "memory", f);
}

int
restore_make(
    struct restore *r, const char *path, const struct buf *b, struct fail *f)
{
	struct restore_file file = {
		.path = path, .mode = r->file_mode, .owner = r->owner
	};

	return restore_make_file(r, &file, b, f);
}

static int
make_directory(
    struct restore *r, const struct restore_file *file, struct fail *f)
{
	int fd;

	if (mkdirat(r->dir, file->path, (file->mode & 0777) | 0700) != 0 &&
	    errno != EEXIST)
		return restore_failed(r, file->path, "make directory", f);
	if (r->ids == NULL)
		return 0;
	fd = openat(r->dir, file->path,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return restore_failed(r, file->path, "open", f);
	if (give(r, fd, file, f) != 0) {
		(void)close(fd);
		return -1;
	}
	(void)close(fd);
	return 0;
}

int
restore_make_path(const char *path, mode_t mode, struct fail *f)
{
	char up[PATH_MAX];

	if (mkdir(path, mode) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return fail_errno(f, path, "make directory");
	io_above(path, 1, up, sizeof up);
	if (strcmp(up, path) == 0 || restore_make_path(up, 0755, f) != 0)
		return fail_errno(f, path, "make directory");
	return mkdir(path, mode) == 0 || errno == EEXIST
	    ? 0
	    : fail_errno(f, path, "make directory");
}

static const struct restore_place *
place_of(const struct restore *r, uint32_t oid)
{
	const struct restore_places *p = r->args->places;

	for (size_t i = 1; i < p->n; i++)
		if (p->list[i].oid == oid)
			return &p->list[i];
	return NULL;
}

static int
make_tablespace(struct restore *r, const struct restore_file *file,
    const struct restore_place *p, struct fail *f)
{
	int *place = &r->place[p - r->args->places->list];

	if (restore_make_path(p->path, r->dir_mode, f) != 0)
		return -1;
	*place = restore_claim_place(p, f);
	if (*place < 0)
		return -1;
	if (r->ids != NULL &&
	    fchown(*place, r->ids[file->owner].uid, r->ids[file->owner].gid) !=
	        0)
		return fail_errno(f, p->path, "change the owner");
	if (fchmod(*place, r->dir_mode) != 0)
		return fail_errno(f, p->path, "change the mode");
	if (symlinkat(p->path, r->dir, file->path) != 0)
		return restore_failed(r, file->path, "make link", f);
	return 0;
}

static int
make_link(struct restore *r, const struct restore_file *file, struct fail *f)
{
	const char *rest;
	uint32_t oid = restore_tablespace_of(file->path, &rest);
	const struct restore_place *p = oid != 0 && *rest == '\0'
	    ? place_of(r, oid)
	    : NULL;
	struct restore_file dir = *file;

	if (p != NULL)
		return make_tablespace(r, file, p, f);
	log_warning("restore: %s: it was a link to %s, and becomes a directory",
	    file->path, file->target);
	r->result->links_replaced++;
	dir.mode = r->dir_mode;
	return make_directory(r, &dir, f);
}

/* Of these no byte is in a pack, or not all. */
static int
make_file(struct restore *r, const struct restore_file *file, struct fail *f)
{
	int fd = restore_open(r, file, O_WRONLY | O_CREAT, f);

	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)file->size) != 0) {
		(void)restore_failed(r, file->path, "extend", f);
		(void)close(fd);
		return -1;
	}
	if (close(fd) != 0)
		return restore_failed(r, file->path, "close", f);
	return 0;
}

/* A server expects these, whatever the backup holds of them. */
static int
make_wal_directories(struct restore *r, struct fail *f)
{
	static const char *const names[] = { "pg_wal", "pg_wal/archive_status",
		"pg_wal/summaries" };
	size_t n = r->args->set->head.s.major >= 17 ? 3 : 2;

	for (size_t i = 0; i < n; i++) {
		struct restore_file dir = {
			.path = names[i], .mode = r->dir_mode, .owner = r->owner
		};

		if (make_directory(r, &dir, f) != 0)
			return -1;
	}
	return 0;
}

/* A file that lay elsewhere may need directories that were not PGDATA's. */
static int
make_above(struct restore *r, const struct restore_file *file, struct fail *f)
{
	char path[PATH_MAX];

	for (const char *p = strchr(file->path, '/'); p != NULL;
	     p = strchr(p + 1, '/')) {
		struct restore_file dir = *file;

		(void)snprintf(path, sizeof path, "%.*s", (int)(p - file->path),
		    file->path);
		dir.path = path;
		dir.mode = r->dir_mode;
		dir.owner = r->owner;
		if (make_directory(r, &dir, f) != 0)
			return -1;
	}
	return 0;
}

int
restore_make_tree(struct restore *r, struct fail *f)
{
	const struct restore_set *s = r->args->set;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->n_files; i++) {
		const struct restore_file *x = &s->files[i];

		if (restore_go_on(r, f) != 0)
			return -1;
		if (x->type == MANIFEST_DIR)
			rc = make_directory(r, x, f);
		else if (x->type == MANIFEST_LINK)
			rc = make_link(r, x, f);
		else if (x->outside != NULL)
			rc = make_above(r, x, f);
		if (rc == 0 && x->type == MANIFEST_FILE && r->from_packs[i] &&
		    (x->size == 0 || x->holes))
			rc = make_file(r, x, f);
	}
	return rc == 0 ? make_wal_directories(r, f) : rc;
}
