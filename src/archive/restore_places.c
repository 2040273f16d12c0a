/* SPDX-License-Identifier: PostgreSQL */
/* Where the parts of a backup go: see restore.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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

/* What a file takes on a disk, roughly. */
#define DISK_BLOCK ((uint64_t)4096)

/* pg_wal holds some segments while they are replayed. */
#define WAL_SEGMENTS 4

static struct restore_place *
add_place(struct restore_places *p, uint32_t oid)
{
	struct restore_place *more = reallocarray(
	    p->list, p->n + 1, sizeof *more);

	if (more == NULL)
		return NULL;
	p->list = more;
	more[p->n] = (struct restore_place){ .oid = oid };
	return &more[p->n++];
}

static struct restore_place *
place_of(const struct restore_places *p, uint32_t oid)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->list[i].oid == oid)
			return &p->list[i];
	return NULL;
}

static int
set_path(struct restore_place *p, const char *path, struct fail *f)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (path[0] != '/')
		return fail_set(f, FAIL_CONFIG, path,
		    "a tablespace's place must be an absolute path");
	if (len >= sizeof p->path || strpbrk(path, "\n\r") != NULL)
		return fail_set(f, FAIL_CONFIG, path,
		    "not a path that a tablespace can have");
	memcpy(p->path, path, len);
	p->path[len] = '\0';
	return 0;
}

/* --tablespace names it by its old path or its OID. */
static bool
is_meant(const struct restore_map *m, const struct restore_place *p)
{
	char oid[16];

	(void)snprintf(oid, sizeof oid, "%" PRIu32, p->oid);
	return strcmp(m->old, p->old) == 0 || strcmp(m->old, oid) == 0;
}

static int
map_tablespace(
    struct restore_place *p, const struct restore_where *w, struct fail *f)
{
	char path[PATH_MAX], object[64];

	for (size_t i = 0; i < w->n_map; i++)
		if (is_meant(&w->map[i], p))
			return set_path(p, w->map[i].to, f);
	if (w->tablespace_dir != NULL) {
		(void)snprintf(path, sizeof path, "%.4000s/%" PRIu32,
		    w->tablespace_dir, p->oid);
		return set_path(p, path, f);
	}
	(void)snprintf(object, sizeof object, "tablespace %" PRIu32, p->oid);
	(void)fail_set(f, FAIL_CONFIG, object,
	    "it was in %.300s, and nothing says where it goes now", p->old);
	return fail_hint(f,
	    "--tablespace %" PRIu32 "=/new/place, or --tablespace-dir DIR for "
	    "all of them; to restore it where it was: --tablespace "
	    "%.120s=%.120s",
	    p->oid, p->old, p->old);
}

static int
check_map(const struct restore_places *p, const struct restore_where *w,
    struct fail *f)
{
	for (size_t i = 0; i < w->n_map; i++) {
		bool used = false;

		for (size_t k = 1; k < p->n && !used; k++)
			used = is_meant(&w->map[i], &p->list[k]);
		if (!used)
			return fail_set(f, FAIL_CONFIG, "--tablespace",
			    "%s: the backup has no such tablespace",
			    w->map[i].old);
	}
	for (size_t i = 0; i < p->n; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(p->list[i].path, p->list[k].path) == 0)
				return fail_set(f, FAIL_CONFIG, p->list[i].path,
				    "two tablespaces cannot go to one place");
	return 0;
}

/* Links in pg_tblspc are the tablespaces that lie elsewhere. */
static int
find_tablespaces(const struct restore_set *s, const struct restore_where *w,
    struct restore_places *out, struct fail *f)
{
	for (size_t i = 0; i < s->n_files; i++) {
		const struct restore_file *x = &s->files[i];
		const char *rest;
		uint32_t oid = restore_tablespace_of(x->path, &rest);
		struct restore_place *p;

		if (oid == 0 || x->type != MANIFEST_LINK || *rest != '\0')
			continue;
		p = add_place(out, oid);
		if (p == NULL)
			return fail_errno(f, x->path, "memory");
		(void)snprintf(p->old, sizeof p->old, "%.4000s", x->target);
		if (map_tablespace(p, w, f) != 0)
			return -1;
	}
	return 0;
}

static void
count_bytes(const struct restore_set *s, struct restore_places *out)
{
	for (size_t i = 0; i < s->n_files; i++) {
		const struct restore_file *x = &s->files[i];
		const char *rest;
		struct restore_place *p = place_of(
		    out, restore_tablespace_of(x->path, &rest));

		/* One in place belongs to the data directory. */
		if (p == NULL)
			p = &out->list[0];
		p->files++;
		p->bytes += DISK_BLOCK;
		if (x->type == MANIFEST_FILE)
			p->bytes += (x->size + DISK_BLOCK - 1) / DISK_BLOCK *
			    DISK_BLOCK;
	}
	out->list[0].bytes += WAL_SEGMENTS * (uint64_t)s->head.s.segsize;
}

int
restore_places(const struct restore_set *s, const struct restore_where *w,
    struct restore_places *out, struct fail *f)
{
	struct restore_place *top;

	*out = (struct restore_places){ .n = 0 };
	top = add_place(out, 0);
	if (top == NULL)
		return fail_errno(f, w->dest, "memory");
	if (set_path(top, w->dest, f) != 0 ||
	    find_tablespaces(s, w, out, f) != 0 || check_map(out, w, f) != 0) {
		restore_places_clear(out);
		return -1;
	}
	count_bytes(s, out);
	return 0;
}

void
restore_places_clear(struct restore_places *p)
{
	free(p->list);
	*p = (struct restore_places){ .n = 0 };
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
		return -1;
	}
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		(void)fail_set(f, FAIL_CONFIG, p->path,
		    "not empty: it holds %s", e->d_name);
		(void)closedir(d);
		return fail_hint(f,
		    "restore into a new or an empty directory; nothing there "
		    "was touched");
	}
	(void)closedir(d);
	return 0;
}

/* A file system without locks has none: then only what is there is seen. */
int
restore_claim_place(const struct restore_place *p, struct fail *f)
{
	int fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		(void)fail_errno(f, p->path, "open");
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
		(void)fail_set(f, FAIL_CONFIG, p->path,
		    "another pitr-restore is filling it");
	} else if (check_empty(p, f) >= 0) {
		return fd;
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
		if (check_empty(&p->list[i], f) < 0 ||
		    measure(&p->list[i], f) != 0)
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
	return fail_hint(f, "make room there, or restore elsewhere");
}

int
restore_check_room(const struct restore_places *p, struct fail *f)
{
	for (size_t i = 0; i < p->n; i++)
		if (check_room(p, i, f) != 0)
			return -1;
	return 0;
}
