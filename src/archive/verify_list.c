/* SPDX-License-Identifier: PostgreSQL */
/*
 * Which WAL objects are read back, and how damaged ones are set aside: see
 * verify_task.h.
 */
#include <string.h>

#include "log.h"
#include "verify_task.h"

/* Is it asked about, when one backup is? */
static bool
is_asked(const struct verify_state *v, uint32_t tli, uint64_t segno)
{
	for (size_t i = 0; v->args->backup != NULL && i < v->plan.n_ranges;
	     i++) {
		const struct retain_range *r = &v->plan.ranges[i];

		if (r->backup != RETAIN_NO_BACKUP && r->tli == tli &&
		    segno >= r->first && segno <= r->last &&
		    verify_is_asked(v, v->survey.list[r->backup].id))
			return true;
	}
	return v->args->backup == NULL;
}

struct listing {
	struct verify_state *v;
	struct fail *f;
};

static int
add_object(void *arg, const char *key, const struct store_info *info)
{
	struct listing *l = arg;
	struct verify_state *v = l->v;
	struct walname name;
	enum layout_kind kind = layout_parse_wal(key, &name);
	struct verify_task *t;

	if (kind == LAYOUT_ASIDE || kind == LAYOUT_OTHER)
		return 0;
	if (kind != LAYOUT_HISTORY &&
	    !is_asked(
	        v, name.tli, walname_segno(&name, v->survey.index.id.segsize)))
		return 0;
	t = verify_add_task(v, key, info->size);
	if (t == NULL)
		return fail_errno(l->f, key, "memory");
	t->is_wal = true;
	t->kind = kind;
	t->name = name;
	t->mtime = info->mtime;
	return 0;
}

int
verify_list_wal(struct verify_state *v, struct fail *f)
{
	struct listing l = { .v = v, .f = f };
	char prefix[LAYOUT_KEY_MAX];

	layout_wal_prefix(&v->repo->layout, prefix);
	return store_list(v->repo->store, prefix, add_object, &l, f);
}

/* Copy what is there under another key, then free the key. */
static int
set_aside(struct verify_state *v, const char *key, struct fail *f)
{
	struct store *store = v->repo->store;
	struct store_attrs attrs = { 0 };
	struct stream *out;
	char aside[LAYOUT_KEY_MAX];
	int rc = -1;

	layout_aside(key, aside);
	out = store_put(store, aside, &attrs, f);
	if (out == NULL)
		return -1;
	if (store_get(store, key, 0, STORE_ALL, out, f) == 0)
		rc = stream_finish(out, f);
	stream_free(out);
	if (rc == 0)
		rc = store_del(store, key, f);
	if (rc == 0)
		log_warning("verify: set aside: %s: it is now %s", key, aside);
	return rc < 0 ? -1 : 0;
}

int
verify_set_aside(struct verify_state *v, struct fail *f)
{
	for (size_t i = 0; i < v->n_tasks; i++) {
		const struct verify_task *t = &v->tasks[i];
		struct verify_finding *x;

		if (!t->is_wal || t->result != VERIFY_BAD || !t->damaged)
			continue;
		if (set_aside(v, t->key, f) != 0)
			return -1;
		x = verify_told(v, t->key);
		if (x != NULL)
			x->aside = true;
	}
	return 0;
}
