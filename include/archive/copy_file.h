/* SPDX-License-Identifier: PostgreSQL */
/* One file into a pack; shared by copy.c and copy_file.c. */
#ifndef WALVAULT_ARCHIVE_COPY_FILE_H
#define WALVAULT_ARCHIVE_COPY_FILE_H

#include "copy.h"

/* A file, or a part of one. */
struct copy_item {
	size_t index;  /* in the source's list */
	uint32_t part; /* counted from 1; 0: the whole file */
};

/* How many members a file of that size becomes; 0: one, without a suffix. */
uint32_t copy_parts(const struct source_entry *e);

struct copy_file {
	const struct copy_args *args;
	const atomic_bool *stop; /* another thread has failed */
	struct copied_list *list;
	uint8_t *chunk; /* IO_CHUNK bytes */
	uint64_t bad;   /* pages found bad by this thread */
};

/*
 * Write the item's bytes into a pack and remember what became of them.  0
 * (also if the file is gone), or -1.
 */
int copy_file(struct copy_file *c, const struct copy_item *item,
    struct pack_writer *pack, struct fail *f);

#endif
