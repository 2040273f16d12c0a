/* SPDX-License-Identifier: PostgreSQL */
/* What the index objects of a listing know: see snapshot_list.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "snapshot_list.h"

/* Of those that none replaces there are few; of a wild writer's, so many. */
#define READ_MAX 64

/* "CLUSTER/SYSID.GEN/index/NAME"? */
static const char *
index_name(const struct snapshot_list *l, const char *key)
{
	const char *own = layout_own_key(&l->layout, key);
	const char *slash = strchr(own, '/');

	if (slash == NULL || strncmp(slash, "/index/", 7) != 0)
		return NULL;
	slash += 7;
	return *slash != '\0' && strchr(slash, '/') == NULL ? slash : NULL;
}

/* The same system's index object of a name; NULL. */
static struct snapshot_index *
find_index(const struct snapshot_list *l, const struct snapshot_index *of,
    const char *name)
{
	const char *own = index_name(l, of->key);
	size_t head = (size_t)(own - of->key);

	for (size_t i = 0; i < l->n_index; i++)
		if (strncmp(l->index[i].key, of->key, head) == 0 &&
		    strcmp(l->index[i].key + head, name) == 0)
			return &l->index[i];
	return NULL;
}

struct reading {
	struct snapshot_list *list;
	struct snapshot_index *index;
};

static void
take_entry(const struct reading *r, const struct heads_entry *e)
{
	struct snapshot_list *l = r->list;
	struct snapshot_object *o;
	char key[STORE_KEY_MAX];

	r->index->entries++;
	(void)snprintf(key, sizeof key, "%s/%s", l->layout.cluster, e->key);
	o = snapshot_find(l, key);
	if (o == NULL || o->known != NULL || o->info.size != e->info.size ||
	    o->info.mtime != e->info.mtime ||
	    heads_what(e->key, e->info.size) != e->what)
		return;
	o->known = e->bytes;
	o->len = (uint32_t)e->len;
	o->whole = e->what == HEADS_WHOLE;
	o->index = (uint32_t)(r->index - l->index);
	r->index->live++;
}

static int
take(void *arg, const struct heads_entry *e, const char *replaced)
{
	const struct reading *r = arg;
	struct snapshot_index *old;

	if (e != NULL) {
		take_entry(r, e);
		return 0;
	}
	old = find_index(r->list, r->index, replaced);
	if (old != NULL && old != r->index)
		old->replaced = true;
	return 0;
}

/* All or nothing of it: what is damaged replaces nothing. */
static int
look(void *arg, const struct heads_entry *e, const char *replaced)
{
	(void)arg;
	(void)e;
	(void)replaced;
	return 0;
}

static void
read_one(struct snapshot *s, struct snapshot_index *x)
{
	struct reading r = { .list = s->list, .index = x };
	struct object_seen *seen = malloc(sizeof *seen);
	struct mem m;
	struct fail f = { 0 };
	int rc = -1;

	mem_init(&m);
	if (seen != NULL)
		rc = object_read(
		    s->inner, &s->list->layout, x->key, &m.stream, seen, &f);
	if (rc == 0 && seen->header.kind != OBJECT_INDEX)
		rc = fail_set(&f, FAIL_DAMAGED, x->key, "not an index");
	if (rc == 0)
		rc = heads_each(&m.bytes, x->key, look, NULL, &f);
	free(seen);
	if (rc != 0) {
		x->damaged = rc < 0 && f.kind == FAIL_DAMAGED;
		if (rc < 0)
			log_debug("index object passed over: %s: %s", x->key,
			    f.cause);
		buf_clear(&m.bytes);
		return;
	}
	x->bytes = m.bytes;
	x->read = true;
	(void)heads_each(&x->bytes, x->key, take, &r, &f);
}

static int
collect(struct snapshot_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct snapshot_index *more;

		if (index_name(l, l->list[i].key) == NULL)
			continue;
		more = reallocarray(l->index, l->n_index + 1, sizeof *more);
		if (more == NULL)
			return -1;
		l->index = more;
		more[l->n_index++] =
		    (struct snapshot_index){ .key = l->list[i].key };
	}
	return 0;
}

void
snapshot_load_heads(struct snapshot *s)
{
	struct snapshot_list *l = s->list;
	size_t n = 0;

	if (collect(l) != 0)
		return;
	for (size_t i = l->n_index; i > 0 && n < READ_MAX; i--) {
		if (l->index[i - 1].replaced)
			continue;
		read_one(s, &l->index[i - 1]);
		n++;
	}
}
