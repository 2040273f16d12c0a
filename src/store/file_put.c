/* SPDX-License-Identifier: PostgreSQL */
/* Writing an object: see file_put.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_put.h"
#include "file_sweep.h"
#include "io.h"
#include "owner.h"

/* Bytes that are worth a request to the disk. */
#define FLUSH_STEP ((uint64_t)512 * 1024)

struct file_put {
	struct stream stream;
	struct file_store *store;
	char key[STORE_KEY_MAX];
	char aside[NAME_MAX + 1]; /* empty if none */
	struct file_place place;
	int fd;
	char temp[NAME_MAX + 1]; /* empty for O_TMPFILE */
	size_t front;            /* bytes left free, until they are filled */
	uint64_t end, flushed;   /* behind the bytes written */
};

static int
put_failed(struct file_put *p, const char *what, struct fail *f)
{
	return file_place_failed(&p->store->store, p->key, what, f);
}

/*
 * Have the disk begin with what is written, while more is being made; fsync
 * then finds little left to do.  It is only a hint where the system has none
 * of it, but what it says of the disk may be said once, and not by fsync.
 * 0, or -1 with errno.
 */
static int
flush_behind(struct file_put *p)
{
	uint64_t from = p->flushed;

	if (p->end - from < FLUSH_STEP)
		return 0;
	p->flushed = p->end;
	if (sync_file_range(p->fd, (off_t)from, (off_t)(p->end - from),
	        SYNC_FILE_RANGE_WRITE) == 0)
		return 0;
	return errno == ENOSYS || errno == EINVAL || errno == EPERM ? 0 : -1;
}

static int
put_write(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct file_put *p = (struct file_put *)stream;

	if (io_pwrite(p->fd, bytes, len, (off_t)p->end) != 0)
		return put_failed(p, "write", f);
	p->end += len;
	return flush_behind(p) == 0 ? 0 : put_failed(p, "write back", f);
}

int
file_front(struct stream *put, const void *bytes, size_t len, struct fail *f)
{
	struct file_put *p = (struct file_put *)put;

	if (len != p->front)
		return fail_set(f, FAIL_INTERNAL, p->key,
		    "%zu bytes for the %zu left in front", len, p->front);
	if (io_pwrite(p->fd, bytes, len, 0) != 0)
		return put_failed(p, "write", f);
	p->front = 0;
	return 0;
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

	if (p->front != 0)
		return fail_set(
		    f, FAIL_INTERNAL, p->key, "nothing was written in front");
	if (fsync(p->fd) != 0)
		return put_failed(p, "fsync", f);
	rc = file_place_has_objects(&p->place);
	if (rc == 0)
		rc = file_place_sync(&p->place, p->key);
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
	file_place_close(&p->place);
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
	(void)snprintf(p->temp, sizeof p->temp, FILE_TEMP_PREFIX "%ld-%08x",
	    (long)getpid(), random);
	p->fd = openat(
	    p->place.dir, p->temp, flags | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
	if (p->fd < 0)
		p->temp[0] = '\0';
	return p->fd;
}

/*
 * What root writes belongs to whom the directory belongs to: the server's user
 * must be able to read a note that a restore by root has left there.  Where
 * root may not do that (a squashing NFS), it stays as it is.
 */
static void
give_away(const struct file_put *p)
{
	struct stat st;

	if (geteuid() == 0 && fstat(p->place.dir, &st) == 0 &&
	    fchown(p->fd, st.st_uid, st.st_gid) != 0)
		return;
}

struct stream *
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
	p->front = attrs->front;
	p->end = p->flushed = attrs->front;
	(void)snprintf(p->key, sizeof p->key, "%s", key);
	if (aside != NULL)
		(void)snprintf(
		    p->aside, sizeof p->aside, "%s", strrchr(aside, '/') + 1);
	if (file_place_open(p->store, key, true, &p->place, f) != 0) {
		put_free(&p->stream);
		return NULL;
	}
	if (open_temp(p) < 0 || owner_inherit(p->fd, p->place.dir) != 0) {
		(void)put_failed(p, "create", f);
		put_free(&p->stream);
		return NULL;
	}
	give_away(p);
	return &p->stream;
}
