/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a sync would bring to a store from all others, for who only asks: told
 * by the same rules, and nothing is brought.
 */
#ifndef WALVAULT_ARCHIVE_SYNC_LACK_H
#define WALVAULT_ARCHIVE_SYNC_LACK_H

#include "sync.h"

struct sync_lack {
	size_t wal;           /* WAL files of all kinds */
	size_t segments;      /* that are segments */
	struct walname first; /* of all WAL files */
	size_t old;           /* segments that are no lag: the store has later
	                       * ones, or a backup that needs them */
	size_t backups;
	char newest[BACKUP_ID]; /* of these backups */
	bool coming;            /* there are more, on their way perhaps */
};

/*
 * What does places[to] lack?  Each of the places was loaded by sync_place_load
 * and has its rules.  0 or -1.
 */
int sync_lacks(struct sync_place *places, size_t n, size_t to,
    const struct sync_args *args, struct sync_lack *out, struct fail *f);

#endif
