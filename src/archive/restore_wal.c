/* SPDX-License-Identifier: PostgreSQL */
/* Segments put into pg_wal itself: see restore_files.h. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "io.h"
#include "object.h"
#include "restore_files.h"

/* The last stage: a file in pg_wal. */
struct segment_file {
	struct stream stream;
	const struct restore *restore;
	const char *path;
	int fd;
};

static int
segment_write(
    struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct segment_file *s = (struct segment_file *)stream;

	return io_write(s->fd, bytes, len) == 0
	    ? 0
	    : restore_failed(s->restore, s->path, "write", f);
}

static int
segment_finish(struct stream *stream, struct fail *f)
{
	(void)stream;
	(void)f;
	return 0;
}

static void
segment_free(struct stream *stream)
{
	(void)stream;
}

static const struct stream_ops segment_ops = {
	.write = segment_write, .finish = segment_finish, .free = segment_free
};

/* The object as the segment of that name. */
static int
place(struct restore *r, const char *key, const struct walname *name,
    struct fail *f)
{
	struct repository *repo = &r->args->repos[0];
	struct object_seen seen;
	char path[64];
	struct segment_file s = {
		.stream.ops = &segment_ops, .restore = r, .path = path
	};
	struct restore_file file = {
		.path = path, .mode = r->file_mode, .owner = r->owner
	};
	int rc;

	(void)snprintf(path, sizeof path, "pg_wal/%s", name->text);
	s.fd = restore_open(r, &file, O_WRONLY | O_CREAT | O_TRUNC, f);
	if (s.fd < 0)
		return -1;
	rc = object_read_whole(
	    repo->store, &repo->layout, key, &s.stream, &seen, f);
	if (rc == 1)
		rc = fail_set(f, FAIL_ABSENT, key, "it has vanished");
	if (rc == 0 && seen.plain.len != r->args->plan->index->id.segsize)
		rc = fail_set(f, FAIL_DAMAGED, key, "not as long as a segment");
	if (close(s.fd) != 0 && rc == 0)
		rc = restore_failed(r, path, "close", f);
	return rc;
}

/* What the archive has, or another file of that name: not to be archived. */
static int
mark_archived(
    const struct restore *r, const struct walname *name, struct fail *f)
{
	char path[96];
	struct restore_file file = {
		.path = path, .mode = r->file_mode, .owner = r->owner
	};
	int fd;

	(void)snprintf(
	    path, sizeof path, "pg_wal/archive_status/%s.done", name->text);
	fd = restore_open(r, &file, O_WRONLY | O_CREAT, f);
	if (fd < 0)
		return -1;
	return close(fd) == 0 ? 0 : restore_failed(r, path, "close", f);
}

/* The key under which the plan has segment segno. */
static void
planned_key(const struct plan *p, uint64_t segno, char out[LAYOUT_KEY_MAX])
{
	uint32_t segsize = p->index->id.segsize;
	struct walname name;

	if (segno == p->last_segno && p->partial_key[0] != '\0') {
		(void)snprintf(out, LAYOUT_KEY_MAX, "%s", p->partial_key);
		return;
	}
	walname_segment(timeline_at(&p->history, (segno + 1) * segsize - 1),
	    segno, segsize, &name);
	layout_wal(&p->index->repo->layout, &name, NULL, out);
}

/*
 * Recovery takes a segment in which a timeline forks from the child, which
 * begins with the parent's WAL.  But while it replays that beginning, the
 * server looks prepared transactions up under the parent's name, which it
 * expects in pg_wal and no restore_command is asked for ("requested WAL
 * segment ... has already been removed"; 13 to 18, XLogReadDetermineTimeline).
 */
static int
place_forks(struct restore *r, struct fail *f)
{
	const struct plan *p = r->args->plan;
	uint32_t segsize = p->index->id.segsize;
	char key[LAYOUT_KEY_MAX];
	struct walname name;

	for (size_t i = 0; i < p->history.n; i++) {
		const struct timeline_entry *t = &p->history.ancestors[i];
		uint64_t segno = t->switch_lsn / segsize;

		if (t->switch_lsn % segsize == 0 || segno < p->first_segno ||
		    segno > p->last_segno)
			continue;
		planned_key(p, segno, key);
		walname_segment(t->tli, segno, segsize, &name);
		if (place(r, key, &name, f) != 0 ||
		    mark_archived(r, &name, f) != 0)
			return -1;
	}
	return 0;
}

/* What is archived only as .partial. */
static int
place_partial(struct restore *r, struct fail *f)
{
	const struct plan *p = r->args->plan;
	struct walname name;

	if (p->partial_key[0] == '\0')
		return 0;
	walname_segment(
	    p->last_segment.tli, p->last_segno, p->index->id.segsize, &name);
	return place(r, p->partial_key, &name, f);
}

int
restore_place_wal(struct restore *r, struct fail *f)
{
	return place_partial(r, f) == 0 ? place_forks(r, f) : -1;
}
