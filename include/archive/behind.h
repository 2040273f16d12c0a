/* SPDX-License-Identifier: PostgreSQL */
/*
 * What this host remembers of a store that failed or missed files: for how
 * long it is left alone, and whether there is something to bring it.  A hint
 * in state_dir (state.h), never a truth: it may be missing, old or unwritable,
 * and the clock may have jumped.
 *
 * A store that was still at it when nobody waited any longer has not failed: it
 * is slow.  It is left alone only when that has happened several times in a
 * row, so that one that hangs is not waited for for ever; and it is no reason
 * not to bring it what it lacks.
 */
#ifndef WALVAULT_ARCHIVE_BEHIND_H
#define WALVAULT_ARCHIVE_BEHIND_H

#include <stdbool.h>
#include <stdint.h>

#include "repository.h"

/* A store that fails is left alone so long, doubled with each failure. */
#define BEHIND_FIRST_MS 5000
#define BEHIND_MAX_MS   300000

/* A sync is not started more often for a store. */
#define BEHIND_SYNC_MS 60000

/* So many times in a row it may be slow before it is left alone. */
#define BEHIND_SLOW_MAX 3

struct behind {
	uint64_t failures; /* in a row; 0: the last time it did not fail */
	uint64_t slow;   /* times that it was, since it last answered in time */
	int64_t since;   /* of the first of them, of either kind */
	int64_t failed;  /* of the last */
	int64_t until;   /* it is left alone */
	uint64_t missed; /* files that it was not given */
	int64_t synced;  /* when a sync was last started for it */
	char cause[256]; /* of the last failure */
};

/* All zero if nothing is remembered. */
void behind_load(
    const char *state_dir, const struct repository *r, struct behind *out);

/* May fail, silently.  What is all well and long ago is forgotten. */
void behind_save(
    const char *state_dir, const struct repository *r, const struct behind *x);

/*
 * At this moment, and not if the clock has jumped: is it to be left alone; did
 * it fail, so that nothing can be brought to it; did it fail or was it slow, so
 * that another one is asked first?
 */
bool behind_is_down(const struct behind *b, int64_t now);
bool behind_is_out(const struct behind *b, int64_t now);
bool behind_is_doubtful(const struct behind *b, int64_t now);

/* Does it lack something, and was no sync started for it lately? */
bool behind_wants_sync(const struct behind *b, int64_t now);

/* It failed now, or was not waited for any longer, or answered. */
void behind_failed(struct behind *b, const char *cause, int64_t now);
void behind_slow(struct behind *b, const char *cause, int64_t now);
void behind_answered(struct behind *b);

#endif
