/* SPDX-License-Identifier: PostgreSQL */
/*
 * What became of files that were copied.  Each worker keeps a list of its own
 * in the order of the source's entries, in memory up to a bound and then in
 * an unlinked temporary file; at the end the lists are merged.  So a backup of
 * millions of files needs no memory for them.
 */
#ifndef WALVAULT_ARCHIVE_COPIED_H
#define WALVAULT_ARCHIVE_COPIED_H

#include "manifest.h"

/* A file, or a part of a large one. */
struct copied {
	uint64_t index; /* of the entry in the source's list */
	uint64_t size;  /* of the whole file */
	int64_t mtime;
	struct manifest_piece *pieces;
	size_t n_pieces;
	uint32_t *bad; /* blocks of the file */
	size_t n_bad;
};

struct copied_list;

/* dir is for the temporary file (kept; NULL: see tempfile_dir).  NULL
 * without memory. */
struct copied_list *copied_new(const char *dir);

/* Append; indexes must not fall.  What c points to is copied.  0 or -1. */
int copied_add(struct copied_list *l, const struct copied *c, struct fail *f);

void copied_free(struct copied_list *l);

/* Reads several lists as one, any number of times, one merge at a time. */
struct copied_merge;

struct copied_merge *
copied_merge_new(struct copied_list **lists, size_t n, struct fail *f);

/*
 * The next file, its parts put together: pieces in order, without a gap, and
 * the CRC of the whole.  A file of which parts are missing (it was dropped
 * meanwhile) is passed over.  What out points to lives until the next call.
 * 0, 1 there are no more, -1.
 */
int copied_next(
    struct copied_merge *m, struct copied *out, uint32_t *crc, struct fail *f);

void copied_merge_free(struct copied_merge *m);

#endif
