/* SPDX-License-Identifier: PostgreSQL */
/* A store in a directory: see store_file.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "file_place.h"
#include "file_put.h"
#include "file_sweep.h"
#include "file_tree.h"
#include "io.h"
#include "owner.h"
#include "store_file.h"

struct range {
	uint64_t off, len;
};

/* Push a range of an open file. */
static int
push_range(struct file_store *s, const char *key, int fd, struct range r,
    struct stream *out, struct fail *f)
{
	uint8_t *chunk = malloc(IO_CHUNK);
	int rc = 0;

	if (chunk == NULL)
		return fail_errno(f, key, "memory");
	while (rc == 0 && r.len > 0) {
		size_t want = r.len < IO_CHUNK ? (size_t)r.len : IO_CHUNK;
		ssize_t n = io_pread(fd, chunk, want, (off_t)r.off);

		if (n < 0)
			rc = file_place_failed(&s->store, key, "read", f);
		if (n <= 0)
			break;
		rc = stream_write(out, chunk, (size_t)n, f);
		r.off += (uint64_t)n;
		r.len -= (uint64_t)n;
	}
	free(chunk);
	return rc;
}

static int
not_regular(const struct store *s, const char *key, struct fail *f)
{
	char object[STORE_KEY_MAX + 1024];

	store_object_name(s, key, object, sizeof object);
	(void)fail_set(f, FAIL_DAMAGED, object, "not a regular file");
	return fail_hint(f, "only walvault may write below %s", s->url);
}

/*
 * Open an object.  0, 1 no such object, -1; *fd is the caller's to close.
 * What is no regular file is in the way, which is no absence; O_NONBLOCK, so
 * that a FIFO does not hold us.
 */
static int
open_object(struct file_store *s, const char *key, struct file_place *place,
    int *fd, struct fail *f)
{
	struct stat st;
	int rc = file_place_open(s, key, false, place, f);

	if (rc != 0)
		return rc;
	*fd = openat(place->dir, place->name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (*fd < 0 && errno == ENOENT)
		rc = 1;
	else if (*fd < 0 ? errno != ELOOP : fstat(*fd, &st) != 0)
		rc = file_place_failed(&s->store, key, "open", f);
	else if (*fd < 0 || !S_ISREG(st.st_mode))
		rc = not_regular(&s->store, key, f);
	if (rc == 0)
		return 0;
	if (*fd >= 0)
		(void)close(*fd);
	file_place_close(place);
	return rc;
}

static int
file_get(struct store *store, const char *key, uint64_t off, uint64_t len,
    struct stream *out, struct fail *f)
{
	struct file_store *s = (struct file_store *)store;
	struct file_place place;
	int fd, rc = open_object(s, key, &place, &fd, f);

	if (rc != 0)
		return rc;
	rc = push_range(s, key, fd, (struct range){ off, len }, out, f);
	(void)close(fd);
	file_place_close(&place);
	return rc;
}

static int
file_stat(struct store *store, const char *key, struct store_info *info,
    struct fail *f)
{
	struct file_place place;
	struct stat st;
	int rc = file_place_open(
	    (struct file_store *)store, key, false, &place, f);

	if (rc != 0)
		return rc;
	if (fstatat(place.dir, place.name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		rc = errno == ENOENT ? 1
		                     : file_place_failed(store, key, "stat", f);
	else if (!S_ISREG(st.st_mode))
		rc = not_regular(store, key, f);
	else
		file_tree_info(&st, info);
	file_place_close(&place);
	return rc;
}

static int
file_settle(struct store *store, const char *key, struct fail *f)
{
	struct file_place place;
	int fd,
	    rc = open_object((struct file_store *)store, key, &place, &fd, f);

	if (rc != 0)
		return rc;
	if (fsync(fd) != 0 || file_place_sync(&place, key) != 0)
		rc = file_place_failed(store, key, "fsync", f);
	(void)close(fd);
	file_place_close(&place);
	return rc;
}

static int
file_list(struct store *store, const char *prefix, bool shallow,
    store_list_fn *fn, void *arg, struct fail *f)
{
	struct file_tree tree = {
		.url = store->url, .shallow = shallow, .fn = fn, .arg = arg
	};
	struct file_place place;
	int rc = file_place_open(
	    (struct file_store *)store, prefix, false, &place, f);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	return file_tree_list(&tree, place.dir, prefix, f);
}

static int
file_del(struct store *store, const char *key, struct fail *f)
{
	struct file_place place;
	int rc = file_place_open(
	    (struct file_store *)store, key, false, &place, f);

	if (rc != 0)
		return rc;
	if (unlinkat(place.dir, place.name, 0) != 0)
		rc = errno == ENOENT
		    ? 1
		    : file_place_failed(store, key, "delete", f);
	else if (fsync(place.dir) != 0)
		rc = file_place_failed(store, key, "fsync directory", f);
	file_place_close(&place);
	return rc;
}

/* fsync the directory that a path is in. */
static int
sync_parent(const char *path)
{
	char parent[PATH_MAX];
	int fd, rc;

	io_above(path, 1, parent, sizeof parent);
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = fsync(fd);
	(void)close(fd);
	return rc;
}

static int
file_prepare(struct store *store, struct fail *f)
{
	struct file_store *s = (struct file_store *)store;

	if (owner_mkdir(AT_FDCWD, s->root, s->dir_mode) == 0 &&
	    sync_parent(s->root) == 0)
		return 0;
	if (errno == EEXIST)
		return 0;
	(void)fail_errno(f, s->root, "make the store's directory");
	if (f->kind == FAIL_ABSENT)
		(void)fail_hint(f, "make the directory above it first");
	return -1;
}

static int
file_space(struct store *store, uint64_t *bytes, struct fail *f)
{
	struct file_store *s = (struct file_store *)store;
	struct statvfs st;

	if (statvfs(s->root, &st) != 0)
		return fail_errno(f, s->root, "ask for its free space");
	*bytes = (uint64_t)st.f_bavail * st.f_frsize;
	return 0;
}

static void
file_free(struct store *store)
{
	free(store);
}

static const struct store_ops file_ops = {
	.put = file_put,
	.front = file_front,
	.get = file_get,
	.stat = file_stat,
	.settle = file_settle,
	.list = file_list,
	.del = file_del,
	.sweep = file_sweep,
	.prepare = file_prepare,
	.space = file_space,
	.free = file_free,
};

struct store *
store_file_open(const struct store_args *args, const char *path, struct fail *f)
{
	struct file_store *s;

	if (path[0] != '/' || strlen(path) >= sizeof s->root) {
		(void)fail_set(
		    f, FAIL_CONFIG, args->url, "not an absolute path");
		(void)fail_hint(f, "write file:///absolute/path");
		return NULL;
	}
	s = calloc(1, sizeof *s);
	if (s == NULL) {
		(void)fail_errno(f, args->url, "open");
		return NULL;
	}
	s->store.ops = &file_ops;
	(void)snprintf(s->root, sizeof s->root, "%s", path);
	s->dir_mode = args->dir_mode;
	s->file_mode = args->file_mode;
	return &s->store;
}
