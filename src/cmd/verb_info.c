/* SPDX-License-Identifier: PostgreSQL */
/* walvault info: what is archived: backups, and WAL per timeline. */
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "info_backup.h"
#include "json.h"
#include "line.h"
#include "log.h"
#include "lsn.h"
#include "output.h"
#include "snapshot.h"
#include "units.h"
#include "verbs.h"

/* One run of segments, added up. */
struct range {
	const struct line_segment *first, *last;
	uint64_t segments, bytes, stored;
	int64_t first_xact, last_xact;
};

static struct range
sum_range(const struct line *l, size_t begin, size_t end)
{
	struct range r = { .first = &l->segment[begin],
		.last = &l->segment[end],
		.segments = end - begin + 1,
		.first_xact = WAL_NO_TIME,
		.last_xact = WAL_NO_TIME };

	for (size_t i = begin; i <= end; i++) {
		const struct walfacts *f = &l->segment[i].facts;
		struct walxact x;

		r.bytes += l->index->id.segsize;
		r.stored += l->segment[i].stored;
		if (f->xacts > 0) {
			if (r.first_xact == WAL_NO_TIME)
				r.first_xact = f->xact_time_min;
			r.last_xact = f->xact_time_last;
		}
		if (line_straddles(l, i, &x)) {
			if (r.first_xact == WAL_NO_TIME)
				r.first_xact = x.time;
			r.last_xact = x.time;
		}
	}
	return r;
}

static const char *
time_text(int64_t time, char out[CLOCK_TEXT])
{
	if (time == WAL_NO_TIME)
		return NULL;
	clock_format(time, out);
	return out;
}

static void
json_range(struct json *j, const struct range *r)
{
	char text[CLOCK_TEXT], lsn[LSN_TEXT];

	json_object(j, NULL);
	json_string(j, "first", r->first->name.text);
	json_string(j, "last", r->last->name.text);
	json_int(j, "segments", (int64_t)r->segments);
	lsn_format(r->first->facts.start_lsn, lsn);
	json_string(j, "start_lsn", lsn);
	lsn_format(line_end_lsn(r->last), lsn);
	json_string(j, "end_lsn", lsn);
	json_int(j, "bytes", (int64_t)r->bytes);
	json_int(j, "stored", (int64_t)r->stored);
	json_string(j, "first_commit", time_text(r->first_xact, text));
	json_string(j, "last_commit", time_text(r->last_xact, text));
	json_end_object(j);
}

/* Between two runs: segments are missing, or they do not join. */
static void
json_gap(struct json *j, const struct line_segment *before,
    const struct line_segment *behind)
{
	json_object(j, NULL);
	json_string(j, "after", before->name.text);
	json_string(j, "before", behind->name.text);
	json_int(j, "missing", (int64_t)(behind->segno - before->segno - 1));
	json_string(j, "reason",
	    behind->broken != NULL ? behind->broken : "segments are missing");
	json_end_object(j);
}

static void
json_findings(
    struct json *j, const struct index_timeline *t, const struct line *l)
{
	json_array(j, "partials");
	for (size_t i = 0; i < t->partials.n; i++)
		json_string(j, NULL, t->partials.list[i].key);
	json_end_array(j);
	json_array(j, "damaged");
	for (size_t i = 0; i < l->n; i++) {
		if (!l->segment[i].damaged)
			continue;
		json_object(j, NULL);
		json_string(j, "segment", l->segment[i].name.text);
		json_string(j, "reason", l->segment[i].damage);
		json_end_object(j);
	}
	json_end_array(j);
}

static void
json_timeline(
    struct json *j, const struct index_timeline *t, const struct line *l)
{
	const struct timeline *h = &t->history;
	char lsn[LSN_TEXT];

	json_object(j, NULL);
	json_int(j, "timeline", t->tli);
	if (h->n > 0) {
		json_int(j, "parent", h->ancestors[h->n - 1].tli);
		lsn_format(h->ancestors[h->n - 1].switch_lsn, lsn);
		json_string(j, "switch_lsn", lsn);
	} else {
		json_null(j, "parent");
		json_null(j, "switch_lsn");
	}
	json_bool(j, "history", t->has_history);
	json_array(j, "ranges");
	for (size_t i = 0; i < l->n; i = line_run_end(l, i) + 1) {
		struct range r = sum_range(l, i, line_run_end(l, i));

		json_range(j, &r);
	}
	json_end_array(j);
	json_array(j, "gaps");
	for (size_t i = 1; i < l->n; i++)
		if (l->segment[i].run != l->segment[i - 1].run)
			json_gap(j, &l->segment[i - 1], &l->segment[i]);
	json_end_array(j);
	json_findings(j, t, l);
	json_end_object(j);
}

static void
print_range(const struct range *r)
{
	char first[CLOCK_TEXT], last[CLOCK_TEXT], start[LSN_TEXT],
	    end[LSN_TEXT], size[UNITS_TEXT];

	lsn_format(r->first->facts.start_lsn, start);
	lsn_format(line_end_lsn(r->last), end);
	units_format_bytes(r->stored, size);
	(void)printf("    %s - %s  %llu segments, %s stored (%.1f %%)\n",
	    r->first->name.text, r->last->name.text,
	    (unsigned long long)r->segments, size,
	    100.0 * (double)r->stored / (double)r->bytes);
	(void)printf("      WAL %s - %s\n", start, end);
	if (r->first_xact != WAL_NO_TIME)
		(void)printf("      transactions %s - %s\n",
		    time_text(r->first_xact, first),
		    time_text(r->last_xact, last));
}

static void
print_timeline(const struct index_timeline *t, const struct line *l)
{
	const struct timeline *h = &t->history;
	char lsn[LSN_TEXT] = "";

	if (h->n > 0)
		lsn_format(h->ancestors[h->n - 1].switch_lsn, lsn);
	if (h->n > 0)
		(void)printf("  timeline %u, forked from %u at %s\n", t->tli,
		    h->ancestors[h->n - 1].tli, lsn);
	else
		(void)printf("  timeline %u%s\n", t->tli,
		    t->tli > 1 ? ", its history file is missing" : "");
	for (size_t i = 0; i < l->n; i = line_run_end(l, i) + 1) {
		struct range r = sum_range(l, i, line_run_end(l, i));

		if (i > 0)
			(void)printf("    GAP: %s\n",
			    l->segment[i].broken != NULL
			        ? l->segment[i].broken
			        : "segments are missing");
		print_range(&r);
	}
	for (size_t i = 0; i < l->n; i++)
		if (l->segment[i].damaged)
			(void)printf("    DAMAGED: %s: %s\n",
			    l->segment[i].name.text, l->segment[i].damage);
	for (size_t i = 0; i < t->partials.n; i++)
		(void)printf("    partial %s\n", t->partials.list[i].key);
}

static int
show_system(struct repository *r, const struct identity *id, struct json *j,
    struct fail *f)
{
	struct index x;
	struct backup_list backups;
	char sysid[24];
	int rc = 0;

	if (index_load(r, id, &x, f) != 0)
		return -1;
	if (backup_list_load(r, &backups, f) != 0) {
		index_clear(&x);
		return -1;
	}
	(void)snprintf(
	    sysid, sizeof sysid, "%llu", (unsigned long long)id->sysid);
	if (j != NULL) {
		json_object(j, NULL);
		json_string(j, "sysid", sysid);
		json_int(j, "generation", id->generation);
		json_int(j, "major", id->major);
		json_int(j, "segsize", id->segsize);
		json_int(j, "set_aside", (int64_t)x.aside.n);
		info_backups(&backups, j);
		json_array(j, "timelines");
	} else {
		(void)printf("system %s generation %u, PostgreSQL %d, "
		             "segments of %u MiB\n",
		    sysid, id->generation, id->major, id->segsize >> 20);
		info_backups(&backups, NULL);
	}
	for (size_t i = 0; rc == 0 && i < x.n; i++) {
		struct line l;

		rc = line_load_own(&x, x.timelines[i].tli, &l, f);
		if (rc != 0)
			break;
		if (j != NULL)
			json_timeline(j, &x.timelines[i], &l);
		else
			print_timeline(&x.timelines[i], &l);
		line_clear(&l);
	}
	if (j != NULL) {
		json_end_array(j);
		json_end_object(j);
	} else if (x.aside.n > 0) {
		(void)printf("  %zu damaged objects were set aside (walvault "
		             "ls shows them)\n",
		    x.aside.n);
	}
	backup_list_clear(&backups);
	index_clear(&x);
	return rc;
}

static int
show_listed(
    struct setup *s, struct repository *r, struct json *j, struct fail *f)
{
	struct identity *list;
	size_t n;
	int rc;

	if (repository_open(r, f) != 0 ||
	    repository_systems(r, &list, &n, f) != 0)
		return -1;
	if (j != NULL) {
		json_string(j, "cluster", r->layout.cluster);
		json_string(j, "repository", r->id);
		json_string(j, "store", r->store->url);
		json_array(j, "systems");
	} else {
		(void)printf("%s: repository %s of cluster %s\n", r->store->url,
		    r->id, r->layout.cluster);
	}
	rc = 0;
	for (size_t k = 0; rc == 0 && k < n; k++) {
		if (conf_text(s->conf, OPT_SYSID, NULL) != NULL &&
		    conf_number(s->conf, OPT_SYSID) != list[k].sysid)
			continue;
		r->layout.sysid = list[k].sysid;
		r->layout.generation = list[k].generation;
		rc = show_system(r, &list[k], j, f);
	}
	if (j != NULL)
		json_end_array(j);
	free(list);
	return rc;
}

static int
show_store(struct setup *s, size_t i, struct json *j, struct fail *f)
{
	struct repository listed;
	int rc;

	snapshot_all(&s->repos[i], &listed);
	rc = show_listed(s, &listed, j, f);
	snapshot_end(&listed);
	return rc;
}

int
verb_info(struct setup *s, struct fail *f)
{
	struct json json = { 0 };
	bool as_json = conf_number(s->conf, OPT_JSON) != 0;
	int rc = 0;

	if (!as_json) {
		/* A store that fails does not hide the others. */
		for (size_t i = 0; i < s->n; i++) {
			struct fail one;

			if (show_store(s, i, NULL, &one) == 0)
				continue;
			if (rc != 0)
				log_fail(LOG_ERROR, "info", f);
			*f = one;
			rc = -1;
		}
		return rc;
	}
	/* The first store's facts. */
	json_object(&json, NULL);
	json_int(&json, "format", 1);
	rc = show_store(s, 0, &json, f);
	json_end_object(&json);
	output_json(&json, rc == 0);
	return rc;
}
