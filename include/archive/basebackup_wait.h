/* SPDX-License-Identifier: PostgreSQL */
/*
 * Waiting for WAL that a base backup needs, in all its stores at once; shared
 * by the files basebackup*.c.  In each store a thread looks again and again;
 * the backup's own thread looks after all of them, and alone talks with the
 * server.
 */
#ifndef WALVAULT_ARCHIVE_BASEBACKUP_WAIT_H
#define WALVAULT_ARCHIVE_BASEBACKUP_WAIT_H

#include "basebackup_step.h"
#include "waljoin.h"

/* What is seen of one store; under the lock, but where it says otherwise. */
struct basebackup_seen {
	struct walname lacks;
	int64_t lacks_ms;   /* since when, by its thread; 0: it lacks nothing */
	int64_t told_ms;    /* when the next word about that is due */
	uint64_t passed;    /* files that it has */
	char elsewhere[64]; /* a store that has it for long: give up */
	bool late;          /* archive_wait has passed */
	bool found;         /* what archiving is proven with */
	/* Its thread's, then taken by the backup. */
	struct timeline line;
	uint32_t stop_tli;
};

struct basebackup_watch {
	pthread_mutex_t lock;
	atomic_bool over; /* come back */
	atomic_llong alive_ms[STORES_MAX];
	struct basebackup_seen seen[STORES_MAX];
};

/* What is waited for: shared by the threads, and not changed. */
struct basebackup_waiting {
	const struct repository *first; /* the other stores' follow */
	struct basebackup_watch *watch;
	uint32_t segsize;
	int64_t archive_wait_ms;
	uint32_t start_tli, stop_tli;
	uint64_t start_lsn, stop_lsn;
	struct timeline line; /* of the start, as pg_wal tells it */
	/* To ship what the server does not. */
	uint32_t generation;
	int compress_level;
	const char *pgdata, *spool_dir;
};

/* NULL: no memory. */
struct basebackup_waiting *basebackup_waiting_new(const struct basebackup *b);
void basebackup_waiting_free(void *waiting);

/* A thread's wait for one file after another. */
struct basebackup_wait {
	const struct basebackup_waiting *all;
	struct basebackup_watch *watch;
	struct repository *repo;
	size_t i;
	struct deadline deadline;
	struct waljoin join;
};

void basebackup_wait_begin(struct basebackup_wait *w,
    const struct basebackup_waiting *all, struct repository *r);

/* It gets on: something came of the store. */
void basebackup_wait_alive(struct basebackup_wait *w);

/* A file is there: the wait for the next one begins. */
void basebackup_wait_passed(struct basebackup_wait *w);

/*
 * A moment's pause for a file that is not there.  0, 1 nobody waits any more,
 * -1: also where another store has it for long and this one can be spared.
 */
int basebackup_wait_more(
    struct basebackup_wait *w, const struct walname *name, struct fail *f);

/* -- the backup's own thread -- */

/* Remind of what is waited for; for basebackup_step.look. */
int basebackup_wait_look(struct basebackup *b, const void *waiting);

/* Stores that lack for long what others have, and can be spared, give up. */
void
basebackup_wait_lag(struct basebackup *b, const struct basebackup_waiting *all);

/* That WAL did not come in time, and what the server knows about it.  -1. */
int basebackup_wait_late(
    struct basebackup *b, const struct walname *name, struct fail *f);

/* basebackup_step.explain: the same of a store whose time has passed. */
void basebackup_wait_explain(
    struct basebackup *b, const void *waiting, size_t i, struct fail *why);

/*
 * The timeline whose file holds segment segno on this line: where two meet in
 * one, the newer has a copy of all before the fork.
 */
uint32_t basebackup_segment_tli(
    const struct timeline *t, uint64_t segno, uint32_t segsize);

#endif
