/* SPDX-License-Identifier: PostgreSQL */
/*
 * Writing ahead: a segment's object begins with facts that are known only at
 * the segment's end, but where a store can write the beginning last
 * (store_has_front), disk and compressor need not wait for one another.
 *
 * It is a short cut and decides nothing: whatever goes wrong ends it,
 * silently, and is met again, and told, on the straight way.  Several stores
 * side by side go without it: one that hangs must not keep the others from
 * having the file.
 */
#ifndef WALVAULT_ARCHIVE_AHEAD_H
#define WALVAULT_ARCHIVE_AHEAD_H

#include "push_one.h"
#include "spool.h"

struct ahead {
	struct stream stream; /* compressed bytes: to the spool and the put */
	struct spool *spool;  /* set by prepare */
	struct stream *put;   /* into the store; NULL if there is none */
};

/* Begin a put of p's file if that can be done now. */
void ahead_open(struct ahead *a, const struct push *p);

/* The stage: what is written goes to spool and to the put. */
struct stream *ahead_stream(struct ahead *a, struct spool *spool);

/* Give the put up.  Nothing of it stays in the store. */
void ahead_drop(struct ahead *a);

#endif
