/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a recovering server says in its log (PostgreSQL: xlogrecovery.c,
 * xlog.c; xlog.c alone in 13 and 14), and whether that is what was planned.
 */
#ifndef WALVAULT_CMD_RESTORE_WATCH_H
#define WALVAULT_CMD_RESTORE_WATCH_H

#include "buf.h"
#include "restore_job.h"

struct restore_watch {
	struct restore_job *job;
	int fd;
	struct buf line; /* one that has no end yet */
	uint64_t segno;  /* the segment that was last restored */
	bool reached;    /* it says that it stops at its target */
	bool before;     /* before the record at stop_lsn, not behind it */
	bool consistent; /* the target was consistency */
	bool paused, ready, shut_down, hot;
	uint64_t stop_lsn;
	bool has_last;
	int64_t last_xact;
	uint32_t new_tli;
	char fatal[256];
	/* It needs a setting to be at least so high; NULL: none is too low. */
	const char *limit;
	uint32_t limit_value;
};

/* Take in what was written since.  0 or -1. */
int restore_watch_read(struct restore_watch *w, struct fail *f);

/* Did recovery end where the plan says?  0, or -1 with the difference. */
int restore_watch_compare(struct restore_watch *w, struct fail *f);

/*
 * Has the server stopped for what is no more in its way if it starts again?
 * 1 yes, and it is not running; 0, -1.
 */
int restore_again(const struct restore_watch *w, struct fail *f);

void restore_watch_clear(struct restore_watch *w);

#endif
