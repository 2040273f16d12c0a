/* SPDX-License-Identifier: PostgreSQL */
/*
 * The headers of a line's segments: see line_facts.h.  A header takes no time
 * to decode, and as long as the disk or the network takes to come.  So many are
 * asked for at once, even by a single processor.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "line_facts.h"
#include "object.h"
#include "thread.h"

/* Headers that are waited for at the same time. */
#define READERS_MAX 16

/* So many headers are worth a thread. */
#define WORTH_A_READER 32

/* What all readers share. */
struct reading {
	struct line *line;
	atomic_size_t next; /* the first segment that nobody has taken */
	atomic_bool failed;
};

struct reader {
	struct reading *reading;
	struct store *store; /* its own */
	pthread_t thread;
	struct fail fail;
	bool failed;
};

static int
load(const struct line *l, struct store *store, struct line_segment *s,
    struct fail *f)
{
	const struct layout *layout = &l->index->repo->layout;
	struct object_header h;
	char key[LAYOUT_KEY_MAX];
	int rc;

	line_segment_key(l, s, key);
	rc = object_read_header(store, layout, key, &h, f);
	if (rc == 0 && !h.has_facts)
		rc = fail_set(f, FAIL_DAMAGED, key, "it has no facts");
	if (rc == 1)
		rc = fail_set(f, FAIL_DAMAGED, key, "it has vanished");
	if (rc < 0 && f->kind != FAIL_DAMAGED)
		return -1;
	if (rc < 0) {
		s->damaged = true;
		(void)snprintf(s->damage, sizeof s->damage, "%.120s", f->cause);
		return 0;
	}
	s->facts = h.facts;
	s->has_sum = h.has_plain;
	s->sum = h.plain.sum;
	s->damaged = h.damaged;
	(void)snprintf(s->damage, sizeof s->damage, "%s", h.damaged_why);
	return 0;
}

int
line_facts_load(const struct line *l, struct line_segment *s, struct fail *f)
{
	return load(l, l->index->repo->store, s, f);
}

static void *
work(void *arg)
{
	struct reader *r = arg;
	struct reading *x = r->reading;
	struct line *l = x->line;
	size_t i;

	while (!atomic_load(&x->failed) &&
	    (i = atomic_fetch_add(&x->next, 1)) < l->n) {
		if (load(l, r->store, &l->segment[i], &r->fail) == 0)
			continue;
		r->failed = true;
		atomic_store(&x->failed, true);
	}
	return NULL;
}

/* A reader beside the caller.  Without one it only takes longer. */
static bool
start(struct reader *r, struct reading *x)
{
	*r = (struct reader){ .reading = x,
		.store = store_again(x->line->index->repo->store) };
	if (r->store != NULL && thread_start(&r->thread, work, r) == 0)
		return true;
	store_free(r->store);
	return false;
}

int
line_facts_load_all(struct line *l, struct fail *f)
{
	struct reading x = { .line = l };
	struct reader r[READERS_MAX];
	size_t n = 1;
	int rc = 0;

	r[0] = (struct reader){ .reading = &x, .store = l->index->repo->store };
	while (n < READERS_MAX && n < l->n / WORTH_A_READER && start(&r[n], &x))
		n++;
	(void)work(&r[0]);
	for (size_t i = 0; i < n; i++) {
		if (i > 0) {
			(void)pthread_join(r[i].thread, NULL);
			store_free(r[i].store);
		}
		if (r[i].failed && rc == 0) {
			*f = r[i].fail;
			rc = -1;
		}
	}
	return rc;
}
