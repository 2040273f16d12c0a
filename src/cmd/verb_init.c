/* SPDX-License-Identifier: PostgreSQL */
/* walvault init: a repository's marker and a cluster's identity. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "known.h"
#include "log.h"
#include "verbs.h"

/* What the data directory says of itself. */
static int
read_cluster(struct setup *s, struct identity *id, struct fail *f)
{
	const char *pgdata = conf_text(s->conf, OPT_PGDATA, NULL);
	struct control c;
	int rc;

	if (pgdata == NULL) {
		(void)fail_set(f, FAIL_CONFIG, "pgdata", "is not set");
		return fail_hint(f,
		    "set pgdata, or give --pgdata, the cluster's data "
		    "directory");
	}
	rc = control_read(pgdata, &c, f);
	if (rc == 1)
		return fail_set(f, FAIL_CONFIG, pgdata,
		    "no global/pg_control: not a data directory");
	if (rc < 0 || control_major(pgdata, &id->major, f) != 0)
		return -1;
	if (c.segsize == 0) {
		(void)fail_set(f, FAIL_CONFIG, pgdata,
		    "pg_control has version %u, unknown to this program",
		    c.control_version);
		return fail_hint(f, "PostgreSQL 13 to 18 are known");
	}
	if (!c.crc_ok)
		return fail_set(f, FAIL_TRANSIENT, pgdata,
		    "pg_control's checksum is wrong: being written, or "
		    "damaged; try again");
	id->sysid = c.sysid;
	id->segsize = c.segsize;
	id->generation = (uint32_t)conf_number(s->conf, OPT_GENERATION);
	return 0;
}

/* The highest generation of a system in any store, 0 if there is none. */
static int
newest_generation(
    struct setup *s, uint64_t sysid, uint32_t *newest, struct fail *f)
{
	*newest = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct identity *list;
		size_t n;

		if (repository_systems(&s->repos[i], &list, &n, f) != 0)
			return -1;
		for (size_t k = 0; k < n; k++)
			if (list[k].sysid == sysid &&
			    list[k].generation > *newest)
				*newest = list[k].generation;
		free(list);
	}
	return 0;
}

/* The id that the stores have already; empty if none has.  0, or -1 if they
 * have different ones. */
static int
common_id(struct setup *s, char id[REPOSITORY_ID], struct fail *f)
{
	id[0] = '\0';
	for (size_t i = 0; i < s->n; i++) {
		struct repository *r = &s->repos[i];
		int rc = store_prepare(r->store, f);

		if (rc == 0)
			rc = repository_peek(r, f);
		if (rc < 0)
			return -1;
		if (rc == 1)
			continue;
		if (id[0] != '\0' && strcmp(id, r->id) != 0)
			return fail_set(f, FAIL_CONFIG, r->store->url,
			    "it is another repository (%s) than the store "
			    "before it (%s)",
			    r->id, id);
		(void)snprintf(id, REPOSITORY_ID, "%s", r->id);
	}
	return 0;
}

/* The marker in every store, with one id. */
static int
create_repositories(struct setup *s, struct fail *f)
{
	char id[REPOSITORY_ID];

	if (common_id(s, id, f) != 0)
		return -1;
	if (id[0] == '\0')
		repository_new_id(id);
	for (size_t i = 0; i < s->n; i++) {
		struct repository *r = &s->repos[i];
		int rc;

		(void)snprintf(r->id, sizeof r->id, "%s", id);
		rc = repository_create(r, f);
		if (rc < 0)
			return -1;
		(void)printf("%s: repository %s of cluster %s %s\n",
		    r->store->url, r->id, r->layout.cluster,
		    rc == 1 ? "is there" : "made");
	}
	return 0;
}

/* What this host remembers is of another making, or of the older history. */
static void
forget(struct setup *s, size_t i)
{
	struct repository older = s->repos[i];
	const char *state_dir = conf_text(s->conf, OPT_STATE_DIR, NULL);

	known_forget(&older, state_dir);
	if (older.layout.generation > 1) {
		older.layout.generation--;
		known_forget(&older, state_dir);
	}
}

int
verb_init(struct setup *s, struct fail *f)
{
	struct identity id = { 0 };
	uint32_t newest;

	if (read_cluster(s, &id, f) != 0 || create_repositories(s, f) != 0)
		return -1;
	if (conf_number(s->conf, OPT_NEW_GENERATION) != 0) {
		if (newest_generation(s, id.sysid, &newest, f) != 0)
			return -1;
		id.generation = newest + 1;
	}
	for (size_t i = 0; i < s->n; i++) {
		int rc = repository_add_identity(&s->repos[i], &id, f);

		if (rc < 0)
			return -1;
		forget(s, i);
		(void)printf("%s: system identifier %llu generation %u "
		             "(PostgreSQL %d, segment size %u) %s\n",
		    s->stores[i]->url, (unsigned long long)id.sysid,
		    id.generation, id.major, id.segsize,
		    rc == 1 ? "is there" : "made");
	}
	if (id.generation != conf_number(s->conf, OPT_GENERATION))
		(void)printf("\nTo archive into it, set in [cluster %s]:\n"
		             "generation = %u\n"
		             "then take a base backup: older ones belong to "
		             "the older generation.\n",
		    conf_cluster(s->conf), id.generation);
	return 0;
}
