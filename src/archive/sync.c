/* SPDX-License-Identifier: PostgreSQL */
/* From one store to another, in an order that is safe: see sync.h. */
#include <string.h>

#include "log.h"
#include "object.h"
#include "sync_job.h"

int
sync_settle(struct syncing *x, const char *key, int rc, struct fail *why)
{
	if (rc >= 0) {
		x->failures = 0;
		return 0;
	}
	/* Deleted while we looked: it is not needed any more. */
	if (why->kind == FAIL_ABSENT) {
		log_info("sync: %s: %s", key, why->cause);
		return 1;
	}
	log_fail(LOG_ERROR, "not brought", why);
	x->out->failed++;
	*x->f = *why;
	if (why->kind == FAIL_DAMAGED)
		return 1;
	return ++x->failures < SYNC_FAILURES_MAX ? 1 : -1;
}

static int
bring_wal(struct syncing *x, const struct sync_object *o)
{
	struct fail why;
	int rc = 0;

	if (!x->args->dry_run)
		rc = carry_object(&x->carry, o->key, o->size, &why);
	rc = sync_settle(x, o->key, rc, &why);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	x->out->wal++;
	x->out->bytes += o->size;
	log_info("%s: %s: from=%s to=%s stored=%llu",
	    x->args->dry_run ? "would bring" : "brought", o->key,
	    x->from->repo->store->name, x->to->repo->store->name,
	    (unsigned long long)o->size);
	if (sync_place_add(x->to, o->key, o->size) != 0)
		return fail_errno(x->f, o->key, "memory");
	return 0;
}

/* Objects of two sizes under one name: is what they hold the same? */
static void
compare(struct syncing *x, const char *key)
{
	struct repository *a = x->from->repo, *b = x->to->repo;
	struct object_header one, two;
	struct fail f;

	if (object_read_header(a->store, &a->layout, key, &one, &f) != 0 ||
	    object_read_header(b->store, &b->layout, key, &two, &f) != 0 ||
	    !one.has_plain || !two.has_plain ||
	    (one.plain.len == two.plain.len &&
	        memcmp(&one.plain.sum, &two.plain.sum, sizeof one.plain.sum) ==
	            0))
		return;
	log_error("sync: %s: %s and %s hold other content under this name: two "
	          "servers archive here, or one was rolled back (hint: "
	          "walpush(1), \"Other content\")",
	    key, a->store->name, b->store->name);
	x->out->failed++;
	(void)fail_set(
	    x->f, FAIL_REFUSED, key, "two stores hold other content");
}

static const struct sync_object *
find(const struct sync_place *p, const char *key)
{
	size_t low = 0, high = p->n_wal;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int c = strcmp(p->wal[middle].key, key);

		if (c == 0)
			return &p->wal[middle];
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

bool
sync_place_has(const struct sync_place *p, const char *key)
{
	return find(p, key) != NULL;
}

/* Histories are asked about first: they say which line WAL belongs to. */
static int
sync_wal(struct syncing *x, bool histories)
{
	uint32_t segsize = x->from->survey.index.id.segsize;
	size_t n = x->from->n_wal;

	for (size_t i = 0; i < n; i++) {
		const struct sync_object *o = &x->from->wal[i], *there;
		struct walname name;
		enum layout_kind kind = layout_parse_wal(o->key, &name);

		if (kind == LAYOUT_OTHER || kind == LAYOUT_ASIDE ||
		    (kind == LAYOUT_HISTORY) != histories)
			continue;
		there = find(x->to, o->key);
		if (there != NULL) {
			if (there->size != o->size)
				compare(x, o->key);
			continue;
		}
		if (!histories && !x->args->all &&
		    !retain_keeps_wal(
		        &x->plan, name.tli, walname_segno(&name, segsize))) {
			x->out->left++;
			continue;
		}
		if (bring_wal(x, o) != 0)
			return -1;
	}
	return 0;
}

int
sync_pair(struct sync_place *from, struct sync_place *to,
    const struct sync_args *args, struct sync_report *out, struct fail *f)
{
	struct syncing x = { .from = from,
		.to = to,
		.args = args,
		.out = out,
		.carry = { from->repo, to->repo, args->pace, NULL },
		.f = f };
	int rc;

	if (repository_copies(from->repo, to->repo, f) != 0)
		return -1;
	rc = sync_wal(&x, true);
	if (rc == 0)
		rc = sync_decide(&x);
	if (rc != 0)
		return -1;
	rc = sync_begins(&x);
	if (rc == 0)
		rc = sync_wal(&x, false);
	if (rc == 0)
		rc = sync_backups(&x);
	sync_decided_clear(&x);
	return rc;
}
