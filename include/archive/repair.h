/* SPDX-License-Identifier: PostgreSQL */
/*
 * A damaged or missing object is replaced by a good copy from another store,
 * verified before it takes the name; the damaged one is set aside in the same
 * step, so that there is never less than there was.
 */
#ifndef WALVAULT_ARCHIVE_REPAIR_H
#define WALVAULT_ARCHIVE_REPAIR_H

#include "carry.h"

enum repair_word {
	REPAIR_WHOLE,   /* nothing is wrong with it */
	REPAIR_DONE,    /* it is repaired, or with dry_run: can be */
	REPAIR_NO_COPY, /* no store has a good copy; it is as it was */
};

struct repair {
	struct repository *to;
	struct repository **from; /* opened, their systems settled */
	size_t n_from;
	struct carry_pace *pace;
	bool dry_run;
	/* Of a backup, an object that is repaired, or with dry_run can be. */
	void (*done)(void *arg, const char *key, const struct repository *from);
	void *done_arg;
};

#define REPAIR_NO_COPY_HINT "no other store has a good copy; it is as it was"

/*
 * Repair the object at key.  *from is the store the copy came from (DONE).  0,
 * or -1: it could not be found out what is wrong.
 */
int repair_object(const struct repair *r, const char *key,
    enum repair_word *word, const struct repository **from, struct fail *f);

/*
 * Repair a backup: the packs that its manifest tells, or another store's if its
 * own is damaged, then begin, and last the manifest, so that it never counts as
 * finished without them.  What is not there at all is not brought.  0 it is
 * whole, and if r->done was not called it was before; -1 it is not.
 */
int repair_backup(const struct repair *r, const char *id, struct fail *f);

#endif
