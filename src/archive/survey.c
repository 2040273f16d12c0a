/* SPDX-License-Identifier: PostgreSQL */
/* What a repository holds: see survey.h. */
#include <stdlib.h>
#include <string.h>

#include "backup_lease.h"
#include "object.h"
#include "survey.h"

/* So many of a timeline's last segments are asked for times. */
#define LAST_SEGMENTS 4

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* An idle timeline's last segments may have no times in them. */
static int
last_times(struct survey *s, const struct index_timeline *t, int64_t *latest,
    struct fail *f)
{
	struct repository *r = s->index.repo;
	size_t n = t->segments.n;

	for (size_t i = 0; i < LAST_SEGMENTS && i < n; i++) {
		struct object_header h;
		char key[LAYOUT_KEY_MAX];
		int rc;

		layout_wal(
		    &r->layout, &t->segments.list[n - 1 - i].name, NULL, key);
		rc = object_read_header(r->store, &r->layout, key, &h, f);
		if (rc < 0 && f->kind != FAIL_DAMAGED)
			return -1;
		if (rc != 0 || !h.has_facts)
			continue;
		*latest = later(*latest, h.facts.timed_max);
		if (h.facts.xacts > 0)
			*latest = later(*latest, h.facts.xact_time_max);
	}
	return 0;
}

static int
add_timeline(struct survey *s, const struct index_timeline *t, struct fail *f)
{
	int64_t server = INT64_MIN;
	struct retain_timeline *out = &s->timelines[s->n_timelines++];

	*out = (struct retain_timeline){ .history = &t->history,
		.known = t->tli == 1 || t->has_history,
		.has_wal = t->segments.n > 0 || t->partials.n > 0,
		.first_segno = UINT64_MAX,
		.until = INT64_MIN };
	for (size_t i = 0; i < t->segments.n; i++)
		out->until = later(out->until, t->segments.list[i].mtime);
	for (size_t i = 0; i < t->partials.n; i++) {
		out->until = later(out->until, t->partials.list[i].mtime);
		if (t->partials.list[i].segno < out->first_segno)
			out->first_segno = t->partials.list[i].segno;
	}
	if (t->segments.n > 0 && t->segments.list[0].segno < out->first_segno)
		out->first_segno = t->segments.list[0].segno;
	if (last_times(s, t, &server, f) != 0)
		return -1;
	s->store = later(s->store, out->until);
	s->server = later(s->server, server);
	out->until = later(out->until, server);
	return 0;
}

/*
 * A kind of backup that this version does not know may need others, which
 * cannot be told from the list.
 */
static int
check_type(const struct backup *b, struct fail *f)
{
	if (b->newer)
		(void)fail_set(f, FAIL_REFUSED, b->id,
		    "a backup that this version cannot read: %s", b->why);
	else if (b->state != BACKUP_COMPLETE ||
	    strcmp(b->info.type, "full") == 0)
		return 0;
	else
		(void)fail_set(f, FAIL_REFUSED, b->id,
		    "a backup of type '%s': this version does not know what it "
		    "needs",
		    b->info.type);
	return fail_hint(f, "use the version of walvault that made it");
}

static int
add_backup(struct survey *s, const struct backup *b, struct fail *f)
{
	struct retain_backup *out = &s->list[s->n];

	s->store = later(s->store, b->newest);
	if (check_type(b, f) != 0)
		return -1;
	*out = (struct retain_backup){ .id = b->id,
		.start_tli = b->has_begin ? b->begin.tli : 0,
		.start_lsn = b->has_begin ? b->begin.from_lsn : 0,
		.held_until = b->holds > 0 ? b->held_until : RETAIN_NOT_HELD };
	switch (b->state) {
	case BACKUP_DELETING:
		/* Who deletes it may yet leave it alone, while it has begin. */
		if (!b->has_begin)
			return 0;
		out->state = RETAIN_UNFINISHED;
		break;
	case BACKUP_UNFINISHED:
		out->state = RETAIN_UNFINISHED;
		break;
	case BACKUP_DAMAGED:
		out->state = RETAIN_DAMAGED;
		break;
	case BACKUP_COMPLETE:
		out->state = RETAIN_COMPLETE;
		out->bad_pages = b->info.bad_pages > 0;
		out->start_tli = b->info.start_tli;
		out->stop_tli = b->info.stop_tli;
		out->start_lsn = b->info.start_lsn;
		out->stop_lsn = b->info.stop_lsn;
		out->stop_time = b->info.stop_time;
		s->server = later(s->server, b->info.stop_time);
		break;
	}
	s->n++;
	return 0;
}

static void
add_lease(struct survey *s, const struct backup_lease *l)
{
	s->leases[s->n_leases++] = (struct retain_lease){
		.id = l->id, .to_lsn = l->to_lsn, .until = backup_lease_until(l)
	};
}

int
survey_load(struct repository *r, const struct identity *id, struct survey *out,
    struct fail *f)
{
	int rc = 0;

	*out = (struct survey){ .server = INT64_MIN, .store = INT64_MIN };
	/* WAL first: a backup that begins meanwhile is seen. */
	if (index_load(r, id, &out->index, f) != 0)
		return -1;
	if (backup_list_load(r, &out->backups, f) != 0) {
		index_clear(&out->index);
		return -1;
	}
	out->list = calloc(out->backups.n + 1, sizeof *out->list);
	out->leases = calloc(out->backups.n_leases + 1, sizeof *out->leases);
	out->timelines = calloc(out->index.n + 1, sizeof *out->timelines);
	if (out->list == NULL || out->leases == NULL ||
	    out->timelines == NULL) {
		survey_clear(out);
		return fail_errno(f, "backups", "memory");
	}
	for (size_t i = 0; rc == 0 && i < out->index.n; i++)
		rc = add_timeline(out, &out->index.timelines[i], f);
	for (size_t i = 0; rc == 0 && i < out->backups.n; i++)
		rc = add_backup(out, &out->backups.list[i], f);
	for (size_t i = 0; i < out->backups.n_leases; i++)
		add_lease(out, &out->backups.leases[i]);
	if (rc != 0)
		survey_clear(out);
	return rc;
}

void
survey_clear(struct survey *s)
{
	free(s->list);
	free(s->leases);
	free(s->timelines);
	backup_list_clear(&s->backups);
	index_clear(&s->index);
	*s = (struct survey){ 0 };
}

int64_t
survey_store_now(const struct survey *s, int64_t clock)
{
	return retain_believed(
	    retain_now(clock, INT64_MIN, s->store), s->list, s->n);
}

int64_t
survey_now(const struct survey *s, int64_t clock)
{
	return retain_believed(
	    retain_now(clock, s->server, s->store), s->list, s->n);
}

int
survey_decide(const struct survey *s, const struct retain_rules *rules,
    int64_t clock, struct retain_plan *out, struct fail *f)
{
	struct retain_input in = { .rules = *rules,
		.now = survey_now(s, clock),
		.store_now = survey_store_now(s, clock),
		.segsize = s->index.id.segsize,
		.backups = s->list,
		.n_backups = s->n,
		.leases = s->leases,
		.n_leases = s->n_leases,
		.timelines = s->timelines,
		.n_timelines = s->n_timelines };

	return retain_decide(&in, out) == 0
	    ? 0
	    : fail_errno(f, "retention", "memory");
}

const struct backup *
survey_backup(const struct survey *s, size_t i)
{
	return backup_find(&s->backups, s->list[i].id);
}
