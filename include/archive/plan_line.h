/* SPDX-License-Identifier: PostgreSQL */
/* A plan along one line; see plan.h.  Internal to plan*.c. */
#ifndef WALVAULT_ARCHIVE_PLAN_LINE_H
#define WALVAULT_ARCHIVE_PLAN_LINE_H

#include "find.h"
#include "plan.h"

struct way_backup {
	const struct backup *backup;
};

/* The backups on a line, and as much of the line as was needed so far. */
struct way {
	struct index *index;
	const struct plan_target *target;
	uint32_t tli;
	struct way_backup *backups; /* by stop LSN, the newest first */
	size_t n;
	/* What tells of WAL that was once there, whoever asks for which backup:
	 * the last end of a backup, the last partial segment (0: none). */
	uint64_t backup_end, partial_segno;
	bool loaded;
	uint64_t from; /* the first segment that was asked for */
	struct line line;
};

/* Have the line loaded from the backup's start on.  0 or -1. */
int way_load(struct way *w, const struct backup *b, struct fail *f);

/* The segments that follow one another from a backup's start on. */
struct way_run {
	const struct backup *backup;
	size_t first, last;
};

/* Find it.  Does it make the backup consistent? */
bool
way_is_sound(const struct way *w, const struct backup *b, struct way_run *r);

/* Say in p what is in the way behind segment `last` of the line. */
void way_broken(const struct way *w, size_t last, struct plan *p);

/* Find the last record of a run.  As find_on_line. */
int way_find_end(const struct way *w, const struct way_run *r,
    struct find_answer *a, struct fail *f);

void way_take_answer(const struct find_answer *a, struct plan *p);

/* With the stop point known, what is read on the way there.  0 or -1. */
int way_measure(const struct way *w, const struct way_run *r, struct plan *p,
    struct fail *f);

/* The way to the backup's own end.  0 or -1. */
int way_immediate(const struct way *w, const struct way_run *r, struct plan *p,
    struct fail *f);

/* Fill p->before and p->after for a target that cannot be reached. */
int way_nearest(struct way *w, struct plan *p, struct fail *f);

/*
 * Plan along the line of a timeline.  As plan_make, without the choice of the
 * line; p->newer stays empty.
 */
int plan_on_line(struct index *x, const struct backup_list *backups,
    const struct plan_target *t, uint32_t tli, struct plan *p, struct fail *f);

#endif
