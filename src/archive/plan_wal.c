/* SPDX-License-Identifier: PostgreSQL */
/* What WAL a backup needs: see plan.h. */
#include <stdio.h>
#include <stdlib.h>

#include "lsn.h"
#include "plan.h"

bool
plan_is_on_line(
    const struct index_timeline *t, const struct manifest_summary *b)
{
	/* Without its history a timeline is known only where it begins. */
	if (b->stop_tli == t->tli)
		return t->tli == 1 || b->start_tli == t->tli ||
		    timeline_switch(&t->history, b->start_tli) != LSN_NONE;
	return timeline_switch(&t->history, b->stop_tli) >= b->stop_lsn &&
	    timeline_switch(&t->history, b->start_tli) > b->start_lsn;
}

bool
wal_ranges_have(const struct wal_ranges *r, uint32_t tli, uint64_t segno)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->list[i].tli == tli && segno >= r->list[i].first_segno &&
		    segno <= r->list[i].last_segno)
			return true;
	return false;
}

/* Add a range; one of the same timeline that overlaps is made larger. */
static int
add(struct wal_ranges *r, uint32_t tli, uint64_t first, uint64_t last)
{
	struct wal_range *more;

	if (first > last)
		return 0;
	for (size_t i = 0; i < r->n; i++) {
		struct wal_range *x = &r->list[i];

		if (x->tli != tli || first > x->last_segno ||
		    last < x->first_segno)
			continue;
		x->first_segno = first < x->first_segno ? first
		                                        : x->first_segno;
		x->last_segno = last > x->last_segno ? last : x->last_segno;
		return 0;
	}
	more = reallocarray(r->list, r->n + 1, sizeof *more);
	if (more == NULL)
		return -1;
	r->list = more;
	more[r->n++] = (struct wal_range){ tli, first, last };
	return 0;
}

/* The segments from first to last on the line of t. */
static int
add_line(struct wal_ranges *r, const struct index_timeline *t, uint32_t segsize,
    uint64_t first, uint64_t last)
{
	const struct timeline *h = &t->history;
	uint64_t begin = first;

	for (size_t i = 0; i < h->n; i++) {
		/* The segment with the fork is the child's. */
		uint64_t end = h->ancestors[i].switch_lsn / segsize;
		uint64_t to = end == 0 || end - 1 > last ? last : end - 1;

		if (end <= begin)
			continue;
		if (add(r, h->ancestors[i].tli, begin, to) != 0)
			return -1;
		begin = end;
	}
	return add(r, t->tli, begin, last);
}

/* The backup's own timeline may be known by its backup alone. */
static int
own_line(const struct index *x, const struct manifest_summary *b,
    struct index_timeline *out, struct fail *f)
{
	const struct index_timeline *t = index_timeline(x, b->stop_tli);
	char name[32];

	*out = (struct index_timeline){ .tli = b->stop_tli,
		.history.tli = b->stop_tli };
	if (t != NULL)
		*out = *t;
	if (b->start_tli == b->stop_tli || out->history.n > 0)
		return 0;
	(void)snprintf(name, sizeof name, "%08X.history", b->stop_tli);
	return fail_set(f, FAIL_ABSENT, name,
	    "it is not in the repository, and backup %s needs it", b->id);
}

int
plan_wal(const struct index *x, const struct manifest_summary *b, uint64_t to,
    struct wal_ranges *out, struct fail *f)
{
	uint32_t segsize = x->id.segsize;
	uint64_t first = b->start_lsn / segsize, last;
	struct index_timeline own;
	int rc;

	*out = (struct wal_ranges){ .n = 0 };
	if (own_line(x, b, &own, f) != 0)
		return -1;
	if (to < b->stop_lsn)
		to = b->stop_lsn;
	last = to == UINT64_MAX ? UINT64_MAX : (to - 1) / segsize;
	rc = add_line(out, &own, segsize, first, last);
	for (size_t i = 0; rc == 0 && to > b->stop_lsn && i < x->n; i++)
		if (x->timelines[i].tli != own.tli &&
		    plan_is_on_line(&x->timelines[i], b))
			rc = add_line(
			    out, &x->timelines[i], segsize, first, last);
	if (rc == 0)
		return 0;
	wal_ranges_clear(out);
	return fail_errno(f, b->id, "memory");
}

void
wal_ranges_clear(struct wal_ranges *r)
{
	free(r->list);
	*r = (struct wal_ranges){ .n = 0 };
}
