/* SPDX-License-Identifier: PostgreSQL */
/*
 * Which restored files an include of a configuration file meant.  Files that
 * lay outside the data directory have moved: see source_outside.c.
 */
#ifndef WALVAULT_ARCHIVE_RESTORE_INCLUDE_H
#define WALVAULT_ARCHIVE_RESTORE_INCLUDE_H

#include "confline.h"
#include "restore_set.h"

struct restore_meant {
	const struct restore_file *file;
};

struct restore_included {
	struct restore_meant *files; /* in the server's order; to free */
	size_t n;
	bool same; /* as it stands, it means just these in the new directory */
};

/*
 * What l, a line of file (include, include_if_exists or include_dir), meant.
 * 0, or -1 without memory.
 */
int
restore_included(const struct restore_set *s, const struct restore_file *file,
    const struct confline *l, struct restore_included *out);

/* The file that lay at place, an absolute path outside PGDATA; or NULL. */
const struct restore_file *
restore_outside_find(const struct restore_set *s, const char *place);

#endif
