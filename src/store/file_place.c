/* SPDX-License-Identifier: PostgreSQL */
/* Where a key lies: see file_place.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_place.h"
#include "owner.h"

int
file_place_failed(
    const struct store *s, const char *key, const char *what, struct fail *f)
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

/* Where it is, whatever it is called: other names may lead there, too. */
static void
learn_root(struct file_store *s, int fd)
{
	struct stat st;

	if (s->store.inode != 0 || fstat(fd, &st) != 0)
		return;
	s->store.device = (uint64_t)st.st_dev;
	s->store.inode = (uint64_t)st.st_ino;
}

static int
open_root(struct file_store *s, struct fail *f)
{
	int fd = open(s->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		learn_root(s, fd);
		return fd;
	}
	(void)fail_errno(f, s->root, "store directory");
	if (f->kind == FAIL_ABSENT) {
		f->kind = FAIL_CONFIG;
		(void)fail_hint(f,
		    "is the disk mounted? A new store is made by: walvault "
		    "init");
	}
	return -1;
}

void
file_place_close(struct file_place *place)
{
	if (place->dir >= 0)
		(void)close(place->dir);
	place->dir = -1;
}

/* A new directory is durable only when the one above it is. */
static int
make_dir(int parent, const char *name, mode_t mode)
{
	if (owner_mkdir(parent, name, mode) != 0 && errno != EEXIST)
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

int
file_place_open(struct file_store *s, const char *key, bool make,
    struct file_place *place, struct fail *f)
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
			int rc = missing
			    ? 1
			    : file_place_failed(&s->store, key, "open", f);

			file_place_close(place);
			return rc;
		}
		file_place_close(place);
		place->dir = next;
	}
	if (component(p, p + strlen(p), place->name) == 0)
		return 0;
	file_place_close(place);
	return file_place_failed(&s->store, key, "open", f);
}

int
file_place_sync(const struct file_place *place, const char *key)
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

int
file_place_has_objects(const struct file_place *place)
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
