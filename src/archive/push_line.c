/* SPDX-License-Identifier: PostgreSQL */
/* A timeline's history files and its parents' last segments: push_line.h. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fork.h"
#include "io.h"
#include "known.h"
#include "log.h"
#include "push_line.h"

/*
 * Archive a neighbour in pg_wal if it is there and not in the stores.  *missing
 * counts those that no store was seen to have.
 */
static int
ship(const struct push *p, const struct walname *name, size_t *missing,
    struct fail *f)
{
	struct push other = *p;
	char path[4200];
	int rc;

	(void)snprintf(path, sizeof path, "%s/%s", p->pg_wal, name->text);
	if (io_exists(path) != 1)
		return 0;
	rc = push_is_archived(p->args, name, f);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	(*missing)++;
	other.path = path;
	other.name = *name;
	rc = push_one(&other, f);
	if (rc == 0)
		log_info("archived: %s: it was missing, timeline %u needs it",
		    name->text, p->name.tli);
	if (rc != 0 && (f->kind == FAIL_REFUSED || f->kind == FAIL_DAMAGED)) {
		log_fail(LOG_WARNING, "not archived beside", f);
		return 0;
	}
	return rc;
}

static int
ship_histories(const struct push *p, const struct timeline *t, size_t *missing,
    struct fail *f)
{
	struct walname name;

	for (size_t i = 0; i <= t->n; i++) {
		uint32_t tli = i < t->n ? t->ancestors[i].tli : t->tli;

		walname_history(tli, &name);
		if (tli > 1 && strcmp(name.text, p->name.text) != 0 &&
		    ship(p, &name, missing, f) != 0)
			return -1;
	}
	return 0;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const struct walname *)a)->text,
	    ((const struct walname *)b)->text);
}

/* Is the segment on t's line, before the end of its own timeline? */
static bool
is_ancestral(
    const struct timeline *t, const struct walname *name, uint32_t segsize)
{
	uint64_t segno = walname_segno(name, segsize), begin = 0;

	for (size_t i = 0; i < t->n; i++) {
		uint64_t end = t->ancestors[i].switch_lsn / segsize;

		if (t->ancestors[i].tli == name->tli)
			return segno >= begin && segno < end;
		begin = end;
	}
	return false;
}

/* The parents' segments in pg_wal, sorted.  *out is the caller's. */
static int
find_ancestral(const struct push *p, const struct timeline *t, uint32_t segsize,
    struct walname **out, size_t *n, struct fail *f)
{
	DIR *d = opendir(p->pg_wal);
	struct dirent *e;

	*out = NULL;
	*n = 0;
	if (d == NULL)
		return fail_errno(f, p->pg_wal, "read");
	while ((e = readdir(d)) != NULL) {
		struct walname name, *more;

		if (walname_parse(e->d_name, &name) != 0 ||
		    name.kind != WALNAME_SEGMENT ||
		    !is_ancestral(t, &name, segsize))
			continue;
		more = reallocarray(*out, *n + 1, sizeof *more);
		if (more == NULL) {
			(void)closedir(d);
			return fail_errno(f, p->pg_wal, "memory");
		}
		*out = more;
		more[(*n)++] = name;
	}
	(void)closedir(d);
	if (*n > 1)
		qsort(*out, *n, sizeof **out, compare_names);
	return 0;
}

static int
ship_ancestral(const struct push *p, const struct timeline *t, uint32_t segsize,
    struct fail *f)
{
	struct walname *names;
	size_t n, missing = 0;
	int rc = find_ancestral(p, t, segsize, &names, &n, f);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = ship(p, &names[i], &missing, f);
	free(names);
	return rc;
}

/* A history file, or the segment in which the timeline begins. */
static bool
begins_timeline(
    const struct push *p, const struct timeline *t, uint32_t segsize)
{
	if (p->name.kind == WALNAME_HISTORY)
		return true;
	return p->name.kind == WALNAME_SEGMENT && t->n > 0 &&
	    walname_segno(&p->name, segsize) ==
	    t->ancestors[t->n - 1].switch_lsn / segsize;
}

/* Were the timeline's histories seen in all stores, lately? */
static bool
is_known(const struct push *p, const char *what)
{
	for (size_t i = 0; i < p->args->n_repos; i++)
		if (!known_is(&p->args->repos[i], p->args->state_dir, what))
			return false;
	return true;
}

static void
remember(const struct push *p, const char *what)
{
	for (size_t i = 0; i < p->args->n_repos; i++)
		known_remember(&p->args->repos[i], p->args->state_dir, what);
}

static int
ship_line(const struct push *p, const struct timeline *t, struct fail *f)
{
	uint32_t segsize = push_system(p->args)->segsize;
	size_t missing = 0;
	char what[32];
	int rc = 0;

	(void)snprintf(what, sizeof what, "line-%08X", t->tli);
	if (p->name.kind == WALNAME_HISTORY || !is_known(p, what)) {
		rc = ship_histories(p, t, &missing, f);
		if (rc == 0 && missing == 0)
			remember(p, what);
	}
	if (rc == 0 && begins_timeline(p, t, segsize))
		rc = ship_ancestral(p, t, segsize, f);
	return rc;
}

int
push_line(const struct push *p, struct fail *f)
{
	struct timeline t;
	int rc;

	if (p->name.tli <= 1 || p->name.kind == WALNAME_BACKUP)
		return 0;
	rc = fork_read_history(p->pg_wal, p->name.tli, &t, f);
	if (rc == 1 || (rc < 0 && f->kind == FAIL_DAMAGED))
		return 0;
	if (rc < 0)
		return -1;
	rc = ship_line(p, &t, f);
	timeline_clear(&t);
	return rc;
}
