/* SPDX-License-Identifier: PostgreSQL */
/* From one store to another, in an order that is safe: see sync.h. */
#include <string.h>

#include "log.h"
#include "object.h"
#include "sync_job.h"

int
sync_settle(struct syncing *x, const char *key, int rc, struct fail *why)
{
	carry_moved(x->args->pace);
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
	/* What is small enough to fit would take WAL the last of the room. */
	if (why->kind == FAIL_SPACE)
		return -1;
	return ++x->failures < SYNC_FAILURES_MAX ? 1 : -1;
}

void
sync_tell_differing(struct syncing *x, const struct fail *why)
{
	log_fail(LOG_ERROR, "sync", why);
	x->out->failed++;
	*x->f = *why;
}

/* 0, 1 it has none, or it cannot be read, which is told. */
static int
header_of(struct syncing *x, struct repository *r, const char *key,
    struct object_header *h)
{
	struct fail why;
	int rc = object_read_header(r->store, &r->layout, key, h, &why);

	carry_moved(x->args->pace);
	if (rc >= 0)
		return rc == 0 && h->has_plain ? 0 : 1;
	if (why.kind == FAIL_DAMAGED)
		(void)fail_hint(&why,
		    "walvault repair %s brings a good copy, if there is one; "
		    "walvault verify --wal looks for more",
		    key);
	sync_tell_differing(x, &why);
	return 1;
}

/* Is what both hold the same? */
static void
compare(struct syncing *x, const char *key)
{
	struct repository *a = x->from->repo, *b = x->to->repo;
	struct object_header one, two;
	struct fail why;

	if (header_of(x, a, key, &one) != 0 ||
	    header_of(x, b, key, &two) != 0 ||
	    digest_same(&one.plain, &two.plain))
		return;
	(void)fail_set(&why, FAIL_REFUSED, key,
	    "%s and %s hold other content under this name: two servers archive "
	    "here, or one was rolled back; both are left as they are",
	    a->store->name, b->store->name);
	(void)fail_hint(&why,
	    "walpush(1), \"Other content\"; walvault verify --wal tells "
	    "whether one of them is damaged");
	sync_tell_differing(x, &why);
}

static int
bring_wal(struct syncing *x, const struct sync_object *o)
{
	struct fail why;
	int rc = 0, settled;

	if (!x->args->dry_run)
		rc = carry_object(&x->carry, o->key, o->size, &why);
	settled = sync_settle(x, o->key, rc, &why);
	if (settled != 0)
		return settled < 0 ? -1 : 0;
	if (sync_place_add(x->to, o->key, o->size) != 0)
		return fail_errno(x->f, o->key, "memory");
	if (rc == 1) {
		/* Someone was faster, who may have had something else. */
		compare(x, o->key);
		return 0;
	}
	x->out->wal++;
	x->out->bytes += o->size;
	log_info("%s: %s: from=%s to=%s stored=%llu",
	    x->args->dry_run ? "would bring" : "brought", o->key,
	    x->from->repo->store->name, x->to->repo->store->name,
	    (unsigned long long)o->size);
	return 0;
}

/* So many of a timeline's last segments are compared whatever their sizes. */
#define LAST_SEGMENTS 4

/*
 * Other content hardly ever has the same size; but histories are small, and
 * the last segments are where two servers part.
 */
static bool
is_compared(const struct sync_place *p, size_t i, enum layout_kind kind)
{
	const char *key = p->wal[i].key, *log = strrchr(key, '/');
	const char *next;
	size_t len;

	if (kind == LAYOUT_HISTORY || i + LAST_SEGMENTS >= p->n_wal)
		return true;
	/* "TIMELINE/LOG/SEGMENT" */
	while (log > key && log[-1] != '/')
		log--;
	len = (size_t)(log - key);
	next = p->wal[i + LAST_SEGMENTS].key;
	return strncmp(next, key, len) != 0;
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
			if (x->compare &&
			    (there->size != o->size ||
			        is_compared(x->from, i, kind)))
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
		.compare = (from->compared & 1U << to->number) == 0,
		.f = f };
	int rc;

	if (repository_copies(from->repo, to->repo, f) != 0)
		return -1;
	to->compared |= 1U << from->number;
	if (x.compare)
		sync_compare_backups(&x);
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
