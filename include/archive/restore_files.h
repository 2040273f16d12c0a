/* SPDX-License-Identifier: PostgreSQL */
/* The parts of a restore; see restore.h.  Internal to restore*.c. */
#ifndef WALVAULT_ARCHIVE_RESTORE_FILES_H
#define WALVAULT_ARCHIVE_RESTORE_FILES_H

#include <sys/types.h>

#include "buf.h"
#include "confline.h"
#include "restore.h"

/* Files that are not written as they were. */
enum restore_kept {
	KEPT_CONTROL,  /* global/pg_control: written last */
	KEPT_SETTINGS, /* postgresql.auto.conf */
	KEPT_COUNT,
};

/* A file that was made here, for backup_manifest. */
struct restore_made {
	const char *path;
	uint64_t size;
	uint32_t crc;
};

struct restore_ids {
	uid_t uid;
	gid_t gid;
};

struct restore {
	const struct restore_args *args;
	struct restore_result *result;
	int dir;    /* the data directory: place[0] */
	int *place; /* directories of all places, locked; -1 not made yet */
	/* "Does this file come from the packs?", by file. */
	bool *from_packs;
	struct buf kept[KEPT_COUNT];
	bool has_kept[KEPT_COUNT];
	size_t kept_file[KEPT_COUNT];
	struct restore_made *made;
	size_t n_made;
	struct restore_ids *ids;    /* by owner; only root gives files away */
	uint32_t owner;             /* of what is made here */
	mode_t dir_mode, file_mode; /* of what is made here */
};

/* Open a file below the data directory for writing, with owner and mode. */
int restore_open(const struct restore *r, const struct restore_file *file,
    int flags, struct fail *f);

/* "DEST/path", for failures.  Always -1. */
int restore_failed(const struct restore *r, const char *path, const char *what,
    struct fail *f);

/* Write a whole file of our own, and remember it; path is kept. */
int restore_make(
    struct restore *r, const char *path, const struct buf *b, struct fail *f);

/* The same with the owner and mode of a file of the backup. */
int restore_make_file(struct restore *r, const struct restore_file *file,
    const struct buf *b, struct fail *f);

/* Has someone asked us to stop?  0, or -1 FAIL_TRANSIENT. */
int restore_go_on(const struct restore *r, struct fail *f);

/* Make a directory with all that is missing above it.  0 or -1. */
int restore_make_path(const char *path, mode_t mode, struct fail *f);

/* Directories, tablespaces, empty files. */
int restore_make_tree(struct restore *r, struct fail *f);

/* Everything that is in packs, by as many workers as there are stores. */
int restore_unpack(struct restore *r, struct fail *f);

/* Settings, signal file, label, map, plan. */
int restore_make_settings(struct restore *r, struct fail *f);

/* postgresql.conf and what it includes: nothing in them leads elsewhere. */
int restore_make_config(struct restore *r, struct fail *f);

/* Would this line have the server run, or read its rules, elsewhere? */
bool restore_leads_away(const struct restore *r, const struct confline *l);

/* Around our settings in postgresql.auto.conf. */
#define RESTORE_BEGINS       "# Begin of pitr-restore's settings."
#define RESTORE_SETTINGS_MAX ((size_t)16 * 1024 * 1024)

/* Append what a restored server inherits of postgresql.auto.conf.  0 or -1. */
int restore_keep_settings(
    const struct restore *r, const struct buf *from, struct buf *b);

/* Segments that the server looks for in pg_wal and never asks for. */
int restore_place_wal(struct restore *r, struct fail *f);

/* PostgreSQL's own manifest of what is there now. */
int restore_make_manifest(
    struct restore *r, const struct buf *control, struct fail *f);

#endif
