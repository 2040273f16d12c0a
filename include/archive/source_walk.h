/* SPDX-License-Identifier: PostgreSQL */
/* Listing a data directory; shared by source_dir.c, _walk.c and _outside.c. */
#ifndef WALVAULT_ARCHIVE_SOURCE_WALK_H
#define WALVAULT_ARCHIVE_SOURCE_WALK_H

#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include "source.h"

struct source_dir {
	struct source source;
	struct source_dir_args args;
	int fd;        /* PGDATA */
	uid_t owner;   /* its owner, whom the server runs as */
	time_t listed; /* when the list was finished */
};

/* Add all that belongs into a backup, unsorted.  0 or -1. */
int source_walk(struct source_dir *s, struct source_list *out, struct fail *f);

/* Add configuration files that lie outside PGDATA.  0 or -1. */
int
source_outside(struct source_dir *s, struct source_list *out, struct fail *f);

/* A file's time as a TimestampTz. */
int64_t source_time(const struct timespec *t);

/* PGDATA/path; out has PATH_MAX bytes. */
void source_full_path(const struct source_dir *s, const char *path, char *out);

/* PGDATA/path, which the server needs, is another user's, and closed.  -1. */
int source_foreign(const struct source_dir *s, const char *path,
    const struct stat *st, struct fail *f);

/* Tell errno as a failure of PGDATA/path.  -1. */
int source_failed(const struct source_dir *s, const char *path,
    const char *what, struct fail *f);

#endif
