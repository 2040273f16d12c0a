/* SPDX-License-Identifier: PostgreSQL */
/*
 * What this host remembers of a store that failed or missed files: for how
 * long it is left alone, and whether there is something to bring it.  A hint
 * in state_dir (state.h), never a truth: it may be missing, old or unwritable,
 * and the clock may have jumped.
 */
#ifndef WALVAULT_ARCHIVE_BEHIND_H
#define WALVAULT_ARCHIVE_BEHIND_H

#include <stdbool.h>
#include <stdint.h>

#include "repository.h"

/* A store that fails is left alone so long, doubled with each failure. */
#define BEHIND_FIRST_MS 5000
#define BEHIND_MAX_MS   300000

struct behind {
	uint64_t failures; /* in a row; 0: the last time it answered */
	int64_t since;     /* of the first of them */
	int64_t failed;    /* of the last */
	int64_t until;     /* it is left alone */
	uint64_t missed;   /* files that it was not given */
	int64_t synced;    /* when a sync was last started for it */
	char cause[256];   /* of the last failure */
};

/* All zero if nothing is remembered. */
void behind_load(
    const char *state_dir, const struct repository *r, struct behind *out);

/* May fail, silently.  What is all well is forgotten. */
void behind_save(
    const char *state_dir, const struct repository *r, const struct behind *x);

/* Is it to be left alone at this moment?  Not if the clock has jumped. */
bool behind_is_down(const struct behind *b, int64_t now);

/* It failed now, or answered. */
void behind_failed(struct behind *b, const char *cause, int64_t now);
void behind_answered(struct behind *b);

#endif
