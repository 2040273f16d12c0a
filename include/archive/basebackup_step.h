/* SPDX-License-Identifier: PostgreSQL */
/*
 * One step of a base backup in all its stores side by side; shared by the
 * files basebackup*.c.
 *
 * A store that fails is left out of the backup at once, if enough others
 * remain; so is one that keeps the others waiting for longer than max_lag with
 * nothing to show for it.  Its thread is left behind (several_round.h).
 */
#ifndef WALVAULT_ARCHIVE_BASEBACKUP_STEP_H
#define WALVAULT_ARCHIVE_BASEBACKUP_STEP_H

#include <stdatomic.h>

#include "basebackup_job.h"
#include "several_round.h"

struct basebackup_step {
	const char *what; /* "looking for other backups" */
	/* What a thread may use: its store, its repository, and arg. */
	struct several_task task;

	/* The rest is the backup's own thread's. */

	/* Now and then, or NULL.  0 or -1: end it, the backup has failed. */
	int (*look)(struct basebackup *b, const void *arg, struct fail *f);
	/*
	 * At the end, for each store that has done it, in their order; or NULL.
	 * 0; -1: the store has failed after all.
	 */
	int (*take)(
	    struct basebackup *b, const void *arg, size_t i, struct fail *f);
	/* Say more about why a store has failed, or NULL. */
	void (*explain)(
	    struct basebackup *b, const void *arg, size_t i, struct fail *why);
	/* Of arg, or NULL: set when the threads are to come back. */
	atomic_bool *over;
	/* Of arg, or NULL: when each store last got on. */
	const atomic_llong *alive_ms;
	/*
	 * The backup is there already: a store that fails in this, or is
	 * silent, is warned of and stays in, and a stop ends only the step.
	 * What take says counts all the same.
	 */
	bool published;
};

/*
 * Do it in all stores that are in.  0; -1: too few remain, or the backup is to
 * end.
 */
int basebackup_do(
    struct basebackup *b, const struct basebackup_step *step, struct fail *f);

#endif
