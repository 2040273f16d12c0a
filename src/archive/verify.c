/* SPDX-License-Identifier: PostgreSQL */
/* Reads a repository back: see verify.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heads.h"
#include "snapshot.h"
#include "verify_task.h"

struct verify_task *
verify_add_task(struct verify_state *v, const char *key, uint64_t stored)
{
	struct verify_task *t;

	if (v->n_tasks == v->cap_tasks) {
		size_t cap = v->cap_tasks == 0 ? 256 : v->cap_tasks * 2;
		struct verify_task *more = reallocarray(
		    v->tasks, cap, sizeof *more);

		if (more == NULL)
			return NULL;
		v->tasks = more;
		v->cap_tasks = cap;
	}
	t = &v->tasks[v->n_tasks];
	*t = (struct verify_task){
		.key = strdup(key), .stored = stored, .result = VERIFY_TO_DO
	};
	if (t->key == NULL)
		return NULL;
	v->n_tasks++;
	return t;
}

struct verify_finding *
verify_add_finding(
    struct verify_state *v, const char *object, const char *fmt, ...)
{
	struct verify_report *out = v->out;
	struct verify_finding *more, *x;
	va_list ap;

	more = reallocarray(out->list, out->n + 1, sizeof *more);
	if (more == NULL)
		return NULL;
	out->list = more;
	x = &more[out->n++];
	*x = (struct verify_finding){ .aside = false };
	(void)snprintf(x->object, sizeof x->object, "%s", object);
	va_start(ap, fmt);
	(void)vsnprintf(x->text, sizeof x->text, fmt, ap);
	va_end(ap);
	return x;
}

bool
verify_is_asked(const struct verify_state *v, const char *id)
{
	return v->args->backup == NULL || strcmp(id, v->args->backup) == 0;
}

bool
verify_is_selected(const struct verify_state *v, size_t i)
{
	const struct backup *b = &v->survey.backups.list[i];

	return b->state == BACKUP_COMPLETE && verify_is_asked(v, b->id);
}

/* The one backup that is asked about must be one that can be. */
static int
check_asked(const struct verify_state *v, struct fail *f)
{
	const struct backup *b;

	if (v->args->backup == NULL)
		return 0;
	b = backup_find(&v->survey.backups, v->args->backup);
	if (b == NULL || b->state == BACKUP_UNFINISHED ||
	    b->state == BACKUP_DELETING) {
		(void)fail_set(f, FAIL_ABSENT, v->args->backup,
		    "there is no such complete backup");
		return fail_hint(f, "walvault info shows the backups");
	}
	return 0;
}

static int
run(struct verify_state *v, struct fail *f)
{
	int rc = -1;

	if (survey_decide(
	        &v->survey, &v->args->rules, v->args->clock, &v->plan, f) != 0)
		return -1;
	if (check_asked(v, f) == 0 && verify_manifests(v, f) == 0 &&
	    (!v->args->wal || verify_list_wal(v, f) == 0) &&
	    verify_choose(v, f) == 0 && verify_read(v, f) == 0 &&
	    verify_packs(v, f) == 0)
		rc = verify_wal(v, f);
	verify_remember(v);
	retain_clear(&v->plan);
	return rc;
}

int
verify(struct repository *r, const struct identity *id,
    const struct verify_args *args, struct verify_report *out, struct fail *f)
{
	struct verify_state v = { .repo = r, .args = args, .out = out };
	struct repository listed;
	int rc;

	*out = (struct verify_report){ 0 };
	snapshot_system(r, &listed);
	rc = survey_load(&listed, id, &v.survey, f);
	if (rc != 0) {
		snapshot_end(&listed);
		return -1;
	}
	rc = run(&v, f);
	for (size_t i = 0; i < v.n_tasks; i++)
		free(v.tasks[i].key);
	free(v.tasks);
	for (size_t i = 0; i < v.n_memory; i++)
		free(v.memory[i].key);
	free(v.memory);
	survey_clear(&v.survey);
	snapshot_end(&listed);
	heads_renew(r, false);
	return rc;
}

void
verify_clear(struct verify_report *r)
{
	free(r->list);
	*r = (struct verify_report){ 0 };
}
