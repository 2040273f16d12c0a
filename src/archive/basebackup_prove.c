/* SPDX-License-Identifier: PostgreSQL */
/* Does the server archive into the stores?  See basebackup_job.h. */
#include <limits.h>
#include <stdio.h>
#include <time.h>

#include "basebackup_wait.h"
#include "fork.h"

#define POLL_MS 100

/*
 * On a server that has been idle nothing new had to be archived; but if it
 * tries to and fails, the segments of better days prove nothing.
 */
static bool
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

static void
name_segment(
    const struct basebackup_waiting *all, uint64_t segno, struct walname *name)
{
	walname_segment(basebackup_segment_tli(&all->line, segno, all->segsize),
	    segno, all->segsize, name);
}

/* 1 it is there, 0, -1 */
static int
is_there(struct repository *r, const struct walname *name, struct fail *f)
{
	struct store_info info;
	char key[LAYOUT_KEY_MAX];
	int rc;

	layout_wal(&r->layout, name, NULL, key);
	rc = store_stat(r->store, key, &info, f);
	return rc < 0 ? -1 : rc == 0;
}

/*
 * pg_backup_start has switched to a new segment, so the one before the start
 * is complete and must come.  On a standby there was no switch, but the
 * segment before the start has been complete for long; if archiving began
 * later than that, the start's own will do.
 */
static int
run_prove(const void *arg, struct repository *r, struct fail *f)
{
	const struct basebackup_waiting *all = arg;
	uint64_t segno = all->start_lsn / all->segsize;
	struct walname before, own;
	struct basebackup_wait w;
	int rc;

	name_segment(all, segno - 1, &before);
	name_segment(all, segno, &own);
	basebackup_wait_begin(&w, all, r);
	for (;;) {
		rc = is_there(r, &before, f);
		if (rc == 0)
			rc = is_there(r, &own, f);
		if (rc != 0)
			break;
		/* Others may be enough. */
		if (basebackup_wait_more(&w, &before, f) != 0)
			return 1;
	}
	if (rc < 0)
		return -1;
	basebackup_wait_passed(&w);
	(void)pthread_mutex_lock(&all->watch->lock);
	all->watch->seen[w.i].found = true;
	(void)pthread_mutex_unlock(&all->watch->lock);
	return 0;
}

/* In as many stores as it must be in? */
static bool
is_proven(struct basebackup *b, const struct basebackup_waiting *all)
{
	size_t n = 0;

	(void)pthread_mutex_lock(&all->watch->lock);
	for (size_t i = 0; i < b->args->n_repos; i++)
		n += all->watch->seen[i].found && mirror_has(b->mirror, i);
	(void)pthread_mutex_unlock(&all->watch->lock);
	return n >= b->args->required;
}

static int
look(struct basebackup *b, const void *arg, struct fail *f)
{
	const struct basebackup_waiting *all = arg;

	(void)f;
	if (is_proven(b, all) && !is_failing(b))
		atomic_store(&all->watch->over, true);
	return basebackup_wait_look(b, all);
}

/* It is in this store. */
static int
take(struct basebackup *b, const void *arg, size_t i, struct fail *f)
{
	const struct basebackup_waiting *all = arg;

	(void)f;
	b->n_proven += all->watch->seen[i].found;
	return 0;
}

static int
not_proven(struct basebackup *b, const struct walname *name, struct fail *f)
{
	(void)basebackup_wait_late(b, name, f);
	return fail_add(f, "archiving is not proven");
}

/* What is archived is in the stores, but is more coming?  0 or -1. */
static int
wait_until_it_works(struct basebackup *b, struct deadline end,
    const struct walname *name, struct fail *f)
{
	struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };

	while (is_failing(b)) {
		if (deadline_left(end) == 0)
			return not_proven(b, name, f);
		if (basebackup_tick(b, f) != 0)
			return -1;
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

int
basebackup_prove_archiving(struct basebackup *b, struct fail *f)
{
	struct deadline end = deadline_in(b->args->archive_wait_ms);
	struct basebackup_waiting *all;
	struct basebackup_step step = {
		.what = "being asked for the WAL before the backup",
		.task = { run_prove, NULL, basebackup_waiting_free },
		.look = look,
		.take = take,
	};
	struct walname name;
	struct buf file = { 0 };

	/* The start is a checkpoint now, so the file knows its timeline. */
	if (control_read_whole(
	        b->args->pgdata, &file, &b->control, &b->details, f) != 0)
		return -1;
	buf_clear(&file);
	all = basebackup_waiting_new(b);
	if (all == NULL)
		return fail_errno(f, "backup", "memory");
	if (local_line(b, b->control.tli, &all->line, f) != 0) {
		basebackup_waiting_free(all);
		return -1;
	}
	name_segment(all, b->start_lsn / all->segsize - 1, &name);
	step.task.arg = all;
	step.over = &all->watch->over;
	step.alive_ms = all->watch->alive_ms;
	if (basebackup_do(b, &step, f) != 0)
		return -1;
	if (b->n_proven < b->args->required)
		return not_proven(b, &name, f);
	return wait_until_it_works(b, end, &name, f);
}
