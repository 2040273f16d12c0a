/* SPDX-License-Identifier: PostgreSQL */
/*
 * A store in a directory: see store_file.h.
 *
 * An object is written into a nameless file (O_TMPFILE), so that a process
 * killed at any moment leaves nothing; where the file system has none (NFS),
 * into a file whose name begins with TEMP_PREFIX.  Publishing is link(2) or
 * rename(2) without replacement, behind fsync of the file and before fsync of
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
			int rc =
			    missing ? 1 : failed(&s->store, key, "open", f);

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
	if (p->aside[0] != '\0')
		rc = publish_instead(p);
	else
		rc = publish_as(p, p->place.name);
	if (rc < 0)
		return put_failed(p, "publish", f);
	if (rc == 1)
		return 1;
	return fsync(p->place.dir) == 0 ? 0
	                                : put_failed(p, "fsync directory", f);
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

/* Push a range of an open file. */
static int
push_range(struct file_store *s, const char *key, int fd, uint64_t off,
    uint64_t len, struct stream *out, struct fail *f)
{
	uint8_t *chunk = malloc(IO_CHUNK);
	int rc = 0;

	if (chunk == NULL)
		return fail_errno(f, key, "memory");
	while (rc == 0 && len > 0) {
		size_t want = len < IO_CHUNK ? (size_t)len : IO_CHUNK;
		ssize_t n = io_pread(fd, chunk, want, (off_t)off);

		if (n < 0)
			rc = failed(&s->store, key, "read", f);
		if (n <= 0)
			break;
		rc = stream_write(out, chunk, (size_t)n, f);
		off += (uint64_t)n;
		len -= (uint64_t)n;
	}
	free(chunk);
	return rc;
}

/* Open an object.  0, 1 no such object, -1; *fd is the caller's to close. */
static int
open_object(struct file_store *s, const char *key, struct place *place, int *fd,
    struct fail *f)
{
	int rc = open_place(s, key, false, place, f);

	if (rc != 0)
		return rc;
	*fd =
	    openat(place->dir, place->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (*fd < 0) {
		rc = errno == ENOENT ? 1 : failed(&s->store, key, "open", f);
		close_place(place);
	}
	return rc;
}

static int
file_get(struct store *store, const char *key, uint64_t off, uint64_t len,
    struct stream *out, struct fail *f)
{
	struct file_store *s = (struct file_store *)store;
	struct place place;
	struct stat st;
	int fd, rc = open_object(s, key, &place, &fd, f);

	if (rc != 0)
		return rc;
	if (fstat(fd, &st) != 0)
		rc = failed(store, key, "stat", f);
	else if (!S_ISREG(st.st_mode))
		rc = 1;
	else
		rc = push_range(s, key, fd, off, len, out, f);
	(void)close(fd);
	close_place(&place);
	return rc;
}

static void
info_of(const struct stat *st, struct store_info *info)
{
	info->size = (uint64_t)st->st_size;
	info->mtime =
	    ((int64_t)st->st_mtim.tv_sec - CLOCK_PG_EPOCH_UNIX) * 1000000 +
	    st->st_mtim.tv_nsec / 1000;
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
		rc = 1;
	else
		info_of(&st, info);
	close_place(&place);
	return rc;
}

/* fsync a key's file and every directory from there up to the root. */
static int
file_settle(struct store *store, const char *key, struct fail *f)
{
	struct file_store *s = (struct file_store *)store;
	struct place place;
	char above[STORE_KEY_MAX];
	int fd, rc = open_object(s, key, &place, &fd, f);
	char *slash;

	if (rc != 0)
		return rc;
	if (fsync(fd) != 0 || fsync(place.dir) != 0)
		rc = failed(store, key, "fsync", f);
	(void)close(fd);
	close_place(&place);
	(void)snprintf(above, sizeof above, "%s", key);
	while (rc == 0 && (slash = strrchr(above, '/')) != NULL) {
		*slash = '\0';
		rc = open_place(s, above, false, &place, f);
		if (rc == 0 && fsync(place.dir) != 0)
			rc = failed(store, above, "fsync", f);
		if (rc == 0)
			close_place(&place);
	}
	return rc;
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
	struct entry *entries = NULL, *more;
	struct dirent *d;
	size_t cap = 0;

	*n = 0;
	while (errno = 0, (d = readdir(dir)) != NULL) {
		int kind = entry_kind(dirfd(dir), d);

		if (d->d_name[0] == '.' || (kind != DT_DIR && kind != DT_REG))
			continue;
		if (*n == cap) {
			cap = cap == 0 ? 64 : cap * 2;
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

struct listing {
	struct file_store *store;
	bool shallow;
	store_list_fn *fn;
	void *arg;
	struct fail *f;
};

static int list_dir(struct listing *l, int fd, const char *prefix);

static int
list_entry(struct listing *l, int fd, const char *prefix, const char *name)
{
	char key[STORE_KEY_MAX];
	struct store_info info;
	struct stat st;
	size_t len = strlen(name);
	int sub;

	if (snprintf(key, sizeof key, "%s%s", prefix, name) >= (int)sizeof key)
		return 0;
	if (name[len - 1] != '/') {
		if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			return errno == ENOENT
			    ? 0
			    : failed(&l->store->store, key, "stat", l->f);
		info_of(&st, &info);
		return l->fn(l->arg, key, &info);
	}
	if (l->shallow)
		return l->fn(l->arg, key, NULL);
	sub = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub < 0)
		return errno == ENOENT
		    ? 0
		    : failed(&l->store->store, key, "open", l->f);
	return list_dir(l, sub, key);
}

/* List a directory; fd is consumed. */
static int
list_dir(struct listing *l, int fd, const char *prefix)
{
	DIR *dir = fdopendir(fd);
	struct entry *entries = NULL;
	size_t n = 0;
	int rc = 0;

	if (dir == NULL || read_entries(dir, &entries, &n) != 0) {
		rc = failed(&l->store->store, prefix, "list", l->f);
		if (dir != NULL)
			(void)closedir(dir);
		else
			(void)close(fd);
		return rc;
	}
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = list_entry(l, dirfd(dir), prefix, entries[i].name);
	free_entries(entries, n);
	(void)closedir(dir);
	return rc;
}

static int
file_list(struct store *store, const char *prefix, bool shallow,
    store_list_fn *fn, void *arg, struct fail *f)
{
	struct listing l = { .store = (struct file_store *)store,
		.shallow = shallow,
		.fn = fn,
		.arg = arg,
		.f = f };
	struct place place;
	int rc = open_place(l.store, prefix, false, &place, f);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	return list_dir(&l, place.dir, prefix);
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

static int
file_prepare(struct store *store, struct fail *f)
{
	struct file_store *s = (struct file_store *)store;

	if (mkdir(s->root, s->dir_mode) == 0 || errno == EEXIST)
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
