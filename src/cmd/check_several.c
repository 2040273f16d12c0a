/* SPDX-License-Identifier: PostgreSQL */
/* Does one store lack what the others have?  See check_several.h. */
#include <stdio.h>
#include <string.h>

#include "behind.h"
#include "check_several.h"
#include "clock.h"
#include "exitcode.h"

uint64_t
check_needed(const struct backup_list *backups)
{
	uint64_t newest = 0;

	for (size_t i = 0; i < backups->n; i++)
		if (backups->list[i].state == BACKUP_COMPLETE &&
		    backups->list[i].info.start_lsn > newest)
			newest = backups->list[i].info.start_lsn;
	return newest;
}

/* Stores that fail are no more than a warning as long as enough are left. */
static int
level_of_outage(const struct setup *s, const struct check_seen *seen)
{
	size_t opened = 0;

	for (size_t i = 0; i < s->n; i++)
		opened += seen[i].opened;
	return opened >= conf_n_required(s->conf) ? NAGIOS_WARNING
	                                          : NAGIOS_CRITICAL;
}

static void
check_behind(struct findings *found, const struct setup *s, size_t i)
{
	char since[CLOCK_TEXT];
	struct behind b;

	behind_load(conf_text(s->conf, OPT_STATE_DIR, NULL), &s->repos[i], &b);
	if (b.failures == 0)
		return;
	clock_format(b.since, since);
	findings_add(found, NAGIOS_WARNING, "store",
	    "%s: walpush gets no answer since %s (%llu times): %s",
	    s->repos[i].store->url, since, (unsigned long long)b.failures,
	    b.cause);
}

static bool
has_segment(const struct index_timeline *t, uint64_t segno)
{
	size_t low = 0, high = t != NULL ? t->segments.n : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->segments.list[middle].segno < segno)
			low = middle + 1;
		else
			high = middle;
	}
	return t != NULL && low < t->segments.n &&
	    t->segments.list[low].segno == segno;
}

struct lag {
	uint64_t n;
	const struct index_object *first;
	int64_t mtime; /* of the oldest of them, there */
};

/* Count what store k has and x lacks, though it belongs there. */
static void
count_lag(struct lag *lag, const struct check_seen *x, const struct index *k)
{
	for (size_t i = 0; i < k->n; i++) {
		const struct index_timeline *t = &k->timelines[i];
		const struct index_timeline *own = index_timeline(
		    &x->index, t->tli);
		uint64_t from = x->needed / k->id.segsize;

		if (own != NULL && own->segments.n > 0 &&
		    from < own->segments.list[0].segno)
			from = own->segments.list[0].segno;
		for (size_t j = 0; j < t->segments.n; j++) {
			const struct index_object *o = &t->segments.list[j];

			if (o->segno < from || has_segment(own, o->segno))
				continue;
			if (lag->n++ == 0 || o->mtime < lag->mtime) {
				lag->first = o;
				lag->mtime = o->mtime;
			}
		}
	}
}

static void
check_lag(struct findings *found, const struct setup *s,
    const struct check_seen *seen, size_t i)
{
	const struct conf *c = s->conf;
	struct lag lag = { 0 };
	int level = NAGIOS_OK;

	/* With three stores one file may be counted twice: the most counts. */
	for (size_t k = 0; k < s->n; k++) {
		struct lag one = { 0 };

		if (k == i || !seen[k].opened)
			continue;
		count_lag(&one, &seen[i], &seen[k].index);
		if (one.n > lag.n)
			lag = one;
	}
	if (lag.n == 0) {
		findings_add(found, NAGIOS_OK, "lag",
		    "%s: has what the other stores have",
		    s->repos[i].store->url);
		return;
	}
	if (lag.n >= conf_number(c, OPT_READY_WARNING))
		level = NAGIOS_WARNING;
	if (lag.n >= conf_number(c, OPT_READY_CRITICAL))
		level = NAGIOS_CRITICAL;
	findings_add(found, level, "lag",
	    "%s lacks %llu segments that another store has, the first of them "
	    "%s; walvault sync brings them",
	    s->repos[i].store->url, (unsigned long long)lag.n,
	    lag.first->name.text);
}

/* What the server was told is archived must be where it is required. */
static void
check_archived(struct findings *found, const struct setup *s,
    const struct check_seen *seen, const char *archived)
{
	size_t lack = 0, opened = 0, required = conf_n_required(s->conf);

	for (size_t i = 0; i < s->n; i++) {
		opened += seen[i].opened;
		lack += seen[i].opened && seen[i].lacks_last;
	}
	if (lack == 0)
		return;
	findings_add(found,
	    opened - lack < required && opened == s->n ? NAGIOS_CRITICAL
	                                               : NAGIOS_WARNING,
	    "archived WAL",
	    "the server believes that %s is archived, but it is in %zu of "
	    "%zu stores, and %zu are required",
	    archived, opened - lack, opened, required);
}

/* What is in stores of different repositories cannot be read as one. */
static void
check_same(struct findings *found, const struct setup *s,
    const struct check_seen *seen)
{
	const struct repository *first = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const struct repository *r = &s->repos[i];

		if (!seen[i].opened)
			continue;
		if (first == NULL)
			first = r;
		if (strcmp(r->id, first->id) == 0)
			continue;
		findings_add(found, NAGIOS_CRITICAL, "repositories",
		    "%s and %s are different repositories: no backup and no "
		    "sync goes into both; make one of them anew, empty, by "
		    "walvault init with all stores",
		    first->store->url, r->store->url);
	}
}

void
check_several(struct findings *found, const struct setup *s,
    const struct check_seen *seen, const char *archived)
{
	for (size_t i = 0; i < s->n; i++)
		if (!seen[i].opened)
			findings_add_fail(found, level_of_outage(s, seen),
			    "store", &seen[i].fail);
	if (s->n < 2)
		return;
	for (size_t i = 0; i < s->n; i++) {
		check_behind(found, s, i);
		if (seen[i].opened)
			check_lag(found, s, seen, i);
	}
	check_archived(found, s, seen, archived);
	check_same(found, s, seen);
}

void
check_remembered(const struct setup *s, char *out, size_t cap)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < s->n && len < cap; i++) {
		struct behind b;

		behind_load(
		    conf_text(s->conf, OPT_STATE_DIR, NULL), &s->repos[i], &b);
		if (b.failures > 0)
			len += (size_t)snprintf(out + len, cap - len,
			    "; store %s: %s", s->repos[i].store->name, b.cause);
	}
}
