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
};

/*
 * Repair the object at key.  *from is the store the copy came from (DONE).  0,
 * or -1: it could not be found out what is wrong.
 */
int repair_object(const struct repair *r, const char *key,
    enum repair_word *word, const struct repository **from, struct fail *f);

#endif
