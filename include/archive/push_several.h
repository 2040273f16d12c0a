/* SPDX-License-Identifier: PostgreSQL */
/* A prepared WAL file into several stores side by side: several.h. */
#ifndef WALVAULT_ARCHIVE_PUSH_SEVERAL_H
#define WALVAULT_ARCHIVE_PUSH_SEVERAL_H

#include "prepare.h"

/*
 * Publish what was prepared (taken over: *r is empty afterwards) in the stores
 * of p->args->several.  0: as many as are required have it.  -1: too few, or
 * one has other content under the name, whatever the others say.
 */
int push_several(const struct push *p, struct prepared *r, struct fail *f);

/* push_is_archived of several stores. */
int push_several_is_archived(
    const struct push_args *args, const struct walname *name, struct fail *f);

/*
 * The run ends: remember what was seen of the stores, and if all is archived,
 * log which stores have not got it.  wants_sync is set of those that lack
 * files and have not failed (a slow one may have it in its own time), but not
 * more often than once a minute.
 */
void push_several_end(struct several *s, bool archived);

#endif
