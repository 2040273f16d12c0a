/* SPDX-License-Identifier: PostgreSQL */
/*
 * Files out of packs: workers take runs of neighbouring pieces, each run a
 * range of one pack that is read in one go.  Each piece is summed on its way
 * to the disk; one that is not what the manifest says ends the restore.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backup.h"
#include "io.h"
#include "pack.h"
#include "restore_files.h"
#include "thread.h"

/* Stored bytes that a worker takes at once. */
#define RUN_STORED ((uint64_t)16 * 1024 * 1024)

/* Unneeded bytes between two pieces that are read rather than left out. */
#define RUN_GAP ((uint64_t)1024 * 1024)

/* Written bytes of a file that are worth a request to the disk. */
#define FLUSH_STEP ((uint64_t)2 * 1024 * 1024)

#define PROGRESS_MS 200

/* What all workers share. */
struct crew {
	struct restore *restore;
	pthread_mutex_t lock; /* of next, failed, fail, working */
	pthread_cond_t ended;
	size_t next; /* the first piece that nobody has taken */
	size_t working;
	bool failed;
	struct fail fail;
	_Atomic uint64_t done;
};

/* Puts the bytes of a run of pieces where they belong. */
struct unpacker {
	struct crew *crew;
	const struct manifest_piece *piece; /* at hand */
	uint64_t got;                       /* its bytes so far */
	const struct restore_file *file;    /* that fd is open for */
	int fd;
	uint64_t flushed, end; /* of it, behind what was written last */
	bool local;            /* what failed, failed here */
	uint64_t done;         /* bytes counted */
	bool touched[KEPT_COUNT];
};

static int
close_file(struct unpacker *u, struct fail *f)
{
	int fd = u->fd;

	if (fd < 0)
		return 0;
	u->fd = -1;
	if (close(fd) != 0)
		return restore_failed(
		    u->crew->restore, u->file->path, "close", f);
	return 0;
}

/* A file that is kept in memory; -1: it is not needed at all. */
static int
kept_for(const struct restore *r, size_t file)
{
	for (int i = 0; i < KEPT_COUNT; i++)
		if (r->has_kept[i] && r->kept_file[i] == file)
			return i;
	return -1;
}

static int
open_file(struct unpacker *u, const struct restore_file *file, struct fail *f)
{
	if (u->fd >= 0 && u->file == file)
		return 0;
	if (close_file(u, f) != 0)
		return -1;
	u->file = file;
	u->flushed = u->end = 0;
	u->fd = restore_open(u->crew->restore, file, O_WRONLY | O_CREAT, f);
	return u->fd >= 0 ? 0 : -1;
}

/*
 * Have the disk begin with what is written, while more is being read: syncfs
 * at the end then finds little left to do.  Only a hint where the system has
 * none of it.  0, or -1 with errno.
 */
static int
flush_behind(struct unpacker *u, uint64_t off, uint64_t len)
{
	uint64_t from = u->flushed;

	if (off != u->end)
		from = u->flushed = off;
	u->end = off + len;
	if (u->end - from < FLUSH_STEP)
		return 0;
	u->flushed = u->end;
	if (sync_file_range(u->fd, (off_t)from, (off_t)(u->end - from),
	        SYNC_FILE_RANGE_WRITE) == 0)
		return 0;
	return errno == ENOSYS || errno == EINVAL || errno == EPERM ? 0 : -1;
}

static int
put_bytes(struct unpacker *u, const struct manifest_piece *p, const void *bytes,
    size_t len, struct fail *f)
{
	struct restore *r = u->crew->restore;
	const struct restore_set *s = r->args->set;
	size_t number = s->piece_files[p - s->pieces];
	const struct restore_file *file = &s->files[number];
	off_t off;

	if (u->piece != p) {
		u->piece = p;
		u->got = 0;
	}
	off = (off_t)(p->plain_off + u->got);
	u->got += len;
	u->done += len;
	atomic_fetch_add(&u->crew->done, len);
	if (!r->from_packs[number]) {
		int kept = kept_for(r, number);

		if (kept < 0)
			return 0;
		u->touched[kept] = true;
		return buf_append(&r->kept[kept], bytes, len) == 0
		    ? 0
		    : fail_errno(f, file->path, "memory");
	}
	if (open_file(u, file, f) != 0)
		return -1;
	if (io_pwrite(u->fd, bytes, len, off) != 0)
		return restore_failed(r, file->path, "write", f);
	return flush_behind(u, (uint64_t)off, len) == 0
	    ? 0
	    : restore_failed(r, file->path, "write back", f);
}

static int
put(void *arg, const struct manifest_piece *p, const void *bytes, size_t len,
    struct fail *f)
{
	struct unpacker *u = arg;

	u->local = put_bytes(u, p, bytes, len, f) != 0;
	return u->local ? -1 : 0;
}

/*
 * As if the run had not been begun: what is written is written over, and what
 * is kept is one piece.
 */
static void
forget_run(struct unpacker *u)
{
	struct restore *r = u->crew->restore;

	atomic_fetch_sub(&u->crew->done, u->done);
	u->done = 0;
	u->piece = NULL;
	for (int i = 0; i < KEPT_COUNT; i++)
		if (u->touched[i])
			r->kept[i].len = 0;
}

/* Where there are several sources, from one that gives it whole. */
static int
read_run(struct unpacker *u, struct repository *repo,
    const struct pack_place *place, const struct manifest_piece *piece,
    size_t n, struct fail *f)
{
	struct pack_reader to = { .write = put, .arg = u };
	char key[LAYOUT_KEY_MAX];
	int rc;

	backup_pack_key(&repo->layout, place->backup, piece->pack, key);
	while ((rc = pack_read_pieces(repo, place, piece, n, &to, f)) < 0 &&
	    !u->local && store_turn(repo->store, key, f) == 1)
		forget_run(u);
	return rc;
}

/* Read one run of pieces, all of one pack. */
static int
unpack_run(struct crew *c, struct repository *repo,
    const struct manifest_piece *piece, size_t n, struct fail *f)
{
	const struct restore_set *s = c->restore->args->set;
	struct unpacker u = { .crew = c, .piece = NULL, .fd = -1 };
	struct pack_place place = { .backup = s->head.backups[piece->backup],
		.head = restore_set_pack(s, piece)->head };
	int rc = read_run(&u, repo, &place, piece, n, f);

	if (rc == 1)
		rc = fail_set(f, FAIL_DAMAGED, place.backup,
		    "its pack-%06" PRIu32 " has vanished", piece->pack);
	if (rc < 0 && f->kind == FAIL_DAMAGED && u.piece != NULL)
		(void)fail_add(f, "at or behind %s",
		    s->files[s->piece_files[u.piece - s->pieces]].path);
	if (rc == 0)
		rc = close_file(&u, f);
	if (u.fd >= 0)
		(void)close(u.fd);
	return rc;
}

/* Does p go into the run that begins with first and ends with last? */
static bool
joins(const struct manifest_piece *first, const struct manifest_piece *last,
    const struct manifest_piece *p)
{
	return p->backup == first->backup && p->pack == first->pack &&
	    p->off - first->off <= RUN_STORED &&
	    p->off - last->off - last->stored <= RUN_GAP;
}

/* Take the next run; 0 pieces: there is none. */
static size_t
take_run(struct crew *c, const struct manifest_piece **piece)
{
	const struct restore_set *s = c->restore->args->set;
	struct fail ignored;
	bool go_on = restore_go_on(c->restore, &ignored) == 0;
	size_t n = 0;

	(void)pthread_mutex_lock(&c->lock);
	*piece = &s->pieces[c->next];
	while (go_on && !c->failed && c->next < s->n_pieces) {
		if (n > 0 &&
		    !joins(
		        *piece, &s->pieces[c->next - 1], &s->pieces[c->next]))
			break;
		n++;
		c->next++;
	}
	(void)pthread_mutex_unlock(&c->lock);
	return n;
}

struct worker {
	struct crew *crew;
	struct repository *repo;
	pthread_t thread;
};

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct crew *c = w->crew;
	const struct manifest_piece *piece;
	struct fail f = { .kind = FAIL_NONE };
	int rc = 0;
	size_t n;

	while (rc == 0 && (n = take_run(c, &piece)) > 0)
		rc = unpack_run(c, w->repo, piece, n, &f);
	(void)pthread_mutex_lock(&c->lock);
	if (rc != 0 && !c->failed) {
		c->failed = true;
		c->fail = f;
	}
	c->working--;
	(void)pthread_cond_signal(&c->ended);
	(void)pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* Until all have ended, tell how far it is. */
static void
watch(struct crew *c, uint64_t total)
{
	const struct restore_args *a = c->restore->args;

	(void)pthread_mutex_lock(&c->lock);
	while (c->working > 0) {
		struct restore_progress p = { atomic_load(&c->done), total };

		if (a->progress != NULL)
			a->progress(a->arg, &p);
		(void)thread_wait_until(
		    &c->ended, &c->lock, clock_monotonic_ms() + PROGRESS_MS);
	}
	(void)pthread_mutex_unlock(&c->lock);
}

static uint64_t
total_bytes(const struct restore_set *s)
{
	uint64_t total = 0;

	for (size_t i = 0; i < s->n_pieces; i++)
		total += s->pieces[i].len;
	return total;
}

int
restore_unpack(struct restore *r, struct fail *f)
{
	const struct restore_args *a = r->args;
	struct crew c = { .restore = r, .lock = PTHREAD_MUTEX_INITIALIZER };
	struct worker *w = calloc(a->n_repos, sizeof *w);
	size_t n = 0;

	if (w == NULL)
		return fail_errno(f, "workers", "memory");
	(void)crc32c(0, "", 0);
	thread_cond_init(&c.ended);
	c.working = a->n_repos;
	for (; n < a->n_repos; n++) {
		w[n] = (struct worker){ .crew = &c, .repo = &a->repos[n] };
		if (thread_start(&w[n].thread, work, &w[n]) != 0)
			break;
	}
	if (n < a->n_repos) {
		(void)pthread_mutex_lock(&c.lock);
		c.working -= a->n_repos - n;
		(void)pthread_mutex_unlock(&c.lock);
	}
	watch(&c, total_bytes(a->set));
	for (size_t i = 0; i < n; i++)
		(void)pthread_join(w[i].thread, NULL);
	free(w);
	r->result->bytes = atomic_load(&c.done);
	if (n == 0)
		return fail_set(
		    f, FAIL_INTERNAL, "workers", "no thread could be started");
	if (!c.failed)
		return restore_go_on(r, f);
	*f = c.fail;
	r->result->backup_damaged = f->kind == FAIL_DAMAGED;
	return -1;
}
