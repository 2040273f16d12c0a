/* SPDX-License-Identifier: PostgreSQL */
/* One WAL file into all stores: for push_file, push_line and rescue. */
#ifndef WALVAULT_ARCHIVE_PUSH_ONE_H
#define WALVAULT_ARCHIVE_PUSH_ONE_H

#include "push.h"
#include "walname.h"

struct push {
	const struct push_args *args;
	const char *path;
	char pg_wal[4096]; /* the directory of path */
	struct walname name;
	uint64_t sysid;   /* of pg_control; 0 if there is none */
	bool in_recovery; /* the server is a standby */
	bool cut_short;   /* set by push_one: see there */
};

/*
 * Is there an object of that name in every store (that can be asked, if those
 * are enough)?  A file was pushed before.  1 yes, 0 no, -1.
 */
int push_is_archived(
    const struct push_args *args, const struct walname *name, struct fail *f);

/* A repository that a file was pushed into: its layout and segment size. */
const struct repository *push_system(const struct push_args *args);

/*
 * Archive p's file alone.  On 0, p->name.kind tells what it was stored as: an
 * incomplete segment of a finished timeline becomes a partial one.  On -1 with
 * refuse_damaged, p->cut_short says that the segment was refused for its WAL
 * alone, which ends before the segment does: damaged, or not written yet.
 */
int push_one(struct push *p, struct fail *f);

#endif
