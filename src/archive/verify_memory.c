/* SPDX-License-Identifier: PostgreSQL */
/*
 * What was verified when, on this host: a cache in state_dir, one line per
 * object: time, size, time of the object, key.  See verify_task.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "log.h"
#include "state.h"
#include "verify_task.h"

#define FILE_NAME "verified"
#define FILE_MAX  ((size_t)256 * 1024 * 1024)

static int
by_key(const void *a, const void *b)
{
	return strcmp(((const struct verify_memory *)a)->key,
	    ((const struct verify_memory *)b)->key);
}

static struct verify_memory *
find(const struct verify_state *v, const char *key)
{
	struct verify_memory what = { .key = strdup(key) }, *found = NULL;

	if (what.key != NULL && v->n_memory > 0)
		found = bsearch(
		    &what, v->memory, v->n_memory, sizeof *v->memory, by_key);
	free(what.key);
	return found;
}

/* A line that is not one is left out: all of this is a cache. */
static int
add_line(struct verify_state *v, char *line)
{
	struct verify_memory m;
	int used = 0;

	if (sscanf(line, "%" SCNd64 " %" SCNu64 " %" SCNd64 " %n", &m.time,
	        &m.stored, &m.mtime, &used) != 3 ||
	    used == 0 || line[used] == '\0')
		return 0;
	if (v->n_memory % 1024 == 0) {
		struct verify_memory *more = reallocarray(
		    v->memory, v->n_memory + 1024, sizeof *more);

		if (more == NULL)
			return -1;
		v->memory = more;
	}
	m.key = strdup(line + used);
	if (m.key == NULL)
		return -1;
	v->memory[v->n_memory++] = m;
	return 0;
}

static int
load(struct verify_state *v, struct fail *f)
{
	struct buf b = { 0 };
	char *line, *rest;
	int rc = 0;

	if (v->args->state_dir == NULL ||
	    state_load(v->args->state_dir, v->repo, FILE_NAME, FILE_MAX, &b) !=
	        0 ||
	    buf_append(&b, "", 1) != 0) {
		buf_clear(&b);
		return 0;
	}
	for (line = strtok_r((char *)b.data, "\n", &rest);
	     rc == 0 && line != NULL; line = strtok_r(NULL, "\n", &rest))
		rc = add_line(v, line);
	buf_clear(&b);
	if (rc != 0)
		return fail_errno(f, FILE_NAME, "memory");
	if (v->n_memory > 0)
		qsort(v->memory, v->n_memory, sizeof *v->memory, by_key);
	return 0;
}

/* 0 <= x < 100 */
static double
percent(void)
{
	uint32_t x;

	if (getrandom(&x, sizeof x, 0) != sizeof x)
		return 0;
	return 100.0 * x / 4294967296.0;
}

/* When it was verified here, as it is now; INT64_MIN: never. */
static int64_t
verified_at(const struct verify_state *v, const struct verify_task *t)
{
	const struct verify_memory *m = find(v, t->key);

	/* What is remembered from the future was written by a wrong clock. */
	if (m == NULL || m->stored != t->stored || m->mtime != t->mtime ||
	    m->time > v->args->clock)
		return INT64_MIN;
	return m->time;
}

int
verify_choose(struct verify_state *v, struct fail *f)
{
	size_t chosen = 0, candidates = 0, pick;

	if (load(v, f) != 0)
		return -1;
	for (size_t i = 0; i < v->n_tasks; i++) {
		struct verify_task *t = &v->tasks[i];

		if (t->result != VERIFY_TO_DO)
			continue;
		if (v->args->has_since && verified_at(v, t) >= v->args->since) {
			t->result = VERIFY_LEFT_OUT;
			continue;
		}
		candidates++;
		if (v->args->sample < 100 && percent() >= v->args->sample)
			t->result = VERIFY_LEFT_OUT;
		else
			chosen++;
	}
	/* At least one of those that the sample is of. */
	pick = (size_t)(percent() / 100 * (double)candidates);
	for (size_t i = 0; chosen == 0 && candidates > 0 && i < v->n_tasks;
	     i++) {
		struct verify_task *t = &v->tasks[i];

		if (t->result != VERIFY_LEFT_OUT ||
		    (v->args->has_since &&
		        verified_at(v, t) >= v->args->since) ||
		    pick-- > 0)
			continue;
		t->result = VERIFY_TO_DO;
		chosen++;
	}
	for (size_t i = 0; i < v->n_tasks; i++)
		v->out->never += v->tasks[i].result == VERIFY_LEFT_OUT &&
		    verified_at(v, &v->tasks[i]) == INT64_MIN;
	return 0;
}

static int
write_line(struct buf *b, const struct verify_memory *m)
{
	char text[LAYOUT_KEY_MAX + 96];
	int n = snprintf(text, sizeof text,
	    "%" PRId64 " %" PRIu64 " %" PRId64 " %s\n", m->time, m->stored,
	    m->mtime, m->key);

	if (n < 0 || (size_t)n >= sizeof text)
		return 0;
	return buf_append(b, text, (size_t)n);
}

/* What was read now replaces what was remembered; bad ones are forgotten. */
void
verify_remember(struct verify_state *v)
{
	struct buf b = { 0 };
	bool failed = false;

	if (v->args->state_dir == NULL)
		return;
	for (size_t i = 0; i < v->n_tasks; i++) {
		const struct verify_task *t = &v->tasks[i];
		struct verify_memory *old,
		    new = { .key = t->key,
			    .stored = t->stored,
			    .mtime = t->mtime,
			    .time = v->args->clock };

		if (t->result == VERIFY_LEFT_OUT || t->result == VERIFY_TO_DO)
			continue;
		old = find(v, t->key);
		if (old != NULL)
			old->time = INT64_MIN;
		if (t->result == VERIFY_GOOD)
			failed |= write_line(&b, &new) != 0;
	}
	for (size_t i = 0; i < v->n_memory; i++)
		if (v->memory[i].time != INT64_MIN)
			failed |= write_line(&b, &v->memory[i]) != 0;
	if (!failed)
		state_save(
		    v->args->state_dir, v->repo, FILE_NAME, b.data, b.len);
	buf_clear(&b);
}
