/* SPDX-License-Identifier: PostgreSQL */
/* What info tells about WAL: see info_wal.h. */
#include <stdio.h>

#include "clock.h"
#include "info_wal.h"
#include "lsn.h"
#include "units.h"

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

void
info_timeline_json(
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

void
info_timeline_text(const struct index_timeline *t, const struct line *l)
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
