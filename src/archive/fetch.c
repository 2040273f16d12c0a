/* SPDX-License-Identifier: PostgreSQL */
/*
 * The way of a WAL file back from a store:
 *
 *	store -> open, decompress, verify -> nameless file -> destination
 *
 * Everything is known to be right before the destination exists.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "fetch.h"
#include "fork.h"
#include "io.h"
#include "log.h"
#include "mem.h"
#include "object.h"
#include "state.h"
#include "walhdr.h"

#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS   5000

struct fetch {
	const struct fetch_args *args;
	const char *dest;
	char pg_wal[PATH_MAX]; /* the directory of dest */
	struct walname name;
	uint64_t sysid;
	bool has_control;
	struct control control;
};

/* The last stage: the file that becomes dest. */
struct placer {
	struct stream stream;
	struct fetch *fetch;
	struct object_seen *seen;
	uint8_t page[WALHDR_LONG];
	size_t page_len;
	int fd;
	char temp[PATH_MAX]; /* empty for a nameless file */
};

static int
place_failed(const struct placer *p, const char *what, struct fail *f)
{
	(void)fail_errno(f, p->fetch->dest, what);
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
	return fail_set(f, FAIL_DAMAGED, p->fetch->name.text,
	    "the stored segment is not the one asked for: %s", why);
}

/* The bytes themselves must say that they are what was asked for. */
static int
check_segment(const struct placer *p, struct fail *f)
{
	const struct object_header *o = &p->seen->header;
	const struct walname *name = &p->fetch->name;
	struct walhdr h;

	if (p->page_len < sizeof p->page)
		return not_this(p, f, "too short");
	walhdr_decode(p->page, &h);
	if (!walhdr_is_segment_start(&h) || p->seen->plain.len != h.segsize)
		return not_this(p, f, "not a whole segment");
	if (h.sysid != p->fetch->sysid)
		return not_this(p, f, "another cluster's");
	if (h.pageaddr != walname_segno(name, h.segsize) * h.segsize)
		return not_this(p, f, "wrong page address");
	if (h.tli > name->tli || o->tli != name->tli)
		return not_this(p, f, "wrong timeline");
	if (!o->damaged || p->fetch->args->allow_damaged)
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
		if (linkat(AT_FDCWD, self, AT_FDCWD, p->fetch->dest,
		        AT_SYMLINK_FOLLOW) == 0)
			return 0;
		if (errno != EEXIST)
			return -1;
		if (snprintf(temp, sizeof temp, "%s.%ld.tmp", p->fetch->dest,
		        (long)getpid()) >= (int)sizeof temp) {
			errno = ENAMETOOLONG;
			return -1;
		}
		if (linkat(AT_FDCWD, self, AT_FDCWD, temp, AT_SYMLINK_FOLLOW) !=
		    0)
			return -1;
		memcpy(p->temp, temp, sizeof p->temp);
	}
	if (rename(p->temp, p->fetch->dest) != 0)
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

	if (p->fetch->name.kind == WALNAME_SEGMENT && check_segment(p, f) != 0)
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
	const char *dir = p->fetch->pg_wal;
	mode_t mode = file_mode(dir);

	p->fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
	if (p->fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return p->fd;
	if (snprintf(p->temp, sizeof p->temp, "%s.%ld.tmp", p->fetch->dest,
	        (long)getpid()) >= (int)sizeof p->temp) {
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

static struct stream *
placer_new(struct fetch *fetch, struct object_seen *seen, struct fail *f)
{
	struct placer *p = calloc(1, sizeof *p);

	if (p == NULL) {
		(void)fail_errno(f, fetch->dest, "memory");
		return NULL;
	}
	p->stream.ops = &placer_ops;
	p->fetch = fetch;
	p->seen = seen;
	if (open_temp(p) >= 0)
		return &p->stream;
	(void)place_failed(p, "create", f);
	placer_free(&p->stream);
	return NULL;
}

/* Put a small file that is not in a store into place. */
static int
place_bytes(struct fetch *x, const struct buf *b, struct fail *f)
{
	struct object_seen seen = { 0 };
	struct stream *out = placer_new(x, &seen, f);
	int rc = -1;

	if (out == NULL)
		return -1;
	if (stream_write(out, b->data, b->len, f) == 0)
		rc = stream_finish(out, f);
	stream_free(out);
	return rc;
}

/* A history file: small, must parse, and worth remembering. */
static int
get_history(
    struct fetch *x, struct repository *r, const char *key, struct fail *f)
{
	struct mem m;
	struct object_seen seen;
	struct timeline t;
	int rc;

	mem_init(&m);
	rc = object_read(r->store, &r->layout, key, &m.stream, &seen, f);
	if (rc == 0) {
		rc = timeline_parse(
		    m.bytes.data, m.bytes.len, x->name.tli, key, &t, f);
		if (rc == 0)
			timeline_clear(&t);
	}
	if (rc == 0)
		rc = place_bytes(x, &m.bytes, f);
	if (rc == 0)
		state_save_history(x->args->state_dir, r, x->name.tli,
		    m.bytes.data, m.bytes.len);
	buf_clear(&m.bytes);
	return rc;
}

static int
get_file(struct fetch *x, struct repository *r, const char *key, struct fail *f)
{
	struct object_seen seen;
	struct stream *out = placer_new(x, &seen, f);

	if (out == NULL)
		return -1;
	return object_read(r->store, &r->layout, key, out, &seen, f);
}

/* Never the old timeline's segment where the new one's must be. */
static int
check_fork(struct fetch *x, uint32_t segsize, struct fail *f)
{
	uint32_t newer;

	if (x->name.kind != WALNAME_SEGMENT)
		return 0;
	if (fork_fences(x->pg_wal, &x->name, segsize,
	        x->has_control ? &x->control : NULL, &newer) != 0)
		return fail_errno(f, x->pg_wal, "look for timeline histories");
	if (newer == 0)
		return 0;
	(void)fail_set(f, FAIL_REFUSED, x->name.text,
	    "timeline %u has left timeline %u before the end of this segment: "
	    "replaying it would mix two histories",
	    newer, x->name.tli);
	return fail_hint(f,
	    "the segment of timeline %u is not archived (yet). If timeline %u "
	    "is not to be followed, remove its history file from pg_wal",
	    newer, newer);
}

/* Where nobody said which history is meant, there must be only one. */
static int
check_generation(
    const struct fetch *x, const struct repository *r, struct fail *f)
{
	struct repository next = *r;
	struct identity id;
	int rc;

	if (x->args->generation_given)
		return 0;
	next.layout.generation++;
	rc = repository_identity(&next, &id, f);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	(void)fail_set(f, FAIL_CONFIG, r->store->url,
	    "system identifier %" PRIu64 " has a newer generation (%" PRIu32
	    ") here, and none was asked for",
	    id.sysid, id.generation);
	return fail_hint(f,
	    "set generation in the configuration, or give "
	    "--generation NUMBER");
}

/*
 * Ask one store.  0, 1 it has none, -1.  "None" holds only if this is still
 * the repository: a directory looks empty the moment its disk is unmounted.
 */
static int
get_from(struct fetch *x, struct repository *r, struct fail *f)
{
	struct identity id;
	char key[LAYOUT_KEY_MAX];
	int rc;

	if (repository_open(r, f) != 0)
		return -1;
	r->layout.sysid = x->sysid;
	r->layout.generation = x->args->generation;
	if (r->layout.sysid == 0 && repository_only_system(r, f) != 0)
		return -1;
	x->sysid = r->layout.sysid;
	if (repository_require(r, &id, f) != 0 ||
	    check_generation(x, r, f) != 0 || check_fork(x, id.segsize, f) != 0)
		return -1;
	layout_wal(&r->layout, &x->name, NULL, key);
	rc = x->name.kind == WALNAME_HISTORY ? get_history(x, r, key, f)
	                                     : get_file(x, r, key, f);
	if (rc == 1 &&
	    (repository_open(r, f) != 0 || repository_require(r, &id, f) != 0))
		return -1;
	return rc;
}

/* Absent is what all stores say; any other failure outweighs it. */
static int
get_from_any(struct fetch *x, struct fail *f)
{
	bool unknown = false;

	for (size_t i = 0; i < x->args->n_repos; i++) {
		struct fail one = { .kind = FAIL_NONE };
		int rc = get_from(x, &x->args->repos[i], &one);

		/* What failed to verify may have been a bad read. */
		if (rc < 0 && one.kind == FAIL_DAMAGED)
			rc = get_from(x, &x->args->repos[i], &one);
		if (rc == 0) {
			if (unknown)
				log_fail(LOG_WARNING,
				    "fetched from another store", f);
			return 0;
		}
		if (rc < 0) {
			if (unknown)
				log_fail(LOG_WARNING, "fetch", f);
			unknown = true;
			*f = one;
		}
	}
	return unknown ? -1 : 1;
}

/* What a store once answered still holds while it does not. */
static int
remembered_by(struct fetch *x, struct repository *r, struct fail *f)
{
	struct buf b = { 0 };
	struct timeline t;
	int rc = -1;

	r->layout.sysid = x->sysid;
	r->layout.generation = x->args->generation;
	if (state_load_history(x->args->state_dir, r, x->name.tli, &b) == 0 &&
	    timeline_parse(b.data, b.len, x->name.tli, x->name.text, &t, f) ==
	        0) {
		timeline_clear(&t);
		rc = place_bytes(x, &b, f);
	}
	buf_clear(&b);
	if (rc == 0)
		log_warning("fetched: %s: from memory: no word from store %s",
		    x->name.text, r->store->name);
	return rc;
}

static int
get_remembered(struct fetch *x)
{
	for (size_t i = 0; i < x->args->n_repos; i++) {
		struct fail f;

		if (remembered_by(x, &x->args->repos[i], &f) == 0)
			return 0;
	}
	return -1;
}

static bool
worth_trying_again(const struct fail *f)
{
	return f->kind == FAIL_TRANSIENT || f->kind == FAIL_SPACE;
}

static int
get_until_deadline(struct fetch *x, struct fail *f)
{
	int64_t wait = BACKOFF_FIRST_MS;

	for (;;) {
		int rc = get_from_any(x, f);
		struct timespec ts;

		if (rc >= 0 || !worth_trying_again(f) ||
		    deadline_left(x->args->deadline) < wait)
			return rc;
		log_fail(LOG_WARNING, "fetch, trying again", f);
		ts.tv_sec = wait / 1000;
		ts.tv_nsec = wait % 1000 * 1000000;
		(void)nanosleep(&ts, NULL);
		wait = wait * 2 < BACKOFF_MAX_MS ? wait * 2 : BACKOFF_MAX_MS;
	}
}

/*
 * After promotion the server asks for its own line's histories once more.  It
 * has them in pg_wal; an outage at that moment must not stop it.
 */
static int
get_from_pg_wal(struct fetch *x, struct fail *f)
{
	struct buf b = { 0 };
	struct timeline t;
	char path[PATH_MAX];
	int rc = 1;

	if (snprintf(path, sizeof path, "%.4000s/%s", x->pg_wal, x->name.text) <
	        (int)sizeof path &&
	    io_read_file(AT_FDCWD, path, TIMELINE_FILE_MAX, &b, f) == 0 &&
	    timeline_parse(b.data, b.len, x->name.tli, path, &t, f) == 0) {
		timeline_clear(&t);
		rc = place_bytes(x, &b, f);
	}
	buf_clear(&b);
	return rc;
}

/* Whose WAL is asked for?  Only the system identifier must be right: the
 * rest of pg_control may be torn at this moment. */
static int
find_cluster(struct fetch *x, struct fail *f)
{
	int rc;

	x->sysid = x->args->sysid;
	if (x->sysid != 0)
		return 0;
	rc = control_find(x->dest, x->args->pgdata, &x->control, f);
	if (rc == 0) {
		x->sysid = x->control.sysid;
		x->has_control = x->control.crc_ok;
	}
	return rc < 0 ? -1 : 0;
}

/* Take the arguments apart.  0 or -1. */
static int
fetch_init(struct fetch *x, const char *name, struct fail *f)
{
	if (walname_parse(name, &x->name) != 0 ||
	    x->name.kind == WALNAME_PARTIAL) {
		(void)fail_set(f, FAIL_CONFIG, name,
		    "not the name of a file that can be fetched");
		return fail_hint(f, "a .partial is read by: walvault cat");
	}
	if (strlen(x->dest) >= sizeof x->pg_wal - WALNAME_TEXT)
		return fail_set(
		    f, FAIL_CONFIG, x->dest, "the path is too long");
	io_above(x->dest, 1, x->pg_wal, sizeof x->pg_wal);
	return 0;
}

int
fetch_remembered(const struct fetch_args *args, const char *name,
    const char *dest, struct fail *f)
{
	struct fetch x = { .args = args, .dest = dest };

	if (fetch_init(&x, name, f) != 0 || x.name.kind != WALNAME_HISTORY ||
	    find_cluster(&x, f) != 0)
		return -1;
	return get_remembered(&x);
}

static int
not_by_plan(const struct fetch *x, struct fail *f)
{
	(void)fail_set(f, FAIL_ABSENT, x->name.text,
	    "the plan of this recovery needs it, and no store has it any more");
	return fail_hint(f, "see what can be reached: pitr-restore --plan");
}

/* By the usual rules, but what the plan has seen is never absent. */
static int
fetch_by_plan(struct fetch *x, struct fail *f)
{
	const struct planfile *p = &x->args->plan;
	enum planfile_word word = PLANFILE_SILENT;
	int rc;

	if (x->args->has_plan) {
		if (x->sysid != 0 && x->sysid != p->sysid)
			return fail_set(f, FAIL_CONFIG, PLANFILE_NAME,
			    "the plan is for another cluster: system "
			    "identifier %" PRIu64,
			    p->sysid);
		word = planfile_ask(p, &x->name);
	}
	if (word == PLANFILE_ABSENT) {
		(void)fail_set(f, FAIL_ABSENT, x->name.text,
		    "it lies behind the end of the plan (%s)", PLANFILE_NAME);
		return 1;
	}
	rc = get_until_deadline(x, f);
	return rc == 1 && word == PLANFILE_MUST ? not_by_plan(x, f) : rc;
}

int
fetch_file(const struct fetch_args *args, const char *name, const char *dest,
    struct fail *f)
{
	struct fetch x = { .args = args, .dest = dest };
	int rc;

	if (fetch_init(&x, name, f) != 0)
		return -1;
	if (x.name.kind == WALNAME_HISTORY) {
		/* The first timeline has no history, in no repository. */
		if (x.name.tli == 1)
			return 1;
		if (args->mode == FETCH_PROMOTED) {
			rc = get_from_pg_wal(&x, f);
			if (rc <= 0)
				return rc;
		}
	}
	if (find_cluster(&x, f) != 0)
		return -1;
	rc = fetch_by_plan(&x, f);
	if (rc < 0 && x.name.kind == WALNAME_HISTORY &&
	    f->kind != FAIL_DAMAGED && get_remembered(&x) == 0)
		return 0;
	return rc;
}
