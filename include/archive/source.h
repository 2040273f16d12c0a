/* SPDX-License-Identifier: PostgreSQL */
/*
 * Where a base backup's files come from: a list of all that belongs into it,
 * and their bytes.  The one source so far is a data directory on this host;
 * a small table of functions keeps the way open for others.
 *
 * list is called once; then any number of threads may open, read and close.
 */
#ifndef WALVAULT_ARCHIVE_SOURCE_H
#define WALVAULT_ARCHIVE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fail.h"
#include "manifest.h"

/* Who copies an entry's bytes. */
enum source_part {
	SOURCE_COPY, /* the workers, from the source */
	SOURCE_LAST, /* the backup itself, at its end: pg_control and texts */
};

struct source_entry {
	const char *path;    /* relative to PGDATA */
	const char *target;  /* of a link; or NULL */
	const char *outside; /* where it lies, if not in PGDATA; or NULL */
	uint64_t size;       /* when it was listed */
	int64_t mtime;       /* TimestampTz */
	uint32_t mode, uid, gid;
	enum manifest_type type;
	enum source_part part;
	bool relation; /* blocks of a relation: their changes are in WAL */
};

struct source_name {
	uint32_t id;
	char name[64];
};

struct source_names {
	struct source_name *list;
	size_t n;
};

struct source_list {
	struct source_entry *list; /* sorted bytewise by path */
	size_t n, cap;
	uint64_t bytes; /* of the files to be copied */
	struct source_names users, groups;
	struct source_texts *texts; /* what the entries point to */
};

/* Append an entry; its texts are copied.  0, or -1 without memory. */
int source_list_add(struct source_list *l, const struct source_entry *e);

/* Sort, and look the names of owners up.  0, or -1 without memory. */
int source_list_finish(struct source_list *l);

/* By path, in a finished list; NULL if there is none. */
const struct source_entry *
source_list_find(const struct source_list *l, const char *path);

/* "" if it has no name. */
const char *source_name(const struct source_names *names, uint32_t id);

void source_list_clear(struct source_list *l);

/* An entry's file, open. */
struct source_file {
	int fd;
	uint64_t size; /* when it was opened */
	int64_t mtime;
};

struct source;

struct source_ops {
	int (*list)(struct source *s, struct source_list *out, struct fail *f);
	int (*open)(struct source *s, const struct source_entry *e,
	    struct source_file *file, struct fail *f);
	int (*read)(struct source *s, struct source_file *file, void *bytes,
	    size_t len, uint64_t off, size_t *got);
	void (*will_need)(struct source *s, struct source_file *file,
	    uint64_t off, uint64_t len);
	void (*close)(struct source *s, struct source_file *file);
	void (*free)(struct source *s);
};

struct source {
	const struct source_ops *ops;
};

/* All entries.  0 (the caller clears the list) or -1. */
static inline int
source_list(struct source *s, struct source_list *out, struct fail *f)
{
	return s->ops->list(s, out, f);
}

/* 0, 1 it is gone (dropped since it was listed), -1. */
static inline int
source_open(struct source *s, const struct source_entry *e,
    struct source_file *file, struct fail *f)
{
	return s->ops->open(s, e, file, f);
}

/* Up to len bytes; fewer only at its end.  0, or -1 with errno. */
static inline int
source_read(struct source *s, struct source_file *file, void *bytes, size_t len,
    uint64_t off, size_t *got)
{
	return s->ops->read(s, file, bytes, len, off, got);
}

/* These bytes are read soon. */
static inline void
source_will_need(
    struct source *s, struct source_file *file, uint64_t off, uint64_t len)
{
	s->ops->will_need(s, file, off, len);
}

static inline void
source_close(struct source *s, struct source_file *file)
{
	s->ops->close(s, file);
}

static inline void
source_free(struct source *s)
{
	if (s != NULL)
		s->ops->free(s);
}

/* A data directory (source_dir.c).  Texts are kept, not copied. */
struct source_dir_args {
	const char *pgdata;
	int major;
	uint32_t catalog_version; /* tablespaces hold PG_<major>_<catalog> */
	/* As the server names them; what lies outside PGDATA is added. */
	const char *config_file, *hba_file, *ident_file;
	const char *included; /* further files, '\n' behind each; or NULL */
};

/* NULL: the directory cannot be opened. */
struct source *
source_dir_new(const struct source_dir_args *args, struct fail *f);

#endif
