/* SPDX-License-Identifier: PostgreSQL */
/* Neighbouring segments: see waljoin.h. */
#include "waljoin.h"
#include "lsn.h"
#include "walhdr.h"
#include "walrecord.h"

/* Bytes of records that a segment holds beside its page headers. */
static uint64_t
capacity(const struct walfacts *f)
{
	uint64_t pages = f->segsize / f->blcksz;

	return f->segsize - WALHDR_LONG - (pages - 1) * WALHDR_SHORT;
}

/* Is the link of the first record known, or cut off behind its length? */
static bool
first_prev_known(const struct walfacts *f)
{
	return f->first_lsn != LSN_NONE &&
	    (f->first_lsn != f->unfinished ||
	        f->unfinished_here >= WALRECORD_HEADER);
}

/* The record that crosses the cut, and what this segment holds of it. */
static const char *
join_continuation(const struct waljoin *j, const struct walfacts *f)
{
	bool overwritten = (f->flags & WALFACTS_OVERWRITE) != 0;

	if ((f->flags & WALFACTS_OVERWRITE_FIRST) == 0 &&
	    f->cont_len != j->remaining)
		return "the record left unfinished before it is not continued";
	if (!first_prev_known(f) || j->unfinished == LSN_NONE ||
	    f->first_prev == j->unfinished)
		return NULL;
	if (overwritten &&
	    (j->last_ended == LSN_NONE || f->first_prev == j->last_ended))
		return NULL;
	return "its first record follows another one (xl_prev)";
}

static const char *
join_boundary(const struct waljoin *j, const struct walfacts *f)
{
	if (f->cont_len != 0)
		return "it continues a record that was not begun before it";
	if (first_prev_known(f) && j->last_ended != LSN_NONE &&
	    f->first_prev != j->last_ended)
		return "its first record follows another one (xl_prev)";
	return NULL;
}

/* What crosses the next cut. */
static void
advance(struct waljoin *j, const struct walfacts *f)
{
	bool overwritten = (f->flags & WALFACTS_OVERWRITE) != 0;

	if (f->cont_len > capacity(f) && !overwritten) {
		j->remaining = f->cont_len - capacity(f);
		return;
	}
	if (f->cont_len != 0 && !overwritten)
		j->last_ended = j->unfinished;
	if (f->last_ended != LSN_NONE)
		j->last_ended = f->last_ended;
	j->unfinished = f->unfinished;
	j->remaining = f->unfinished_len - f->unfinished_here;
}

const char *
waljoin_next(struct waljoin *j, const struct walfacts *f)
{
	const char *why = NULL;

	if (j->started && j->remaining != 0)
		why = join_continuation(j, f);
	else if (j->started)
		why = join_boundary(j, f);
	if (why != NULL || !j->started)
		*j = (struct waljoin){ .started = true };
	if ((f->flags & WALFACTS_COMPLETE) == 0) {
		/* Nothing is known of what follows a damaged segment. */
		*j = (struct waljoin){ .started = false };
		return why;
	}
	advance(j, f);
	return why;
}
