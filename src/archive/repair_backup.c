/* SPDX-License-Identifier: PostgreSQL */
/* A backup that is damaged in one store: see repair.h. */
#include <stdlib.h>
#include <string.h>

#include "backup_whole.h"
#include "repair.h"

/* The packs that a manifest tells, and the store that it was read from. */
struct mending {
	const struct repair *repair;
	const char *id;
	struct repository *source; /* the store itself: its own is whole */
	struct manifest_pack *packs;
	size_t n;
	struct fail *f;
};

static int
see_pack(void *arg, const struct manifest_pack *pack, struct fail *f)
{
	struct mending *m = arg;
	struct manifest_pack *more;

	/* Another backup's pack is that one's affair. */
	if (pack->backup != 0)
		return 0;
	more = reallocarray(m->packs, m->n + 1, sizeof *more);
	if (more == NULL)
		return fail_errno(f, m->id, "memory");
	m->packs = more;
	more[m->n++] = *pack;
	return 0;
}

static int
read_manifest(struct mending *m, struct repository *r, struct fail *f)
{
	const struct manifest_events events = { .pack = see_pack, .arg = m };

	m->n = 0;
	m->source = r;
	return backup_read_manifest(r, m->id, &events, f);
}

static int
gone(struct mending *m)
{
	return fail_set(m->f, FAIL_TRANSIENT, m->id,
	    "it was deleted while it was repaired");
}

/* Its own, or another store's.  0 or -1. */
static int
find_manifest(struct mending *m)
{
	const struct repair *r = m->repair;
	struct fail why;
	int rc = read_manifest(m, r->to, m->f);

	if (rc == 1)
		return gone(m);
	if (rc == 0 || m->f->kind != FAIL_DAMAGED)
		return rc;
	for (size_t i = 0; i < r->n_from; i++)
		if (strcmp(r->from[i]->id, r->to->id) == 0 &&
		    read_manifest(m, r->from[i], &why) == 0)
			return 0;
	return fail_hint(m->f, REPAIR_NO_COPY_HINT);
}

/* One object of it, from these stores.  0 it is whole now, or -1. */
static int
mend(struct mending *m, const struct repair *r, const char *key)
{
	const struct repository *from = NULL;
	enum repair_word word;

	if (repair_object(r, key, &word, &from, m->f) != 0)
		return -1;
	if (word == REPAIR_NO_COPY)
		return fail_hint(m->f, REPAIR_NO_COPY_HINT);
	if (word == REPAIR_DONE)
		r->done(r->done_arg, key, from);
	return 0;
}

static int
mend_pack(struct mending *m, const struct manifest_pack *pack)
{
	const struct repair *r = m->repair;
	char key[LAYOUT_KEY_MAX];
	uint64_t size;

	backup_pack_key(&r->to->layout, m->id, pack->pack, key);
	if (mend(m, r, key) != 0)
		return -1;
	if (r->dry_run ||
	    backup_find_pack(r->to, m->id, pack, &size, m->f) == 0)
		return 0;
	return fail_set(m->f, FAIL_REFUSED, key,
	    "it is not the pack that the backup's manifest tells");
}

/* 0 it is there, 1 it is not, -1. */
static int
look_for(const struct repository *r, const char *id, const char *name,
    struct fail *f)
{
	char key[LAYOUT_KEY_MAX];
	struct store_info info;

	backup_key(&r->layout, id, name, key);
	return store_stat(r->store, key, &info, f);
}

/* Without it what there is counts as deleted. */
static int
mend_begin(struct mending *m)
{
	const struct repair *r = m->repair;
	char key[LAYOUT_KEY_MAX];
	struct fail why;
	int rc = look_for(r->to, m->id, "begin", m->f);

	if (rc <= 0)
		return rc;
	backup_key(&r->to->layout, m->id, "begin", key);
	for (size_t i = 0; i < r->n_from; i++) {
		struct carry c = { r->from[i], r->to, r->pace, NULL };

		if (strcmp(r->from[i]->id, r->to->id) != 0)
			continue;
		rc = look_for(r->from[i], m->id, "begin", &why);
		if (rc == 0 && !r->dry_run)
			rc = carry_note(&c, key, &why) < 0;
		if (rc != 0)
			continue;
		r->done(r->done_arg, key, r->from[i]);
		return 0;
	}
	(void)fail_set(m->f, FAIL_ABSENT, key, "no such object");
	return fail_hint(m->f, REPAIR_NO_COPY_HINT);
}

/* Whoever deletes it has written a tombstone, or deleted all. */
static int
check_mended(struct mending *m)
{
	struct repository *to = m->repair->to;
	int rc;

	if (m->repair->dry_run)
		return 0;
	rc = backup_is_deleting(to, m->id, m->f);
	if (rc == 0)
		rc = backup_look_at(to, m->id, m->f);
	return rc == 1 ? gone(m) : rc;
}

/* What makes it seem whole comes last: begin, then the manifest. */
static int
mend_all(struct mending *m)
{
	struct repair last = *m->repair;
	char key[LAYOUT_KEY_MAX];
	int rc = find_manifest(m);

	for (size_t i = 0; rc == 0 && i < m->n; i++)
		rc = mend_pack(m, &m->packs[i]);
	if (rc == 0)
		rc = mend_begin(m);
	if (rc == 0 && m->source != last.to) {
		last.from = &m->source;
		last.n_from = 1;
		backup_key(&last.to->layout, m->id, "manifest", key);
		rc = mend(m, &last, key);
	}
	return rc == 0 ? check_mended(m) : rc;
}

/* 0 it may be repaired, or -1. */
static int
require(const struct repair *r, const char *id, struct fail *f)
{
	int rc = look_for(r->to, id, "tombstone", f);

	if (rc < 0)
		return -1;
	if (rc == 0)
		return fail_set(
		    f, FAIL_REFUSED, id, "the backup is being deleted");
	rc = look_for(r->to, id, "manifest", f);
	if (rc <= 0)
		return rc;
	(void)fail_set(f, FAIL_ABSENT, id, "the backup is not there");
	return fail_hint(f, "walvault sync brings a backup that is not there");
}

int
repair_backup(const struct repair *r, const char *id, struct fail *f)
{
	struct mending m = { .repair = r, .id = id, .f = f };
	int rc;

	if (require(r, id, f) != 0)
		return -1;
	rc = backup_look_at(r->to, id, f);
	/* It may have been a bad read. */
	if (rc < 0 && f->kind == FAIL_DAMAGED)
		rc = backup_look_at(r->to, id, f);
	if (rc == 0 && look_for(r->to, id, "begin", f) == 0)
		return 0;
	if (rc < 0 && f->kind != FAIL_DAMAGED)
		return -1;
	rc = mend_all(&m);
	free(m.packs);
	return rc;
}
