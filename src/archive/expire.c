/* SPDX-License-Identifier: PostgreSQL */
/* Deletes what no rule keeps: see expire.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expire_wal.h"
#include "log.h"
#include "sweep.h"

struct expiring {
	struct repository *repo;
	const struct identity *id;
	const struct expire_args *args;
	struct expire_report *out;
	struct fail *f; /* the first failure */
};

/*
 * How long nothing was added to a backup, by the store's clock: nothing newer
 * than its newest object counts as later, and this host's clock neither.
 */
static bool
is_broken(
    const struct expiring *e, const struct survey *s, const struct backup *b)
{
	int64_t now = retain_now(e->args->clock, INT64_MIN, s->store);

	return e->args->broken && now > b->newest &&
	    (uint64_t)(now - b->newest) / 1000 >= e->args->broken_age_ms;
}

/* Was a taken after b, which may say no more than where it began? */
static bool
is_later(const struct backup *a, const struct backup *b)
{
	if (!b->has_begin)
		return strcmp(a->id, b->id) > 0;
	return a->info.start_tli > b->begin.tli ||
	    (a->info.start_tli == b->begin.tli &&
	        a->info.start_lsn > b->begin.from_lsn);
}

static bool
has_better(const struct survey *s, const struct backup *b)
{
	for (size_t i = 0; i < s->backups.n; i++) {
		const struct backup *o = &s->backups.list[i];

		if (o->state == BACKUP_COMPLETE && o->info.bad_pages == 0 &&
		    is_later(o, b))
			return true;
	}
	return false;
}

static bool
is_to_go(const struct expiring *e, const struct survey *s,
    const struct retain_plan *p, size_t i)
{
	const struct backup *b = survey_backup(s, i);
	const struct retain_verdict *v = &p->backups[i];

	if (p->unclear != 0)
		return false;
	switch (b->state) {
	case BACKUP_COMPLETE:
		return !v->keep && !p->no_rule;
	case BACKUP_UNFINISHED:
		return is_broken(e, s, b) && (v->reasons & RETAIN_HELD) == 0;
	case BACKUP_DAMAGED:
		return is_broken(e, s, b) && has_better(s, b) &&
		    (v->reasons & RETAIN_HELD) == 0;
	case BACKUP_DELETING:
		break;
	}
	/* A deletion that was cut short is brought to its end. */
	return !p->no_rule || e->args->broken;
}

static struct expire_backup *
report_backup(struct expire_report *out, const struct backup *b)
{
	struct expire_backup *x = &out->backups[out->n_backups++];

	*x = (struct expire_backup){ .backup = *b };
	return x;
}

/* Every backup with its fate, in the order of their ids. */
static int
report_backups(
    struct expiring *e, const struct survey *s, const struct retain_plan *p)
{
	struct expire_report *out = e->out;

	out->backups = calloc(s->backups.n + 1, sizeof *out->backups);
	if (out->backups == NULL)
		return fail_errno(e->f, "backups", "memory");
	for (size_t i = 0; i < s->backups.n; i++) {
		const struct backup *b = &s->backups.list[i];
		struct expire_backup *x = report_backup(out, b);

		x->keep = p->unclear != 0 || (p->no_rule && !e->args->broken);
		for (size_t k = 0; k < s->n; k++) {
			if (survey_backup(s, k) != b)
				continue;
			x->keep = !is_to_go(e, s, p, k);
			x->damaged = s->list[k].bad_pages &&
			    b->info.bad_pages == 0;
			x->reasons = p->backups[k].reasons;
			x->all_wal = p->backups[k].all_wal;
		}
	}
	return 0;
}

/*
 * A full store has no room for a tombstone.  The manifest goes first then, as
 * it does in any deletion: that makes room.  0, 1 held meanwhile, -1.
 */
static int
delete_without_room(struct expiring *e, const struct backup *b, struct fail *f)
{
	struct backup_list now;
	const struct backup *again;
	char key[LAYOUT_KEY_MAX];
	bool held;

	if (b->state != BACKUP_COMPLETE)
		return -1;
	if (backup_list_load(e->repo, &now, f) != 0)
		return -1;
	again = backup_find(&now, b->id);
	held = again != NULL && again->holds > b->holds;
	backup_list_clear(&now);
	if (held)
		return 1;
	backup_key(&e->repo->layout, b->id, "manifest", key);
	if (store_del(e->repo->store, key, f) < 0)
		return -1;
	return backup_delete(e->repo, b->id, false, f);
}

static void
delete_one(struct expiring *e, struct expire_backup *x)
{
	struct expire_report *out = e->out;
	struct fail f;
	int rc = 0;

	if (!e->args->dry_run)
		rc = backup_delete(e->repo, x->backup.id,
		    x->backup.state == BACKUP_UNFINISHED, &f);
	if (rc < 0 && f.kind == FAIL_SPACE)
		rc = delete_without_room(e, &x->backup, &f);
	if (rc == 1) { /* finished, or held, meanwhile */
		x->keep = true;
		x->reasons = RETAIN_PINNED;
		return;
	}
	if (rc != 0) {
		log_fail(LOG_ERROR, "delete backup", &f);
		x->failed = true;
		if (out->failed++ == 0)
			*e->f = f;
		return;
	}
	out->backups_deleted++;
	out->objects_deleted += x->backup.objects;
	out->bytes_deleted += x->backup.stored;
	if (!e->args->dry_run)
		log_info("backup deleted: %s stored=%llu", x->backup.id,
		    (unsigned long long)x->backup.stored);
}

static const struct expire_backup *
find_reported(const struct expire_report *r, const char *id)
{
	for (size_t i = 0; i < r->n_backups; i++)
		if (strcmp(r->backups[i].backup.id, id) == 0)
			return &r->backups[i];
	return NULL;
}

/*
 * What is there now stays: this run has decided about what was there before.
 * With dry_run, as if it had been deleted.
 */
static void
pin(const struct expiring *e, struct survey *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct expire_backup *x = find_reported(
		    e->out, s->list[i].id);

		if (x != NULL && !x->keep && e->args->dry_run)
			continue;
		s->list[n] = s->list[i];
		s->list[n].pinned = true;
		s->list[n].bad_pages |= x != NULL && x->damaged;
		n++;
	}
	s->n = n;
}

/* The WAL, from a listing that is newer than the last deletion. */
static int
expire_all_wal(struct expiring *e)
{
	struct survey s;
	struct retain_plan p;
	int rc;

	if (survey_load(e->repo, e->id, &s, e->f) != 0)
		return -1;
	pin(e, &s);
	rc = survey_decide(&s, &e->args->rules, e->args->clock, &p, e->f);
	if (rc == 0) {
		e->out->no_backup = p.no_backup;
		e->out->unclear = p.unclear;
		rc = expire_wal(&s, &p, e->args->dry_run, e->out, e->f);
		retain_clear(&p);
	}
	survey_clear(&s);
	return rc;
}

/* What backup_is_whole asks of a pack. */
struct presence {
	struct repository *repo;
	const char *id;
};

static int
see_pack(void *arg, const struct manifest_pack *pack, struct fail *f)
{
	const struct presence *p = arg;
	char key[LAYOUT_KEY_MAX];
	struct store_info info;
	int rc;

	/* Another backup's pack is that one's affair. */
	if (pack->backup != 0)
		return 0;
	backup_pack_key(&p->repo->layout, p->id, pack->pack, key);
	rc = store_stat(p->repo->store, key, &info, f);
	if (rc == 1 || (rc == 0 && info.size != pack->stored))
		return fail_set(f, FAIL_DAMAGED, key,
		    rc == 1 ? "the pack is missing" : "its size is wrong");
	return rc;
}

/* 0 its manifest can be read and its packs are there, 1 not so, -1. */
static int
is_not_whole(struct expiring *e, const char *id)
{
	struct presence p = { .repo = e->repo, .id = id };
	const struct manifest_events events = { .pack = see_pack, .arg = &p };
	int rc = backup_read_manifest(e->repo, id, &events, e->f);

	if (rc >= 0)
		return rc;
	if (e->f->kind != FAIL_DAMAGED)
		return -1;
	log_error("expire: backup %s: it is damaged, and does not count as a "
	          "good one: %s: %s",
	    id, e->f->object, e->f->cause);
	return 1;
}

/*
 * Before anything is deleted: is what counts as the last good backup one?
 * 0 yes, 1 not all of them: they are marked now, decide again; -1.
 */
static int
check_last_good(
    struct expiring *e, struct survey *s, const struct retain_plan *p)
{
	bool goes = false;
	int again = 0;

	for (size_t i = 0; i < s->n; i++)
		goes |= is_to_go(e, s, p, i);
	for (size_t i = 0; goes && i < s->n; i++) {
		int rc;

		if ((p->backups[i].reasons & RETAIN_LAST_GOOD) == 0)
			continue;
		rc = is_not_whole(e, s->list[i].id);
		if (rc < 0)
			return -1;
		if (rc == 0)
			continue;
		s->list[i].bad_pages = true;
		again = 1;
	}
	return again;
}

static int
decide(struct expiring *e, struct survey *s, struct retain_plan *p)
{
	int rc;

	do {
		if (survey_decide(
		        s, &e->args->rules, e->args->clock, p, e->f) != 0)
			return -1;
		rc = check_last_good(e, s, p);
		if (rc != 0)
			retain_clear(p);
	} while (rc == 1);
	return rc;
}

/* The backups.  What is decided about them holds for the whole run. */
static int
expire_backups(struct expiring *e)
{
	struct expire_report *out = e->out;
	struct survey s;
	struct retain_plan p;
	int rc;

	if (survey_load(e->repo, e->id, &s, e->f) != 0)
		return -1;
	rc = decide(e, &s, &p);
	if (rc == 0) {
		out->now = retain_now(e->args->clock, s.server, s.store);
		out->window = p.window;
		out->no_rule = p.no_rule;
		out->no_backup = p.no_backup;
		rc = report_backups(e, &s, &p);
		retain_clear(&p);
	}
	survey_clear(&s);
	for (size_t i = 0; rc == 0 && i < out->n_backups; i++)
		if (!out->backups[i].keep)
			delete_one(e, &out->backups[i]);
	return rc;
}

static int
history_missing(uint32_t tli, struct fail *f)
{
	char name[32];

	(void)snprintf(name, sizeof name, "timeline %" PRIu32, tli);
	(void)fail_set(f, FAIL_ABSENT, name,
	    "its history file %08" PRIX32 ".history is not in the repository: "
	    "what its past needs cannot be told, nothing is deleted",
	    tli);
	return fail_hint(f,
	    "archive it from a server's pg_wal: walpush pg_wal/%08" PRIX32
	    ".history",
	    tli);
}

int
expire(struct repository *r, const struct identity *id,
    const struct expire_args *args, struct expire_report *out, struct fail *f)
{
	struct expiring e = {
		.repo = r, .id = id, .args = args, .out = out, .f = f
	};

	*out = (struct expire_report){ .clock = args->clock,
		.segsize = id->segsize };
	if (expire_backups(&e) != 0 || expire_all_wal(&e) != 0)
		return -1;
	if (!args->dry_run && sweep_system(r, out->now, f) != 0)
		return -1;
	if (out->failed > 0)
		return -1;
	return out->unclear != 0 ? history_missing(out->unclear, f) : 0;
}

void
expire_clear(struct expire_report *r)
{
	free(r->backups);
	free(r->wal);
	*r = (struct expire_report){ 0 };
}
