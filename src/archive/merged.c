/* SPDX-License-Identifier: PostgreSQL */
/* Several stores read as one: see merged.h. */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "merged.h"
#include "stores.h"
#include "sum.h"

/* An object that a member does not give as it should be. */
struct shunned {
	uint64_t key; /* its hash */
	size_t member;
};

struct merged {
	struct store store;
	struct store *members[STORES_MAX];
	size_t n;
	bool owned;
	bool down[STORES_MAX]; /* it failed: asked last */
	size_t last;           /* who gave something last, or tried to */
	struct shunned *shunned;
	size_t n_shunned;
};

static uint64_t
hash(const char *key)
{
	return sum64(key, strlen(key));
}

static bool
is_shunned(const struct merged *m, const char *key, size_t member)
{
	for (size_t i = 0; i < m->n_shunned; i++)
		if (m->shunned[i].member == member &&
		    m->shunned[i].key == hash(key))
			return true;
	return false;
}

static bool
is_good(const struct merged *m, const char *key, size_t member)
{
	return !m->down[member] && !is_shunned(m, key, member);
}

/* A failure of the store itself, not of one object. */
static void
note_failure(struct merged *m, size_t member, const struct fail *f)
{
	if (f->kind == FAIL_DAMAGED || m->down[member])
		return;
	m->down[member] = true;
	log_fail(LOG_WARNING, "read from another store", f);
}

struct asking {
	/* Asks one member: 0, 1 no such object, -1. */
	int (*ask)(
	    struct store *s, const char *key, struct asking *a, struct fail *f);
	bool stop;      /* no other can go on where this one failed */
	bool blameless; /* nor was it this one's fault */
};

/* The next to ask: good ones in their order, then the others; n: none left. */
static size_t
next_member(const struct merged *m, const char *key, const bool *asked)
{
	size_t other = m->n;

	for (size_t i = 0; i < m->n; i++) {
		if (asked[i])
			continue;
		if (is_good(m, key, i))
			return i;
		if (other == m->n)
			other = i;
	}
	return other;
}

/* Until one has it. */
static int
ask_all(struct merged *m, const char *key, struct asking *a, struct fail *f)
{
	bool asked[STORES_MAX] = { false };
	bool failed = false;
	struct fail one;
	size_t i;

	while ((i = next_member(m, key, asked)) < m->n) {
		int rc;

		asked[i] = true;
		m->last = i;
		rc = a->ask(m->members[i], key, a, &one);
		if (rc == 0)
			return 0;
		if (rc > 0)
			continue;
		*f = one;
		failed = true;
		if (!a->blameless)
			note_failure(m, i, f);
		if (a->stop)
			return -1;
	}
	return failed ? -1 : 1;
}

struct stat_asking {
	struct asking a;
	struct store_info *info;
};

static int
ask_stat(struct store *s, const char *key, struct asking *a, struct fail *f)
{
	return store_stat(s, key, ((struct stat_asking *)a)->info, f);
}

static int
merged_stat(
    struct store *s, const char *key, struct store_info *info, struct fail *f)
{
	struct stat_asking a = { .a.ask = ask_stat, .info = info };

	return ask_all((struct merged *)s, key, &a.a, f);
}

/* A get on its way: what was passed on cannot be taken back. */
struct get {
	struct asking a;
	struct stream stream;
	struct stream *out;
	uint64_t off, len;
};

static struct get *
get_of(struct stream *stream)
{
	return (struct get *)((char *)stream - offsetof(struct get, stream));
}

static int
get_write(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct get *g = get_of(stream);

	g->a.stop = true;
	if (stream_write(g->out, bytes, len, f) == 0)
		return 0;
	g->a.blameless = true;
	return -1;
}

static const struct stream_ops get_ops = { .write = get_write };

static int
ask_get(struct store *s, const char *key, struct asking *a, struct fail *f)
{
	struct get *g = (struct get *)a;

	return store_get(s, key, g->off, g->len, &g->stream, f);
}

static int
merged_get(struct store *s, const char *key, uint64_t off, uint64_t len,
    struct stream *out, struct fail *f)
{
	struct get g = { .a.ask = ask_get,
		.stream.ops = &get_ops,
		.out = out,
		.off = off,
		.len = len };

	return ask_all((struct merged *)s, key, &g.a, f);
}

static const void *
merged_head(struct store *s, const char *key, size_t *len)
{
	const struct merged *m = (const struct merged *)s;
	const void *known = NULL;

	for (size_t i = 0; known == NULL && i < m->n; i++)
		if (is_good(m, key, i))
			known = store_head(m->members[i], key, len);
	return known;
}

static int
merged_turn(struct store *s, const char *key, const struct fail *why)
{
	struct merged *m = (struct merged *)s;
	struct shunned *more = reallocarray(
	    m->shunned, m->n_shunned + 1, sizeof *more);

	if (more == NULL)
		return 0;
	m->shunned = more;
	more[m->n_shunned++] = (struct shunned){ hash(key), m->last };
	for (size_t i = 0; i < m->n; i++)
		if (is_good(m, key, i)) {
			log_warning("store %s: %s is no good there, and is "
			            "taken from another store: %s",
			    m->members[m->last]->name, key, why->cause);
			return 1;
		}
	return 0;
}

/* -- a listing -- */

struct entry {
	char *key;
	struct store_info info;
	bool is_dir; /* of a shallow listing */
};

struct entries {
	struct entry *list;
	size_t n, cap, at;
	struct fail *f;
};

static int
add_entry(void *arg, const char *key, const struct store_info *info)
{
	struct entries *e = arg;

	if (e->n == e->cap) {
		size_t cap = e->cap == 0 ? 256 : e->cap * 2;
		struct entry *more = reallocarray(e->list, cap, sizeof *more);

		if (more == NULL)
			return fail_errno(e->f, key, "memory");
		e->list = more;
		e->cap = cap;
	}
	e->list[e->n] = (struct entry){ .key = strdup(key),
		.is_dir = info == NULL };
	if (info != NULL)
		e->list[e->n].info = *info;
	if (e->list[e->n].key == NULL)
		return fail_errno(e->f, key, "memory");
	e->n++;
	return 0;
}

/* The smallest key that is not told yet; NULL: none. */
static const struct entry *
smallest(const struct entries *lists, size_t n)
{
	const struct entry *best = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct entries *e = &lists[i];

		if (e->at < e->n &&
		    (best == NULL || strcmp(e->list[e->at].key, best->key) < 0))
			best = &e->list[e->at];
	}
	return best;
}

static int
tell_all(struct entries *lists, size_t n, store_list_fn *fn, void *arg)
{
	const struct entry *x;
	int rc = 0;

	while (rc == 0 && (x = smallest(lists, n)) != NULL) {
		rc = fn(arg, x->key, x->is_dir ? NULL : &x->info);
		for (size_t i = 0; i < n; i++) {
			struct entries *e = &lists[i];

			if (e->at < e->n &&
			    (&e->list[e->at] == x ||
			        strcmp(e->list[e->at].key, x->key) == 0))
				e->at++;
		}
	}
	return rc;
}

static int
merged_list(struct store *s, const struct store_scan *scan, store_list_fn *fn,
    void *arg, struct fail *f)
{
	struct merged *m = (struct merged *)s;
	struct entries lists[STORES_MAX] = { { .f = f } };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->n; i++) {
		lists[i].f = f;
		rc = m->members[i]->ops->list(
		    m->members[i], scan, add_entry, &lists[i], f);
	}
	if (rc == 0)
		rc = tell_all(lists, m->n, fn, arg);
	for (size_t i = 0; i < m->n; i++) {
		for (size_t k = 0; k < lists[i].n; k++)
			free(lists[i].list[k].key);
		free(lists[i].list);
	}
	return rc;
}

/* -- handles -- */

static void
free_members(struct store *const *stores, size_t n)
{
	for (size_t i = 0; i < n; i++)
		store_free(stores[i]);
}

static void
merged_free(struct store *s)
{
	struct merged *m = (struct merged *)s;

	if (m->owned)
		free_members(m->members, m->n);
	free(m->shunned);
	free(m);
}

/* Another handle of each, or none. */
static struct store *
merged_again(const struct store *s)
{
	const struct merged *m = (const struct merged *)s;
	struct store *stores[STORES_MAX] = { NULL };
	struct store *again;
	struct fail ignored;

	for (size_t i = 0; i < m->n; i++) {
		stores[i] = store_again(m->members[i]);
		if (stores[i] == NULL) {
			free_members(stores, i);
			return NULL;
		}
	}
	again = merged_owner(stores, m->n, &ignored);
	if (again != NULL)
		memcpy(((struct merged *)again)->down, m->down, sizeof m->down);
	return again;
}

static const struct store_ops merged_ops = {
	.get = merged_get,
	.stat = merged_stat,
	.list = merged_list,
	.turn = merged_turn,
	.head = merged_head,
	.again = merged_again,
	.free = merged_free,
};

static struct store *
merged_make(struct store *const *stores, size_t n, bool owned, struct fail *f)
{
	struct merged *m = n <= STORES_MAX ? calloc(1, sizeof *m) : NULL;

	if (m == NULL) {
		(void)fail_set(
		    f, FAIL_INTERNAL, "stores", "out of memory, or too many");
		return NULL;
	}
	m->store.ops = &merged_ops;
	(void)strcpy(m->store.name, "all");
	(void)strcpy(m->store.url, "all stores");
	for (size_t i = 0; i < n; i++)
		m->members[i] = stores[i];
	m->n = n;
	m->owned = owned;
	return &m->store;
}

struct store *
merged_new(struct store *const *stores, size_t n, struct fail *f)
{
	return merged_make(stores, n, false, f);
}

struct store *
merged_owner(struct store *const *stores, size_t n, struct fail *f)
{
	struct store *s = merged_make(stores, n, true, f);

	if (s == NULL)
		free_members(stores, n);
	return s;
}
