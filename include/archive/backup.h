/* SPDX-License-Identifier: PostgreSQL */
/*
 * The base backups of a repository: their names, their objects, which of them
 * exist.  Below SYSID.GEN/backup/ID/ lie
 *
 *	begin		a note: who, when, and from where WAL is needed; first
 *	pack-NNNNNN	files (pack.h)
 *	manifest	what the backup is (manifest.h); last
 *	hold-XXXXXXXX	a note: to be kept (until when, why)
 *	restore-XXXXXXXX	a note: a restore needs it (backup_lease.h)
 *	tombstone	a note: it is being deleted
 *
 * A backup exists if it has a manifest and a begin, and no tombstone.  Whoever
 * deletes one writes the tombstone, then (if there was no manifest) looks for
 * a manifest once more, and deletes the manifest, begin, everything else and,
 * last, the tombstone.  Whoever finishes one writes the manifest, and then
 * looks for a tombstone and for begin (backup_is_deleting).  One of the two
 * always sees the other: what was reported as finished is never deleted as
 * unfinished, and what is half deleted never exists.
 */
#ifndef WALVAULT_ARCHIVE_BACKUP_H
#define WALVAULT_ARCHIVE_BACKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec.h"
#include "manifest.h"
#include "repository.h"

/* "20261120T020003Z-full-4f2a9c1e" and a NUL: UTC of the start, and random. */
#define BACKUP_ID 40

/* A new id for a backup that starts at time (TimestampTz). */
void backup_new_id(int64_t time, const char *type, char id[BACKUP_ID]);

/* Does text have the form of an id? */
bool backup_is_id(const char *text);

/* Keys below the store's root. */
void backup_key(const struct layout *l, const char *id, const char *name,
    char out[LAYOUT_KEY_MAX]);
void backup_pack_key(const struct layout *l, const char *id, uint32_t pack,
    char out[LAYOUT_KEY_MAX]);
void backup_prefix(const struct layout *l, char out[LAYOUT_KEY_MAX]);

struct backup_begin {
	char id[BACKUP_ID];
	char type[8];   /* "full" */
	char host[128]; /* where it runs */
	int64_t pid;
	int64_t time;      /* TimestampTz, the host's clock */
	uint64_t from_lsn; /* WAL behind it is needed (at or before start) */
	uint32_t tli;
};

int backup_write_begin(
    struct repository *r, const struct backup_begin *b, struct fail *f);

/* 0, 1 there is none, -1. */
int backup_read_begin(struct repository *r, const char *id,
    struct backup_begin *out, struct fail *f);

/*
 * A stage that makes its bytes (manifest_writer_new's next) the manifest of
 * backup s->id; finish gives 0, 1 it has one already, -1.  NULL: failed.
 */
struct stream *
backup_put_manifest(struct repository *r, const struct manifest_summary *s,
    const struct codec *codec, struct fail *f);

/*
 * Read a manifest through.  0 it is whole, 1 there is none, -1; only on 0 what
 * the events told is to be trusted.
 */
int backup_read_manifest(struct repository *r, const char *id,
    const struct manifest_events *events, struct fail *f);

/* Its summary alone, from the object's header.  0, 1 no manifest, -1. */
int backup_read_summary(struct repository *r, const char *id,
    struct manifest_summary *out, struct fail *f);

enum backup_state {
	BACKUP_COMPLETE,   /* it exists */
	BACKUP_UNFINISHED, /* begun, no manifest: running, or broken off */
	BACKUP_DELETING,   /* has a tombstone */
	BACKUP_DAMAGED,    /* its manifest cannot be read, or begin is gone */
};

struct backup {
	char id[BACKUP_ID];
	enum backup_state state;
	bool has_begin;
	struct backup_begin begin;    /* zero without */
	struct manifest_summary info; /* COMPLETE only */
	char why[128];                /* DAMAGED, or an unreadable begin */
	bool newer; /* why: written by a newer version; no damage */
	size_t holds;
	int64_t held_until; /* the latest of its holds; INT64_MAX: for ever */
	char hold_reason[128];
	uint64_t stored; /* bytes of all its objects */
	size_t objects;
	int64_t newest; /* latest mtime of its objects, the store's clock */
};

/* What a restore has said of itself: see backup_lease.h. */
struct backup_lease {
	char id[BACKUP_ID];
	char name[24];     /* "restore-4f2a9c1e" */
	char host[128];    /* where it runs, or ran */
	int64_t pid;       /* 0: the note cannot be read */
	int64_t created;   /* the host's clock */
	uint64_t from_lsn; /* WAL from here on is needed, */
	uint64_t to_lsn;   /* up to here; LSN_NONE: all behind from_lsn */
	uint32_t tli;      /* the line that is followed */
	uint64_t seconds;  /* how long it is in force, from mtime on */
	int64_t mtime;     /* the store's clock */
	uint64_t stored;
};

struct backup_list {
	struct backup *list; /* by id */
	size_t n;
	struct backup_lease *leases; /* by id; in force or not */
	size_t n_leases;
};

/*
 * Add another store's list, which is cleared: of a backup that both have the
 * complete one counts, and the longer of two holds; leases are those of both.
 * 0, or -1 without memory.
 */
int backup_list_merge(struct backup_list *into, struct backup_list *from);

/*
 * All backups of a repository (opened, its system settled), with the heads of
 * their manifests.  0 (the caller calls backup_list_clear), or -1.
 */
int
backup_list_load(struct repository *r, struct backup_list *out, struct fail *f);
void backup_list_clear(struct backup_list *l);

/* Another list of the same.  0, or -1 without memory. */
int backup_list_copy(const struct backup_list *from, struct backup_list *to);

/* NULL if there is none of that id. */
const struct backup *backup_find(const struct backup_list *l, const char *id);

/* Keep it: until (TimestampTz; INT64_MAX for ever).  0 or -1. */
int backup_hold(struct repository *r, const char *id, int64_t until,
    const char *reason, struct fail *f);

/* Delete all its holds.  0, 1 there was none, -1. */
int backup_release(struct repository *r, const char *id, struct fail *f);

/*
 * Is it there, and not being deleted?  To be asked when a note that protects
 * it has been written.  0, or -1 (FAIL_ABSENT: it is not).
 */
int backup_require(struct repository *r, const char *id, struct fail *f);

/*
 * Is it being deleted, or has it been?  1 yes, 0 no, -1.  To be asked when its
 * manifest has been written.
 */
int backup_is_deleting(struct repository *r, const char *id, struct fail *f);

/* The times by which it is told what is still in force (see retain.h). */
struct backup_times {
	int64_t now;   /* holds */
	int64_t store; /* leases */
};

/*
 * Delete a backup as described above; may be repeated after a kill.
 * unfinished: only if there is no manifest.  times: NULL for this host's
 * clock.  0 deleted; 1 left alone: it was finished meanwhile, or a hold or a
 * lease is in force; -1.  A tombstone that says "unfinished" goes on saying
 * so, whoever comes upon it.
 */
int backup_delete(struct repository *r, const char *id, bool unfinished,
    const struct backup_times *times, struct fail *f);

#endif
