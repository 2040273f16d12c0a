/* SPDX-License-Identifier: PostgreSQL */
/* What a sync would bring: see sync_lack.h. */
#include <stdio.h>
#include <string.h>

#include "sync_job.h"
#include "sync_lack.h"

struct lacking {
	struct sync_place *places, *to;
	struct syncing pair[STORES_MAX]; /* from each place but `to` */
	struct sync_report report;
	struct sync_lack *out;
};

static bool
has_backup(const struct syncing *x, const char *id)
{
	for (size_t i = 0; i < x->n_backups; i++)
		if (strcmp(x->backups[i].id, id) == 0)
			return true;
	return false;
}

/* One that two others have is lacking once. */
static void
count_backups(struct lacking *l, size_t k)
{
	for (size_t i = 0; i < l->pair[k].n_backups; i++) {
		const char *id = l->pair[k].backups[i].id;
		bool known = false;

		for (size_t j = 0; j < k; j++)
			known |= has_backup(&l->pair[j], id);
		if (known)
			continue;
		l->out->backups++;
		if (strcmp(id, l->out->newest) > 0)
			(void)snprintf(
			    l->out->newest, sizeof l->out->newest, "%s", id);
	}
}

/* Would it be brought from that place, which has it? */
static bool
is_brought(const struct syncing *x, const struct walname *name)
{
	uint32_t segsize = x->from->survey.index.id.segsize;

	return name->kind == WALNAME_HISTORY || x->args->all ||
	    retain_keeps_wal(&x->plan, name->tli, walname_segno(name, segsize));
}

static bool
is_brought_before(
    const struct lacking *l, size_t k, const char *key, const struct walname *n)
{
	for (size_t j = 0; j < k; j++)
		if (&l->places[j] != l->to &&
		    sync_place_has(&l->places[j], key) &&
		    is_brought(&l->pair[j], n))
			return true;
	return false;
}

/* Does a backup in that store need the segment to be consistent? */
static bool
is_needed(const struct survey *s, uint32_t tli, uint64_t segno)
{
	for (size_t i = 0; i < s->backups.n; i++) {
		const struct backup *b = &s->backups.list[i];

		if (b->state == BACKUP_COMPLETE && tli >= b->info.start_tli &&
		    tli <= b->info.stop_tli &&
		    segno >= b->info.start_lsn / b->info.segsize &&
		    segno <= (b->info.stop_lsn - 1) / b->info.segsize)
			return true;
	}
	return false;
}

static bool
is_old(const struct survey *s, const struct walname *name)
{
	const struct index_timeline *t = index_timeline(&s->index, name->tli);
	uint64_t segno = walname_segno(name, s->index.id.segsize);

	if (t != NULL && t->segments.n > 0 &&
	    segno < t->segments.list[t->segments.n - 1].segno)
		return true;
	return is_needed(s, name->tli, segno);
}

static void
count_wal(struct lacking *l, size_t k)
{
	const struct sync_place *from = l->pair[k].from;
	struct sync_lack *out = l->out;

	for (size_t i = 0; i < from->n_wal; i++) {
		const char *key = from->wal[i].key;
		struct walname name;
		enum layout_kind kind = layout_parse_wal(key, &name);

		if (kind == LAYOUT_OTHER || kind == LAYOUT_ASIDE ||
		    sync_place_has(l->to, key) ||
		    !is_brought(&l->pair[k], &name) ||
		    is_brought_before(l, k, key, &name))
			continue;
		if (out->wal++ == 0 || strcmp(name.text, out->first.text) < 0)
			out->first = name;
		if (kind != LAYOUT_SEGMENT)
			continue;
		out->segments++;
		out->old += is_old(&l->to->survey, &name);
	}
}

int
sync_lacks(struct sync_place *places, size_t n, size_t to,
    const struct sync_args *args, struct sync_lack *out, struct fail *f)
{
	struct lacking l = { .places = places, .to = &places[to], .out = out };
	int rc = 0;

	*out = (struct sync_lack){ 0 };
	for (size_t k = 0; rc == 0 && k < n; k++) {
		if (k == to)
			continue;
		l.pair[k] = (struct syncing){ .from = &places[k],
			.to = l.to,
			.args = args,
			.out = &l.report,
			.f = f };
		rc = sync_decide(&l.pair[k]);
	}
	out->coming = l.report.coming > 0;
	for (size_t k = 0; rc == 0 && k < n; k++) {
		if (k == to)
			continue;
		count_backups(&l, k);
		count_wal(&l, k);
	}
	for (size_t k = 0; k < n; k++)
		sync_decided_clear(&l.pair[k]);
	return rc;
}
