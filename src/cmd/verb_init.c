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

/* All identities that the stores have. */
struct known {
	struct identity *list;
	size_t n;
	char further[1024]; /* the stores that become copies: "a,b" */
};

static int
add_known(struct known *k, struct repository *r, struct fail *f)
{
	struct identity *list, *more;
	size_t n;

	if (repository_systems(r, &list, &n, f) != 0)
		return -1;
	more = reallocarray(k->list, k->n + n + 1, sizeof *more);
	if (more != NULL) {
		k->list = more;
		if (n > 0)
			memcpy(more + k->n, list, n * sizeof *more);
		k->n += n;
	}
	free(list);
	return more != NULL ? 0 : fail_errno(f, "init", "memory");
}

static uint32_t
newest_generation(const struct known *k, uint64_t sysid)
{
	uint32_t newest = 0;

	for (size_t i = 0; i < k->n; i++)
		if (k->list[i].sysid == sysid && k->list[i].generation > newest)
			newest = k->list[i].generation;
	return newest;
}

/*
 * The stores that this run leaves out, too: if one of them is there, this is
 * its repository.  Which one it is cannot be changed later.
 */
static int
open_left_out(struct setup *s, struct fail *f)
{
	return conf_add_left_out(s->conf, f) == 0 ? setup_stores(s, f) : -1;
}

static int
not_asked(const struct setup *s, size_t i, struct fail *f)
{
	(void)fail_add(f,
	    "store %s cannot be asked which repository this is, and another "
	    "one would be made",
	    s->stores[i]->name);
	return fail_hint(f,
	    "let it answer first; if there is nothing in it yet, make all at "
	    "once: walvault init; if it is gone for good, take it out of "
	    "store = in the configuration");
}

/*
 * The id that the stores have already; empty if none has.  The first own are
 * to be made.  0, or -1 if they have different ones or one cannot be asked.
 */
static int
common_id(struct setup *s, size_t own, struct known *known,
    char id[REPOSITORY_ID], struct fail *f)
{
	id[0] = '\0';
	for (size_t i = 0; i < s->n; i++) {
		struct repository *r = &s->repos[i];
		int rc = i < own ? store_prepare(r->store, f) : 0;

		if (rc == 0)
			rc = repository_peek(r, f);
		if (rc < 0)
			return i < own ? -1 : not_asked(s, i, f);
		if (rc == 0 && add_known(known, r, f) != 0)
			return -1;
		if (rc == 0 && id[0] == '\0')
			(void)snprintf(id, REPOSITORY_ID, "%s", r->id);
	}
	return 0;
}

/* One of the first own whose directory is not there; s->n: none. */
static size_t
find_missing(struct setup *s, size_t own)
{
	for (size_t i = 0; i < own; i++) {
		const struct store *store = s->stores[i];
		struct fail f;

		if (!store->far && repository_peek(&s->repos[i], &f) < 0 &&
		    store->inode == 0 && f.kind == FAIL_CONFIG)
			return i;
	}
	return s->n;
}

/*
 * Where another store has the repository, a directory that is not there may be
 * a disk that is not mounted: whoever means a new one names it.
 */
static int
check_mounted(struct setup *s, size_t own, struct fail *f)
{
	const char *origin;
	size_t missing, there = 0;

	(void)conf_text(s->conf, OPT_STORE, &origin);
	missing = s->n < 2 || strcmp(origin, "--store") == 0
	    ? s->n
	    : find_missing(s, own);
	if (missing == s->n)
		return 0;
	while (there < s->n && repository_peek(&s->repos[there], f) != 0)
		there++;
	if (there == s->n)
		return 0;
	(void)fail_set(f, FAIL_CONFIG, s->stores[missing]->url,
	    "store %s has no directory, and store %s (%s) has the repository",
	    s->stores[missing]->name, s->stores[there]->name,
	    s->stores[there]->url);
	return fail_hint(f,
	    "is it mounted? To make it new, empty: walvault init --store %s",
	    s->stores[missing]->name);
}

/* Those of the first own that have no marker yet, where others have. */
static void
note_further(const struct setup *s, size_t own, struct known *known)
{
	size_t n = 0, cap = sizeof known->further;

	for (size_t i = 0; i < own && n < cap; i++)
		if (s->repos[i].id[0] == '\0')
			n += (size_t)snprintf(known->further + n, cap - n,
			    "%s%s", n > 0 ? "," : "", s->stores[i]->name);
}

/* All must be copies of one, in as many places. */
static int
check_copies(struct setup *s, const char *id, struct fail *f)
{
	for (size_t i = 0; i < s->n; i++) {
		struct repository *r = &s->repos[i];

		if (r->id[0] == '\0')
			(void)snprintf(r->id, sizeof r->id, "%s", id);
		for (size_t k = 0; k < i; k++)
			if (repository_copies(&s->repos[k], r, f) != 0)
				return -1;
	}
	return 0;
}

/* Another init at the same time may have been faster in some of the n. */
static int
check_others_made(struct setup *s, size_t n, struct fail *f)
{
	for (size_t i = 1; i < n; i++)
		if (repository_same(&s->repos[0], &s->repos[i], f) != 0)
			return fail_add(f,
			    "another walvault init has run at the same time");
	return 0;
}

/* The marker in every store of this run, with one id. */
static int
create_repositories(
    struct setup *s, size_t own, struct known *known, struct fail *f)
{
	char id[REPOSITORY_ID];
	bool is_new;

	if (open_left_out(s, f) != 0 || check_mounted(s, own, f) != 0 ||
	    common_id(s, own, known, id, f) != 0)
		return -1;
	is_new = id[0] == '\0';
	if (is_new)
		repository_new_id(id);
	else
		note_further(s, own, known);
	if (check_copies(s, id, f) != 0)
		return -1;
	for (size_t i = 0; i < own; i++) {
		struct repository *r = &s->repos[i];
		int rc;

		/* The first one's, if another init was faster there. */
		if (i > 0)
			memcpy(r->id, s->repos[0].id, sizeof r->id);
		rc = repository_create(r, f);
		if (rc < 0)
			return -1;
		(void)printf("%s: repository %s of cluster %s %s\n",
		    r->store->url, r->id, r->layout.cluster,
		    rc == 1 ? "is there" : "made");
	}
	/* The others have nothing yet if the id is a new one. */
	return check_others_made(s, is_new ? own : s->n, f);
}

/* What this host remembers is of another making, or of the older history. */
static void
forget(struct setup *s, size_t i)
{
	struct repository older = s->repos[i];
	const char *state_dir = conf_text(s->conf, OPT_STATE_DIR, NULL);

	known_see(&older, state_dir);
	known_forget(&older, state_dir);
	if (older.layout.generation > 1) {
		older.layout.generation--;
		known_forget(&older, state_dir);
	}
}

/* What the other stores know, and what is at hand.  0 or -1. */
static int
add_identities(struct setup *s, size_t i, const struct known *known,
    const struct identity *id, struct fail *f)
{
	int rc;

	for (size_t k = 0; k < known->n; k++)
		if (repository_add_identity(&s->repos[i], &known->list[k], f) <
		    0)
			return -1;
	rc = repository_add_identity(&s->repos[i], id, f);
	if (rc < 0)
		return -1;
	forget(s, i);
	(void)printf("%s: system identifier %llu generation %u "
	             "(PostgreSQL %d, segment size %u) %s\n",
	    s->stores[i]->url, (unsigned long long)id->sysid, id->generation,
	    id->major, id->segsize, rc == 1 ? "is there" : "made");
	return 0;
}

static int
init(struct setup *s, struct known *known, struct fail *f)
{
	struct identity id = { 0 };
	size_t own = s->n;

	if (read_cluster(s, &id, f) != 0 ||
	    create_repositories(s, own, known, f) != 0)
		return -1;
	if (conf_number(s->conf, OPT_NEW_GENERATION) != 0)
		id.generation = newest_generation(known, id.sysid) + 1;
	for (size_t i = 0; i < own; i++)
		if (add_identities(s, i, known, &id, f) != 0)
			return -1;
	if (id.generation != conf_number(s->conf, OPT_GENERATION))
		(void)printf("\nTo archive into it, set in [cluster %s]:\n"
		             "generation = %u\n"
		             "then take a base backup: older ones belong to "
		             "the older generation.\n",
		    conf_cluster(s->conf), id.generation);
	if (known->further[0] != '\0')
		(void)printf("now: walvault sync --to %s\n", known->further);
	return 0;
}

int
verb_init(struct setup *s, struct fail *f)
{
	struct known known = { 0 };
	int rc = init(s, &known, f);

	free(known.list);
	return rc;
}
