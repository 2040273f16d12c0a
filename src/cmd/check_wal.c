/* SPDX-License-Identifier: PostgreSQL */
/* Gaps and damage of the archived WAL: see check_job.h. */
#include <stdio.h>
#include <string.h>

#include "check_job.h"
#include "exitcode.h"
#include "lsn.h"

void
check_nowhere(const struct check *c, const char *what, char *out, size_t cap)
{
	out[0] = '\0';
	if (c->setup->n == 1)
		return;
	if (c->silent[0] == '\0')
		(void)snprintf(out, cap, ", and no store %s", what);
	else
		(void)snprintf(out, cap,
		    ", and no store that could be read %s (%s does not answer, "
		    "or is no part of this repository)",
		    what, c->silent);
}

const char *
check_remedy(const struct check *c)
{
	return c->silent[0] != '\0'
	    ? "; bring back the store that is missing, or take a base backup"
	    : "; take a base backup";
}

/*
 * How bad is it that no recovery leads across a line from the segment before
 * segno `behind`?  A backup taken behind it costs the moments between, which
 * keep_wal may have given up.
 */
static int
grade_hole(const struct check_place *p, const struct line *l, uint64_t behind)
{
	if (!check_is_covered(p, l, behind))
		return NAGIOS_CRITICAL;
	return p->keep_wal ? NAGIOS_OK : NAGIOS_WARNING;
}

/* The first segment of the line at or behind that number. */
static size_t
place_of(const struct line *l, uint64_t segno)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->segment[middle].segno < segno)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* -- all stores as one, or the only one -- */

static void
say_damaged(struct check *c, const struct line_segment *s, int level)
{
	char nowhere[384];

	check_nowhere(c, "has it whole", nowhere, sizeof nowhere);
	/* Damage is told, whatever was given up. */
	findings_add(&c->found, level == NAGIOS_OK ? NAGIOS_WARNING : level,
	    "damage", "%s: %s%s: no recovery leads through it%s", s->name.text,
	    s->damage, nowhere,
	    level == NAGIOS_CRITICAL ? check_remedy(c) : "");
}

static void
say_gap(struct check *c, const struct line_segment *before,
    const struct line_segment *s, int level)
{
	char nowhere[384];

	check_nowhere(c, "has them", nowhere, sizeof nowhere);
	findings_add(&c->found, level, "gap",
	    "%llu segments are missing between %s and %s%s: no recovery leads "
	    "across%s",
	    (unsigned long long)(s->segno - before->segno - 1),
	    before->name.text, s->name.text, nowhere,
	    level == NAGIOS_CRITICAL ? check_remedy(c) : "");
}

static void
say_rewritten(struct check *c, const struct line_segment *before,
    const struct line_segment *s)
{
	findings_add(&c->found, NAGIOS_CRITICAL, "two writers",
	    "%s does not follow %s: %s; another server archives here, or the "
	    "history was rewritten",
	    s->name.text, before->name.text, s->broken);
}

static void
check_line(struct check *c, const struct line *l)
{
	size_t problems = 0, given_up = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct line_segment *s = &l->segment[i];
		int level = grade_hole(c->all, l, s->segno + s->damaged);

		if (s->damaged)
			say_damaged(c, s, level);
		problems += s->damaged;
		if (i == 0 || s->run == l->segment[i - 1].run)
			continue;
		if (s->broken == NULL && level == NAGIOS_OK) {
			given_up++;
			continue;
		}
		problems++;
		if (s->broken == NULL)
			say_gap(c, &l->segment[i - 1], s, level);
		else if (!s->damaged && !l->segment[i - 1].damaged)
			say_rewritten(c, &l->segment[i - 1], s);
	}
	if (problems == 0 && l->n > 0)
		findings_add(&c->found, NAGIOS_OK, "archived WAL",
		    "timeline %u: %zu segments, %s to %s, without a gap%s",
		    l->history.tli, l->n, l->segment[0].name.text,
		    l->segment[l->n - 1].name.text,
		    given_up > 0 ? " but those that keep_wal left" : "");
}

/* -- one of several, beside all of them -- */

/* What another store has whole. */
static void
check_damage_here(
    struct check *c, const struct line_segment *s, const struct line *all)
{
	size_t k = place_of(all, s->segno);

	if (!s->damaged || k == all->n || all->segment[k].segno != s->segno ||
	    all->segment[k].damaged)
		return;
	/* A mark: the object is what was archived, which repair leaves. */
	if (s->has_sum)
		findings_add(&c->found, NAGIOS_WARNING, "damage",
		    "%s was archived damaged: %s; another store has other "
		    "content under this name: see walvault(1), OTHER CONTENT "
		    "IN TWO STORES",
		    s->name.text, s->damage);
	else
		findings_add(&c->found, NAGIOS_WARNING, "damage",
		    "%s: %s; another store has it whole: walvault repair %s",
		    s->name.text, s->damage, s->name.text);
}

/* Where this store's line is cut between two segments, and all's is not. */
static void
check_cut_here(struct check *c, const struct line_segment *before,
    const struct line_segment *s, const struct line *all)
{
	size_t from = place_of(all, before->segno + 1),
	       to = place_of(all, s->segno);

	if (s->broken == NULL && to > from)
		findings_add(&c->found, NAGIOS_WARNING, "gap",
		    "%zu segments are missing between %s and %s, which another "
		    "store has: walvault sync brings them",
		    to - from, before->name.text, s->name.text);
	else if (s->broken != NULL && !s->damaged && !before->damaged &&
	    from == to && from > 0 && to < all->n &&
	    all->segment[from - 1].run == all->segment[to].run)
		say_rewritten(c, before, s);
}

static void
check_line_here(struct check *c, const struct check_place *p,
    const struct line *l, const struct line *all)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct line_segment *s = &l->segment[i];

		check_damage_here(c, s, all);
		if (i > 0 && s->run != l->segment[i - 1].run &&
		    (s->broken != NULL ||
		        grade_hole(p, l, s->segno) != NAGIOS_OK))
			check_cut_here(c, &l->segment[i - 1], s, all);
	}
}

/* The same timeline in a store; without its history it is lost to none. */
static void
check_timeline_here(
    struct check *c, size_t i, const struct line *all, struct line *l)
{
	const struct check_place *p = &c->store[i]->place;
	const struct index_timeline *t = index_timeline(
	    &p->index, all->history.tli);
	struct fail f;

	if (!c->store[i]->joined || t == NULL)
		return;
	c->found.store = p->store;
	if (line_load(&p->index, t->tli, l, &f) == 0)
		check_line_here(c, p, l, all);
	else if (f.kind == FAIL_ABSENT)
		findings_add(&c->found, NAGIOS_WARNING, "archived WAL",
		    "%s: %s; another store has it: walvault sync brings it",
		    f.object, f.cause);
	else
		findings_add_fail(
		    &c->found, NAGIOS_WARNING, "archived WAL", &f);
	c->found.store = NULL;
}

/* Does a line end in this timeline, in all stores or in one of them? */
static bool
is_end(const struct index *x, uint32_t tli)
{
	const struct index_timeline *t = index_timeline(x, tli);

	return t != NULL && (t->segments.n == 0 || index_is_leaf(x, t));
}

static void
check_timeline(struct check *c, uint32_t tli)
{
	struct line all, own[CONF_STORES_MAX] = { { .n = 0 } };
	struct fail f;

	if (line_load(&c->all->index, tli, &all, &f) != 0) {
		findings_add_fail(
		    &c->found, NAGIOS_CRITICAL, "archived WAL", &f);
		return;
	}
	if (is_end(&c->all->index, tli))
		check_line(c, &all);
	if (c->n_joined > 1) {
		for (size_t i = 0; i < c->setup->n; i++)
			check_timeline_here(c, i, &all, &own[i]);
		check_content_lines(c, own);
		for (size_t i = 0; i < c->setup->n; i++)
			line_clear(&own[i]);
	}
	line_clear(&all);
}

void
check_wal(struct check *c)
{
	const struct index *x;

	if (c->all == NULL)
		return;
	x = &c->all->index;
	for (size_t i = 0; i < x->n; i++) {
		uint32_t tli = x->timelines[i].tli;
		bool ends = is_end(x, tli);

		for (size_t k = 0; k < c->setup->n; k++)
			ends |= c->store[k]->joined &&
			    is_end(&c->store[k]->place.index, tli);
		if (ends)
			check_timeline(c, tli);
	}
	if (x->n == 0)
		findings_add(
		    &c->found, NAGIOS_WARNING, "archived WAL", "none yet");
	for (size_t i = 0; i < c->setup->n; i++) {
		if (!c->store[i]->joined)
			continue;
		c->found.store = c->store[i]->place.store;
		check_aside(c, &c->store[i]->place.index);
	}
	c->found.store = NULL;
	if (c->n_joined > 1)
		check_content_rest(c);
}
