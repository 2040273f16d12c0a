/* SPDX-License-Identifier: PostgreSQL */
/* Deleting what was decided to go, but for the WAL: see expire_job.h. */
#include <string.h>

#include "backup_lease.h"
#include "expire_job.h"
#include "log.h"

const struct expire_backup *
expire_find(const struct expire_report *r, const char *id)
{
	for (size_t i = 0; i < r->n_backups; i++)
		if (strcmp(r->backups[i].backup.id, id) == 0)
			return &r->backups[i];
	return NULL;
}

/*
 * A full store has no room for a tombstone.  The manifest goes first then, as
 * it does in any deletion: that makes room.  0, 1 needed meanwhile, -1.
 */
static int
delete_without_room(struct expiring *e, const struct backup *b, struct fail *f)
{
	struct backup_list now;
	const struct backup *again;
	char key[LAYOUT_KEY_MAX];
	int needed;

	if (b->state != BACKUP_COMPLETE)
		return -1;
	if (backup_list_load(e->repo, &now, f) != 0)
		return -1;
	again = backup_find(&now, b->id);
	needed = again != NULL && again->holds > b->holds;
	backup_list_clear(&now);
	if (needed == 0)
		needed = backup_is_leased(e->repo, b->id, e->times.store, f);
	if (needed != 0)
		return needed;
	backup_key(&e->repo->layout, b->id, "manifest", key);
	if (store_del(e->repo->store, key, f) < 0)
		return -1;
	return backup_delete(e->repo, b->id, false, &e->times, f);
}

static void
count_failure(struct expiring *e, const char *what, const struct fail *f)
{
	log_fail(LOG_ERROR, what, f);
	if (e->out->failed++ == 0)
		*e->f = *f;
}

void
expire_backup(struct expiring *e, struct expire_backup *x)
{
	struct expire_report *out = e->out;
	struct fail f;
	int rc = 0;

	if (!e->args->dry_run)
		rc = backup_delete(e->repo, x->backup.id,
		    x->backup.state == BACKUP_UNFINISHED, &e->times, &f);
	if (rc < 0 && f.kind == FAIL_SPACE)
		rc = delete_without_room(e, &x->backup, &f);
	if (rc == 1) { /* finished, held or restored from meanwhile */
		x->keep = true;
		x->reasons = RETAIN_PINNED;
		return;
	}
	if (rc != 0) {
		count_failure(e, "delete backup", &f);
		x->failed = true;
		return;
	}
	out->backups_deleted++;
	out->objects_deleted += x->backup.objects;
	out->bytes_deleted += x->backup.stored;
	if (!e->args->dry_run)
		log_info("backup deleted: %s stored=%llu", x->backup.id,
		    (unsigned long long)x->backup.stored);
}

void
expire_leases(struct expiring *e, const struct survey *s)
{
	struct expire_report *out = e->out;

	for (size_t i = 0; i < s->backups.n_leases; i++) {
		const struct backup_lease *l = &s->backups.leases[i];
		const struct expire_backup *x = expire_find(out, l->id);
		struct fail f;

		if (backup_lease_until(l) > e->times.store ||
		    (x != NULL && !x->keep))
			continue;
		if (!e->args->dry_run &&
		    backup_lease_end(e->repo, l, &f) != 0) {
			count_failure(e, "delete lease", &f);
			continue;
		}
		out->objects_deleted++;
		out->bytes_deleted += l->stored;
	}
}
