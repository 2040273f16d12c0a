/* SPDX-License-Identifier: PostgreSQL */
/*
 * A store in a directory: see store_file.h.
 *
 * An object is written into a nameless file (O_TMPFILE), so that a process
 * killed at any moment leaves nothing; where the file system has none (NFS),
 * into a file whose name begins with TEMP_PREFIX.  Publishing is link(2) or
 * rename(2) without replacement, behind fsync of the file (and, for the first
 * object of a directory, of all directories on its way) and before fsync of
 * the directory.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "file_tree.h"
#include "io.h"
#include "store_file.h"

#define TEMP_PREFIX ".walvault-"

struct file_store {
	struct store store;
	char root[PATH_MAX];
	mode_t dir_mode, file_mode;
};

/* A key split into the directory it is in and its last name. */
struct place {
	int dir; /* the directory's descriptor, -1 if closed */
	char name[NAME_MAX + 1];
};

static int
failed(const struct store *s, const char *key, const char *what, struct fail *f)
{
	char object[STORE_KEY_MAX + 1024];
	int error = errno;

	store_object_name(s, key, object, sizeof object);
	errno = error;
	(void)fail_errno(f, object, what);
	switch (f->kind) {
	case FAIL_SPACE:
		return fail_hint(f, "free or add space below %s", s->url);
	case FAIL_DENIED:
		return fail_hint(f,
		    "the directory must belong to the user that runs %s",
		    "PostgreSQL");
	default:
		return -1;
	}
}

static int
open_root(struct file_store *s, struct fail *f)
{
	int fd = open(s->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	(void)fail_errno(f, s->root, "store directory");
	if (f->kind == FAIL_ABSENT) {
		f->kind = FAIL_CONFIG;
		(void)fail_hint(f,
		    "is the disk mounted? A new store is made by: walvault "
		    "init");
	}
	return -1;
}

static void
close_place(struct place *place)
{
	if (place->dir >= 0)
		(void)close(place->dir);
	place->dir = -1;
}

/* A new directory is durable only when the one above it is. */
static int
make_dir(int parent, const char *name, mode_t mode)
{
	if (mkdirat(parent, name, mode) != 0 && errno != EEXIST)
		return -1;
	return fsync(parent);
}

/* One component of a key's path; a symbolic link is an error. */
static int
open_dir(const struct file_store *s, int parent, const char *name, bool make)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(parent, name, flags);

	if (fd < 0 && errno == ENOENT && make &&
	    make_dir(parent, name, s->dir_mode) == 0)
		fd = openat(parent, name, flags);
	return fd;
}

/* The component of a key that ends at end. */
static int
component(const char *p, const char *end, char name[NAME_MAX + 1])
{
	if (end - p > NAME_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	/* "", "." and ".." would lead elsewhere than where the key says; only
	 * a prefix ends with nothing behind its '/'. */
	if ((end == p && *end != '\0') ||
	    (p[0] == '.' && end - p <= 2 && end[-1] == '.')) {
		errno = EINVAL;
		return -1;
	}
	memcpy(name, p, (size_t)(end - p));
	name[end - p] = '\0';
	return 0;
}

/*
 * Open the directory of a key, one component after the other.  0, 1 it does
 * not exist (and was not to be made), -1.
 */
static int
open_place(struct file_store *s, const char *key, bool make,
    struct place *place, struct fail *f)
{
	const char *p = key, *slash;

	place->dir = open_root(s, f);
	if (place->dir < 0)
		return -1;
	for (; (slash = strchr(p, '/')) != NULL; p = slash + 1) {
		int next = -1;

		if (component(p, slash, place->name) == 0)
			next = open_dir(s, place->dir, place->name, make);
		if (next < 0) {
			bool missing = !make && errno == ENOENT;
			int rc = missing ? 1
			                 : failed(&s->store, key, "open", f);

			close_place(place);
			return rc;
		}
		close_place(place);
		place->dir = next;
	}
	if (component(p, p + strlen(p), place->name) == 0)
		return 0;
	close_place(place);
	return failed(&s->store, key, "open", f);
}

/*
 * fsync a key's directory and all above it up to the root.  Those above may
 * have been made by a process that died before it could do so.
 */
static int
sync_dirs(const struct place *place, const char *key)
{
	int dir = dup(place->dir), rc;

	if (dir < 0)
		return -1;
	rc = fsync(dir);
	for (; rc == 0 && (key = strchr(key, '/')) != NULL; key++) {
		int up = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		rc = up < 0 ? -1 : fsync(up);
		(void)close(dir);
		dir = up;
	}
	if (dir >= 0)
		(void)close(dir);
	return rc;
}

/*
 * Does the directory hold an object already?  1 yes, 0 no, -1.  Whoever
 * published it had made the path to it durable first, so that need not be done
 * again: fsync of a directory waits for all that the file system is busy with.
 */
static int
has_objects(const struct place *place)
{
	int fd = openat(place->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *d;
	int found = 0;

	if (dir == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	while (errno = 0, found == 0 && (d = readdir(dir)) != NULL)
		found = d->d_type == DT_REG && d->d_name[0] != '.';
	if (errno != 0)
		found = -1;
	(void)closedir(dir);
	return found;
}

struct file_put {
	struct stream stream;
	struct file_store *store;
	char key[STORE_KEY_MAX];
	char aside[NAME_MAX + 1]; /* empty if none */
	struct place place;
	int fd;
	char temp[NAME_MAX + 1]; /* empty for O_TMPFILE */
};

static int
put_failed(struct file_put *p, const char *what, struct fail *f)
{
	return failed(&p->store->store, p->key, what, f);
}

static int
put_write(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct file_put *p = (struct file_put *)stream;

	return io_write(p->fd, bytes, len) == 0 ? 0 : put_failed(p, "write", f);
}

/* Give the file a name that must not exist.  0, 1 it exists, -1. */
static int
publish_as(struct file_put *p, const char *name)
{
	char self[64];
	int rc;

	if (p->temp[0] == '\0') {
		(void)snprintf(self, sizeof self, "/proc/self/fd/%d", p->fd);
		rc = linkat(
		    AT_FDCWD, self, p->place.dir, name, AT_SYMLINK_FOLLOW);
	} else {
		rc = renameat2(p->place.dir, p->temp, p->place.dir, name,
		    RENAME_NOREPLACE);
		if (rc == 0)
			p->temp[0] = '\0';
		else if (errno == EINVAL || errno == ENOSYS)
			rc = linkat(
			    p->place.dir, p->temp, p->place.dir, name, 0);
	}
	if (rc == 0)
		return 0;
	return errno == EEXIST ? 1 : -1;
}

/* Take the place of a damaged object, which goes to p->aside. */
static int
publish_instead(struct file_put *p)
{
	int rc = publish_as(p, p->aside);

	if (rc != 0)
		return -1;
	rc = renameat2(p->place.dir, p->aside, p->place.dir, p->place.name,
	    RENAME_EXCHANGE);
	if (rc != 0) {
		int error = errno;

		(void)unlinkat(p->place.dir, p->aside, 0);
		errno = error;
	}
	return rc;
}

static int
put_finish(struct stream *stream, struct fail *f)
{
	struct file_put *p = (struct file_put *)stream;
	int rc;

	if (fsync(p->fd) != 0)
		return put_failed(p, "fsync", f);
	rc = has_objects(&p->place);
	if (rc == 0)
		rc = sync_dirs(&p->place, p->key);
	if (rc < 0)
		return put_failed(p, "fsync directories", f);
	if (p->aside[0] != '\0')
		rc = publish_instead(p);
	else
		rc = publish_as(p, p->place.name);
	if (rc < 0)
		return put_failed(p, "publish", f);
	if (rc == 1)
		return 1;
	if (fsync(p->place.dir) != 0)
		return put_failed(p, "fsync directory", f);
	return 0;
}

static void
put_free(struct stream *stream)
{
	struct file_put *p = (struct file_put *)stream;

	if (p->fd >= 0)
		(void)close(p->fd);
	if (p->temp[0] != '\0' && p->place.dir >= 0)
		(void)unlinkat(p->place.dir, p->temp, 0);
	close_place(&p->place);
	free(p);
}

static const struct stream_ops put_ops = {
	.write = put_write,
	.finish = put_finish,
	.free = put_free,
};

/* A file to write into: nameless, or with a random name. */
static int
open_temp(struct file_put *p)
{
	uint32_t random = 0;
	mode_t mode = p->store->file_mode;
	int flags = O_WRONLY | O_CLOEXEC;

	p->fd = openat(p->place.dir, ".", flags | O_TMPFILE, mode);
	if (p->fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return p->fd;
	if (getrandom(&random, sizeof random, 0) != sizeof random)
		return -1;
	(void)snprintf(p->temp, sizeof p->temp, TEMP_PREFIX "%ld-%08x",
	    (long)getpid(), random);
	p->fd = openat(
	    p->place.dir, p->temp, flags | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
	if (p->fd < 0)
		p->temp[0] = '\0';
	return p->fd;
}

static struct stream *
file_put(struct store *store, const char *key, const struct store_attrs *attrs,
    struct fail *f)
{
	struct file_put *p = calloc(1, sizeof *p);
	const char *aside = attrs->set_aside;

	if (p == NULL || strlen(key) >= sizeof p->key) {
		(void)fail_set(f, FAIL_INTERNAL, key, "cannot begin to write");
		free(p);
		return NULL;
	}
	p->stream.ops = &put_ops;
	p->store = (struct file_store *)store;
	p->fd = -1;
	p->place.dir = -1;
	(void)snprintf(p->key, sizeof p->key, "%s", key);
	if (aside != NULL)
		(void)snprintf(
		    p->aside, sizeof p->aside, "%s", strrchr(aside, '/') + 1);
	if (open_place(p->store, key, true, &p->place, f) != 0) {
		put_free(&p->stream);
		return NULL;
	}
	if (open_temp(p) < 0) {
		(void)put_failed(p, "create", f);
		put_free(&p->stream);
		return NULL;
	}
	return &p->stream;
}

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
			rc = failed(&s->store, key, "read", f);
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
open_object(struct file_store *s, const char *key, struct place *place, int *fd,
    struct fail *f)
{
	struct stat st;
	int rc = open_place(s, key, false, place, f);

	if (rc != 0)
		return rc;
	*fd = openat(place->dir, place->name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (*fd < 0 && errno == ENOENT)
		rc = 1;
	else if (*fd < 0 ? errno != ELOOP : fstat(*fd, &st) != 0)
		rc = failed(&s->store, key, "open", f);
	else if (*fd < 0 || !S_ISREG(st.st_mode))
		rc = not_regular(&s->store, key, f);
	if (rc == 0)
		return 0;
	if (*fd >= 0)
		(void)close(*fd);
	close_place(place);
	return rc;
}

static int
file_get(struct store *store, const char *key, uint64_t off, uint64_t len,
    struct stream *out, struct fail *f)
{
	struct file_store *s = (struct file_store *)store;
	struct place place;
	int fd, rc = open_object(s, key, &place, &fd, f);

	if (rc != 0)
		return rc;
	rc = push_range(s, key, fd, (struct range){ off, len }, out, f);
	(void)close(fd);
	close_place(&place);
	return rc;
}

static int
file_stat(struct store *store, const char *key, struct store_info *info,
    struct fail *f)
{
	struct place place;
	struct stat st;
	int rc = open_place((struct file_store *)store, key, false, &place, f);

	if (rc != 0)
		return rc;
	if (fstatat(place.dir, place.name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		rc = errno == ENOENT ? 1 : failed(store, key, "stat", f);
	else if (!S_ISREG(st.st_mode))
		rc = not_regular(store, key, f);
	else
		file_tree_info(&st, info);
	close_place(&place);
	return rc;
}

static int
file_settle(struct store *store, const char *key, struct fail *f)
{
	struct place place;
	int fd,
	    rc = open_object((struct file_store *)store, key, &place, &fd, f);

	if (rc != 0)
		return rc;
	if (fsync(fd) != 0 || sync_dirs(&place, key) != 0)
		rc = failed(store, key, "fsync", f);
	(void)close(fd);
	close_place(&place);
	return rc;
}

static int
file_list(struct store *store, const char *prefix, bool shallow,
    store_list_fn *fn, void *arg, struct fail *f)
{
	struct file_tree tree = {
		.url = store->url, .shallow = shallow, .fn = fn, .arg = arg
	};
	struct place place;
	int rc = open_place(
	    (struct file_store *)store, prefix, false, &place, f);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	return file_tree_list(&tree, place.dir, prefix, f);
}

static int
file_del(struct store *store, const char *key, struct fail *f)
{
	struct place place;
	int rc = open_place((struct file_store *)store, key, false, &place, f);

	if (rc != 0)
		return rc;
	if (unlinkat(place.dir, place.name, 0) != 0)
		rc = errno == ENOENT ? 1 : failed(store, key, "delete", f);
	else if (fsync(place.dir) != 0)
		rc = failed(store, key, "fsync directory", f);
	close_place(&place);
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

	if (mkdir(s->root, s->dir_mode) == 0 && sync_parent(s->root) == 0)
		return 0;
	if (errno == EEXIST)
		return 0;
	(void)fail_errno(f, s->root, "make the store's directory");
	if (f->kind == FAIL_ABSENT)
		(void)fail_hint(f, "make the directory above it first");
	return -1;
}

static void
file_free(struct store *store)
{
	free(store);
}

static const struct store_ops file_ops = {
	.put = file_put,
	.get = file_get,
	.stat = file_stat,
	.settle = file_settle,
	.list = file_list,
	.del = file_del,
	.prepare = file_prepare,
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
