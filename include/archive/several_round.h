/* SPDX-License-Identifier: PostgreSQL */
/*
 * One task in several stores at once, each in a thread of its own that may
 * never come back: what several.c and a base backup's steps are made of.
 *
 * Threads are detached.  The round, and the task's argument with it, lives
 * until the last of its threads has come back and its maker has left it; so
 * nothing that a thread touches may be anyone else's, but for its store and
 * its repository, which are not freed while a thread is in them.
 */
#ifndef WALVAULT_ARCHIVE_SEVERAL_ROUND_H
#define WALVAULT_ARCHIVE_SEVERAL_ROUND_H

#include <pthread.h>

#include "several.h"

struct slot {
	struct round *round;
	struct repository *repo;
	bool started, done;
	int64_t begin_ms; /* when it was started */
	int rc;           /* and what follows: when it is done */
	struct fail fail;
};

struct round {
	pthread_mutex_t lock; /* of all slots; not of what arg points to */
	pthread_cond_t changed;
	size_t users;
	struct several_task task;
	struct slot slot[STORES_MAX];
};

/* Its maker is its first user.  NULL: no memory. */
struct round *round_new(const struct several_task *t);

/*
 * Under the lock: begin in store i.  Without a thread it is done at once, and
 * has failed.
 */
void round_start(struct round *r, size_t i, struct repository *repo);

/* Under the lock: wait for a change until then (clock_monotonic_ms). */
void round_wait(struct round *r, int64_t at_ms);

/* Under the lock, which it gives up: one user less; the last frees all. */
void round_leave(struct round *r);

#endif
