/* SPDX-License-Identifier: PostgreSQL */
/* Manifests against their packs: see verify_task.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup_whole.h"
#include "verify_task.h"

/* So many files are named by a finding. */
#define FILES_NAMED 3

#define COST_MAX sizeof(((struct verify_finding *)NULL)->cost)

/* The packs of one backup, as its manifest tells them. */
struct packs {
	struct verify_state *v;
	size_t backup;
	char (*names)[40]; /* the backups that it refers to */
	size_t n_names;
	/* Whose files lie in a bad pack: */
	const char *bad;
	char files[512];
	size_t n_files;
};

static const struct backup *
backup_at(const struct verify_state *v, size_t i)
{
	return &v->survey.backups.list[i];
}

static int
see_head(void *arg, const struct manifest_head *h, struct fail *f)
{
	struct packs *p = arg;

	p->n_names = h->n_backups;
	p->names = reallocarray(NULL, h->n_backups + 1, sizeof *p->names);
	if (p->names == NULL)
		return fail_errno(f, h->s.id, "memory");
	memcpy(p->names, h->backups, h->n_backups * sizeof *p->names);
	return 0;
}

static struct verify_task *
find_task(const struct verify_state *v, const char *key)
{
	for (size_t i = 0; i < v->n_tasks; i++)
		if (strcmp(v->tasks[i].key, key) == 0)
			return &v->tasks[i];
	return NULL;
}

/* Only its presence and size now: not every pack may be read back. */
static int
see_pack(void *arg, const struct manifest_pack *pack, struct fail *f)
{
	struct packs *p = arg;
	struct verify_state *v = p->v;
	struct repository *r = v->repo;
	struct verify_task *t;
	char key[LAYOUT_KEY_MAX];
	uint64_t size;
	int rc;

	if (pack->backup >= p->n_names)
		return fail_set(f, FAIL_DAMAGED, backup_at(v, p->backup)->id,
		    "its manifest refers to a backup that it does not name");
	backup_pack_key(&r->layout, p->names[pack->backup], pack->pack, key);
	/* Another backup's pack may have been met in that one's manifest. */
	if (pack->backup != 0 && find_task(v, key) != NULL)
		return 0;
	t = verify_add_task(v, key, pack->stored);
	if (t == NULL)
		return fail_errno(f, key, "memory");
	t->backup = p->backup;
	t->pack = pack->pack;
	t->sum = pack->sum;
	rc = backup_find_pack(r, p->names[pack->backup], pack, &size, f);
	if (rc < 0)
		return -1;
	if (rc == 1) {
		t->result = VERIFY_GONE;
	} else if (rc == 2) {
		t->result = VERIFY_BAD;
		t->damaged = true;
		(void)snprintf(t->why, sizeof t->why,
		    "%llu bytes, its manifest says %llu",
		    (unsigned long long)size, (unsigned long long)pack->stored);
	}
	return 0;
}

/* 0, or -1 without memory. */
static int
lost(
    struct verify_state *v, const char *id, const char *object, const char *why)
{
	struct verify_finding *x = verify_add_finding(v, object, "%s", why);

	if (x == NULL)
		return -1;
	(void)snprintf(
	    x->cost, sizeof x->cost, "backup %s cannot be restored", id);
	return 0;
}

static int
verify_manifest(struct verify_state *v, size_t i, struct fail *f)
{
	struct packs p = { .v = v, .backup = i };
	const struct manifest_events events = {
		.head = see_head, .pack = see_pack, .arg = &p
	};
	size_t before = v->n_tasks;
	char key[LAYOUT_KEY_MAX];
	int rc = backup_read_manifest(v->repo, backup_at(v, i)->id, &events, f);

	free(p.names);
	v->out->backups++;
	if (rc == 0)
		return 0;
	/* What a manifest says is not to be trusted before its end. */
	while (v->n_tasks > before)
		free(v->tasks[--v->n_tasks].key);
	if (rc == 1) /* deleted meanwhile */
		return 0;
	if (f->kind != FAIL_DAMAGED)
		return -1;
	backup_key(&v->repo->layout, backup_at(v, i)->id, "manifest", key);
	rc = lost(v, backup_at(v, i)->id, key, f->cause);
	return rc == 0 ? 0 : fail_errno(f, key, "memory");
}

int
verify_manifests(struct verify_state *v, struct fail *f)
{
	for (size_t i = 0; i < v->survey.backups.n; i++) {
		const struct backup *b = backup_at(v, i);

		if (b->state == BACKUP_DAMAGED && verify_is_asked(v, b->id) &&
		    lost(v, b->id, b->id, b->why) != 0)
			return fail_errno(f, b->id, "memory");
		if (verify_is_selected(v, i) && verify_manifest(v, i, f) != 0)
			return -1;
	}
	return 0;
}

/* Does a file have a piece in the bad pack? */
static int
see_entry(void *arg, const struct manifest_entry *e, struct fail *f)
{
	struct packs *p = arg;
	char key[LAYOUT_KEY_MAX];
	size_t len = strlen(p->files);
	bool hit = false;

	(void)f;
	for (size_t i = 0; i < e->n_pieces && !hit; i++) {
		const struct manifest_piece *piece = &e->pieces[i];

		if (piece->pack == 0 || piece->backup >= p->n_names)
			continue;
		backup_pack_key(&p->v->repo->layout, p->names[piece->backup],
		    piece->pack, key);
		hit = strcmp(key, p->bad) == 0;
	}
	if (hit && ++p->n_files <= FILES_NAMED)
		(void)snprintf(p->files + len, sizeof p->files - len,
		    "%s%.150s", p->n_files > 1 ? ", " : "", e->path);
	return 0;
}

/* What a bad pack costs one backup: text is appended.  0 or -1. */
static int
add_cost(struct verify_state *v, size_t i, const char *bad, char cost[COST_MAX],
    struct fail *f)
{
	struct packs p = { .v = v, .backup = i, .bad = bad };
	const struct manifest_events events = {
		.head = see_head, .entry = see_entry, .arg = &p
	};
	size_t len = strlen(cost);
	char more[48] = "";
	int rc = backup_read_manifest(v->repo, backup_at(v, i)->id, &events, f);

	free(p.names);
	/* A damaged manifest was told already; what it says counts for nothing.
	 */
	if (rc < 0)
		return f->kind == FAIL_DAMAGED ? 0 : -1;
	if (p.n_files == 0)
		return 0;
	if (p.n_files > FILES_NAMED)
		(void)snprintf(more, sizeof more, " and %zu more",
		    p.n_files - FILES_NAMED);
	(void)snprintf(cost + len, COST_MAX - len,
	    "%sbackup %s cannot be restored: %s %s%s", len > 0 ? "; " : "",
	    backup_at(v, i)->id, p.n_files == 1 ? "file" : "files", p.files,
	    more);
	return 0;
}

static int
verify_pack(struct verify_state *v, const struct verify_task *t, struct fail *f)
{
	const char *id = backup_at(v, t->backup)->id;
	char cost[COST_MAX] = "";
	struct verify_finding *x;
	int rc;

	if (t->result == VERIFY_GONE) {
		/* It may have been expired meanwhile. */
		rc = backup_is_deleting(v->repo, id, f);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
	}
	for (size_t i = 0; i < v->survey.backups.n; i++)
		if (verify_is_selected(v, i) &&
		    add_cost(v, i, t->key, cost, f) != 0)
			return -1;
	x = verify_add_finding(v, t->key, "%s",
	    t->result == VERIFY_GONE ? "the pack is missing" : t->why);
	if (x == NULL)
		return fail_errno(f, t->key, "memory");
	(void)snprintf(x->cost, sizeof x->cost, "%s", cost);
	if (cost[0] == '\0')
		(void)snprintf(x->cost, sizeof x->cost,
		    "backup %s: no file lies in it", id);
	return 0;
}

int
verify_packs(struct verify_state *v, struct fail *f)
{
	for (size_t i = 0; i < v->n_tasks; i++) {
		const struct verify_task *t = &v->tasks[i];

		if (!t->is_wal &&
		    (t->result == VERIFY_BAD || t->result == VERIFY_GONE) &&
		    verify_pack(v, t, f) != 0)
			return -1;
	}
	return 0;
}
