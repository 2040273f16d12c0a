/* SPDX-License-Identifier: PostgreSQL */
/*
 * Proves from their facts that WAL segments follow one another.  Names prove
 * nothing: a cluster rolled back, cloned or reset goes on numbering.
 */
#ifndef WALVAULT_PG_WALJOIN_H
#define WALVAULT_PG_WALJOIN_H

#include "walscan.h"

/* The chain so far.  All zero is "nothing yet". */
struct waljoin {
	bool started;
	uint64_t last_ended; /* the last whole record; LSN_NONE if unknown */
	uint64_t unfinished; /* the record that crosses the cut, or LSN_NONE */
	uint64_t remaining;  /* its bytes still to come; 0 if there is none */
};

/*
 * Add the next segment (the caller has seen to the numbering).  NULL if it
 * joins, else a constant text that says why not; the chain then begins anew
 * with this segment.
 */
const char *waljoin_next(struct waljoin *j, const struct walfacts *f);

#endif
