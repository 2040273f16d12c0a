/* SPDX-License-Identifier: PostgreSQL */
/* walvault expire: delete what no rule keeps, and say why the rest stays. */
#include <stdio.h>
#include <string.h>

#include "backup_lease.h"
#include "clock.h"
#include "exitcode.h"
#include "expire.h"
#include "json.h"
#include "log.h"
#include "output.h"
#include "rules.h"
#include "units.h"
#include "verbs.h"
#include "walname.h"

/* A clock that is further ahead than this is worth a word. */
#define CLOCK_AHEAD (INT64_C(86400) * 1000000)

#define WHY_MAX 512

static void
append(char *out, const char *text)
{
	size_t len = strlen(out);

	(void)snprintf(
	    out + len, WHY_MAX - len, "%s%s", len > 0 ? ", " : "", text);
}

/* Who restores, and how long that keeps it. */
static void
why_leased(const struct backup_lease *l, char out[WHY_MAX])
{
	char until[CLOCK_TEXT], text[CLOCK_TEXT + 200];

	clock_format(backup_lease_until(l), until);
	(void)snprintf(text, sizeof text,
	    "a restore %s%.128s needs it until %s",
	    l->pid != 0 ? "on " : "whose note cannot be read", l->host, until);
	append(out, text);
}

/* Why a backup stays or goes. */
static void
why_backup(const struct expire_backup *x, char out[WHY_MAX])
{
	char until[CLOCK_TEXT], text[CLOCK_TEXT + 200];

	out[0] = '\0';
	if (x->failed)
		append(out, "it could not be deleted");
	else if (!x->keep)
		append(out,
		    x->backup.state == BACKUP_COMPLETE ? "no rule keeps it"
		        : x->backup.state == BACKUP_DELETING
		        ? "its deletion was begun"
		        : "broken off");
	for (int i = 0; x->keep && i < RETAIN_REASONS; i++) {
		enum retain_reason reason = (enum retain_reason)(1U << i);

		if ((x->reasons & reason) == 0)
			continue;
		if (reason == RETAIN_RESTORE && x->leased) {
			why_leased(&x->lease, out);
			continue;
		}
		if (reason != RETAIN_HELD) {
			append(out, retain_reason_name(reason));
			continue;
		}
		clock_format(x->backup.held_until, until);
		(void)snprintf(text, sizeof text, "held%s%s%s%.128s",
		    x->backup.held_until != INT64_MAX ? " until " : "",
		    x->backup.held_until != INT64_MAX ? until : "",
		    x->backup.hold_reason[0] != '\0' ? ": " : "",
		    x->backup.hold_reason);
		append(out, text);
	}
}

/* Why WAL stays or goes. */
static void
why_wal(const struct expire_report *r, const struct expire_wal *w,
    char out[WHY_MAX])
{
	if (w->failed > 0)
		(void)snprintf(out, WHY_MAX,
		    "%zu of the objects could not be deleted", w->failed);
	else if (w->spared)
		(void)snprintf(out, WHY_MAX,
		    "a restore or a backup has begun: left to the next run");
	else if (!w->keep)
		(void)snprintf(out, WHY_MAX, "no backup that stays needs it");
	else if (r->no_rule)
		(void)snprintf(out, WHY_MAX, "no rule is set");
	else if (r->no_backup)
		(void)snprintf(out, WHY_MAX, "there is no complete backup");
	else if (r->unclear != 0)
		(void)snprintf(out, WHY_MAX,
		    "the history of timeline %u is missing", r->unclear);
	else if (w->needed_by[0] == '\0')
		(void)snprintf(
		    out, WHY_MAX, "the timeline has no backup of its own yet");
	else
		(void)snprintf(out, WHY_MAX, "%s %s",
		    w->restore       ? "a restore needs it, from"
		        : w->to_stop ? "it makes consistent"
		                     : "it lies behind",
		    w->needed_by);
}

static const char *
fate(bool failed, bool keep, bool dry_run)
{
	if (failed)
		return "FAILED";
	if (keep)
		return "keep";
	return dry_run ? "would delete" : "deleted";
}

static void
names(const struct expire_report *r, const struct expire_wal *w,
    struct walname *first, struct walname *last)
{
	walname_segment(w->tli, w->first, r->segsize, first);
	walname_segment(w->tli, w->last, r->segsize, last);
}

/* Each line begins with prefix. */
static void
print_report(const struct expire_report *r, bool dry_run, const char *prefix)
{
	char why[WHY_MAX], size[UNITS_TEXT], now[CLOCK_TEXT];

	for (size_t i = 0; i < r->n_backups; i++) {
		const struct expire_backup *x = &r->backups[i];

		why_backup(x, why);
		(void)printf("%s%-12s backup %s: %s\n", prefix,
		    fate(x->failed, x->keep, dry_run), x->backup.id, why);
	}
	for (size_t i = 0; i < r->n_wal; i++) {
		const struct expire_wal *w = &r->wal[i];
		struct walname first, last;

		names(r, w, &first, &last);
		why_wal(r, w, why);
		units_format_bytes(w->stored, size);
		(void)printf("%s%-12s WAL %s - %s (%zu objects, %s): %s\n",
		    prefix, fate(w->failed > 0, w->keep, dry_run), first.text,
		    last.text, w->objects, size, why);
	}
	clock_format(r->now, now);
	units_format_bytes(r->bytes_deleted, size);
	(void)printf("%s%s: %zu backups, %zu objects, %s; as of %s\n", prefix,
	    dry_run ? "would be deleted" : "deleted", r->backups_deleted,
	    r->objects_deleted, size, now);
}

static void
json_backups(struct json *j, const struct expire_report *r)
{
	char text[CLOCK_TEXT];

	json_array(j, "backups");
	for (size_t i = 0; i < r->n_backups; i++) {
		const struct expire_backup *x = &r->backups[i];

		json_object(j, NULL);
		json_string(j, "id", x->backup.id);
		json_bool(j, "keep", x->keep);
		json_bool(j, "failed", x->failed);
		json_array(j, "reasons");
		for (int k = 0; k < RETAIN_REASONS; k++)
			if ((x->reasons & 1U << k) != 0 && x->keep)
				json_string(j, NULL,
				    retain_reason_name(
				        (enum retain_reason)(1U << k)));
		json_end_array(j);
		json_bool(j, "all_wal", x->keep && x->all_wal);
		if (x->backup.state == BACKUP_COMPLETE) {
			clock_format(x->backup.info.stop_time, text);
			json_string(j, "stop_time", text);
		} else {
			json_null(j, "stop_time");
		}
		json_int(j, "stored", (int64_t)x->backup.stored);
		json_end_object(j);
	}
	json_end_array(j);
}

static void
json_wal(struct json *j, const struct expire_report *r)
{
	char why[WHY_MAX];

	json_array(j, "wal");
	for (size_t i = 0; i < r->n_wal; i++) {
		const struct expire_wal *w = &r->wal[i];
		struct walname first, last;

		names(r, w, &first, &last);
		why_wal(r, w, why);
		json_object(j, NULL);
		json_int(j, "timeline", w->tli);
		json_string(j, "first", first.text);
		json_string(j, "last", last.text);
		json_bool(j, "keep", w->keep);
		json_bool(j, "failed", w->failed > 0);
		json_string(j, "reason", why);
		json_string(
		    j, "backup", w->needed_by[0] != '\0' ? w->needed_by : NULL);
		json_int(j, "objects", (int64_t)w->objects);
		json_int(j, "stored", (int64_t)w->stored);
		json_end_object(j);
	}
	json_end_array(j);
}

static void
json_report(struct json *j, const struct expire_report *r, bool dry_run)
{
	char text[CLOCK_TEXT];

	json_bool(j, "dry_run", dry_run);
	clock_format(r->now, text);
	json_string(j, "now", text);
	json_backups(j, r);
	json_wal(j, r);
	json_object(j, "deleted");
	json_int(j, "backups", (int64_t)r->backups_deleted);
	json_int(j, "objects", (int64_t)r->objects_deleted);
	json_int(j, "bytes", (int64_t)r->bytes_deleted);
	json_int(j, "failed", (int64_t)r->failed);
	json_end_object(j);
}

static void
explain(const struct expire_report *r, const char *prefix)
{
	char now[CLOCK_TEXT], clock[CLOCK_TEXT];

	clock_format(r->now, now);
	clock_format(r->clock, clock);
	if (r->no_rule)
		log_warning("expire: %sno rule is set, nothing is deleted "
		            "(hint: set keep_full, keep_days, ...)",
		    prefix);
	else if (r->no_backup)
		log_warning("expire: %sthere is no complete backup, no WAL is "
		            "deleted",
		    prefix);
	if (r->clock - r->now > CLOCK_AHEAD)
		log_warning("expire: %sthis host's clock says %s, but the "
		            "newest that was archived, or that is believed, is "
		            "of %s: times are measured from there",
		    prefix, clock, now);
}

static void
get_args(const struct conf *c, struct expire_args *a)
{
	*a = (struct expire_args){
		.clock = clock_now(),
		.dry_run = conf_number(c, OPT_DRY_RUN) != 0,
		.broken = conf_number(c, OPT_BROKEN) != 0,
		.broken_age_ms = conf_number(c, OPT_BROKEN_AGE),
	};
}

static int
expire_store(struct setup *s, size_t i, struct expire_args *args,
    struct json *j, struct fail *f)
{
	struct expire_report r = { 0 };
	struct identity id;
	char prefix[OUTPUT_PREFIX];
	int rc;

	if (verb_open(s, i, &id, f) != 0)
		return -1;
	rules_of_store(s->conf, i, &args->rules);
	rc = expire(&s->repos[i], &id, args, &r, f);
	if (rc == 0 || r.failed > 0 || r.unclear != 0 || r.damaged > 0) {
		output_prefix(s->n, s->stores[i]->name, prefix);
		explain(&r, prefix);
		if (j != NULL)
			json_report(j, &r, args->dry_run);
		else
			print_report(&r, args->dry_run, prefix);
	}
	expire_clear(&r);
	return rc;
}

int
verb_expire(struct setup *s, struct fail *f)
{
	bool as_json = conf_number(s->conf, OPT_JSON) != 0;
	struct expire_args args;
	struct json j = { 0 };
	int rc = EXIT_FINE;

	get_args(s->conf, &args);
	json_object(&j, NULL);
	json_int(&j, "format", 1);
	json_array(&j, "stores");
	/* A store that fails does not keep the others from being expired. */
	for (size_t i = 0; i < s->n; i++) {
		int failed;

		output_store_begin(&j, s->stores[i]);
		failed = expire_store(s, i, &args, as_json ? &j : NULL, f);
		output_store_end(&j, failed != 0 ? f : NULL);
		if (failed == 0)
			continue;
		(void)setup_name_store(s, i, f);
		log_fail(LOG_ERROR, "expire", f);
		rc = exitcode_walvault(f);
	}
	json_end_array(&j);
	json_end_object(&j);
	output_json(&j, as_json);
	return rc;
}
