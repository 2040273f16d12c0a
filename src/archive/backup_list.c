/* SPDX-License-Identifier: PostgreSQL */
/* Which backups a repository has: see backup.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup_lease.h"
#include "backup_note.h"

struct listing {
	struct repository *repo;
	struct backup_list *out;
	size_t cap, cap_leases;
	const char *prefix;
	/* Of the last backup in the list: */
	bool has_manifest, has_tombstone;
	size_t leases;
	struct fail *f;
};

/* What failed, in few words. */
static void
say_why(struct backup *b, const struct fail *f)
{
	b->newer |= f->kind == FAIL_CONFIG;
	(void)snprintf(
	    b->why, sizeof b->why, "%.*s", (int)sizeof b->why - 1, f->cause);
}

/* Damage is told in the list; what may pass is a failure of the list. */
static bool
is_damage(const struct fail *f)
{
	return f->kind == FAIL_DAMAGED || f->kind == FAIL_CONFIG;
}

static int
load_begin(struct listing *l, struct backup *b)
{
	int rc = backup_read_begin(l->repo, b->id, &b->begin, l->f);

	if (rc < 0 && !is_damage(l->f))
		return -1;
	if (rc < 0)
		say_why(b, l->f);
	b->has_begin = rc == 0;
	if (!b->has_begin)
		b->begin = (struct backup_begin){ 0 };
	return 0;
}

static int
load_summary(struct listing *l, struct backup *b)
{
	int rc = backup_read_summary(l->repo, b->id, &b->info, l->f);

	if (rc < 0 && !is_damage(l->f))
		return -1;
	if (rc != 0) {
		b->info = (struct manifest_summary){ 0 };
		b->state = rc < 0 ? BACKUP_DAMAGED : BACKUP_DELETING;
	}
	if (rc < 0)
		say_why(b, l->f);
	return 0;
}

/* All keys of the last backup have been seen: settle what it is. */
static int
end_backup(struct listing *l)
{
	struct backup *b;

	if (l->out->n == 0)
		return 0;
	b = &l->out->list[l->out->n - 1];
	/* A restore was killed that had come too late. */
	if (l->leases == b->objects) {
		l->out->n--;
		return 0;
	}
	if (l->has_tombstone)
		b->state = BACKUP_DELETING;
	else if (!l->has_manifest)
		b->state = BACKUP_UNFINISHED;
	else if (!b->has_begin) {
		b->state = BACKUP_DAMAGED;
		(void)snprintf(b->why, sizeof b->why,
		    "its begin is missing: deleted while it was finished");
	}
	if (b->has_begin && load_begin(l, b) != 0)
		return -1;
	return b->state == BACKUP_COMPLETE ? load_summary(l, b) : 0;
}

static int
begin_backup(struct listing *l, const char *id)
{
	struct backup *more;

	if (end_backup(l) != 0)
		return -1;
	if (l->out->n == l->cap) {
		l->cap = l->cap * 2 + 16;
		more = reallocarray(l->out->list, l->cap, sizeof *more);
		if (more == NULL)
			return fail_errno(l->f, id, "memory");
		l->out->list = more;
	}
	l->has_manifest = l->has_tombstone = false;
	l->leases = 0;
	l->out->list[l->out->n] = (struct backup){ 0 };
	(void)snprintf(l->out->list[l->out->n].id, BACKUP_ID, "%s", id);
	l->out->n++;
	return 0;
}

/* A hold that cannot be read holds for ever: nothing is lost by that. */
static int
add_hold(struct listing *l, struct backup *b, const char *key)
{
	struct backup_hold hold = { .until = INT64_MAX };
	int rc = backup_read_hold(l->repo, b->id, key, &hold, l->f);

	if (rc == 1)
		return 0;
	if (rc < 0 && !is_damage(l->f))
		return -1;
	if (rc < 0)
		(void)snprintf(hold.reason, sizeof hold.reason,
		    "a hold that cannot be read");
	if (b->holds == 0 || hold.until > b->held_until) {
		b->held_until = hold.until;
		memcpy(b->hold_reason, hold.reason, sizeof hold.reason);
	}
	b->holds++;
	return 0;
}

static int
add_lease(struct listing *l, const char *id, const char *key,
    const struct store_info *info)
{
	struct backup_list *out = l->out;
	struct backup_lease *more;
	int rc;

	l->leases++;
	if (out->n_leases == l->cap_leases) {
		l->cap_leases = l->cap_leases * 2 + 4;
		more = reallocarray(out->leases, l->cap_leases, sizeof *more);
		if (more == NULL)
			return fail_errno(l->f, key, "memory");
		out->leases = more;
	}
	rc = backup_lease_read(
	    l->repo, id, key, info, &out->leases[out->n_leases], l->f);
	out->n_leases += rc == 0;
	return rc < 0 ? -1 : 0;
}

/* .../backup/ID/NAME */
static int
take_key(void *arg, const char *key, const struct store_info *info)
{
	struct listing *l = arg;
	const char *own = key + strlen(l->prefix), *name = strchr(own, '/');
	char id[BACKUP_ID];
	struct backup *b;

	if (name == NULL || (size_t)(name - own) >= sizeof id)
		return 0;
	memcpy(id, own, (size_t)(name - own));
	id[name - own] = '\0';
	if (!backup_is_id(id))
		return 0;
	if ((l->out->n == 0 ||
	        strcmp(l->out->list[l->out->n - 1].id, id) != 0) &&
	    begin_backup(l, id) != 0)
		return -1;
	name++;
	b = &l->out->list[l->out->n - 1];
	b->objects++;
	b->stored += info->size;
	if (b->objects == 1 || info->mtime > b->newest)
		b->newest = info->mtime;
	if (strcmp(name, "begin") == 0)
		b->has_begin = true;
	else if (strcmp(name, "manifest") == 0)
		l->has_manifest = true;
	else if (strcmp(name, "tombstone") == 0)
		l->has_tombstone = true;
	else if (backup_is_hold(name))
		return add_hold(l, b, key);
	else if (backup_is_lease(name))
		return add_lease(l, id, key, info);
	return 0;
}

int
backup_list_load(struct repository *r, struct backup_list *out, struct fail *f)
{
	struct listing l = { .repo = r, .out = out, .f = f };
	char prefix[LAYOUT_KEY_MAX];
	int rc;

	*out = (struct backup_list){ 0 };
	backup_prefix(&r->layout, prefix);
	l.prefix = prefix;
	rc = store_list(r->store, prefix, take_key, &l, f);
	if (rc == 0)
		rc = end_backup(&l);
	if (rc != 0)
		backup_list_clear(out);
	return rc == 0 ? 0 : -1;
}

/* What one of two stores says of a backup's holds. */
static void
merge_holds(struct backup *into, const struct backup *from)
{
	if (from->holds > 0 &&
	    (into->holds == 0 || from->held_until > into->held_until)) {
		into->held_until = from->held_until;
		memcpy(into->hold_reason, from->hold_reason,
		    sizeof into->hold_reason);
	}
	into->holds += from->holds;
}

/* The other's word on a backup that both have. */
static void
merge_one(struct backup *into, const struct backup *from)
{
	const struct backup *hold = from;
	struct backup was;

	if (into->state != BACKUP_COMPLETE && from->state == BACKUP_COMPLETE) {
		was = *into;
		*into = *from;
		hold = &was;
	}
	merge_holds(into, hold);
}

static int
compare_leases(const void *a, const void *b)
{
	const struct backup_lease *x = a, *y = b;
	int order = strcmp(x->id, y->id);

	return order != 0 ? order : strcmp(x->name, y->name);
}

/* One that is in both is told once. */
static int
merge_leases(struct backup_list *into, const struct backup_list *from)
{
	struct backup_lease *all;
	size_t n = into->n_leases + from->n_leases, kept = 0;

	if (from->n_leases == 0)
		return 0;
	all = reallocarray(into->leases, n, sizeof *all);
	if (all == NULL)
		return -1;
	memcpy(
	    all + into->n_leases, from->leases, from->n_leases * sizeof *all);
	qsort(all, n, sizeof *all, compare_leases);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || compare_leases(&all[kept - 1], &all[i]) != 0)
			all[kept++] = all[i];
	into->leases = all;
	into->n_leases = kept;
	return 0;
}

int
backup_list_merge(struct backup_list *into, struct backup_list *from)
{
	struct backup *all = calloc(into->n + from->n + 1, sizeof *all);
	size_t a = 0, b = 0, n = 0;

	if (all == NULL || merge_leases(into, from) != 0) {
		free(all);
		backup_list_clear(from);
		return -1;
	}
	while (a < into->n || b < from->n) {
		int order = a == into->n ? 1
		    : b == from->n       ? -1
		                   : strcmp(into->list[a].id, from->list[b].id);

		all[n] = order <= 0 ? into->list[a++] : from->list[b];
		if (order == 0)
			merge_one(&all[n], &from->list[b]);
		b += order >= 0;
		n++;
	}
	free(into->list);
	into->list = all;
	into->n = n;
	backup_list_clear(from);
	return 0;
}

int
backup_list_copy(const struct backup_list *from, struct backup_list *to)
{
	*to = (struct backup_list){ 0 };
	to->list = calloc(from->n + 1, sizeof *to->list);
	to->leases = calloc(from->n_leases + 1, sizeof *to->leases);
	if (to->list == NULL || to->leases == NULL) {
		backup_list_clear(to);
		return -1;
	}
	if (from->n > 0)
		memcpy(to->list, from->list, from->n * sizeof *to->list);
	if (from->n_leases > 0)
		memcpy(to->leases, from->leases,
		    from->n_leases * sizeof *to->leases);
	to->n = from->n;
	to->n_leases = from->n_leases;
	return 0;
}

void
backup_list_clear(struct backup_list *l)
{
	free(l->list);
	free(l->leases);
	*l = (struct backup_list){ 0 };
}

const struct backup *
backup_find(const struct backup_list *l, const char *id)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->list[i].id, id) == 0)
			return &l->list[i];
	return NULL;
}
