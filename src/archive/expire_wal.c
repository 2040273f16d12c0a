/* SPDX-License-Identifier: PostgreSQL */
/* The WAL's part of an expire: see expire_wal.h. */
#include <stdlib.h>
#include <string.h>

#include "backup_lease.h"
#include "clock.h"
#include "expire_wal.h"
#include "log.h"

/* So long at most WAL is deleted without a look at who has begun. */
#define LOOK_MS 1000

/* So many failures to delete: the store does not let us. */
#define FAILURES_MAX 16

struct doomed {
	char *key;
	uint64_t stored, segno;
	size_t group; /* its place in out->wal */
};

struct sorting {
	const struct survey *survey;
	const struct retain_plan *plan;
	struct expire_report *out;
	struct doomed *doomed;
	size_t n, cap;
	struct fail *f;
};

/*
 * The segment that an object belongs to.  0, 1 to none: a history, or not
 * ours.
 */
static int
segment_of(const char *key, struct walname *name)
{
	const char *last = strrchr(key, '/'), *aside;
	char text[LAYOUT_KEY_MAX];

	switch (layout_parse_wal(key, name)) {
	case LAYOUT_SEGMENT:
	case LAYOUT_PARTIAL:
	case LAYOUT_BACKUP:
		return 0;
	case LAYOUT_HISTORY:
	case LAYOUT_OTHER:
		return 1;
	case LAYOUT_ASIDE:
		break;
	}
	/* What it was called before it was set aside. */
	aside = strstr(last != NULL ? last : key, ".damaged-");
	if (aside == NULL || (size_t)(aside - key) >= sizeof text)
		return 1;
	memcpy(text, key, (size_t)(aside - key));
	text[aside - key] = '\0';
	switch (layout_parse_wal(text, name)) {
	case LAYOUT_SEGMENT:
	case LAYOUT_PARTIAL:
	case LAYOUT_BACKUP:
		return 0;
	default:
		return 1;
	}
}

/* The backup that needs a kept segment: the one that needs most of them. */
static void
find_need(const struct sorting *s, struct expire_wal *w)
{
	const struct retain_plan *p = s->plan;
	const struct retain_range *best = NULL;

	for (size_t i = 0; i < p->n_ranges; i++) {
		const struct retain_range *r = &p->ranges[i];

		if (r->tli != w->tli || w->first < r->first ||
		    w->first > r->last)
			continue;
		if (best == NULL || r->last > best->last ||
		    (r->last == best->last && r->first < best->first))
			best = r;
	}
	if (best == NULL || best->backup == RETAIN_NO_BACKUP)
		return;
	w->restore = best->restore;
	w->to_stop = !w->restore && best->last != UINT64_MAX;
	memcpy(w->needed_by, survey_backup(s->survey, best->backup)->id,
	    sizeof w->needed_by);
}

/* Does w go on where the last group ends, with the same fate? */
static bool
joins(const struct expire_wal *last, const struct expire_wal *w)
{
	return last->tli == w->tli && last->keep == w->keep &&
	    (w->first == last->last || w->first == last->last + 1) &&
	    last->to_stop == w->to_stop && last->restore == w->restore &&
	    strcmp(last->needed_by, w->needed_by) == 0;
}

static int
report_wal(struct expire_report *out, const struct expire_wal *w)
{
	struct expire_wal *last = out->n_wal > 0 ? &out->wal[out->n_wal - 1]
	                                         : NULL,
	                  *more;

	if (last != NULL && joins(last, w)) {
		last->last = w->last;
		last->objects++;
		last->stored += w->stored;
		return 0;
	}
	more = reallocarray(out->wal, out->n_wal + 1, sizeof *more);
	if (more == NULL)
		return -1;
	out->wal = more;
	more[out->n_wal++] = *w;
	return 0;
}

/* It belongs to the group that was reported last. */
static int
doom(struct sorting *s, const char *key, const struct expire_wal *w)
{
	if (s->n == s->cap) {
		size_t cap = s->cap == 0 ? 256 : s->cap * 2;
		struct doomed *more = reallocarray(
		    s->doomed, cap, sizeof *more);

		if (more == NULL)
			return -1;
		s->doomed = more;
		s->cap = cap;
	}
	s->doomed[s->n].key = strdup(key);
	if (s->doomed[s->n].key == NULL)
		return -1;
	s->doomed[s->n].stored = w->stored;
	s->doomed[s->n].segno = w->first;
	s->doomed[s->n++].group = s->out->n_wal - 1;
	return 0;
}

static int
sort_object(void *arg, const char *key, const struct store_info *info)
{
	struct sorting *s = arg;
	struct expire_wal w = { .objects = 1, .stored = info->size };
	struct walname name;

	if (segment_of(key, &name) != 0)
		return 0;
	w.tli = name.tli;
	w.first = w.last = walname_segno(&name, s->survey->index.id.segsize);
	w.keep = retain_keeps_wal(s->plan, w.tli, w.first);
	if (w.keep)
		find_need(s, &w);
	if (report_wal(s->out, &w) != 0 || (!w.keep && doom(s, key, &w) != 0))
		return fail_errno(s->f, key, "memory");
	return 0;
}

/*
 * What is left from here on stays in this run: a group that was begun is told
 * of by what is left of it.
 */
static void
spare(struct sorting *s, size_t from)
{
	for (size_t i = from; i < s->n; i++) {
		const struct doomed *d = &s->doomed[i];
		struct expire_wal *w = &s->out->wal[d->group];

		if (w->failed > 0) {
			w->failed++;
			continue;
		}
		if (!w->spared) {
			w->spared = w->keep = true;
			w->first = d->segno;
			w->objects = 0;
			w->stored = 0;
		}
		w->objects++;
		w->stored += d->stored;
	}
	log_info("expire: a restore or a backup has begun: the rest of the WAL "
	         "is left to the next run: objects=%zu",
	    s->n - from);
}

/*
 * A restore or a backup that began behind our listing may need what seemed of
 * no use; both look for their WAL afterwards.  1 there is one, 0 no, -1.
 */
static int
newcomer(struct sorting *s, int64_t *looked)
{
	int64_t now = clock_monotonic_ms();
	struct fail f;
	int rc;

	if (*looked != 0 && now - *looked < LOOK_MS)
		return 0;
	*looked = now;
	rc = backup_has_newcomer(
	    s->survey->index.repo, &s->survey->backups, &f);
	if (rc < 0) {
		log_fail(LOG_ERROR, "delete WAL", &f);
		if (s->out->failed++ == 0)
			*s->f = f;
	}
	return rc;
}

struct deleting {
	struct sorting *sorting;
	size_t from; /* of the batch */
	size_t failed, n;
	uint64_t bytes;
};

static void
count_failure(struct deleting *d, const struct fail *f)
{
	struct sorting *s = d->sorting;

	d->failed++;
	if (d->failed <= FAILURES_MAX)
		log_fail(LOG_ERROR, "delete WAL", f);
	if (s->out->failed++ == 0)
		*s->f = *f;
}

/* These are still there, or nobody knows. */
static void
tell_left(struct sorting *s, size_t from, size_t n)
{
	for (size_t i = from; i < from + n; i++)
		s->out->wal[s->doomed[i].group].failed++;
}

static void
not_deleted(void *arg, size_t i, const struct fail *f)
{
	struct deleting *d = arg;

	count_failure(d, f);
	tell_left(d->sorting, d->from + i, 1);
	d->n--;
	d->bytes -= d->sorting->doomed[d->from + i].stored;
}

static void
delete_batch(struct deleting *d, size_t from, size_t n)
{
	struct sorting *s = d->sorting;
	const char *keys[STORE_BATCH_MAX];
	struct store_batch b = {
		.keys = keys, .n = n, .failed = not_deleted, .arg = d
	};
	struct deleting before = *d;
	struct fail f;

	d->from = from;
	for (size_t i = 0; i < n; i++) {
		keys[i] = s->doomed[from + i].key;
		d->bytes += s->doomed[from + i].stored;
	}
	d->n += n;
	if (store_del_many(s->survey->index.repo->store, &b, &f) == 0 ||
	    d->failed > before.failed)
		return;
	/* The whole request failed: nobody knows what is left. */
	d->n = before.n;
	d->bytes = before.bytes;
	tell_left(s, from, n);
	count_failure(d, &f);
	d->failed = FAILURES_MAX;
}

/* In the order of the listing: what is left of a timeline has no new gap. */
static void
delete_all(struct sorting *s)
{
	struct expire_report *out = s->out;
	struct deleting d = { .sorting = s };
	size_t step = store_batch_size(s->survey->index.repo->store);
	int64_t looked = 0;
	size_t i, n;
	int rc = 0;

	for (i = 0; i < s->n && d.failed < FAILURES_MAX; i += n) {
		rc = newcomer(s, &looked);
		if (rc != 0)
			break;
		n = s->n - i < step ? s->n - i : step;
		delete_batch(&d, i, n);
	}
	if (rc > 0)
		spare(s, i);
	else
		tell_left(s, i, s->n - i);
	out->objects_deleted += d.n;
	out->bytes_deleted += d.bytes;
	if (d.n > 0)
		log_info("WAL deleted: objects=%zu stored=%llu", d.n,
		    (unsigned long long)d.bytes);
}

static void
count_all(struct sorting *s)
{
	s->out->objects_deleted += s->n;
	for (size_t i = 0; i < s->n; i++)
		s->out->bytes_deleted += s->doomed[i].stored;
}

int
expire_wal(const struct survey *survey, const struct retain_plan *p,
    bool dry_run, struct expire_report *out, struct fail *f)
{
	struct sorting s = { .survey = survey, .plan = p, .out = out, .f = f };
	struct repository *r = survey->index.repo;
	char prefix[LAYOUT_KEY_MAX];
	int rc;

	layout_wal_prefix(&r->layout, prefix);
	rc = store_list(r->store, prefix, sort_object, &s, f);
	if (rc == 0 && dry_run)
		count_all(&s);
	else if (rc == 0)
		delete_all(&s);
	for (size_t i = 0; i < s.n; i++)
		free(s.doomed[i].key);
	free(s.doomed);
	return rc;
}
