/* SPDX-License-Identifier: PostgreSQL */
/*
 * A store in memory, for what depends on the order of calls: each call can be
 * preceded by another party's, or be the one before which its caller dies.
 */
#ifndef WALVAULT_TESTS_MEMSTORE_H
#define WALVAULT_TESTS_MEMSTORE_H

#include "clock.h"
#include "store.h"
#include "support.h"

#define MEMSTORE_MAX 64

struct memstore;

/* One party's way into it. */
struct memstore_door {
	struct store store;
	struct memstore *m;
	unsigned calls;  /* so far */
	unsigned die_at; /* this call (from 1) and all later fail; 0 never */
};

struct memstore {
	struct {
		char key[STORE_KEY_MAX];
		struct buf bytes;
		int64_t mtime;
	} object[MEMSTORE_MAX]; /* by key */
	size_t n;
	int64_t age;    /* new objects are older than now by this */
	unsigned calls; /* of all doors */
	/* Called before each call, unless one is under way. */
	void (*before)(void *arg);
	void *arg;
	bool inside;
};

/* Count the call, and let others go first.  -1: the caller has died. */
static inline int
memstore_call(struct store *s, struct fail *f)
{
	struct memstore_door *d = (struct memstore_door *)s;

	d->calls++;
	if (d->die_at != 0 && d->calls >= d->die_at)
		return fail_set(f, FAIL_TRANSIENT, "memory", "dead");
	d->m->calls++;
	if (d->m->before != NULL)
		d->m->before(d->m->arg);
	return 0;
}

/* The place of a key, or where it would be. */
static inline size_t
memstore_place(const struct memstore *m, const char *key, bool *found)
{
	size_t i = 0;

	while (i < m->n && strcmp(m->object[i].key, key) < 0)
		i++;
	*found = i < m->n && strcmp(m->object[i].key, key) == 0;
	return i;
}

static inline UNUSED bool
memstore_has(const struct memstore *m, const char *key)
{
	bool found;

	(void)memstore_place(m, key, &found);
	return found;
}

/* 0, or 1 it exists.  bytes are taken on 0. */
static inline int
memstore_add(struct memstore *m, const char *key, struct buf *bytes)
{
	bool found;
	size_t i = memstore_place(m, key, &found);

	if (found)
		return 1;
	require(m->n < MEMSTORE_MAX);
	memmove(
	    &m->object[i + 1], &m->object[i], (m->n - i) * sizeof m->object[0]);
	m->n++;
	(void)snprintf(m->object[i].key, sizeof m->object[i].key, "%s", key);
	m->object[i].bytes = *bytes;
	m->object[i].mtime = clock_now() - m->age;
	*bytes = (struct buf){ 0 };
	return 0;
}

static inline UNUSED void
memstore_put_text(struct memstore *m, const char *key, const char *text)
{
	struct buf b = { 0 };

	require(buf_append(&b, text, strlen(text)) == 0);
	require(memstore_add(m, key, &b) == 0);
}

static inline UNUSED void
memstore_clear(struct memstore *m)
{
	for (size_t i = 0; i < m->n; i++)
		buf_clear(&m->object[i].bytes);
	m->n = 0;
}

struct memstore_put {
	struct stream stream;
	struct store *store;
	char key[STORE_KEY_MAX];
	struct buf bytes;
};

static inline int
memstore_put_write(
    struct stream *s, const void *bytes, size_t len, struct fail *f)
{
	(void)f;
	return buf_append(&((struct memstore_put *)s)->bytes, bytes, len);
}

static inline int
memstore_put_finish(struct stream *s, struct fail *f)
{
	struct memstore_put *p = (struct memstore_put *)s;

	if (memstore_call(p->store, f) != 0)
		return -1;
	return memstore_add(
	    ((struct memstore_door *)p->store)->m, p->key, &p->bytes);
}

static inline void
memstore_put_free(struct stream *s)
{
	buf_clear(&((struct memstore_put *)s)->bytes);
	free(s);
}

static inline struct stream *
memstore_put(struct store *s, const char *key, const struct store_attrs *attrs,
    struct fail *f)
{
	static const struct stream_ops ops = { .write = memstore_put_write,
		.finish = memstore_put_finish,
		.free = memstore_put_free };
	struct memstore_put *p = calloc(1, sizeof *p);

	(void)attrs;
	(void)f;
	require(p != NULL);
	p->stream.ops = &ops;
	p->store = s;
	(void)snprintf(p->key, sizeof p->key, "%s", key);
	return &p->stream;
}

/* One call, about a key.  0, 1 there is no such object, -1. */
static inline int
memstore_find(struct store *s, const char *key, size_t *i, struct fail *f)
{
	bool found;

	if (memstore_call(s, f) != 0)
		return -1;
	*i = memstore_place(((struct memstore_door *)s)->m, key, &found);
	return found ? 0 : 1;
}

static inline int
memstore_get(struct store *s, const char *key, uint64_t off, uint64_t len,
    struct stream *out, struct fail *f)
{
	struct memstore *m = ((struct memstore_door *)s)->m;
	size_t i;
	int rc = memstore_find(s, key, &i, f);

	if (rc != 0)
		return rc;
	if (off >= m->object[i].bytes.len)
		return 0;
	if (len > m->object[i].bytes.len - off)
		len = m->object[i].bytes.len - off;
	return stream_write(out, m->object[i].bytes.data + off, (size_t)len, f);
}

static inline int
memstore_stat(
    struct store *s, const char *key, struct store_info *info, struct fail *f)
{
	struct memstore *m = ((struct memstore_door *)s)->m;
	size_t i;
	int rc = memstore_find(s, key, &i, f);

	if (rc != 0)
		return rc;
	info->size = m->object[i].bytes.len;
	info->mtime = m->object[i].mtime;
	return 0;
}

static inline int
memstore_list(struct store *s, const struct store_scan *scan, store_list_fn *fn,
    void *arg, struct fail *f)
{
	struct memstore *m = ((struct memstore_door *)s)->m;
	char(*keys)[STORE_KEY_MAX];
	struct store_info info[MEMSTORE_MAX];
	size_t n = 0;
	int rc = 0;

	require(!scan->shallow && scan->after == NULL);
	if (memstore_call(s, f) != 0)
		return -1;
	keys = calloc(MEMSTORE_MAX, sizeof *keys);
	require(keys != NULL);
	for (size_t i = 0; i < m->n; i++)
		if (strncmp(m->object[i].key, scan->prefix,
		        strlen(scan->prefix)) == 0) {
			memcpy(keys[n], m->object[i].key, STORE_KEY_MAX);
			info[n].size = m->object[i].bytes.len;
			info[n++].mtime = m->object[i].mtime;
		}
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = fn(arg, keys[i], &info[i]);
	free(keys);
	return rc;
}

static inline int
memstore_del(struct store *s, const char *key, struct fail *f)
{
	struct memstore *m = ((struct memstore_door *)s)->m;
	size_t i;
	int rc = memstore_find(s, key, &i, f);

	if (rc != 0)
		return rc;
	buf_clear(&m->object[i].bytes);
	m->n--;
	memmove(
	    &m->object[i], &m->object[i + 1], (m->n - i) * sizeof m->object[0]);
	return 0;
}

static inline UNUSED void
memstore_door(struct memstore *m, struct memstore_door *d)
{
	static const struct store_ops ops = { .put = memstore_put,
		.get = memstore_get,
		.stat = memstore_stat,
		.list = memstore_list,
		.del = memstore_del };

	*d = (struct memstore_door){ .m = m };
	d->store.ops = &ops;
	(void)snprintf(d->store.name, sizeof d->store.name, "memory");
	(void)snprintf(d->store.url, sizeof d->store.url, "memory:");
}

#endif
