/* SPDX-License-Identifier: PostgreSQL */
/* A backup from one store to another, its manifest last: see sync.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup_note.h"
#include "backup_whole.h"
#include "log.h"
#include "sync_job.h"
#include "units.h"

/* The objects of one backup in one store. */
struct objects {
	struct sync_object *list;
	size_t n;
	struct fail *f;
};

static int
add_object(void *arg, const char *key, const struct store_info *info)
{
	struct objects *o = arg;
	struct sync_object *more = reallocarray(
	    o->list, o->n + 1, sizeof *more);

	if (more == NULL)
		return fail_errno(o->f, key, "memory");
	o->list = more;
	more[o->n].key = strdup(key);
	if (more[o->n].key == NULL)
		return fail_errno(o->f, key, "memory");
	more[o->n++].size = info->size;
	return 0;
}

static void
objects_clear(struct objects *o)
{
	for (size_t i = 0; i < o->n; i++)
		free(o->list[i].key);
	free(o->list);
}

static int
load(struct objects *o, struct repository *r, const char *id)
{
	char prefix[LAYOUT_KEY_MAX];

	backup_key(&r->layout, id, "", prefix);
	return store_list(r->store, prefix, add_object, o, o->f) == 0 ? 0 : -1;
}

static const struct sync_object *
find(const struct objects *o, const char *key)
{
	for (size_t i = 0; i < o->n; i++)
		if (strcmp(o->list[i].key, key) == 0)
			return &o->list[i];
	return NULL;
}

int
sync_begins(struct syncing *x)
{
	for (size_t i = 0; i < x->n_backups && !x->args->dry_run; i++) {
		const struct backup *b = &x->backups[i];
		char key[LAYOUT_KEY_MAX];
		struct fail why;
		int rc;

		backup_key(&x->from->repo->layout, b->id, "begin", key);
		rc = carry_note(&x->carry, key, &why);
		if (sync_settle(x, key, rc, &why) < 0)
			return -1;
	}
	return 0;
}

static bool
is_same(const struct manifest_summary *a, const struct manifest_summary *b)
{
	return a->start_lsn == b->start_lsn && a->stop_lsn == b->stop_lsn &&
	    a->start_tli == b->start_tli && a->stop_tli == b->stop_tli &&
	    a->start_time == b->start_time && a->files == b->files &&
	    a->bytes == b->bytes && a->stored == b->stored;
}

static void
tell_two(struct syncing *x, const char *id, const struct manifest_summary *one,
    const struct manifest_summary *two)
{
	struct fail why;

	if (is_same(one, two))
		return;
	(void)fail_set(&why, FAIL_REFUSED, id,
	    "%s and %s hold two backups under this name; both are left as "
	    "they are",
	    x->from->repo->store->name, x->to->repo->store->name);
	(void)fail_hint(&why,
	    "walvault verify %s tells whether one of them is damaged", id);
	sync_tell_differing(x, &why);
}

static void
tell_damaged(
    struct syncing *x, const struct sync_place *p, const struct backup *b)
{
	struct fail why;

	(void)fail_set(&why, FAIL_DAMAGED, b->id, "it is damaged in %s: %s",
	    p->repo->store->name, b->why);
	(void)fail_hint(
	    &why, "walvault repair %s brings what another store has", b->id);
	sync_tell_differing(x, &why);
}

void
sync_compare_backups(struct syncing *x)
{
	const struct backup_list *all = &x->from->survey.backups;

	for (size_t i = 0; i < all->n; i++) {
		const struct backup *a = &all->list[i];
		const struct backup *b = backup_find(
		    &x->to->survey.backups, a->id);

		if (b == NULL)
			continue;
		if (a->state == BACKUP_COMPLETE && b->state == BACKUP_COMPLETE)
			tell_two(x, a->id, &a->info, &b->info);
		else if (a->state == BACKUP_COMPLETE &&
		    b->state == BACKUP_DAMAGED)
			tell_damaged(x, x->to, b);
		else if (a->state == BACKUP_DAMAGED &&
		    b->state == BACKUP_COMPLETE)
			tell_damaged(x, x->from, a);
	}
}

/*
 * All WAL that makes it consistent, as far as the other store has it, which
 * finished it only when it had all.
 */
static bool
has_its_wal(const struct syncing *x, const struct backup *b)
{
	uint32_t segsize = x->from->survey.index.id.segsize;
	uint64_t first = b->info.start_lsn / segsize;
	uint64_t last = (b->info.stop_lsn - 1) / segsize, next = first;

	for (uint32_t tli = b->info.start_tli; tli <= b->info.stop_tli; tli++) {
		const struct index_timeline *t = index_timeline(
		    &x->from->survey.index, tli);

		for (size_t i = 0; t != NULL && i < t->segments.n; i++) {
			const struct index_object *o = &t->segments.list[i];
			char key[LAYOUT_KEY_MAX];

			if (o->segno < first || o->segno > last)
				continue;
			layout_wal(&x->to->repo->layout, &o->name, NULL, key);
			if (!sync_place_has(x->to, key))
				return false;
			if (o->segno == next)
				next++;
		}
	}
	return next > last;
}

static const char *
last_of(const char *key)
{
	return strrchr(key, '/') + 1;
}

/* It is there: is it what it should be?  0 yes, -1. */
static int
check_size(struct syncing *x, const struct sync_object *o, uint64_t size,
    struct fail *why)
{
	if (size == o->size)
		return 0;
	return fail_set(why, FAIL_DAMAGED, o->key,
	    "%s has another one of this name", x->to->repo->store->name);
}

/* A pack.  0, 1 someone was faster, -1. */
static int
bring_pack(struct syncing *x, const struct sync_object *o, struct fail *why)
{
	int rc = carry_object(&x->carry, o->key, o->size, why);
	struct store_info info;

	if (rc != 1)
		return rc;
	rc = store_stat(x->to->repo->store, o->key, &info, why);
	if (rc == 1)
		return fail_set(why, FAIL_TRANSIENT, o->key,
		    "it was deleted while it was brought");
	return rc == 0 && check_size(x, o, info.size, why) == 0 ? 1 : -1;
}

/* Its packs, or its holds.  0 all are there, 1 not all, -1. */
static int
bring_some(struct syncing *x, const struct objects *from,
    const struct objects *to, bool packs)
{
	int rc = 0;

	for (size_t i = 0; i < from->n; i++) {
		const struct sync_object *o = &from->list[i];
		const struct sync_object *there = find(to, o->key);
		const char *name = last_of(o->key);
		struct fail why;
		int one, settled;

		if (packs ? strncmp(name, "pack-", 5) != 0 ||
		            strchr(name, '.') != NULL
		          : !backup_is_hold(name))
			continue;
		if (there != NULL && there->size == o->size)
			continue;
		if (there != NULL)
			one = check_size(x, o, there->size, &why);
		else if (packs)
			one = bring_pack(x, o, &why);
		else
			one = carry_note(&x->carry, o->key, &why);
		settled = sync_settle(x, o->key, one, &why);
		if (settled < 0)
			return -1;
		if (settled > 0)
			rc = 1;
		else if (packs && one == 0)
			x->out->bytes += o->size;
	}
	return rc;
}

/* Someone was faster with it: is it the same one? */
static void
compare_manifest(struct syncing *x, const struct backup *b)
{
	struct manifest_summary there;
	struct fail why;
	int rc = backup_read_summary(x->to->repo, b->id, &there, &why);

	if (rc == 0)
		tell_two(x, b->id, &b->info, &there);
	else if (rc < 0)
		sync_tell_differing(x, &why);
}

/*
 * The last object; who deletes an unfinished one may have been faster.  0
 * brought, 1 not, -1 give up.
 */
static int
bring_manifest(
    struct syncing *x, const struct backup *b, const struct objects *from)
{
	struct repository *to = x->to->repo;
	const struct sync_object *o;
	char key[LAYOUT_KEY_MAX];
	struct fail why;
	int rc, deleting;

	backup_key(&to->layout, b->id, "manifest", key);
	o = find(from, key);
	if (o == NULL)
		return 1;
	rc = carry_object(&x->carry, key, o->size, &why);
	if (rc == 1)
		compare_manifest(x, b);
	deleting = rc == 0 ? backup_is_deleting(to, b->id, &why) : 0;
	if (deleting == 1)
		(void)fail_set(&why, FAIL_TRANSIENT, key,
		    "it was deleted while it was brought");
	if (deleting != 0)
		rc = -1;
	return rc == 1 ? 1 : sync_settle(x, key, rc, &why);
}

/* A manifest goes nowhere without all its packs.  0, 1 they are not, -1 */
static int
check_whole(struct syncing *x, const struct backup *b)
{
	struct fail why;
	int rc = backup_look_at(x->from->repo, b->id, &why);

	if (rc >= 0)
		return rc;
	if (why.kind == FAIL_DAMAGED)
		(void)fail_hint(&why,
		    "walvault repair brings what the other store has; then "
		    "sync again");
	return sync_settle(x, b->id, -1, &why);
}

/* A backup that will not fit is not begun: its packs would only be in the way.
 */
static int
check_space(struct syncing *x, const struct backup *b, const struct objects *to)
{
	struct store *s = x->to->repo->store;
	char has[UNITS_TEXT], wants[UNITS_TEXT];
	uint64_t room, there = 0;
	struct fail why;
	int rc = store_space(s, &room, &why);

	/* A store that cannot tell. */
	if (rc != 0)
		return rc > 0 ? 0 : sync_settle(x, b->id, -1, &why);
	for (size_t i = 0; i < to->n; i++)
		there += to->list[i].size;
	if (there >= b->stored || room >= b->stored - there)
		return 0;
	units_format_bytes(room, has);
	units_format_bytes(b->stored - there, wants);
	(void)fail_set(&why, FAIL_SPACE, s->url,
	    "%s are free, backup %s needs %s more", has, b->id, wants);
	(void)fail_hint(&why, "walvault expire deletes what no rule keeps");
	return sync_settle(x, b->id, -1, &why);
}

/* 0 it is there, 1 it is not, -1 give up */
static int
bring_backup(struct syncing *x, const struct backup *b)
{
	struct objects from = { .f = x->f }, to = { .f = x->f };
	int rc = 1;

	if (!has_its_wal(x, b)) {
		log_error("not brought: backup %s: %s has not all its WAL yet",
		    b->id, x->to->repo->store->name);
		x->out->failed++;
		(void)fail_set(x->f, FAIL_TRANSIENT, b->id,
		    "%s has not all its WAL yet", x->to->repo->store->name);
		return 1;
	}
	if (load(&from, x->from->repo, b->id) != 0 ||
	    load(&to, x->to->repo, b->id) != 0)
		rc = -1;
	else
		rc = check_whole(x, b);
	if (rc == 0)
		rc = check_space(x, b, &to);
	if (rc == 0)
		rc = bring_some(x, &from, &to, true);
	if (rc == 0)
		rc = bring_some(x, &from, &to, false);
	if (rc == 0)
		rc = bring_manifest(x, b, &from);
	objects_clear(&from);
	objects_clear(&to);
	return rc;
}

int
sync_backups(struct syncing *x)
{
	for (size_t i = 0; i < x->n_backups; i++) {
		const struct backup *b = &x->backups[i];
		int rc = x->args->dry_run ? 0 : bring_backup(x, b);

		if (rc < 0)
			return -1;
		if (rc > 0)
			continue;
		x->out->backups++;
		if (x->args->dry_run)
			x->out->bytes += b->stored;
		log_info("%s: backup %s: from=%s to=%s stored=%llu",
		    x->args->dry_run ? "would bring" : "brought", b->id,
		    x->from->repo->store->name, x->to->repo->store->name,
		    (unsigned long long)b->stored);
	}
	return 0;
}
