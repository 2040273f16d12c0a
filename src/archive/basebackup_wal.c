/* SPDX-License-Identifier: PostgreSQL */
/*
 * A base backup's WAL: see basebackup_job.h.  The server's word that it has
 * archived something is not asked for: what counts is what can be read back
 * from the repository.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "basebackup_wait.h"
#include "fork.h"
#include "io.h"
#include "log.h"
#include "lsn.h"
#include "mem.h"
#include "object.h"
#include "push.h"

static int
unusable(const struct walname *name, const char *why, const char *what,
    struct fail *f)
{
	(void)fail_set(f, FAIL_DAMAGED, name->text, "the archived segment %s%s",
	    why, what);
	return fail_hint(f,
	    "no backup can be recovered through it; walvault verify --wal "
	    "shows what it costs");
}

/* Read a whole segment back.  0, 1 it is not there, -1. */
static int
verify_segment(
    struct basebackup_wait *w, const struct walname *name, struct fail *f)
{
	struct repository *r = w->repo;
	struct object_seen *seen = malloc(sizeof *seen);
	char key[LAYOUT_KEY_MAX];
	const char *why;
	int rc;

	if (seen == NULL)
		return fail_errno(f, name->text, "memory");
	layout_wal(&r->layout, name, NULL, key);
	rc = object_read(r->store, &r->layout, key, NULL, seen, f);
	if (rc < 0 && f->kind == FAIL_DAMAGED)
		(void)fail_add(f, "WAL that the backup needs is damaged");
	if (rc == 0 && seen->header.damaged)
		rc = unusable(name,
		    "is marked as damaged: ", seen->header.damaged_why, f);
	else if (rc == 0 && !seen->header.has_facts)
		rc = unusable(name, "has no facts", "", f);
	if (rc == 0) {
		why = waljoin_next(&w->join, &seen->header.facts);
		if (why != NULL)
			rc = unusable(name,
			    "does not follow the one before it: ", why, f);
	}
	free(seen);
	return rc;
}

/*
 * On a server that has been idle nothing new had to be archived; but if it
 * tries to and fails, the segments of better days prove nothing.
 */
static int
is_failing(struct basebackup *b)
{
	struct conn_archiver a;
	struct fail ignored;

	return !b->server.in_recovery &&
	    conn_archiver(b->conn, &a, &ignored) == 0 && a.failing;
}

/* The line of timeline tli, as pg_wal tells it. */
static int
local_line(
    struct basebackup *b, uint32_t tli, struct timeline *t, struct fail *f)
{
	char dir[PATH_MAX];
	int rc;

	*t = (struct timeline){ .tli = tli };
	if (tli <= 1)
		return 0;
	(void)snprintf(dir, sizeof dir, "%.4000s/pg_wal", b->args->pgdata);
	rc = fork_read_history(dir, tli, t, f);
	if (rc == 1)
		*t = (struct timeline){ .tli = tli };
	return rc < 0 ? -1 : 0;
}

/* In as many stores as it must be in?  1, 0, -1. */
static int
is_archived(struct basebackup *b, const struct timeline *t, uint64_t segno,
    struct fail *f)
{
	const struct basebackup_args *a = b->args;
	struct walname name;
	size_t n = 0;

	walname_segment(basebackup_segment_tli(t, segno, b->control.segsize),
	    segno, b->control.segsize, &name);
	for (size_t i = 0; i < a->n_repos; i++) {
		int rc;

		if (!mirror_has(b->mirror, i))
			continue;
		rc = basebackup_is_there(&a->repos[i], &name, f);
		if (rc < 0 && mirror_drop(b->mirror, i, f, f) != 0)
			return -1;
		n += rc == 1;
	}
	return n >= a->required;
}

/*
 * pg_backup_start has switched to a new segment, so the one before the start
 * is complete and must come.  On a standby there was no switch, but the
 * segment before the start has been complete for long; if archiving began
 * later than that, the start's own will do.
 */
int
basebackup_prove_archiving(struct basebackup *b, struct fail *f)
{
	uint64_t segno = b->start_lsn / b->control.segsize;
	struct timeline t;
	struct walname name;
	struct basebackup_wait w;
	struct buf file = { 0 };
	int rc;

	/* The start is a checkpoint now, so the file knows its timeline. */
	if (control_read_whole(
	        b->args->pgdata, &file, &b->control, &b->details, f) != 0)
		return -1;
	buf_clear(&file);
	if (local_line(b, b->control.tli, &t, f) != 0)
		return -1;
	basebackup_wait_begin(&w, b, NULL);
	walname_segment(
	    basebackup_segment_tli(&t, segno - 1, b->control.segsize),
	    segno - 1, b->control.segsize, &name);
	for (;;) {
		rc = is_archived(b, &t, segno - 1, f);
		if (rc == 0)
			rc = is_archived(b, &t, segno, f);
		if (rc < 0 || (rc == 1 && !is_failing(b)))
			break;
		if (basebackup_wait_more(&w, &name, f) != 0) {
			(void)fail_add(f, "archiving is not proven");
			rc = -1;
			break;
		}
	}
	timeline_clear(&t);
	return rc < 0 ? -1 : 0;
}

/* A history file of the repository.  0 (the caller clears *t), 1, -1. */
static int
read_history(
    struct repository *r, uint32_t tli, struct timeline *t, struct fail *f)
{
	struct object_seen *seen = malloc(sizeof *seen);
	struct walname name;
	char key[LAYOUT_KEY_MAX];
	struct mem m;
	int rc;

	if (seen == NULL)
		return fail_errno(f, "history", "memory");
	mem_init(&m);
	walname_history(tli, &name);
	layout_wal(&r->layout, &name, NULL, key);
	rc = object_read(r->store, &r->layout, key, &m.stream, seen, f);
	if (rc == 0)
		rc = timeline_parse(
		    m.bytes.data, m.bytes.len, tli, name.text, t, f);
	buf_clear(&m.bytes);
	free(seen);
	return rc;
}

/*
 * The server may have got its history while it did not archive, and never
 * archives it later: then it is shipped from here.
 */
static void
ship_history(struct basebackup_wait *w, const struct walname *name)
{
	struct basebackup *b = w->b;
	struct repository copy = *w->repo;
	struct push_args args = { .repos = &copy,
		.n_repos = 1,
		.generation = b->identity.generation,
		.pgdata = b->args->pgdata,
		.compress_level = b->args->codec.level,
		.spool_dir = b->args->spool_dir };
	char path[PATH_MAX];
	struct fail f;

	(void)snprintf(path, sizeof path, "%.4000s/pg_wal/%s", b->args->pgdata,
	    name->text);
	if (io_exists(path) != 1)
		return;
	if (push_file(&args, path, &f) != 0)
		log_fail(LOG_WARNING, "not archived", &f);
	else
		log_info("archived: %s: it was missing, the backup needs it",
		    name->text);
}

/* The line that ends at tli, from the repository. */
static int
wait_line(
    struct basebackup_wait *w, uint32_t tli, struct timeline *t, struct fail *f)
{
	struct walname name;
	bool shipped = false;
	int rc;

	*t = (struct timeline){ .tli = tli };
	if (tli <= 1)
		return 0;
	walname_history(tli, &name);
	for (;;) {
		rc = read_history(w->repo, tli, t, f);
		if (rc != 1)
			return rc;
		*t = (struct timeline){ .tli = tli };
		if (!shipped)
			ship_history(w, &name);
		else if (basebackup_wait_more(w, &name, f) != 0)
			return -1;
		shipped = true;
	}
}

/* Timelines of a line that have a history have it in the repository, too. */
static int
wait_histories(struct basebackup_wait *w, uint32_t start_tli, struct fail *f)
{
	const struct timeline *line = &w->b->line;

	for (size_t i = 0; i < line->n; i++) {
		struct timeline t;

		if (line->ancestors[i].tli < start_tli)
			continue;
		if (wait_line(w, line->ancestors[i].tli, &t, f) != 0)
			return -1;
		timeline_clear(&t);
	}
	return 0;
}

/*
 * The timeline of the stop.  A primary cannot have changed it (a promotion
 * ends a backup); a standby may have followed its primary to another.
 */
static int
stop_timeline(
    struct basebackup *b, uint32_t start_tli, uint32_t *tli, struct fail *f)
{
	struct control c;
	struct control_details d;
	struct buf file = { 0 };
	int rc;

	*tli = start_tli;
	if (!b->server.in_recovery)
		return 0;
	rc = control_read_whole(b->args->pgdata, &file, &c, &d, f);
	buf_clear(&file);
	if (rc == 0 && d.min_recovery_tli > *tli)
		*tli = d.min_recovery_tli;
	return rc;
}

static int
wait_segments(
    struct basebackup_wait *w, uint64_t start, uint64_t stop, struct fail *f)
{
	struct basebackup *b = w->b;
	uint32_t segsize = b->control.segsize;

	for (uint64_t i = start / segsize; i <= (stop - 1) / segsize;) {
		struct walname name;
		int rc;

		walname_segment(basebackup_segment_tli(&b->line, i, segsize), i,
		    segsize, &name);
		rc = verify_segment(w, &name, f);
		if (rc < 0)
			return -1;
		if (rc == 1) {
			if (basebackup_wait_more(w, &name, f) != 0)
				return -1;
			continue;
		}
		w->over = basebackup_tick(b, f) != 0;
		if (w->over)
			return -1;
		w->deadline = deadline_in(b->args->archive_wait_ms);
		w->since_ms = clock_monotonic_ms();
		i++;
	}
	return 0;
}

/* The whole way in one repository; fills b->line.  0 or -1. */
static int
wait_all(struct basebackup_wait *w, uint32_t tli, struct fail *f)
{
	struct basebackup *b = w->b;
	struct manifest_summary *s = &b->head.s;

	timeline_clear(&b->line);
	if (wait_line(w, tli, &b->line, f) != 0)
		return -1;
	if (timeline_switch(&b->line, s->start_tli) == LSN_NONE)
		return fail_set(f, FAIL_DAMAGED, "backup",
		    "its start is on timeline %u, which timeline %u, that of "
		    "its end, does not come from",
		    s->start_tli, tli);
	s->stop_tli = timeline_at(&b->line, s->stop_lsn - 1);
	if (wait_histories(w, s->start_tli, f) != 0)
		return -1;
	return wait_segments(w, s->start_lsn, s->stop_lsn, f);
}

int
basebackup_wait_wal(struct basebackup *b, struct fail *f)
{
	const struct basebackup_args *a = b->args;
	struct basebackup_wait w;
	uint32_t tli;

	if (stop_timeline(b, b->head.s.start_tli, &tli, f) != 0)
		return -1;
	for (size_t i = 0; i < a->n_repos; i++) {
		if (!mirror_has(b->mirror, i))
			continue;
		basebackup_wait_begin(&w, b, &a->repos[i]);
		if (wait_all(&w, tli, f) != 0 &&
		    (w.over || mirror_drop(b->mirror, i, f, f) != 0))
			return -1;
	}
	return 0;
}
