/* SPDX-License-Identifier: PostgreSQL */
/*
 * The plan that pitr-restore leaves in the data directory, and that walfetch
 * obeys while recovery lasts: what the plan has seen is never absent, what
 * lies behind its end is absent without asking.  So a recovery can finish from
 * one surviving store, and no store's error ends it early.
 *
 * It counts only as long as the server is still told to stop where the plan
 * ends: whoever changes the target recovers by the usual rules.
 */
#ifndef WALVAULT_ARCHIVE_PLANFILE_H
#define WALVAULT_ARCHIVE_PLANFILE_H

#include "plan.h"
#include "walname.h"

#define PLANFILE_NAME "walvault.plan"

/* The server's file with the recovery settings. */
#define PLANFILE_SETTINGS "postgresql.auto.conf"

/* Room for "recovery_target_lsn = 'FFFFFFFF/FFFFFFFF'". */
#define PLANFILE_SETTING 64

struct planfile {
	uint64_t sysid;
	uint32_t generation;
	uint32_t segsize;
	struct timeline line;
	uint64_t first, last; /* segment numbers that the stores have */
	uint32_t *newer;      /* known timelines above the line's */
	size_t n_newer;
	char setting[PLANFILE_SETTING]; /* the target, as the server is told */
};

enum planfile_word {
	PLANFILE_SILENT, /* the usual rules */
	PLANFILE_MUST,   /* it exists: "absent" would be an error */
	PLANFILE_ABSENT, /* behind the plan's end */
};

/* The line in the server's settings that makes it stop there. */
void planfile_setting(const struct plan *p, char out[PLANFILE_SETTING]);

/* A reachable plan as the file's bytes.  0, or -1 without memory. */
int planfile_format(const struct plan *p, struct buf *b);

/*
 * Read the plan in a data directory.  0 (the caller calls planfile_clear), 1
 * there is none, or it is for another target, -1 (a damaged one, too).
 */
int planfile_read(const char *dir, struct planfile *out, struct fail *f);
void planfile_clear(struct planfile *p);

enum planfile_word
planfile_ask(const struct planfile *p, const struct walname *name);

#endif
