/* SPDX-License-Identifier: PostgreSQL */
/*
 * A base backup's WAL: see basebackup_job.h.  The server's word that it has
 * archived something is not asked for: what counts is what can be read back
 * from the repository.  Before there is any: basebackup_prove.c.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "basebackup_wait.h"
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

/* A stage that tells that the store still gives something. */
struct alive {
	struct stream stream;
	struct basebackup_wait *wait;
};

static int
alive_write(struct stream *s, const void *bytes, size_t len, struct fail *f)
{
	(void)bytes;
	(void)len;
	(void)f;
	basebackup_wait_alive(((struct alive *)s)->wait);
	return 0;
}

static int
alive_finish(struct stream *s, struct fail *f)
{
	(void)s;
	(void)f;
	return 0;
}

static void
alive_free(struct stream *s)
{
	free(s);
}

static const struct stream_ops alive_ops = {
	.write = alive_write, .finish = alive_finish, .free = alive_free
};

static struct stream *
alive_new(struct basebackup_wait *w)
{
	struct alive *a = malloc(sizeof *a);

	if (a == NULL)
		return NULL;
	*a = (struct alive){ { &alive_ops }, w };
	return &a->stream;
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
	rc = object_read(r->store, &r->layout, key, alive_new(w), seen, f);
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
	const struct basebackup_waiting *all = w->all;
	struct repository copy = *w->repo;
	struct push_args args = { .repos = &copy,
		.n_repos = 1,
		.generation = all->generation,
		.pgdata = all->pgdata,
		.compress_level = all->compress_level,
		.spool_dir = all->spool_dir };
	char path[PATH_MAX];
	struct fail f;

	(void)snprintf(
	    path, sizeof path, "%.4000s/pg_wal/%s", all->pgdata, name->text);
	if (io_exists(path) != 1)
		return;
	if (push_file(&args, path, &f) != 0)
		log_fail(LOG_WARNING, "not archived", &f);
	else
		log_info("archived: %s: it was missing, the backup needs it",
		    name->text);
}

/*
 * The line that ends at tli, from the repository.  0 (the caller clears *t), 1
 * nobody waits any more, -1.
 */
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
		if (rc == 0)
			basebackup_wait_passed(w);
		if (rc != 1)
			return rc;
		*t = (struct timeline){ .tli = tli };
		if (!shipped)
			ship_history(w, &name);
		else if ((rc = basebackup_wait_more(w, &name, f)) != 0)
			return rc;
		shipped = true;
	}
}

/* Timelines of a line that have a history have it in the repository, too. */
static int
wait_histories(
    struct basebackup_wait *w, const struct timeline *line, struct fail *f)
{
	for (size_t i = 0; i < line->n; i++) {
		struct timeline t;
		int rc;

		if (line->ancestors[i].tli < w->all->start_tli)
			continue;
		rc = wait_line(w, line->ancestors[i].tli, &t, f);
		if (rc != 0)
			return rc;
		timeline_clear(&t);
	}
	return 0;
}

static int
wait_segments(
    struct basebackup_wait *w, const struct timeline *line, struct fail *f)
{
	const struct basebackup_waiting *all = w->all;
	uint32_t segsize = all->segsize;
	uint64_t i = all->start_lsn / segsize;

	while (i <= (all->stop_lsn - 1) / segsize) {
		struct walname name;
		int rc;

		walname_segment(basebackup_segment_tli(line, i, segsize), i,
		    segsize, &name);
		rc = verify_segment(w, &name, f);
		if (rc == 1)
			rc = basebackup_wait_more(w, &name, f);
		else if (rc == 0) {
			basebackup_wait_passed(w);
			i++;
		}
		if (rc != 0)
			return rc;
		if (atomic_load(&w->watch->over))
			return 1;
	}
	return 0;
}

/* The whole way in one repository; *line is its.  0, 1, -1 */
static int
wait_all(struct basebackup_wait *w, struct timeline *line, struct fail *f)
{
	const struct basebackup_waiting *all = w->all;
	int rc = wait_line(w, all->stop_tli, line, f);

	if (rc != 0)
		return rc;
	if (timeline_switch(line, all->start_tli) == LSN_NONE)
		return fail_set(f, FAIL_DAMAGED, "backup",
		    "its start is on timeline %u, which timeline %u, that of "
		    "its end, does not come from",
		    all->start_tli, all->stop_tli);
	rc = wait_histories(w, line, f);
	return rc == 0 ? wait_segments(w, line, f) : rc;
}

static int
run_wait(const void *arg, struct repository *r, struct fail *f)
{
	const struct basebackup_waiting *all = arg;
	struct basebackup_wait w;

	basebackup_wait_begin(&w, all, r);
	return wait_all(&w, &all->watch->seen[w.i].line, f);
}

static int
look(struct basebackup *b, const void *arg, struct fail *f)
{
	(void)f;
	basebackup_wait_lag(b, arg);
	return basebackup_wait_look(b, arg);
}

/* All that have it tell the same. */
static int
take(struct basebackup *b, const void *arg, size_t i, struct fail *f)
{
	const struct basebackup_waiting *all = arg;
	struct timeline *line = &all->watch->seen[i].line;

	(void)f;
	timeline_clear(&b->line);
	b->line = *line;
	*line = (struct timeline){ 0 };
	b->head.s.stop_tli = timeline_at(&b->line, b->head.s.stop_lsn - 1);
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

int
basebackup_wait_wal(struct basebackup *b, struct fail *f)
{
	struct basebackup_waiting *all;
	struct basebackup_step step = {
		.what = "being read for WAL that the backup needs",
		.task = { run_wait, NULL, basebackup_waiting_free },
		.look = look,
		.take = take,
		.explain = basebackup_wait_explain,
	};
	uint32_t tli;

	if (stop_timeline(b, b->head.s.start_tli, &tli, f) != 0)
		return -1;
	all = basebackup_waiting_new(b);
	if (all == NULL)
		return fail_errno(f, "backup", "memory");
	all->stop_tli = tli;
	step.task.arg = all;
	step.over = &all->watch->over;
	step.alive_ms = all->watch->alive_ms;
	return basebackup_do(b, &step, f);
}
