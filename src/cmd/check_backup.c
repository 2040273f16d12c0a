/* SPDX-License-Identifier: PostgreSQL */
/* What a check finds about backups: see check_backup.h. */
#include <stdio.h>
#include <string.h>

#include "backup_whole.h"
#include "check_backup.h"
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

/* What makes the backup consistent was seen when it was made: is it there? */
static void
check_own_wal(
    struct findings *found, const struct index *x, const struct backup *b)
{
	struct wal_ranges ranges;
	struct walname name;
	struct fail f;

	if (plan_wal(x, &b->info, LSN_NONE, &ranges, &f) != 0) {
		findings_add_fail(found, NAGIOS_CRITICAL, "backup", &f);
		return;
	}
	for (size_t i = 0; i < ranges.n; i++) {
		const struct wal_range *r = &ranges.list[i];

		for (uint64_t s = r->first_segno; s <= r->last_segno; s++) {
			if (has_segment(x, r->tli, s))
				continue;
			walname_segment(r->tli, s, x->id.segsize, &name);
			findings_add(found, NAGIOS_CRITICAL, "backup",
			    "%s cannot be restored: its WAL %s is missing; "
			    "take a base backup",
			    b->id, name.text);
			break;
		}
	}
	wal_ranges_clear(&ranges);
}

/* Is the newest good backup what a restore would take it for? */
static void
check_whole(
    struct findings *found, const struct index *x, const struct backup *b)
{
	struct fail f;
	int rc = backup_look_at(x->repo, b->id, &f);

	if (rc == 0)
		check_own_wal(found, x, b);
	else if (rc < 0 && f.kind == FAIL_DAMAGED)
		findings_add(found, NAGIOS_CRITICAL, "backup",
		    "%s cannot be restored: %s: %s; take a base backup", b->id,
		    f.object, f.cause);
	else if (rc < 0)
		findings_add_fail(found, NAGIOS_CRITICAL, "backup", &f);
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

void
check_backups(struct findings *found, const struct conf *c,
    const struct backup_list *backups, const struct index *x)
{
	const struct backup *good = newest(backups, true);
	int64_t now = store_time(backups, x);

	check_newest(found, c, backups);
	if (good != NULL)
		check_whole(found, x, good);
	for (size_t i = 0; i < backups->n; i++) {
		const struct backup *b = &backups->list[i];

		if (b->state == BACKUP_UNFINISHED ||
		    b->state == BACKUP_DELETING)
			check_unfinished(found, c, b, now);
		if (b->state == BACKUP_DAMAGED)
			findings_add(found,
			    good == NULL ? NAGIOS_CRITICAL : NAGIOS_WARNING,
			    "damaged backup", "%s cannot be restored: %s",
			    b->id, b->why);
	}
}

int
check_hole(const struct conf *c, const struct backup_list *backups,
    const struct line *l, uint64_t behind)
{
	const struct index_timeline *t = index_timeline(
	    l->index, l->history.tli);

	for (size_t i = 0; t != NULL && i < backups->n; i++) {
		const struct backup *b = &backups->list[i];

		if (b->state == BACKUP_COMPLETE &&
		    plan_is_on_line(t, &b->info) &&
		    b->info.start_lsn / b->info.segsize >= behind)
			return conf_number(c, OPT_KEEP_WAL) != 0
			    ? NAGIOS_OK
			    : NAGIOS_WARNING;
	}
	return NAGIOS_CRITICAL;
}

/* The segment that was set aside under that key.  0, or 1: something else. */
static int
aside_segment(const char *key, struct walname *name)
{
	const char *cut = strstr(key, ".damaged-");
	char was[LAYOUT_KEY_MAX];

	if (cut == NULL)
		return 1;
	(void)snprintf(was, sizeof was, "%.*s", (int)(cut - key), key);
	return layout_parse_wal(was, name) != LAYOUT_SEGMENT;
}

static bool
is_archived(const struct index *x, uint32_t tli, uint64_t segno)
{
	const struct index_timeline *t = index_timeline(x, tli);

	for (size_t i = 0; t != NULL && i < t->segments.n; i++)
		if (t->segments.list[i].segno == segno)
			return true;
	return false;
}

/* Does a backup begin behind the segment, on a line that leads through it? */
static bool
backup_lies_behind(const struct backup_list *backups, const struct index *x,
    uint32_t tli, uint64_t segno)
{
	for (size_t k = 0; k < x->n; k++) {
		const struct index_timeline *t = &x->timelines[k];
		uint64_t end = t->tli == tli
		    ? UINT64_MAX
		    : timeline_switch(&t->history, tli);

		if (end == LSN_NONE || end / x->id.segsize < segno)
			continue;
		for (size_t i = 0; i < backups->n; i++) {
			const struct backup *b = &backups->list[i];

			if (b->state == BACKUP_COMPLETE &&
			    plan_is_on_line(t, &b->info) &&
			    b->info.start_lsn / b->info.segsize > segno)
				return true;
		}
	}
	return false;
}

void
check_aside(struct findings *found, const struct backup_list *backups,
    const struct index *x)
{
	for (size_t i = 0; i < x->aside.n; i++) {
		struct walname name;
		uint64_t segno;

		if (aside_segment(x->aside.list[i].key, &name) != 0)
			continue;
		segno = walname_segno(&name, x->id.segsize);
		if (is_archived(x, name.tli, segno))
			continue;
		findings_add(found,
		    backup_lies_behind(backups, x, name.tli, segno)
		        ? NAGIOS_WARNING
		        : NAGIOS_CRITICAL,
		    "set aside",
		    "%s was damaged and is not archived again: a recovery that "
		    "asks for it ends; walpush it from some server's pg_wal, "
		    "or take a base backup",
		    name.text);
	}
}
