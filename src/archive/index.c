/* SPDX-License-Identifier: PostgreSQL */
/* What WAL a repository holds: see index.h. */
#include <stdlib.h>
#include <string.h>

#include "index.h"
#include "log.h"
#include "lsn.h"
#include "mem.h"
#include "object.h"

static int
append(struct index_list *l, const struct index_object *o)
{
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 64 : l->cap * 2;
		struct index_object *more = reallocarray(
		    l->list, cap, sizeof *more);

		if (more == NULL)
			return -1;
		l->list = more;
		l->cap = cap;
	}
	l->list[l->n++] = *o;
	return 0;
}

/* The place of a timeline, made if need be; NULL without memory. */
static struct index_timeline *
timeline_slot(struct index *x, uint32_t tli)
{
	struct index_timeline *more;
	size_t i = 0;

	while (i < x->n && x->timelines[i].tli < tli)
		i++;
	if (i < x->n && x->timelines[i].tli == tli)
		return &x->timelines[i];
	more = reallocarray(x->timelines, x->n + 1, sizeof *more);
	if (more == NULL)
		return NULL;
	x->timelines = more;
	memmove(more + i + 1, more + i, (x->n - i) * sizeof *more);
	x->n++;
	more[i] = (struct index_timeline){ .tli = tli, .history.tli = tli };
	return &more[i];
}

struct loading {
	struct index *index;
	struct fail *f;
};

static int
add_object(struct index *x, enum layout_kind kind, struct index_object *o)
{
	struct index_timeline *t;

	switch (kind) {
	case LAYOUT_ASIDE:
		return append(&x->aside, o);
	case LAYOUT_BACKUP:
	case LAYOUT_OTHER:
		return 0;
	case LAYOUT_SEGMENT:
	case LAYOUT_PARTIAL:
	case LAYOUT_HISTORY:
		break;
	}
	t = timeline_slot(x, o->name.tli);
	if (t == NULL)
		return -1;
	if (kind == LAYOUT_HISTORY) {
		t->has_history = true;
		return 0;
	}
	o->segno = walname_segno(&o->name, x->id.segsize);
	return append(kind == LAYOUT_SEGMENT ? &t->segments : &t->partials, o);
}

static int
list_object(void *arg, const char *key, const struct store_info *info)
{
	struct loading *l = arg;
	struct index_object o = { .stored = info->size, .mtime = info->mtime };
	enum layout_kind kind = layout_parse_wal(key, &o.name);

	if (strlen(key) < sizeof o.key)
		memcpy(o.key, key, strlen(key) + 1);
	if (add_object(l->index, kind, &o) != 0)
		return fail_errno(l->f, key, "memory");
	return 0;
}

static int
load_history(struct index *x, struct index_timeline *t, struct fail *f)
{
	struct mem m;
	struct object_seen seen;
	struct walname name;
	char key[LAYOUT_KEY_MAX];
	int rc;

	mem_init(&m);
	walname_history(t->tli, &name);
	layout_wal(&x->repo->layout, &name, NULL, key);
	rc = object_read_whole(
	    x->repo->store, &x->repo->layout, key, &m.stream, &seen, f);
	if (rc == 0)
		rc = timeline_parse(
		    m.bytes.data, m.bytes.len, t->tli, key, &t->history, f);
	buf_clear(&m.bytes);
	if (rc < 0 && f->kind == FAIL_DAMAGED) {
		log_fail(LOG_ERROR, "timeline history", f);
		rc = 1;
	}
	if (rc == 1) {
		t->has_history = false;
		t->history = (struct timeline){ .tli = t->tli };
	}
	return rc < 0 ? -1 : 0;
}

int
index_load(struct repository *repo, const struct identity *id,
    struct index *out, struct fail *f)
{
	struct loading l = { .index = out, .f = f };
	char prefix[LAYOUT_KEY_MAX];
	int rc;

	*out = (struct index){ .repo = repo, .id = *id };
	layout_wal_prefix(&repo->layout, prefix);
	rc = store_list(repo->store, prefix, list_object, &l, f);
	for (size_t i = 0; rc == 0 && i < out->n; i++)
		if (out->timelines[i].has_history)
			rc = load_history(out, &out->timelines[i], f);
	if (rc != 0)
		index_clear(out);
	return rc;
}

void
index_clear(struct index *x)
{
	for (size_t i = 0; i < x->n; i++) {
		free(x->timelines[i].segments.list);
		free(x->timelines[i].partials.list);
		timeline_clear(&x->timelines[i].history);
	}
	free(x->timelines);
	free(x->aside.list);
	*x = (struct index){ 0 };
}

const struct index_timeline *
index_timeline(const struct index *x, uint32_t tli)
{
	for (size_t i = 0; i < x->n; i++)
		if (x->timelines[i].tli == tli)
			return &x->timelines[i];
	return NULL;
}

bool
index_is_leaf(const struct index *x, const struct index_timeline *t)
{
	uint64_t forked = 0;
	bool parent = false;

	if (t->segments.n == 0)
		return false;
	for (size_t i = 0; i < x->n; i++) {
		const struct index_timeline *child = &x->timelines[i];
		uint64_t lsn = timeline_switch(&child->history, t->tli);

		if (child->tli == t->tli || child->segments.n == 0 ||
		    lsn == LSN_NONE)
			continue;
		parent = true;
		if (lsn / x->id.segsize > forked)
			forked = lsn / x->id.segsize;
	}
	return !parent || t->segments.list[t->segments.n - 1].segno > forked;
}
