/* SPDX-License-Identifier: PostgreSQL */
/*
 * Forks of timelines, as the history files in a pg_wal directory tell them.
 * The server puts the history of the line it follows there before it asks for
 * segments; but when a segment of the new timeline is not found, it takes the
 * old timeline's segment of the same number, and replays WAL that its line
 * never contained.
 */
#ifndef WALVAULT_ARCHIVE_FORK_H
#define WALVAULT_ARCHIVE_FORK_H

#include "control.h"
#include "timeline.h"
#include "walname.h"

/*
 * Does the line that is followed leave name's timeline before the end of
 * name's segment?  *newer is then that line's timeline, else 0.  The line is
 * the newest one in dir that contains name's timeline (the server puts
 * histories of sibling timelines there, too), without those whose fork the
 * server has already passed on the old timeline (control, may be NULL).
 * 0, or -1 with errno: dir cannot be read.
 */
int fork_fences(const char *dir, const struct walname *name, uint32_t segsize,
    const struct control *control, uint32_t *newer);

/*
 * Does a history in dir end timeline tli at lsn, or before the segment that
 * starts at segment_start?
 */
bool
fork_ends(const char *dir, uint32_t tli, uint64_t segment_start, uint64_t lsn);

/* Read DIR/TLI.history.  0 (the caller clears *t), 1 there is none, -1. */
int fork_read_history(
    const char *dir, uint32_t tli, struct timeline *t, struct fail *f);

#endif
