/* SPDX-License-Identifier: PostgreSQL */
/*
 * Which WAL stays: see retain.h.  Where something is not known (a history that
 * is missing, a place that cannot be read) more is kept, never less.
 */
#include <stdlib.h>
#include <string.h>

#include "lsn.h"
#include "retain_wal.h"

static int
add_range(struct retain_plan *out, const struct retain_range *r)
{
	struct retain_range *more = reallocarray(
	    out->ranges, out->n_ranges + 1, sizeof *more);

	if (more == NULL)
		return -1;
	out->ranges = more;
	more[out->n_ranges++] = *r;
	return 0;
}

static const struct retain_timeline *
find_timeline(const struct retain_input *in, uint32_t tli)
{
	for (size_t i = 0; i < in->n_timelines; i++)
		if (in->timelines[i].history->tli == tli)
			return &in->timelines[i];
	return NULL;
}

/* Does the backup itself run through timeline t, from its start to its stop? */
static bool
is_on_way(const struct retain_input *in, const struct retain_backup *b,
    const struct retain_timeline *t)
{
	const struct retain_timeline *s;
	uint32_t tli = t->history->tli;

	if (tli == b->start_tli || tli == b->stop_tli)
		return true;
	if (tli < b->start_tli || tli > b->stop_tli)
		return false;
	s = find_timeline(in, b->stop_tli);
	return s == NULL || !s->known ||
	    timeline_switch(s->history, tli) != LSN_NONE;
}

/*
 * Could an unfinished backup that began there need t's WAL?  It may have begun
 * from a checkpoint of the timeline before its own.
 */
static bool
may_reach(const struct retain_input *in, const struct retain_backup *b,
    const struct retain_timeline *t)
{
	const struct retain_timeline *own = find_timeline(in, b->start_tli);

	if (b->start_lsn == LSN_NONE || b->start_tli == 0 || t == own)
		return true;
	if (t->history->tli < b->start_tli)
		return own == NULL || !own->known ||
		    timeline_switch(own->history, t->history->tli) >=
		    b->start_lsn;
	return !t->known ||
	    timeline_switch(t->history, b->start_tli) >= b->start_lsn;
}

static int
add_backup(const struct retain_input *in, struct retain_plan *out, size_t i)
{
	const struct retain_backup *b = &in->backups[i];
	bool complete = b->state == RETAIN_COMPLETE;

	for (size_t k = 0; k < in->n_timelines; k++) {
		const struct retain_timeline *t = &in->timelines[k];
		struct retain_range r = { .tli = t->history->tli,
			.first = b->start_lsn / in->segsize,
			.last = UINT64_MAX,
			.backup = i };
		bool on_way = complete && is_on_way(in, b, t);

		if (!out->backups[i].all_wal) {
			if (!on_way)
				continue;
			r.last = (b->stop_lsn - 1) / in->segsize;
		} else if (!on_way &&
		    !(complete ? retain_suits(in, b, t)
		               : may_reach(in, b, t))) {
			continue;
		}
		if (add_range(out, &r) != 0)
			return -1;
	}
	return 0;
}

/*
 * A restore needs WAL up to its end, on whatever line it goes: all that lead
 * through the backup.  (What keeps all WAL behind it needs no word of this.)
 */
static int
add_lease(const struct retain_input *in, struct retain_plan *out,
    const struct retain_lease *l, size_t i)
{
	const struct retain_backup *b = &in->backups[i];
	struct retain_range r = { .first = b->start_lsn / in->segsize,
		.last = l->to_lsn != LSN_NONE ? (l->to_lsn - 1) / in->segsize
		                              : UINT64_MAX,
		.backup = i,
		.restore = true };

	if (b->state != RETAIN_COMPLETE || strcmp(b->id, l->id) != 0 ||
	    !retain_is_leased(in, l))
		return 0;
	for (size_t k = 0; k < in->n_timelines; k++) {
		const struct retain_timeline *t = &in->timelines[k];

		r.tli = t->history->tli;
		if ((is_on_way(in, b, t) || retain_suits(in, b, t)) &&
		    add_range(out, &r) != 0)
			return -1;
	}
	return 0;
}

/* A live line without any backup: its first one is still to come. */
static int
add_line(const struct retain_input *in, struct retain_plan *out, size_t k)
{
	const struct retain_timeline *t = &in->timelines[k];

	for (size_t i = 0; i < in->n_backups; i++)
		if (in->backups[i].state == RETAIN_COMPLETE &&
		    retain_suits(in, &in->backups[i], t))
			return 0;
	if (!retain_is_live(in, k))
		return 0;
	return add_range(out,
	    &(struct retain_range){ .tli = t->history->tli,
	        .last = UINT64_MAX,
	        .backup = RETAIN_NO_BACKUP });
}

int
retain_wal(const struct retain_input *in, struct retain_plan *out)
{
	for (size_t i = 0; i < in->n_backups; i++)
		if (out->backups[i].keep && add_backup(in, out, i) != 0)
			return -1;
	for (size_t k = 0; k < in->n_leases; k++)
		for (size_t i = 0; i < in->n_backups; i++)
			if (add_lease(in, out, &in->leases[k], i) != 0)
				return -1;
	for (size_t k = 0; k < in->n_timelines; k++)
		if (add_line(in, out, k) != 0)
			return -1;
	return 0;
}

bool
retain_keeps_wal(const struct retain_plan *p, uint32_t tli, uint64_t segno)
{
	bool known = false;

	if (p->no_rule || p->no_backup || p->unclear != 0)
		return true;
	for (size_t i = 0; i < p->n_ranges; i++)
		if (p->ranges[i].tli == tli && segno >= p->ranges[i].first &&
		    segno <= p->ranges[i].last)
			return true;
	for (size_t i = 0; i < p->n_timelines; i++)
		known |= p->timelines[i] == tli;
	return !known;
}
