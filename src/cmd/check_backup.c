/* SPDX-License-Identifier: PostgreSQL */
/* What a check finds about backups: see check_job.h. */
#include <stdio.h>
#include <string.h>

#include "backup_whole.h"
#include "check_job.h"
#include "clock.h"
#include "exitcode.h"
#include "lsn.h"
#include "plan.h"
#include "units.h"

#define DAY_MS ((uint64_t)86400000)

/* Two hosts' clocks may be so far apart, in microseconds. */
#define CLOCKS_DIFFER INT64_C(300000000)

/*
 * By place in the WAL, not by time: a backup taken while the clock was wrong
 * must not hide for years that no other one is made.
 */
static bool
is_newer(const struct manifest_summary *a, const struct manifest_summary *b)
{
	if (a->stop_tli != b->stop_tli)
		return a->stop_tli > b->stop_tli;
	return a->stop_lsn > b->stop_lsn;
}

/* The newest complete one; NULL if there is none. */
static const struct backup *
newest(const struct backup_list *l, bool good)
{
	const struct backup *best = NULL;

	for (size_t i = 0; i < l->n; i++) {
		const struct backup *b = &l->list[i];

		if (b->state != BACKUP_COMPLETE ||
		    (good && b->info.bad_pages > 0))
			continue;
		if (best == NULL || is_newer(&b->info, &best->info))
			best = b;
	}
	return best;
}

/* The store's newest object: what time it is there, at least. */
static int64_t
store_time(const struct backup_list *l, const struct index *x)
{
	int64_t now = INT64_MIN;

	for (size_t i = 0; i < l->n; i++)
		if (l->list[i].newest > now)
			now = l->list[i].newest;
	for (size_t i = 0; i < x->n; i++) {
		const struct index_list *s = &x->timelines[i].segments;

		if (s->n > 0 && s->list[s->n - 1].mtime > now)
			now = s->list[s->n - 1].mtime;
	}
	return now < clock_now() ? now : clock_now();
}

static int
age_level(const struct conf *c, uint64_t age_ms)
{
	uint64_t warning = conf_number(c, OPT_BACKUP_AGE_WARNING);
	uint64_t critical = conf_number(c, OPT_BACKUP_AGE_CRITICAL);

	if (critical != 0 && age_ms >= critical)
		return NAGIOS_CRITICAL;
	return warning != 0 && age_ms >= warning ? NAGIOS_WARNING : NAGIOS_OK;
}

static void
check_newest(
    struct findings *found, const struct conf *c, const struct backup_list *l)
{
	const struct backup *b = newest(l, true), *any = newest(l, false);
	char stop[CLOCK_TEXT], age[UNITS_TEXT];
	uint64_t age_ms = 0;
	int level;

	if (any == NULL) {
		findings_add(found, NAGIOS_WARNING, "base backup",
		    "there is none: nothing can be restored; run basebackup");
		return;
	}
	if (any->info.bad_pages > 0)
		findings_add(found,
		    b == NULL ? NAGIOS_CRITICAL : NAGIOS_WARNING, "bad pages",
		    "%llu pages in the newest backup %s have wrong checksums: "
		    "the cluster itself is damaged%s",
		    (unsigned long long)any->info.bad_pages, any->id,
		    b == NULL ? ", and no good backup is there" : "");
	if (b == NULL)
		return;
	clock_format(b->info.stop_time, stop);
	if (b->info.stop_time > clock_now() + CLOCKS_DIFFER)
		findings_add(found, NAGIOS_WARNING, "backup clock",
		    "backup %s ended at %s, which is in the future: was the "
		    "server's clock wrong, or is this host's?",
		    b->id, stop);
	if (clock_now() > b->info.stop_time)
		age_ms = (uint64_t)(clock_now() - b->info.stop_time) / 1000;
	level = age_level(c, age_ms);
	/* For people: whole days, from two on. */
	age_ms -= age_ms % (age_ms < 2 * DAY_MS ? 60000 : DAY_MS);
	units_format(age_ms, UNITS_MS, age);
	findings_add(found, level, "base backup",
	    "the newest good one is %s, ended %s, %s ago", b->id, stop, age);
}

static bool
has_segment(const struct index *x, uint32_t tli, uint64_t segno)
{
	const struct index_timeline *t = index_timeline(x, tli);

	for (size_t i = 0; t != NULL && i < t->segments.n; i++)
		if (t->segments.list[i].segno == segno)
			return true;
	return false;
}

/*
 * What makes the backup consistent was seen when it was made: is it there?
 * 0 yes, 1 no (*missing is the first that is not), -1.
 */
static int
find_own_wal(const struct index *x, const struct backup *b,
    struct walname *missing, struct fail *f)
{
	struct wal_ranges ranges;
	int rc = 0;

	if (plan_wal(x, &b->info, LSN_NONE, &ranges, f) != 0)
		return -1;
	for (size_t i = 0; rc == 0 && i < ranges.n; i++) {
		const struct wal_range *r = &ranges.list[i];

		for (uint64_t s = r->first_segno; rc == 0 && s <= r->last_segno;
		     s++) {
			if (has_segment(x, r->tli, s))
				continue;
			walname_segment(r->tli, s, x->id.segsize, missing);
			rc = 1;
		}
	}
	wal_ranges_clear(&ranges);
	return rc;
}

static void
check_own_wal(struct check *c, const struct backup *b)
{
	struct walname missing;
	char nowhere[384];
	struct fail f;
	int rc = find_own_wal(&c->all->index, b, &missing, &f);

	check_nowhere(c, "has it", nowhere, sizeof nowhere);
	if (rc < 0)
		findings_add_fail(&c->found, NAGIOS_CRITICAL, "backup", &f);
	else if (rc > 0)
		findings_add(&c->found, NAGIOS_CRITICAL, "backup",
		    "%s cannot be restored: its WAL %s is missing%s%s", b->id,
		    missing.text, nowhere, check_remedy(c));
}

/* The same of a store: all have it, this one alone could not bring it back. */
static void
check_own_wal_here(
    struct check *c, const struct check_place *p, const struct backup *b)
{
	struct walname missing;
	struct fail f;

	if (find_own_wal(&c->all->index, b, &missing, &f) == 0 &&
	    find_own_wal(&p->index, b, &missing, &f) == 1)
		findings_add(&c->found, NAGIOS_WARNING, "backup",
		    "the WAL %s of %s is missing; another store has it: "
		    "walvault sync brings it",
		    missing.text, b->id);
}

/* The backup of that name, if the store has it complete. */
static const struct backup *
complete_in(const struct check_place *p, const char *id)
{
	const struct backup *b = backup_find(&p->backups, id);

	return b != NULL && b->state == BACKUP_COMPLETE ? b : NULL;
}

/* "SYSTEM/backup/..." of what a failure is about, as repair takes it. */
static const char *
own_key(const struct check_place *p, const char *object)
{
	char prefix[LAYOUT_KEY_MAX];
	const char *own;

	backup_prefix(&p->listed.layout, prefix);
	own = strstr(object, prefix);
	return own != NULL ? layout_own_key(&p->listed.layout, own) : object;
}

/* It is whole somewhere, and not here. */
static void
say_not_whole_here(struct check *c, const struct check_place *p,
    const struct backup *b, const struct fail *f)
{
	c->found.store = p->store;
	if (f->kind == FAIL_DAMAGED)
		findings_add(&c->found, NAGIOS_WARNING, "backup",
		    "%s is not whole: %s: %s; another store has what is "
		    "lacking: walvault repair %s",
		    b->id, f->object, f->cause, own_key(p, f->object));
	else
		findings_add_fail(&c->found, NAGIOS_WARNING, "backup", f);
	c->found.store = NULL;
}

static void
say_not_whole(struct check *c, const struct backup *b, const struct fail *f)
{
	char nowhere[384];

	check_nowhere(c, "has it whole", nowhere, sizeof nowhere);
	if (f->kind == FAIL_DAMAGED)
		findings_add(&c->found, NAGIOS_CRITICAL, "backup",
		    "%s cannot be restored: %s: %s%s%s", b->id, f->object,
		    f->cause, nowhere, check_remedy(c));
	else
		findings_add_fail(&c->found, NAGIOS_CRITICAL, "backup", f);
}

/*
 * Is the newest good backup what a restore would take it for?  A restore takes
 * each piece of it from a store that has it.  true: some store has all of it,
 * or all together have.
 */
static bool
check_whole(struct check *c, const struct backup *b)
{
	struct repository all = c->all->listed;
	struct fail f, why[CONF_STORES_MAX];
	int rc[CONF_STORES_MAX] = { 0 };
	bool whole = false;

	for (size_t i = 0; i < c->setup->n; i++) {
		struct repository r = c->store[i]->place.listed;

		if (!c->store[i]->joined ||
		    complete_in(&c->store[i]->place, b->id) == NULL)
			continue;
		rc[i] = backup_look_at(&r, b->id, &why[i]);
		/* Gone meanwhile: it was expired. */
		whole |= rc[i] >= 0;
	}
	if (!whole && backup_look_at(&all, b->id, &f) < 0) {
		say_not_whole(c, b, &f);
		return false;
	}
	for (size_t i = 0; i < c->setup->n; i++)
		if (rc[i] < 0)
			say_not_whole_here(c, &c->store[i]->place, b, &why[i]);
	return true;
}

static void
check_unfinished(struct findings *found, const struct conf *c,
    const struct backup *b, int64_t now)
{
	char since[CLOCK_TEXT], from[LSN_TEXT];

	if (now < b->newest ||
	    (uint64_t)(now - b->newest) / 1000 < conf_number(c, OPT_BROKEN_AGE))
		return;
	clock_format(b->newest, since);
	lsn_format(b->begin.from_lsn, from);
	findings_add(found, NAGIOS_WARNING, "broken backup",
	    "nothing was added to %s since %s; it keeps %s%s from being "
	    "deleted; walvault expire --broken removes it",
	    b->id, since, b->has_begin ? "WAL behind " : "all WAL",
	    b->has_begin ? from : "");
}

/* What is said of each store's own. */
static void
check_backups_here(struct check *c, size_t i, const struct backup *good)
{
	const struct check_place *p = &c->store[i]->place;
	int64_t now = store_time(&p->backups, &p->index);

	c->found.store = p->store;
	for (size_t k = 0; k < p->backups.n; k++) {
		const struct backup *b = &p->backups.list[k];

		if (b->state == BACKUP_UNFINISHED ||
		    b->state == BACKUP_DELETING)
			check_unfinished(&c->found, c->setup->conf, b, now);
		if (b->state != BACKUP_DAMAGED)
			continue;
		if (c->store[i]->joined && complete_in(c->all, b->id) != NULL)
			findings_add(&c->found, NAGIOS_WARNING,
			    "damaged backup",
			    "%s cannot be restored from here: %s; another "
			    "store has it: walvault repair %s",
			    b->id, b->why, b->id);
		else
			findings_add(&c->found,
			    good == NULL ? NAGIOS_CRITICAL : NAGIOS_WARNING,
			    "damaged backup", "%s cannot be restored: %s%s",
			    b->id, b->why,
			    b->newer ? ""
			             : "; when a newer one is good, walvault "
			               "expire --broken removes it");
	}
	if (c->n_joined > 1 && c->store[i]->joined && good != NULL &&
	    complete_in(p, good->id) != NULL)
		check_own_wal_here(c, p, good);
	c->found.store = NULL;
}

void
check_backups(struct check *c)
{
	const struct backup *good = NULL;

	if (c->all != NULL) {
		good = newest(&c->all->backups, true);
		check_newest(&c->found, c->setup->conf, &c->all->backups);
		if (good != NULL && check_whole(c, good))
			check_own_wal(c, good);
	}
	for (size_t i = 0; i < c->setup->n; i++)
		if (c->store[i]->opened)
			check_backups_here(c, i, good);
}

bool
check_is_covered(
    const struct check_place *p, const struct line *l, uint64_t segno)
{
	const struct index_timeline *t = index_timeline(
	    l->index, l->history.tli);

	for (size_t i = 0; t != NULL && i < p->backups.n; i++) {
		const struct backup *b = &p->backups.list[i];

		if (b->state == BACKUP_COMPLETE &&
		    plan_is_on_line(t, &b->info) &&
		    b->info.start_lsn / b->info.segsize >= segno)
			return true;
	}
	return false;
}

bool
check_is_covered_any(const struct check_place *p, uint32_t tli, uint64_t segno)
{
	const struct index *x = &p->index;

	for (size_t k = 0; k < x->n; k++) {
		const struct index_timeline *t = &x->timelines[k];
		uint64_t end = t->tli == tli
		    ? UINT64_MAX
		    : timeline_switch(&t->history, tli);
		struct line l = { .index = x, .history.tli = t->tli };

		if (end != LSN_NONE && end / x->id.segsize >= segno &&
		    check_is_covered(p, &l, segno + 1))
			return true;
	}
	return false;
}
