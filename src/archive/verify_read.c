/* SPDX-License-Identifier: PostgreSQL */
/* Reading objects back, several at the same time: see verify_task.h. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "object.h"
#include "verify_task.h"

struct reading {
	struct verify_state *v;
	pthread_mutex_t lock;
	size_t next;
};

struct worker {
	struct reading *reading;
	struct store *store; /* its own */
	pthread_t thread;
	bool started;
};

static struct verify_task *
next_task(struct reading *r)
{
	struct verify_task *t = NULL;

	(void)pthread_mutex_lock(&r->lock);
	while (r->next < r->v->n_tasks && t == NULL) {
		t = &r->v->tasks[r->next++];
		if (t->result != VERIFY_TO_DO)
			t = NULL;
	}
	(void)pthread_mutex_unlock(&r->lock);
	return t;
}

static void
bad(struct verify_task *t, bool damaged, const char *why)
{
	t->result = VERIFY_BAD;
	t->damaged = damaged;
	(void)snprintf(t->why, sizeof t->why, "%s", why);
}

/* What the listing or the manifest says of it, beside its own sums. */
static void
check_seen(struct verify_task *t, const struct object_seen *seen)
{
	if (t->is_wal)
		return;
	if (seen->stored != t->stored)
		bad(t, true, "its size is not what the manifest says");
	else if (memcmp(&seen->stored_sum, &t->sum, sizeof t->sum) != 0)
		bad(t, true, "its checksum is not what the manifest says");
}

static void
read_back(struct worker *w, struct verify_task *t)
{
	const struct layout *l = &w->reading->v->repo->layout;
	struct object_seen seen;
	struct fail f;

	switch (object_read(w->store, l, t->key, NULL, &seen, &f)) {
	case 0:
		t->result = VERIFY_GOOD;
		check_seen(t, &seen);
		break;
	case 1:
		t->result = VERIFY_GONE;
		break;
	default:
		bad(t, f.kind == FAIL_DAMAGED, f.cause);
		break;
	}
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct verify_task *t;

	while ((t = next_task(w->reading)) != NULL)
		read_back(w, t);
	return NULL;
}

/* The first worker is the caller itself. */
static int
run_workers(struct worker *w, unsigned n, const struct store_args *store,
    struct fail *f)
{
	int rc = 0;

	for (unsigned i = 1; rc == 0 && i < n; i++) {
		w[i].store = store_open(store, f);
		if (w[i].store == NULL) {
			rc = -1;
			break;
		}
		/* Fewer workers only take longer. */
		w[i].started = pthread_create(
		                   &w[i].thread, NULL, work, &w[i]) == 0;
	}
	if (rc == 0)
		(void)work(&w[0]);
	for (unsigned i = 1; i < n; i++) {
		if (w[i].started)
			(void)pthread_join(w[i].thread, NULL);
		store_free(w[i].store);
	}
	return rc;
}

int
verify_read(struct verify_state *v, struct fail *f)
{
	struct reading r = { .v = v, .lock = PTHREAD_MUTEX_INITIALIZER };
	unsigned n = v->args->jobs > 0 ? v->args->jobs : 1;
	struct worker *w = calloc(n, sizeof *w);
	int rc;

	if (w == NULL)
		return fail_errno(f, "verify", "memory");
	/* Its table must be there before there are threads. */
	(void)crc32c(0, "", 0);
	for (unsigned i = 0; i < n; i++)
		w[i].reading = &r;
	w[0].store = v->repo->store;
	rc = run_workers(w, n, v->args->store, f);
	for (size_t i = 0; i < v->n_tasks; i++) {
		const struct verify_task *t = &v->tasks[i];

		v->out->not_read += t->result == VERIFY_LEFT_OUT;
		if (t->result != VERIFY_GOOD && t->result != VERIFY_BAD)
			continue;
		v->any_bad |= t->result == VERIFY_BAD;
		v->out->objects++;
		v->out->bytes += t->stored;
	}
	free(w);
	return rc;
}
