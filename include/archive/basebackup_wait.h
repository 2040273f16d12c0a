/* SPDX-License-Identifier: PostgreSQL */
/* Waiting for WAL that a base backup needs; shared by basebackup*.c. */
#ifndef WALVAULT_ARCHIVE_BASEBACKUP_WAIT_H
#define WALVAULT_ARCHIVE_BASEBACKUP_WAIT_H

#include "basebackup_job.h"
#include "waljoin.h"

/* A wait for one segment after another, in one repository. */
struct basebackup_wait {
	struct basebackup *b;
	struct repository *repo; /* NULL: in all of them */
	int64_t since_ms;        /* when it began to wait for this one */
	bool over;               /* not the repository fails, but all of it */
	struct deadline deadline;
	int64_t told_ms; /* when the next word to the user is due */
	struct waljoin join;
};

void basebackup_wait_begin(
    struct basebackup_wait *w, struct basebackup *b, struct repository *r);

/*
 * A moment's pause for a file that is not there.  0; -1: the wait is over, also
 * where another store has it for long and this one can be spared.
 */
int basebackup_wait_more(
    struct basebackup_wait *w, const struct walname *name, struct fail *f);

/* 1 it is there, 0, -1 */
int basebackup_is_there(
    struct repository *r, const struct walname *name, struct fail *f);

/*
 * The timeline whose file holds segment segno on this line: where two meet in
 * one, the newer has a copy of all before the fork.
 */
uint32_t basebackup_segment_tli(
    const struct timeline *t, uint64_t segno, uint32_t segsize);

#endif
