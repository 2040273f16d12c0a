/* SPDX-License-Identifier: PostgreSQL */
/* What no store has, but pg_wal: see sync.h. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "io.h"
#include "log.h"
#include "push_one.h"
#include "sync_job.h"

#define DONE  ".done"
#define READY ".ready"

/* A segment or a history in pg_wal. */
struct waiting {
	struct walname name;
	bool ready; /* the server waits for it; else it believes it is archived
	             */
};

/* "NAME.done" or "NAME.ready".  0, 1 another. */
static int
parse_status(const char *text, struct waiting *out)
{
	struct walname *name = &out->name;
	size_t len = strlen(text), cut = 0;
	char copy[WALNAME_TEXT];

	if (len > sizeof DONE && strcmp(text + len - 5, DONE) == 0)
		cut = len - 5;
	else if (len > sizeof READY && strcmp(text + len - 6, READY) == 0)
		cut = len - 6;
	if (cut == 0 || cut >= sizeof copy)
		return 1;
	memcpy(copy, text, cut);
	copy[cut] = '\0';
	out->ready = strcmp(text + cut, READY) == 0;
	return walname_parse(copy, name) == 0 &&
	        (name->kind == WALNAME_SEGMENT || name->kind == WALNAME_HISTORY)
	    ? 0
	    : 1;
}

struct again {
	const struct push_args *push;
	struct sync_place *places;
	const struct sync_args *args;
	struct sync_report *out;
	struct control control;
	struct retain_plan *plans; /* of each place */
	size_t n_plans;
	struct fail *f;
};

static bool
has_any(const struct again *a, const struct walname *name)
{
	char key[LAYOUT_KEY_MAX];

	for (size_t i = 0; i < a->push->n_repos; i++) {
		layout_wal(&a->places[i].repo->layout, name, NULL, key);
		if (sync_place_has(&a->places[i], key))
			return true;
	}
	return false;
}

static void
push_file_again(const struct again *a, const struct walname *name)
{
	struct push p = { .args = a->push,
		.name = *name,
		.sysid = a->control.sysid,
		.in_recovery = a->control.state ==
		    CONTROL_IN_ARCHIVE_RECOVERY };
	char path[PATH_MAX], key[LAYOUT_KEY_MAX];
	struct fail f = { .kind = FAIL_NONE };

	(void)snprintf(
	    p.pg_wal, sizeof p.pg_wal, "%.4000s/pg_wal", a->push->pgdata);
	(void)snprintf(path, sizeof path, "%.4000s/%s", p.pg_wal, name->text);
	p.path = path;
	carry_moved(a->args->pace);
	if (io_exists(path) != 1)
		return;
	if (a->args->dry_run) {
		log_info("would push: %s: no store has it", name->text);
	} else if (push_one(&p, &f) != 0) {
		log_fail(LOG_ERROR, "not archived", &f);
		a->out->failed++;
		*a->f = f;
		return;
	}
	a->out->again++;
	for (size_t i = 0; i < a->push->n_repos && !a->args->dry_run; i++) {
		layout_wal(&a->places[i].repo->layout, name, NULL, key);
		(void)sync_place_add(&a->places[i], key, 0);
	}
}

/* What expire has deleted does not come back: does any place keep it? */
static bool
is_wanted(const struct again *a, const struct waiting *w)
{
	uint64_t segno = walname_segno(&w->name, a->control.segsize);

	if (w->ready || a->args->all || w->name.kind == WALNAME_HISTORY)
		return true;
	for (size_t i = 0; i < a->n_plans; i++)
		if (retain_keeps_wal(&a->plans[i], w->name.tli, segno))
			return true;
	return false;
}

static int
decide(struct again *a)
{
	a->plans = calloc(a->push->n_repos, sizeof *a->plans);
	if (a->plans == NULL)
		return fail_errno(a->f, "retention", "memory");
	for (; a->n_plans < a->push->n_repos; a->n_plans++) {
		struct sync_place *p = &a->places[a->n_plans];

		if (survey_decide(&p->survey, &p->rules, a->args->clock,
		        &a->plans[a->n_plans], a->f) != 0)
			return -1;
	}
	return 0;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const struct waiting *)a)->name.text,
	    ((const struct waiting *)b)->name.text);
}

/* All in pg_wal, in the order of their names.  *out is the caller's. */
static int
list_waiting(struct again *a, struct waiting **out, size_t *n)
{
	char path[PATH_MAX];
	struct dirent *e;
	DIR *dir;
	int rc = 0;

	(void)snprintf(path, sizeof path, "%.4000s/pg_wal/archive_status",
	    a->push->pgdata);
	dir = opendir(path);
	if (dir == NULL)
		return fail_errno(a->f, path, "read");
	while (rc == 0 && (e = readdir(dir)) != NULL) {
		struct waiting w, *more;

		if (parse_status(e->d_name, &w) != 0)
			continue;
		more = reallocarray(*out, *n + 1, sizeof *more);
		if (more == NULL) {
			rc = fail_errno(a->f, path, "memory");
		} else {
			*out = more;
			more[(*n)++] = w;
		}
	}
	(void)closedir(dir);
	if (*n > 1)
		qsort(*out, *n, sizeof **out, compare_names);
	return rc;
}

int
sync_again(const struct push_args *push, struct sync_place *places,
    const struct sync_args *args, struct sync_report *out, struct fail *f)
{
	struct again a = { push, places, args, out, .f = f };
	struct waiting *list = NULL;
	size_t n = 0;
	int rc = control_read(push->pgdata, &a.control, f);

	/* Another cluster's data directory, or none. */
	if (rc != 0 || a.control.sysid != places[0].repo->layout.sysid)
		return rc < 0 ? -1 : 0;
	rc = decide(&a);
	if (rc == 0)
		rc = list_waiting(&a, &list, &n);
	for (size_t i = 0; rc == 0 && i < n; i++)
		if (!has_any(&a, &list[i].name) && is_wanted(&a, &list[i]))
			push_file_again(&a, &list[i].name);
	free(list);
	for (size_t i = 0; i < a.n_plans; i++)
		retain_clear(&a.plans[i]);
	free(a.plans);
	return rc;
}
