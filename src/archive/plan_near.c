/* SPDX-License-Identifier: PostgreSQL */
/* The nearest moments that can be reached: see plan_line.h. */
#include <stdio.h>

#include "clock.h"
#include "lsn.h"
#include "plan_line.h"

/* Does the backup end behind the target?  (Only times and LSNs have sides.) */
static bool
ends_behind(const struct plan_target *t, const struct backup *b)
{
	if (t->type == PLAN_LSN)
		return b->info.stop_lsn > t->lsn;
	if (t->type == PLAN_TIME)
		return b->info.stop_time > t->time;
	return false;
}

/* The end of the run that a backup leads into. */
static void
take_end(const struct way *w, const struct way_run *r, struct plan_moment *m)
{
	uint64_t lsn = line_last_record(&w->line, r->first, r->last);
	char text[LSN_TEXT];

	*m = (struct plan_moment){
		.known = lsn != LSN_NONE, .lsn = lsn, .time = WAL_NO_TIME
	};
	for (size_t i = r->first; i <= r->last; i++)
		if (w->line.segment[i].facts.timed_max > m->time)
			m->time = w->line.segment[i].facts.timed_max;
	lsn_format(lsn, text);
	(void)snprintf(m->options, sizeof m->options,
	    "--to-lsn %s --timeline %u", text, w->tli);
}

static void
take_backup(const struct backup *b, struct plan_moment *m)
{
	*m = (struct plan_moment){ .known = true,
		.lsn = b->info.stop_lsn,
		.time = b->info.stop_time };
	(void)snprintf(
	    m->options, sizeof m->options, "--immediate --backup %s", b->id);
}

int
way_nearest(struct way *w, struct plan *p, struct fail *f)
{
	struct way_run r;

	/* Newest first: the last one behind the target is the nearest. */
	for (size_t i = 0; i < w->n; i++) {
		const struct backup *b = w->backups[i].backup;

		if (way_load(w, b, f) != 0)
			return -1;
		if (!way_is_sound(w, b, &r))
			continue;
		if (ends_behind(w->target, b)) {
			take_backup(b, &p->after);
			continue;
		}
		take_end(w, &r, &p->before);
		break;
	}
	return 0;
}
