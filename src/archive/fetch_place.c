/* SPDX-License-Identifier: PostgreSQL */
/*
 * The file that a fetch makes: see fetch_place.h.  Where the file system can,
 * it is nameless until it is known to be right.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetch_place.h"
#include "io.h"
#include "walhdr.h"

/* The last stage: the file that becomes dest. */
struct placer {
	struct stream stream;
	const struct fetch_place *to;
	struct object_seen *seen;
	uint8_t page[WALHDR_LONG];
	size_t page_len;
	int fd;
	char temp[PATH_MAX]; /* empty for a nameless file */
};

static int
place_failed(const struct placer *p, const char *what, struct fail *f)
{
	(void)fail_errno(f, p->to->dest, what);
	if (f->kind == FAIL_ABSENT)
		f->kind = FAIL_TRANSIENT;
	return -1;
}

/* Pages of a file whose blocks are there already cost less. */
static void
reserve(const struct placer *p)
{
	uint64_t len = p->seen->header.plain.len;

	if (walname_segsize_ok(len))
		(void)fallocate(p->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)len);
}

static int
placer_write(
    struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct placer *p = (struct placer *)stream;
	size_t room = sizeof p->page - p->page_len;

	if (p->page_len == 0)
		reserve(p);
	if (room > len)
		room = len;
	memcpy(p->page + p->page_len, bytes, room);
	p->page_len += room;
	if (io_write(p->fd, bytes, len) != 0)
		return place_failed(p, "write", f);
	return 0;
}

static int
not_this(const struct placer *p, struct fail *f, const char *why)
{
	return fail_set(f, FAIL_DAMAGED, p->to->name.text,
	    "the stored segment is not the one asked for: %s", why);
}

/* The bytes themselves must say that they are what was asked for. */
static int
check_segment(const struct placer *p, struct fail *f)
{
	const struct object_header *o = &p->seen->header;
	const struct walname *name = &p->to->name;
	struct walhdr h;

	if (p->page_len < sizeof p->page)
		return not_this(p, f, "too short");
	walhdr_decode(p->page, &h);
	if (!walhdr_is_segment_start(&h) || p->seen->plain.len != h.segsize)
		return not_this(p, f, "not a whole segment");
	if (h.sysid != p->to->sysid)
		return not_this(p, f, "another cluster's");
	if (h.pageaddr != walname_segno(name, h.segsize) * h.segsize)
		return not_this(p, f, "wrong page address");
	if (h.tli > name->tli || o->tli != name->tli)
		return not_this(p, f, "wrong timeline");
	if (!o->damaged || p->to->allow_damaged)
		return 0;
	(void)fail_set(f, FAIL_DAMAGED, name->text,
	    "it was archived as damaged: %s", o->damaged_why);
	return fail_hint(f,
	    "the server would end recovery here as if it were the last WAL; "
	    "allow_damaged = yes hands it out all the same");
}

/* A finished name for the file; an older file there is replaced. */
static int
publish(struct placer *p)
{
	char self[64], temp[PATH_MAX];

	(void)snprintf(self, sizeof self, "/proc/self/fd/%d", p->fd);
	if (p->temp[0] == '\0') {
		if (linkat(AT_FDCWD, self, AT_FDCWD, p->to->dest,
		        AT_SYMLINK_FOLLOW) == 0)
			return 0;
		if (errno != EEXIST)
			return -1;
		if (snprintf(temp, sizeof temp, "%s.%ld.tmp", p->to->dest,
		        (long)gettid()) >= (int)sizeof temp) {
			errno = ENAMETOOLONG;
			return -1;
		}
		if (linkat(AT_FDCWD, self, AT_FDCWD, temp, AT_SYMLINK_FOLLOW) !=
		    0)
			return -1;
		memcpy(p->temp, temp, sizeof p->temp);
	}
	if (rename(p->temp, p->to->dest) != 0)
		return -1;
	p->temp[0] = '\0';
	return 0;
}

/* Some file systems tell of a failed write only at close, which a nameless
 * file must not have before it is linked. */
static int
close_early(int fd)
{
	int copy = dup(fd);

	return copy < 0 ? -1 : close(copy);
}

static int
placer_finish(struct stream *stream, struct fail *f)
{
	struct placer *p = (struct placer *)stream;

	if (p->to->name.kind == WALNAME_SEGMENT && check_segment(p, f) != 0)
		return -1;
	if (close_early(p->fd) != 0)
		return place_failed(p, "close", f);
	if (publish(p) != 0)
		return place_failed(p, "put into place", f);
	return 0;
}

static void
placer_free(struct stream *stream)
{
	struct placer *p = (struct placer *)stream;

	if (p->fd >= 0)
		(void)close(p->fd);
	if (p->temp[0] != '\0')
		(void)unlink(p->temp);
	free(p);
}

static const struct stream_ops placer_ops = {
	.write = placer_write,
	.finish = placer_finish,
	.free = placer_free,
};

/* pg_wal's files are readable by the group where the directory is. */
static mode_t
file_mode(const char *dir)
{
	struct stat st;

	return stat(dir, &st) == 0 && (st.st_mode & S_IRGRP) != 0 ? 0640 : 0600;
}

static int
open_temp(struct placer *p)
{
	const char *dir = p->to->pg_wal;
	mode_t mode = file_mode(dir);

	p->fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
	if (p->fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return p->fd;
	if (snprintf(p->temp, sizeof p->temp, "%s.%ld.tmp", p->to->dest,
	        (long)gettid()) >= (int)sizeof p->temp) {
		p->temp[0] = '\0';
		errno = ENAMETOOLONG;
		return -1;
	}
	p->fd = open(p->temp,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (p->fd < 0)
		p->temp[0] = '\0';
	return p->fd;
}

struct stream *
fetch_place_new(
    const struct fetch_place *to, struct object_seen *seen, struct fail *f)
{
	struct placer *p = calloc(1, sizeof *p);

	if (p == NULL) {
		(void)fail_errno(f, to->dest, "memory");
		return NULL;
	}
	p->stream.ops = &placer_ops;
	p->to = to;
	p->seen = seen;
	if (open_temp(p) >= 0)
		return &p->stream;
	(void)place_failed(p, "create", f);
	placer_free(&p->stream);
	return NULL;
}

int
fetch_place_bytes(
    const struct fetch_place *to, const struct buf *b, struct fail *f)
{
	struct object_seen seen = { 0 };
	struct stream *out = fetch_place_new(to, &seen, f);

	return out != NULL ? stream_write_whole(out, b->data, b->len, f) : -1;
}
