/* SPDX-License-Identifier: PostgreSQL */
/* Which repository, which system in it: see restore_job.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merged.h"
#include "restore_job.h"

struct clusters {
	struct repository *repo;
	struct fail *f;
	char name[64];
	size_t n;
};

static int
look_at_cluster(void *arg, const char *key, const struct store_info *info)
{
	struct clusters *x = arg;
	struct repository r = *x->repo;
	size_t len = strlen(key);
	int rc;

	if (info != NULL || len < 2 || len > sizeof r.layout.cluster)
		return 0;
	(void)snprintf(r.layout.cluster, sizeof r.layout.cluster, "%.*s",
	    (int)(len - 1), key);
	rc = repository_peek(&r, x->f);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	(void)snprintf(x->name, sizeof x->name, "%s", r.layout.cluster);
	x->n++;
	return 0;
}

/* Where nobody named a cluster, and the usual one is not there. */
static int
find_cluster(struct restore_job *j, struct repository *r, struct fail *f)
{
	struct clusters x = { .repo = r, .f = f };
	int rc;

	if (conf_text(j->setup.conf, OPT_CLUSTER, NULL) != NULL ||
	    strcmp(conf_cluster(j->setup.conf), CONF_DEFAULT_CLUSTER) != 0)
		return 0;
	rc = repository_peek(r, f);
	if (rc <= 0)
		return rc;
	if (store_list_shallow(r->store, "", look_at_cluster, &x, f) != 0)
		return -1;
	if (x.n > 1) {
		(void)fail_set(f, FAIL_CONFIG, r->store->url,
		    "the store holds several clusters");
		return fail_hint(f, "say which one: --cluster NAME");
	}
	if (x.n == 1)
		(void)snprintf(
		    r->layout.cluster, sizeof r->layout.cluster, "%s", x.name);
	return 0;
}

/* 1 yes, 0 no, -1: a store that fails now must not lead to older history. */
static int
has_backup(struct repository *r, struct fail *f)
{
	struct backup_list l;
	int any = 0;

	if (backup_list_load(r, &l, f) != 0)
		return -1;
	for (size_t i = 0; i < l.n; i++)
		if (l.list[i].state == BACKUP_COMPLETE)
			any = 1;
	backup_list_clear(&l);
	return any;
}

/* The newest history that can be restored, unless one was asked for. */
static int
find_generation(struct restore_job *j, struct repository *r, struct fail *f)
{
	struct identity *list;
	uint32_t highest = 0, best = 0;
	const char *origin;
	int rc = 0;
	size_t n;

	(void)conf_text(j->setup.conf, OPT_GENERATION, &origin);
	if (strcmp(origin, "default") != 0)
		return 0;
	if (repository_systems(r, &list, &n, f) != 0)
		return -1;
	for (size_t i = 0; rc >= 0 && i < n; i++) {
		if (list[i].sysid != r->layout.sysid)
			continue;
		if (list[i].generation > highest)
			highest = list[i].generation;
		r->layout.generation = list[i].generation;
		rc = list[i].generation > best ? has_backup(r, f) : 0;
		if (rc == 1)
			best = list[i].generation;
	}
	free(list);
	if (rc < 0)
		return -1;
	if (highest > 0)
		r->layout.generation = best > 0 ? best : highest;
	if (best > 0 && best < highest)
		restore_warn(j,
		    "generation %" PRIu32 " has no backup yet: restoring from "
		    "generation %" PRIu32,
		    highest, best);
	return 0;
}

static int
open_one(struct restore_job *j, size_t i, struct fail *f)
{
	struct repository *r = &j->setup.repos[i];
	struct conf *c = j->setup.conf;

	if (find_cluster(j, r, f) != 0 || repository_open(r, f) != 0)
		return -1;
	r->layout.sysid = 0;
	if (conf_text(c, OPT_SYSID, NULL) != NULL)
		r->layout.sysid = conf_number(c, OPT_SYSID);
	else if (repository_only_system(r, f) != 0)
		return -1;
	if (find_generation(j, r, f) != 0)
		return -1;
	return repository_find(r, &j->id, f);
}

/* All stores once more, as one. */
static struct store *
open_again(struct restore_job *j, struct fail *f)
{
	struct store *stores[CONF_STORES_MAX] = { NULL }, *all = NULL;
	struct store_args args;
	size_t n = 0;

	for (; n < j->setup.n; n++) {
		setup_store_args(&j->setup, n, &args);
		stores[n] = store_open(&args, f);
		if (stores[n] == NULL)
			break;
	}
	if (n == j->setup.n)
		all = n > 1 ? merged_owner(stores, n, f) : stores[0];
	else
		while (n-- > 0)
			store_free(stores[n]);
	return all;
}

/* Workers read side by side, a store serves one at a time. */
static int
open_workers(struct restore_job *j, struct fail *f)
{
	size_t n = conf_number(j->setup.conf, OPT_JOBS);

	for (; j->n_workers < n && j->n_workers < 64; j->n_workers++) {
		struct store *s = open_again(j, f);

		if (s == NULL)
			return -1;
		j->worker_stores[j->n_workers] = s;
		j->workers[j->n_workers] = j->repo;
		j->workers[j->n_workers].store = s;
	}
	return 0;
}

/* The newest of all: a store may lack what is new. */
static void
take_generation(struct restore_job *j)
{
	uint32_t newest = 0;

	for (size_t i = 0; i < j->setup.n; i++)
		if (j->setup.repos[i].layout.generation > newest)
			newest = j->setup.repos[i].layout.generation;
	for (size_t i = 0; i < j->setup.n; i++)
		j->setup.repos[i].layout.generation = newest;
	j->repo.layout.generation = j->id.generation = newest;
}

int
restore_open_repository(struct restore_job *j, struct fail *f)
{
	for (size_t i = 0; i < j->setup.n; i++)
		if (open_one(j, i, f) != 0)
			return setup_suggest_others(&j->setup, i, f);
		else if (repository_same(
		             &j->setup.repos[0], &j->setup.repos[i], f) != 0)
			return -1;
	j->repo = j->setup.repos[0];
	if (j->setup.n > 1)
		j->merged = merged_new(j->setup.stores, j->setup.n, f);
	j->repo.store = j->setup.n > 1 ? j->merged : j->setup.stores[0];
	if (j->repo.store == NULL)
		return -1;
	take_generation(j);
	return open_workers(j, f);
}
