/* SPDX-License-Identifier: PostgreSQL */
/* A store as it was at one moment: see snapshot.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "snapshot_list.h"

/* -- the listing -- */

static int
compare_objects(const void *a, const void *b)
{
	return strcmp(((const struct snapshot_object *)a)->key,
	    ((const struct snapshot_object *)b)->key);
}

/* The first object whose key is not before key. */
static size_t
place_of(const struct snapshot_list *l, const char *key)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(l->list[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct snapshot_object *
snapshot_find(const struct snapshot_list *l, const char *key)
{
	size_t i = place_of(l, key);

	return i < l->n && strcmp(l->list[i].key, key) == 0 ? &l->list[i]
	                                                    : NULL;
}

struct listing {
	struct snapshot_list *list;
	struct fail *f;
};

static int
add_object(void *arg, const char *key, const struct store_info *info)
{
	struct listing *x = arg;
	struct snapshot_list *l = x->list;

	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 1024 : l->cap * 2;
		struct snapshot_object *more = reallocarray(
		    l->list, cap, sizeof *more);

		if (more == NULL)
			return fail_errno(x->f, key, "memory");
		l->list = more;
		l->cap = cap;
	}
	l->list[l->n] = (struct snapshot_object){ .key = strdup(key),
		.info = *info };
	if (l->list[l->n].key == NULL)
		return fail_errno(x->f, key, "memory");
	l->n++;
	return 0;
}

static void
forget(struct snapshot_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->list[i].key);
	for (size_t i = 0; i < l->n_index; i++)
		buf_clear(&l->index[i].bytes);
	free(l->list);
	free(l->index);
	l->list = NULL;
	l->index = NULL;
	l->n = l->cap = l->n_index = 0;
	l->listed = l->heads = false;
}

static int
list_all(struct snapshot *s, struct fail *f)
{
	struct snapshot_list *l = s->list;
	struct listing x = { .list = l, .f = f };
	int rc;

	if (l->listed)
		return 0;
	rc = store_list(s->inner, l->prefix, add_object, &x, f);
	if (rc != 0) {
		forget(l);
		return -1;
	}
	if (l->n > 1)
		qsort(l->list, l->n, sizeof *l->list, compare_objects);
	l->listed = true;
	return 0;
}

int
snapshot_load(struct snapshot *s, struct fail *f)
{
	struct snapshot_list *l = s->list;
	int rc;

	(void)pthread_mutex_lock(&l->lock);
	rc = list_all(s, f);
	if (rc == 0 && !l->heads) {
		snapshot_load_heads(s);
		l->heads = true;
	}
	(void)pthread_mutex_unlock(&l->lock);
	return rc;
}

/* What is known of a listed object; NULL: nothing. */
static const struct snapshot_object *
known(struct snapshot *s, const char *key)
{
	const struct snapshot_object *o;
	struct fail f;
	bool listed;

	(void)pthread_mutex_lock(&s->list->lock);
	listed = s->list->listed;
	(void)pthread_mutex_unlock(&s->list->lock);
	/* Who has listed nothing knows what he wants. */
	if (!listed || snapshot_load(s, &f) != 0)
		return NULL;
	o = snapshot_find(s->list, key);
	return o != NULL && o->known != NULL ? o : NULL;
}

/* -- the ops -- */

static int
snapshot_get(struct store *store, const char *key, uint64_t off, uint64_t len,
    struct stream *out, struct fail *f)
{
	struct snapshot *s = (struct snapshot *)store;
	const struct snapshot_object *o = known(s, key);

	if (o == NULL || !o->whole)
		return store_get(s->inner, key, off, len, out, f);
	if (off >= o->len)
		return 0;
	if (len > o->len - off)
		len = o->len - off;
	return stream_write(out, o->known + off, (size_t)len, f);
}

static const void *
snapshot_head(struct store *store, const char *key, size_t *len)
{
	const struct snapshot_object *o = known((struct snapshot *)store, key);

	if (o == NULL || o->whole)
		return NULL;
	*len = o->len;
	return o->known;
}

/* The level that a key behind prefix lies on: its length with the '/'; 0. */
static size_t
level(const char *key, size_t prefix)
{
	const char *slash = strchr(key + prefix, '/');

	return slash != NULL ? (size_t)(slash - key) + 1 : 0;
}

static int
give(const struct snapshot_list *l, const struct store_scan *scan,
    store_list_fn *fn, void *arg)
{
	size_t prefix = strlen(scan->prefix), i = place_of(l, scan->prefix);
	char last[STORE_KEY_MAX] = "";
	int rc = 0;

	for (; rc == 0 && i < l->n &&
	     strncmp(l->list[i].key, scan->prefix, prefix) == 0;
	     i++) {
		const struct snapshot_object *o = &l->list[i];
		size_t len = scan->shallow ? level(o->key, prefix) : 0;

		if (scan->after != NULL && strcmp(o->key, scan->after) <= 0)
			continue;
		if (len == 0) {
			rc = fn(arg, o->key, &o->info);
			continue;
		}
		if (len >= sizeof last || strncmp(o->key, last, len) == 0)
			continue;
		memcpy(last, o->key, len);
		last[len] = '\0';
		rc = fn(arg, last, NULL);
	}
	return rc;
}

static int
snapshot_list(struct store *store, const struct store_scan *scan,
    store_list_fn *fn, void *arg, struct fail *f)
{
	struct snapshot *s = (struct snapshot *)store;
	struct snapshot_list *l = s->list;
	int rc;

	if (strncmp(scan->prefix, l->prefix, strlen(l->prefix)) != 0)
		return s->inner->ops->list(s->inner, scan, fn, arg, f);
	(void)pthread_mutex_lock(&l->lock);
	rc = list_all(s, f);
	(void)pthread_mutex_unlock(&l->lock);
	return rc == 0 ? give(l, scan, fn, arg) : -1;
}

static struct stream *
snapshot_put(struct store *store, const char *key,
    const struct store_attrs *attrs, struct fail *f)
{
	return store_put(((struct snapshot *)store)->inner, key, attrs, f);
}

static int
snapshot_stat(struct store *store, const char *key, struct store_info *info,
    struct fail *f)
{
	return store_stat(((struct snapshot *)store)->inner, key, info, f);
}

static int
snapshot_settle(struct store *store, const char *key, struct fail *f)
{
	return store_settle(((struct snapshot *)store)->inner, key, f);
}

static int
snapshot_del(struct store *store, const char *key, struct fail *f)
{
	return store_del(((struct snapshot *)store)->inner, key, f);
}

static int
snapshot_prepare(struct store *store, struct fail *f)
{
	return store_prepare(((struct snapshot *)store)->inner, f);
}

static struct store *
snapshot_again(const struct store *store)
{
	const struct snapshot *s = (const struct snapshot *)store;
	struct snapshot *copy = malloc(sizeof *copy);

	if (copy == NULL)
		return NULL;
	*copy = *s;
	copy->inner = store_again(s->inner);
	copy->owns_inner = true;
	if (copy->inner == NULL) {
		free(copy);
		return NULL;
	}
	(void)pthread_mutex_lock(&s->list->lock);
	s->list->users++;
	(void)pthread_mutex_unlock(&s->list->lock);
	return &copy->store;
}

static void
snapshot_free(struct store *store)
{
	struct snapshot *s = (struct snapshot *)store;
	struct snapshot_list *l = s->list;
	unsigned left;

	(void)pthread_mutex_lock(&l->lock);
	left = --l->users;
	(void)pthread_mutex_unlock(&l->lock);
	if (left == 0) {
		forget(l);
		(void)pthread_mutex_destroy(&l->lock);
		free(l);
	}
	if (s->owns_inner)
		store_free(s->inner);
	free(s);
}

static const struct store_ops snapshot_ops = {
	.put = snapshot_put,
	.get = snapshot_get,
	.stat = snapshot_stat,
	.settle = snapshot_settle,
	.list = snapshot_list,
	.del = snapshot_del,
	.prepare = snapshot_prepare,
	.head = snapshot_head,
	.again = snapshot_again,
	.free = snapshot_free,
};

/* -- beginning and end -- */

static void
begin(const struct repository *r, const char *prefix, struct repository *out)
{
	struct snapshot *s = calloc(1, sizeof *s);
	struct snapshot_list *l = calloc(1, sizeof *l);

	*out = *r;
	if (!r->store->far || s == NULL || l == NULL) {
		free(s);
		free(l);
		return;
	}
	s->store = *r->store;
	s->store.ops = &snapshot_ops;
	s->inner = r->store;
	s->list = l;
	l->layout = r->layout;
	l->users = 1;
	(void)pthread_mutex_init(&l->lock, NULL);
	(void)snprintf(l->prefix, sizeof l->prefix, "%s", prefix);
	out->store = &s->store;
}

void
snapshot_all(const struct repository *r, struct repository *out)
{
	char prefix[LAYOUT_KEY_MAX];

	(void)snprintf(prefix, sizeof prefix, "%s/", r->layout.cluster);
	begin(r, prefix, out);
}

void
snapshot_system(const struct repository *r, struct repository *out)
{
	char prefix[LAYOUT_KEY_MAX];

	layout_system(&r->layout, "", prefix);
	begin(r, prefix, out);
}

void
snapshot_end(struct repository *s)
{
	if (s->store != NULL && s->store->ops == &snapshot_ops)
		store_free(s->store);
	s->store = NULL;
}
