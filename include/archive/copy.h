/* SPDX-License-Identifier: PostgreSQL */
/*
 * The work of a base backup: several threads take files from a source in the
 * order of their paths, check their pages, and write them into packs, each
 * thread into packs of its own.
 */
#ifndef WALVAULT_ARCHIVE_COPY_H
#define WALVAULT_ARCHIVE_COPY_H

#include <stdatomic.h>

#include "copied.h"
#include "mirror.h"
#include "pack.h"
#include "source.h"

/* How far it is; written by the workers while it is read. */
struct copy_progress {
	_Atomic uint64_t bytes, files, bad_pages;
};

/* Page checksums; blcksz 0: there are none. */
struct copy_pages {
	uint32_t blcksz;
	uint32_t relseg_size; /* blocks in a file of a relation */
	uint64_t start_lsn;   /* pages younger than it are replayed anyway */
};

struct copy_args {
	struct source *source;
	const struct source_list *list;
	const struct repository *repo; /* opened; not used by the threads */
	struct mirror *mirror;         /* where they open it themselves */
	const char *backup;
	struct codec codec;
	unsigned jobs;
	const char *spool_dir; /* or NULL */
	struct copy_pages pages;
	struct copy_progress *progress;
	/* Called by the caller's thread some times a second; -1 ends it all. */
	int (*tick)(void *arg, struct fail *f);
	void *arg;
};

struct copy_result {
	struct copied_list **lists; /* one per thread, and one to spare */
	size_t n_lists;
	struct manifest_pack *packs; /* by number */
	size_t n_packs;
};

/* 0, or -1; the caller clears *out in both cases. */
int
copy_run(const struct copy_args *args, struct copy_result *out, struct fail *f);

/* Add a pack to the result.  0 or -1. */
int copy_add_pack(
    struct copy_result *r, const struct manifest_pack *pack, struct fail *f);

void copy_result_clear(struct copy_result *r);

/* Fill *m for an entry that becomes a member of len bytes. */
void copy_member(const struct source_list *l, const struct source_entry *e,
    uint64_t len, int64_t mtime, struct pack_member *m);

#endif
