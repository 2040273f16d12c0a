/* SPDX-License-Identifier: PostgreSQL */
/*
 * walvault info: what is archived: backups, and WAL per timeline.  Of several
 * stores first all of them as one, which is what a restore sees, and then each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "info_backup.h"
#include "info_wal.h"
#include "json.h"
#include "log.h"
#include "merged.h"
#include "output.h"
#include "snapshot.h"
#include "verbs.h"

/* A repository to be shown: a store's, or that of several. */
struct shown {
	struct repository *repo;
	struct repository *parts[CONF_STORES_MAX]; /* where its backups are */
	size_t n_parts;
};

struct info {
	struct setup *setup;
	struct json *json; /* NULL for text */
	struct repository views[CONF_STORES_MAX];
	bool answers[CONF_STORES_MAX];
	struct fail fail[CONF_STORES_MAX]; /* why not */
};

/* As a restore reads them: each store's list, and the best of each backup. */
static int
load_backups(const struct shown *x, struct backup_list *out, struct fail *f)
{
	*out = (struct backup_list){ 0 };
	for (size_t i = 0; i < x->n_parts; i++) {
		struct repository *r = x->parts[i];
		struct backup_list one;

		r->layout = x->repo->layout;
		if (backup_list_load(r, &one, f) == 0) {
			if (backup_list_merge(out, &one) == 0)
				continue;
			(void)fail_errno(f, "backups", "memory");
		}
		backup_list_clear(out);
		return -1;
	}
	return 0;
}

static int
show_timelines(const struct index *x, struct json *j, struct fail *f)
{
	for (size_t i = 0; i < x->n; i++) {
		struct line l;

		if (line_load_own(x, x->timelines[i].tli, &l, f) != 0)
			return -1;
		if (j != NULL)
			info_timeline_json(j, &x->timelines[i], &l);
		else
			info_timeline_text(&x->timelines[i], &l);
		line_clear(&l);
	}
	return 0;
}

static void
begin_system(const struct index *x, struct json *j)
{
	char sysid[24];

	(void)snprintf(
	    sysid, sizeof sysid, "%llu", (unsigned long long)x->id.sysid);
	if (j == NULL) {
		(void)printf("system %s generation %u, PostgreSQL %d, "
		             "segments of %u MiB\n",
		    sysid, x->id.generation, x->id.major, x->id.segsize >> 20);
		return;
	}
	json_object(j, NULL);
	json_string(j, "sysid", sysid);
	json_int(j, "generation", x->id.generation);
	json_int(j, "major", x->id.major);
	json_int(j, "segsize", x->id.segsize);
	json_int(j, "set_aside", (int64_t)x->aside.n);
}

static int
show_system(const struct shown *shown, const struct identity *id,
    struct json *j, struct fail *f)
{
	struct index x;
	struct backup_list backups;
	int rc;

	if (index_load(shown->repo, id, &x, f) != 0)
		return -1;
	if (load_backups(shown, &backups, f) != 0) {
		index_clear(&x);
		return -1;
	}
	begin_system(&x, j);
	info_backups(&backups, j);
	if (j != NULL)
		json_array(j, "timelines");
	rc = show_timelines(&x, j, f);
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

/* Every system that is asked for.  0 or -1. */
static int
show_systems(const struct info *x, const struct shown *shown, struct fail *f)
{
	const struct conf *c = x->setup->conf;
	struct repository *r = shown->repo;
	struct identity *list = NULL;
	size_t n = 0;
	int rc = repository_systems(r, &list, &n, f);

	if (x->json != NULL)
		json_array(x->json, "systems");
	for (size_t k = 0; rc == 0 && k < n; k++) {
		if (conf_text(c, OPT_SYSID, NULL) != NULL &&
		    conf_number(c, OPT_SYSID) != list[k].sysid)
			continue;
		r->layout.sysid = list[k].sysid;
		r->layout.generation = list[k].generation;
		rc = show_system(shown, &list[k], x->json, f);
	}
	if (x->json != NULL)
		json_end_array(x->json);
	free(list);
	return rc;
}

/* A store's own.  *f is filled if it fails. */
static int
show_store(struct info *x, size_t i, struct fail *f)
{
	struct repository *r = &x->views[i];
	struct shown one = { .repo = r, .parts = { r }, .n_parts = 1 };

	if (!x->answers[i]) {
		*f = x->fail[i];
		return -1;
	}
	if (x->json == NULL)
		(void)printf("%s%s%s: repository %s of cluster %s\n",
		    x->setup->n > 1 ? r->store->name : "",
		    x->setup->n > 1 ? ": " : "", r->store->url, r->id,
		    r->layout.cluster);
	return show_systems(x, &one, f);
}

/* -- several stores -- */

/* Those that answer and hold the same repository, of which there is one. */
static void
join(struct info *x, struct shown *all)
{
	const struct repository *first = NULL;

	*all = (struct shown){ .n_parts = 0 };
	for (size_t i = 0; i < x->setup->n; i++) {
		struct repository *r = &x->views[i];

		if (!x->answers[i] ||
		    (first != NULL && strcmp(first->id, r->id) != 0))
			continue;
		if (first == NULL)
			first = r;
		all->parts[all->n_parts++] = r;
	}
}

/* What is not there is not said to be nowhere. */
static void
say_unknown(const struct info *x, const struct shown *all)
{
	const char *name = conf_cluster(x->setup->conf);
	size_t unknown = 0;

	if (all->n_parts == x->setup->n) {
		(void)printf("all stores as one: repository %s of cluster %s\n",
		    all->parts[0]->id, name);
		return;
	}
	(void)printf("all stores as one: only %zu of %zu stores; what is in",
	    all->n_parts, x->setup->n);
	for (size_t i = 0; i < x->setup->n; i++) {
		bool part = false;

		for (size_t k = 0; k < all->n_parts; k++)
			part |= all->parts[k] == &x->views[i];
		if (part)
			continue;
		(void)printf("%s %s", unknown++ > 0 ? "," : "",
		    x->setup->stores[i]->name);
	}
	(void)printf(" is not known\n");
}

/* 0 or -1 */
static int
show_all(const struct info *x, const struct shown *parts, struct fail *f)
{
	struct shown all = *parts;
	struct store *stores[CONF_STORES_MAX];
	struct store *merged = NULL;
	struct repository r;
	int rc;

	if (x->json == NULL)
		say_unknown(x, parts);
	/* One that is left alone is shown as a store. */
	if (all.n_parts < 2 && (x->json == NULL || all.n_parts == 0)) {
		if (x->json != NULL) {
			json_array(x->json, "systems");
			json_end_array(x->json);
		}
		return 0;
	}
	for (size_t i = 0; i < all.n_parts; i++)
		stores[i] = all.parts[i]->store;
	merged = merged_new(stores, all.n_parts, f);
	if (merged == NULL)
		return -1;
	r = *all.parts[0];
	r.store = merged;
	all.repo = &r;
	rc = show_systems(x, &all, f);
	store_free(merged);
	return rc;
}

static int
show_each(struct info *x, struct fail *f)
{
	int rc = 0;

	for (size_t i = 0; i < x->setup->n; i++) {
		const struct store *s = x->setup->stores[i];
		struct fail one;
		int failed;

		if (x->json != NULL)
			output_store_begin(x->json, s);
		failed = show_store(x, i, &one);
		if (x->json != NULL) {
			if (!x->answers[i])
				json_null(x->json, "systems");
			output_store_end(x->json, failed != 0 ? &one : NULL);
		} else if (failed != 0) {
			(void)printf("%s: %s: not known: %s: %s\n", s->name,
			    s->url, one.object, one.cause);
		}
		if (failed == 0)
			continue;
		(void)setup_name_store(x->setup, i, &one);
		if (rc != 0)
			log_fail(LOG_ERROR, "info", f);
		*f = one;
		rc = -1;
	}
	return rc;
}

static int
show_several(struct info *x, struct fail *f)
{
	struct shown all;
	struct fail one;
	int rc, each;

	join(x, &all);
	if (x->json != NULL) {
		json_string(x->json, "cluster", conf_cluster(x->setup->conf));
		json_string(x->json, "repository",
		    all.n_parts > 0 ? all.parts[0]->id : NULL);
		json_null(x->json, "store");
		json_bool(x->json, "complete", all.n_parts == x->setup->n);
	}
	rc = show_all(x, &all, f);
	if (x->json != NULL)
		json_array(x->json, "stores");
	each = show_each(x, &one);
	if (x->json != NULL)
		json_end_array(x->json);
	if (each == 0)
		return rc;
	if (rc != 0)
		log_fail(LOG_ERROR, "info", f);
	*f = one;
	return -1;
}

/* -- the only one -- */

static int
show_only(struct info *x, struct fail *f)
{
	const struct repository *r = &x->views[0];

	if (x->json != NULL && x->answers[0]) {
		json_string(x->json, "cluster", r->layout.cluster);
		json_string(x->json, "repository", r->id);
		json_string(x->json, "store", r->store->url);
		json_bool(x->json, "complete", true);
	}
	return show_store(x, 0, f);
}

int
verb_info(struct setup *s, struct fail *f)
{
	struct info x = { .setup = s };
	struct json json = { 0 };
	int rc;

	if (conf_number(s->conf, OPT_JSON) != 0)
		x.json = &json;
	for (size_t i = 0; i < s->n; i++) {
		snapshot_all(&s->repos[i], &x.views[i]);
		x.answers[i] = repository_open(&x.views[i], &x.fail[i]) == 0;
	}
	json_object(&json, NULL);
	json_int(&json, "format", 1);
	rc = s->n > 1 ? show_several(&x, f) : show_only(&x, f);
	json_end_object(&json);
	output_json(&json, x.json != NULL && (rc == 0 || s->n > 1));
	for (size_t i = 0; i < s->n; i++)
		snapshot_end(&x.views[i]);
	return rc;
}
