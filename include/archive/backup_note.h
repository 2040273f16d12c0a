/* SPDX-License-Identifier: PostgreSQL */
/* The notes of a backup (begin, hold, tombstone), within the backup modules. */
#ifndef WALVAULT_ARCHIVE_BACKUP_NOTE_H
#define WALVAULT_ARCHIVE_BACKUP_NOTE_H

#include "backup.h"
#include "note.h"

#define BACKUP_NOTE_FORMAT 1

/* What a note must say it is, and of which backup. */
struct backup_note {
	const char *what;
	const char *id;
};

/* The first lines: what, id, and who writes it when.  0, or -1: no memory. */
int backup_note_begin(struct buf *b, const char *what, const char *id);

/* Read and check one; b is the caller's to clear.  0, 1 there is none, -1. */
int backup_note_read(struct repository *r, const char *key,
    const struct backup_note *n, struct buf *b, struct fail *f);

/* For names that no two writers choose. */
uint32_t backup_random(void);

/* A hold: until when, and why.  0, 1 it is gone, -1. */
struct backup_hold {
	int64_t until; /* INT64_MAX: for ever */
	char reason[128];
};

int backup_read_hold(struct repository *r, const char *id, const char *key,
    struct backup_hold *out, struct fail *f);

/* Is this the last component of a hold's key? */
bool backup_is_hold(const char *name);

#endif
