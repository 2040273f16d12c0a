/* SPDX-License-Identifier: PostgreSQL */
/* walvault find: where in the WAL is a moment. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "exitcode.h"
#include "find.h"
#include "json.h"
#include "log.h"
#include "lsn.h"
#include "merged.h"
#include "output.h"
#include "snapshot.h"
#include "units.h"
#include "verbs.h"

static const char *const type_names[] = { "time", "lsn", "xid", "name",
	"latest" };
static const enum option_id type_options[] = { OPT_TIME, OPT_LSN, OPT_XID,
	OPT_NAME, OPT_LATEST };

struct found {
	struct find_answer answer;
	uint32_t tli; /* whose line was searched */
};

/* Exactly one of them. */
static int
parse_target(
    struct setup *s, struct find_target *t, const char **text, struct fail *f)
{
	const char *why, *from = conf_text(s->conf, OPT_FROM, NULL);
	int n = 0;

	*text = "";
	for (int i = 0; i <= FIND_LATEST; i++) {
		const char *value = conf_text(s->conf, type_options[i], NULL);

		if (value == NULL)
			continue;
		t->type = (enum find_type)i;
		*text = value;
		n++;
	}
	if (n != 1)
		return fail_set(f, FAIL_CONFIG, "find",
		    "give one of --time, --lsn, --xid, --name, --latest");
	t->exclusive = conf_number(s->conf, OPT_EXCLUSIVE) != 0;
	t->name = *text;
	t->xid = conf_number(s->conf, OPT_XID);
	if (t->type == FIND_TIME &&
	    clock_parse(
	        *text, conf_number(s->conf, OPT_UTC) != 0, &t->time, &why) != 0)
		return fail_set(f, FAIL_CONFIG, "--time", "%s: %s", *text, why);
	if (t->type == FIND_LSN && lsn_parse(*text, &t->lsn) != 0)
		return fail_set(
		    f, FAIL_CONFIG, "--lsn", "%s: not an LSN", *text);
	if ((t->type == FIND_NAME || t->type == FIND_LATEST) && t->exclusive)
		return fail_set(f, FAIL_CONFIG, "--exclusive",
		    "recovery stops behind such a target, never before it");
	if (from != NULL && lsn_parse(from, &t->from) != 0)
		return fail_set(
		    f, FAIL_CONFIG, "--from", "%s: not an LSN", from);
	return 0;
}

static int
search(const struct index *x, uint32_t tli, const struct find_target *t,
    struct found *out, struct fail *f)
{
	struct line l;
	int rc = line_load(x, tli, &l, f);

	if (rc != 0)
		return rc;
	out->tli = tli;
	rc = find_on_line(&l, t, &out->answer, f);
	line_clear(&l);
	return rc;
}

static bool
same_answer(const struct found *a, const struct found *b)
{
	return a->answer.stop_lsn == b->answer.stop_lsn &&
	    a->answer.tli == b->answer.tli &&
	    a->answer.inclusive == b->answer.inclusive &&
	    a->answer.has_after == b->answer.has_after &&
	    (!a->answer.has_after ||
	        (a->answer.after.lsn == b->answer.after.lsn &&
	            a->answer.after.xid == b->answer.after.xid));
}

static int
ambiguous(const struct found *a, const struct found *b, struct fail *f)
{
	char one[LSN_TEXT], other[LSN_TEXT];

	lsn_format(a->answer.stop_lsn, one);
	lsn_format(b->answer.stop_lsn, other);
	(void)fail_set(f, FAIL_ABSENT, "target",
	    "it is reached on timeline %u (stop at %s) and on timeline %u "
	    "(stop "
	    "at %s), which differ",
	    a->tli, one, b->tli, other);
	return fail_hint(f, "say which one: --timeline NUMBER");
}

/* Ask all lines that have an end of their own. */
static int
search_leaves(const struct index *x, const struct find_target *t,
    struct found *out, struct fail *f)
{
	bool any = false;

	for (size_t i = 0; i < x->n; i++) {
		struct found one;

		if (!index_is_leaf(x, &x->timelines[i]))
			continue;
		if (search(x, x->timelines[i].tli, t, &one, f) != 0)
			return -1;
		if (any && out->answer.reachable && one.answer.reachable &&
		    !same_answer(out, &one))
			return ambiguous(out, &one, f);
		if (!any || one.answer.reachable || !out->answer.reachable)
			*out = one;
		any = true;
	}
	return any ? 0
	           : fail_set(f, FAIL_ABSENT, x->repo->store->url,
	                 "no WAL is archived");
}

static void
json_stop(struct json *j, const struct find_answer *a)
{
	if (!a->reachable) {
		json_null(j, "stop");
		json_string(j, "why", a->why);
		return;
	}
	json_object(j, "stop");
	output_lsn(j, "lsn", a->stop_lsn);
	json_bool(j, "inclusive", a->inclusive);
	json_string(j, "segment", a->segment.text);
	json_int(j, "timeline", a->tli);
	json_end_object(j);
}

static void
json_stores(struct json *j, const struct setup *s)
{
	json_array(j, "stores");
	for (size_t i = 0; i < s->n; i++)
		json_string(j, NULL, s->stores[i]->name);
	json_end_array(j);
}

static void
print_json(const struct setup *s, const struct identity *id,
    const struct find_target *t, const char *text, const struct found *found)
{
	const struct find_answer *a = &found->answer;
	struct json j = { 0 };
	char value[CLOCK_TEXT];

	json_object(&j, NULL);
	json_int(&j, "format", 1);
	(void)snprintf(
	    value, sizeof value, "%llu", (unsigned long long)id->sysid);
	json_string(&j, "sysid", value);
	json_int(&j, "generation", id->generation);
	json_stores(&j, s);
	json_int(&j, "timeline", found->tli);
	json_object(&j, "target");
	json_string(&j, "type", type_names[t->type]);
	json_string(&j, "value", text);
	json_bool(&j, "exclusive", t->exclusive);
	json_end_object(&j);
	json_bool(&j, "reachable", a->reachable);
	json_stop(&j, a);
	output_xact(&j, "before", a->reachable && a->has_before, &a->before);
	output_xact(&j, "after", a->reachable && a->has_after, &a->after);
	json_object(&j, "covered_to");
	lsn_format(a->covered_lsn, value);
	json_string(&j, "lsn", value);
	clock_format(a->covered_time, value);
	json_string(&j, "time", a->covered_time != WAL_NO_TIME ? value : NULL);
	json_end_object(&j);
	json_end_object(&j);
	output_json(&j, true);
}

static void
print_text(
    const struct find_target *t, const char *text, const struct found *found)
{
	const struct find_answer *a = &found->answer;
	char lsn[LSN_TEXT], time[CLOCK_TEXT] = "no time";

	(void)printf("target             %s %s%s, on the line of timeline %u\n",
	    type_names[t->type], text, t->exclusive ? " (exclusive)" : "",
	    found->tli);
	lsn_format(a->stop_lsn, lsn);
	if (a->reachable) {
		(void)printf("stop               just %s the record at %s, in "
		             "%s, timeline %u\n",
		    a->inclusive ? "behind" : "before", lsn, a->segment.text,
		    a->tli);
		output_xact_text(
		    "last replayed      ", a->has_before, &a->before);
		output_xact_text(
		    "first not replayed ", a->has_after, &a->after);
		(void)printf("to recover         recovery_target_lsn = '%s'\n"
		             "                   recovery_target_inclusive = "
		             "%s\n"
		             "                   recovery_target_timeline = "
		             "'%u'\n",
		    lsn, a->inclusive ? "on" : "off", found->tli);
	}
	lsn_format(a->covered_lsn, lsn);
	if (a->covered_time != WAL_NO_TIME)
		clock_format(a->covered_time, time);
	(void)printf(
	    "archived to        %s, latest time in it %s\n", lsn, time);
}

/* *tli is 0 if none is asked for. */
static int
parse_timeline(struct setup *s, uint32_t *tli, struct fail *f)
{
	const char *text = conf_text(s->conf, OPT_TIMELINE, NULL), *why;
	uint64_t v = 0;

	*tli = 0;
	if (text == NULL)
		return 0;
	if (units_parse(text, UNITS_COUNT, &v, &why) != 0 || v == 0 ||
	    v > UINT32_MAX)
		return fail_set(f, FAIL_CONFIG, "--timeline",
		    "%s: must be a timeline's number, decimal", text);
	*tli = (uint32_t)v;
	return 0;
}

/* All stores as one: one may lack what another has. */
struct everything {
	struct repository views[CONF_STORES_MAX], repo;
	size_t n; /* views that are open */
	struct store *merged;
};

static void
close_all(struct everything *all)
{
	store_free(all->merged);
	for (size_t i = 0; i < all->n; i++)
		snapshot_end(&all->views[i]);
}

static int
open_one(struct setup *s, size_t i, struct everything *all, struct identity *id,
    struct fail *f)
{
	if (verb_open(s, i, id, f) != 0) {
		(void)setup_name_store(s, i, f);
		return setup_suggest_others(s, i, f);
	}
	if (repository_same(&s->repos[0], &s->repos[i], f) != 0)
		return -1;
	snapshot_system(&s->repos[i], &all->views[i]);
	all->n++;
	return 0;
}

/* 0 (the caller calls close_all), or -1. */
static int
open_all(struct setup *s, struct everything *all, struct identity *id,
    struct fail *f)
{
	struct store *stores[CONF_STORES_MAX] = { NULL };

	for (size_t i = 0; i < s->n; i++) {
		if (open_one(s, i, all, id, f) != 0) {
			close_all(all);
			return -1;
		}
		stores[i] = all->views[i].store;
	}
	all->repo = all->views[0];
	if (s->n == 1)
		return 0;
	all->merged = all->repo.store = merged_new(stores, s->n, f);
	if (all->merged != NULL)
		return 0;
	close_all(all);
	return -1;
}

int
verb_find(struct setup *s, struct fail *f)
{
	struct find_target t = { 0 };
	struct everything all = { .n = 0 };
	struct identity id = { 0 };
	struct index x;
	struct found found = { 0 };
	const char *text;
	uint32_t tli;
	int rc;

	if (parse_target(s, &t, &text, f) != 0 ||
	    parse_timeline(s, &tli, f) != 0 || open_all(s, &all, &id, f) != 0)
		return -1;
	if (index_load(&all.repo, &id, &x, f) != 0) {
		close_all(&all);
		return -1;
	}
	if (tli != 0)
		rc = search(&x, tli, &t, &found, f);
	else
		rc = search_leaves(&x, &t, &found, f);
	index_clear(&x);
	close_all(&all);
	if (rc != 0)
		return -1;
	if (conf_number(s->conf, OPT_JSON) != 0)
		print_json(s, &id, &t, text, &found);
	else
		print_text(&t, text, &found);
	if (found.answer.reachable)
		return EXIT_FINE;
	log_error("find: %s %s cannot be reached: %s", type_names[t.type], text,
	    found.answer.why);
	return EXIT_PROBLEM;
}
