/* SPDX-License-Identifier: PostgreSQL */
/* The part of walvault check that compares several stores. */
#ifndef WALVAULT_CMD_CHECK_SEVERAL_H
#define WALVAULT_CMD_CHECK_SEVERAL_H

#include "backup.h"
#include "findings.h"
#include "index.h"
#include "setup.h"

/* What a check has seen of one store. */
struct check_seen {
	bool opened;
	struct fail fail;         /* why not */
	struct index index;       /* to be cleared, if opened, */
	struct repository listed; /* and this ended (snapshot.h) */
	uint64_t needed;          /* WAL behind this place belongs there */
	bool lacks_last;          /* the segment last archived is not there */
};

/* From where on must a store have what others have? */
uint64_t check_needed(const struct backup_list *backups);

/*
 * Stores that could not be opened, that are remembered as down, and how far
 * each lags behind the others.  archived is what the server was last told is
 * archived, or "".
 */
void check_several(struct findings *found, const struct setup *s,
    const struct check_seen *seen, const char *archived);

/* "; store NAME: CAUSE" of all that are remembered as failing. */
void check_remembered(const struct setup *s, char *out, size_t cap);

#endif
