/* SPDX-License-Identifier: PostgreSQL */
/* The parts of a restore; see restore.h.  Internal to restore*.c. */
#ifndef WALVAULT_ARCHIVE_RESTORE_FILES_H
#define WALVAULT_ARCHIVE_RESTORE_FILES_H

#include <sys/types.h>

#include "buf.h"
#include "restore.h"

/* Files that are not written as they were. */
enum restore_kept {
	KEPT_CONTROL,  /* global/pg_control: written last */
	KEPT_SETTINGS, /* postgresql.auto.conf */
	KEPT_CONFIG,   /* postgresql.conf, if it lay outside */
	KEPT_COUNT,
};

/* A file that was made here, for backup_manifest. */
struct restore_made {
	const char *path;
	uint64_t size;
	uint32_t crc;
};

#define RESTORE_MADE_MAX 16

/* Around our lines of postgresql.auto.conf. */
#define RESTORE_BEGINS                                                    \
	"# Begin of pitr-restore's settings.  Remove them once recovery " \
	"has ended.\n"
#define RESTORE_ENDS "# End of pitr-restore's settings.\n"

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
	struct restore_made made[RESTORE_MADE_MAX];
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

/* Directories, tablespaces, empty files. */
int restore_make_tree(struct restore *r, struct fail *f);

/* Everything that is in packs, by as many workers as there are stores. */
int restore_unpack(struct restore *r, struct fail *f);

/* Settings, signal file, label, map, plan. */
int restore_make_settings(struct restore *r, struct fail *f);

/* Segments that the server looks for in pg_wal and never asks for. */
int restore_place_wal(struct restore *r, struct fail *f);

/* PostgreSQL's own manifest of what is there now. */
int restore_make_manifest(
    struct restore *r, const struct buf *control, struct fail *f);

#endif
