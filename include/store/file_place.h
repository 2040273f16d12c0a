/* SPDX-License-Identifier: PostgreSQL */
/*
 * Where a key lies in a file store: its directory, opened one component after
 * the other, and its last name.  No component may be a symbolic link, "." or
 * "..": a key never leads elsewhere than where it says.
 */
#ifndef WALVAULT_STORE_FILE_PLACE_H
#define WALVAULT_STORE_FILE_PLACE_H

#include <limits.h>
#include <sys/types.h>

#include "store.h"

struct file_store {
	struct store store;
	char root[PATH_MAX];
	mode_t dir_mode, file_mode;
};

struct file_place {
	int dir; /* the directory's descriptor, -1 if closed */
	char name[NAME_MAX + 1];
};

/*
 * Open the place of a key; make: with the directories that it lacks.
 * 0, 1 its directory does not exist (and was not to be made), -1.
 */
int file_place_open(struct file_store *s, const char *key, bool make,
    struct file_place *place, struct fail *f);

void file_place_close(struct file_place *place);

/*
 * fsync a key's directory and all above it up to the root.  Those above may
 * have been made by a process that died before it could do so.  0 or -1 with
 * errno.
 */
int file_place_sync(const struct file_place *place, const char *key);

/*
 * Does the directory hold an object already?  1 yes, 0 no, -1 with errno.
 * Whoever published it had made the path to it durable first, so that need not
 * be done again: fsync of a directory waits for all that the file system is
 * busy with.
 */
int file_place_has_objects(const struct file_place *place);

/* Tell errno as a failure of what was tried with a key.  -1. */
int file_place_failed(
    const struct store *s, const char *key, const char *what, struct fail *f);

#endif
