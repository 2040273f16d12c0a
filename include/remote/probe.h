/* SPDX-License-Identifier: PostgreSQL */
/* Does a store keep what it promises?  For those that cannot be looked at. */
#ifndef WALVAULT_REMOTE_PROBE_H
#define WALVAULT_REMOTE_PROBE_H

#include "hash.h"
#include "store.h"

/*
 * Make an object twice, only if there is none: a service that ignores the
 * condition would lose WAL.  The object stays; nobody needs the right to
 * delete it.  0 it refused once, 1 it made it twice, -1.
 */
int probe_twice(struct store *s, struct fail *f);

/* Is what is under the key what was summed?  0 yes, 1 no (or none), -1. */
int probe_same(
    struct store *s, const char *key, const struct sha256 *sum, struct fail *f);

#endif
