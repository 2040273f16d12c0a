/* SPDX-License-Identifier: PostgreSQL */
/*
 * Do stores hold the same under one name?  Headers tell, which hold the sums of
 * the plain bytes: see check_job.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_job.h"
#include "exitcode.h"
#include "object.h"

/* So many names of WAL that differs are told. */
#define NAMES_MAX 4

static void
say_other(struct check *c, const char *name, size_t a, size_t b)
{
	const char *one = c->setup->stores[a]->name;
	const char *other = c->setup->stores[b]->name;

	findings_add(&c->found, NAGIOS_CRITICAL, "other content",
	    "%s is not the same in %s and %s: two servers archived it, or one "
	    "was rolled back; to see which is right compare each with the "
	    "server's file: walvault cat --store %s %s | cmp - pg_wal/%s (see "
	    "walvault(1), OTHER CONTENT IN TWO STORES)",
	    name, one, other, one, name, name);
}

/* -- segments, whose headers were read for their lines -- */

static bool
is_other(const struct line_segment *a, const struct line_segment *b)
{
	return a->name.tli == b->name.tli && a->has_sum && b->has_sum &&
	    memcmp(&a->sum, &b->sum, sizeof a->sum) != 0;
}

static void
compare_lines(struct check *c, const struct line *lines, size_t a, size_t b)
{
	const struct line *x = &lines[a], *y = &lines[b];
	size_t told = 0, more = 0;

	for (size_t i = 0, k = 0; i < x->n && k < y->n;) {
		uint64_t one = x->segment[i].segno, other = y->segment[k].segno;

		if (one == other && is_other(&x->segment[i], &y->segment[k])) {
			if (told < NAMES_MAX)
				say_other(c, x->segment[i].name.text, a, b);
			more += told++ >= NAMES_MAX;
		}
		i += one <= other;
		k += other <= one;
	}
	if (more > 0)
		findings_add(&c->found, NAGIOS_CRITICAL, "other content",
		    "and %zu more on the line of timeline %u", more,
		    x->history.tli);
}

void
check_content_lines(struct check *c, const struct line *lines)
{
	for (size_t a = 0; a < c->setup->n; a++)
		for (size_t b = a + 1; b < c->setup->n; b++)
			if (lines[a].n > 0 && lines[b].n > 0)
				compare_lines(c, lines, a, b);
}

/* -- histories, partial segments, backup histories -- */

static void
compare_object(struct check *c, const char *key)
{
	struct object_header *h = calloc(2, sizeof *h);
	size_t first = c->setup->n;

	for (size_t i = 0; h != NULL && i < c->setup->n; i++) {
		const struct repository *r = &c->store[i]->place.listed;
		struct object_header *x = &h[first < c->setup->n];
		struct fail f;

		/* What cannot be read is verify's affair. */
		if (!c->store[i]->joined ||
		    object_read_header(r->store, &r->layout, key, x, &f) != 0 ||
		    !x->has_plain)
			continue;
		if (first == c->setup->n)
			first = i;
		else if (!digest_same(&h[0].plain, &x->plain))
			say_other(c, strrchr(key, '/') + 1, first, i);
	}
	free(h);
}

/* The key goes on behind the names of cluster and system. */
static int
see_object(void *arg, const char *key, const struct store_info *info)
{
	struct walname name;

	(void)info;
	switch (layout_parse_wal(key, &name)) {
	case LAYOUT_HISTORY:
	case LAYOUT_PARTIAL:
	case LAYOUT_BACKUP:
		compare_object(arg, key);
		break;
	case LAYOUT_SEGMENT:
	case LAYOUT_ASIDE:
	case LAYOUT_OTHER:
		break;
	}
	return 0;
}

void
check_content_rest(struct check *c)
{
	const struct repository *all = &c->all->listed;
	char prefix[LAYOUT_KEY_MAX];
	struct fail f;

	layout_wal_prefix(&all->layout, prefix);
	if (store_list(all->store, prefix, see_object, c, &f) != 0)
		findings_add_fail(
		    &c->found, NAGIOS_CRITICAL, "other content", &f);
}
