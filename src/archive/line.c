/* SPDX-License-Identifier: PostgreSQL */
/* The WAL of one line, by its facts: see line.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "line.h"
#include "line_facts.h"
#include "lsn.h"
#include "walhdr.h"
#include "waljoin.h"

static int
add_segments(struct line *l, const struct index_timeline *t, uint64_t begin,
    uint64_t end)
{
	for (size_t i = 0; i < t->segments.n; i++) {
		const struct index_object *o = &t->segments.list[i];
		struct line_segment *more;

		if (o->segno < begin || o->segno >= end)
			continue;
		if (l->n == 0 || (l->n & (l->n - 1)) == 0) {
			more = reallocarray(
			    l->segment, l->n == 0 ? 1 : l->n * 2, sizeof *more);
			if (more == NULL)
				return -1;
			l->segment = more;
		}
		l->segment[l->n++] = (struct line_segment){ .name = o->name,
			.segno = o->segno,
			.stored = o->stored,
			.mtime = o->mtime };
	}
	return 0;
}

void
line_segment_key(const struct line *l, const struct line_segment *s,
    char key[LAYOUT_KEY_MAX])
{
	if (s->key != NULL)
		(void)snprintf(key, LAYOUT_KEY_MAX, "%s", s->key);
	else
		layout_wal(&l->index->repo->layout, &s->name, NULL, key);
}

/*
 * Does s follow the one before it?  Numbers first, then the facts.  A damaged
 * segment is a run of its own: no recovery leads into it.
 */
static void
join(struct line_segment *before, struct line_segment *s, struct waljoin *j)
{
	bool adjacent = before != NULL && before->segno + 1 == s->segno;
	bool unread = (s->facts.flags & WALFACTS_UNREAD) != 0;
	const char *why = NULL;

	if (!adjacent || s->damaged || unread || before->damaged)
		*j = (struct waljoin){ .started = false };
	if (!s->damaged && !unread)
		why = waljoin_next(j, &s->facts);
	if (before == NULL)
		return;
	s->run = before->run;
	if (adjacent && why == NULL && !s->damaged && !before->damaged)
		return;
	s->run++;
	if (!adjacent)
		return;
	s->broken = why;
	if (s->damaged)
		s->broken = "it is damaged";
	else if (before->damaged)
		s->broken = "the segment before it is damaged";
}

static int
load_all_facts(struct line *l, struct fail *f)
{
	struct waljoin j = { 0 };

	if (line_facts_load_all(l, f) != 0)
		return -1;
	for (size_t i = 0; i < l->n; i++)
		join(i > 0 ? &l->segment[i - 1] : NULL, &l->segment[i], &j);
	return 0;
}

static int
copy_history(const struct timeline *from, struct timeline *to)
{
	*to = (struct timeline){ .tli = from->tli, .n = from->n };
	if (from->n == 0)
		return 0;
	to->ancestors = calloc(from->n, sizeof *to->ancestors);
	if (to->ancestors == NULL)
		return -1;
	memcpy(to->ancestors, from->ancestors, from->n * sizeof *to->ancestors);
	return 0;
}

/* The chain up to the last segment, anew. */
static struct waljoin
chain_at_end(const struct line *l)
{
	struct waljoin j = { 0 };
	size_t first = l->n - 1;

	while (first > 0 && l->segment[first - 1].run == l->segment[first].run)
		first--;
	for (size_t i = first; i < l->n; i++)
		(void)waljoin_next(&j, &l->segment[i].facts);
	return j;
}

/* The partial segment o, if it follows the line's last one. */
static int
try_partial(struct line *l, const struct index_object *o,
    struct line_segment *out, bool *joins, struct fail *f)
{
	const struct line_segment *last = &l->segment[l->n - 1];
	struct waljoin j = chain_at_end(l);

	*joins = false;
	*out = (struct line_segment){ .name = o->name,
		.segno = o->segno,
		.stored = o->stored,
		.mtime = o->mtime,
		.key = o->key,
		.run = last->run };
	if (line_facts_load(l, out, f) != 0)
		return -1;
	*joins = !out->damaged && waljoin_next(&j, &out->facts) == NULL &&
	    line_last_record(&(struct line){ .segment = out, .n = 1 }, 0, 0) !=
	        LSN_NONE;
	return 0;
}

/* Partial segments tell what a timeline wrote last before it was left. */
static int
add_partial(struct line *l, struct fail *f)
{
	const struct index_timeline *t = index_timeline(
	    l->index, l->history.tli);
	const struct line_segment *last = &l->segment[l->n - 1];
	struct line_segment best = { 0 }, one, *more;
	bool joins;

	if (last->damaged || (last->facts.flags & WALFACTS_COMPLETE) == 0)
		return 0;
	for (size_t i = 0; i < t->partials.n; i++) {
		const struct index_object *o = &t->partials.list[i];

		if (o->segno != last->segno + 1)
			continue;
		if (try_partial(l, o, &one, &joins, f) != 0)
			return -1;
		if (joins && line_end_lsn(&one) > line_end_lsn(&best))
			best = one;
	}
	if (best.key == NULL)
		return 0;
	more = reallocarray(l->segment, l->n + 1, sizeof *more);
	if (more == NULL)
		return fail_errno(f, best.key, "memory");
	l->segment = more;
	l->segment[l->n++] = best;
	return 0;
}

struct extent {
	uint64_t first;
	bool own, partial;
};

static int
load(struct line *l, struct extent e, struct fail *f)
{
	uint32_t segsize = l->index->id.segsize;
	uint64_t begin = e.first;
	int rc = 0;

	for (size_t i = 0; rc == 0 && !e.own && i < l->history.n; i++) {
		const struct timeline_entry *a = &l->history.ancestors[i];
		const struct index_timeline *t = index_timeline(
		    l->index, a->tli);
		uint64_t end = a->switch_lsn / segsize;

		if (t != NULL)
			rc = add_segments(l, t, begin, end);
		begin = end > begin ? end : begin;
	}
	if (rc == 0)
		rc = add_segments(l, index_timeline(l->index, l->history.tli),
		    begin, UINT64_MAX);
	if (rc != 0)
		rc = fail_errno(f, NULL, "memory");
	if (rc == 0)
		rc = load_all_facts(l, f);
	if (rc == 0 && e.partial && l->n > 0)
		rc = add_partial(l, f);
	if (rc != 0)
		line_clear(l);
	return rc;
}

static int
load_line(const struct index *x, uint32_t tli, struct extent e,
    struct line *out, struct fail *f)
{
	const struct index_timeline *t = index_timeline(x, tli);
	char name[32];

	*out = (struct line){ .index = x };
	(void)snprintf(name, sizeof name, "timeline %u", tli);
	if (t == NULL)
		return fail_set(
		    f, FAIL_ABSENT, name, "nothing of it is in the repository");
	if (!e.own && tli > 1 && !t->has_history) {
		(void)fail_set(f, FAIL_ABSENT, name,
		    "its history file %08X.history is not in the repository",
		    tli);
		return fail_hint(f,
		    "archive it from a server's pg_wal: walpush "
		    "pg_wal/%08X.history",
		    tli);
	}
	if (copy_history(&t->history, &out->history) != 0)
		return fail_errno(f, name, "memory");
	return load(out, e, f);
}

int
line_load(const struct index *x, uint32_t tli, struct line *out, struct fail *f)
{
	return load_line(x, tli, (struct extent){ .own = false }, out, f);
}

int
line_load_from(const struct index *x, uint32_t tli, uint64_t first,
    bool partial, struct line *out, struct fail *f)
{
	return load_line(x, tli,
	    (struct extent){ .first = first, .partial = partial }, out, f);
}

int
line_load_own(
    const struct index *x, uint32_t tli, struct line *out, struct fail *f)
{
	return load_line(x, tli, (struct extent){ .own = true }, out, f);
}

void
line_clear(struct line *l)
{
	free(l->segment);
	timeline_clear(&l->history);
	l->segment = NULL;
	l->n = 0;
}

size_t
line_run_end(const struct line *l, size_t i)
{
	while (i + 1 < l->n && l->segment[i + 1].run == l->segment[i].run)
		i++;
	return i;
}

uint64_t
line_end_lsn(const struct line_segment *s)
{
	const struct walfacts *f = &s->facts;

	if ((f->flags & WALFACTS_COMPLETE) == 0)
		return f->end_lsn != LSN_NONE ? f->end_lsn : f->start_lsn;
	if (f->unfinished != LSN_NONE)
		return f->unfinished;
	return f->start_lsn + f->segsize;
}

/* Does a record that was begun before the segment go on behind it? */
static bool
is_wholly_inside(const struct walfacts *f)
{
	uint64_t pages = f->blcksz > 0 ? f->segsize / f->blcksz : 1;

	return f->cont_len >
	    f->segsize - WALHDR_LONG - (pages - 1) * WALHDR_SHORT;
}

uint64_t
line_last_record(const struct line *l, size_t first, size_t last)
{
	for (size_t i = last + 1; i > first; i--) {
		const struct walfacts *f = &l->segment[i - 1].facts;

		/* One that was begun here and ended later is later still. */
		if (i - 1 < last && f->unfinished != LSN_NONE &&
		    !is_wholly_inside(&l->segment[last].facts))
			return f->unfinished;
		if (f->last_ended != LSN_NONE)
			return f->last_ended;
	}
	return LSN_NONE;
}
