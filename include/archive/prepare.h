/* SPDX-License-Identifier: PostgreSQL */
/*
 * The first half of a push: a WAL file is read once, and checked, summed and
 * compressed on the way into a spool, from which any number of stores take it.
 */
#ifndef WALVAULT_ARCHIVE_PREPARE_H
#define WALVAULT_ARCHIVE_PREPARE_H

#include "ahead.h"
#include "object.h"
#include "push_one.h"

struct prepared {
	/* All but its key and repository, which each store decides. */
	struct object_header header;
	struct spool *payload;
	uint64_t file_size;
	uint64_t sysid; /* of the file, or of pg_control */
	/* Not to be stored, only to be compared with what is: a standby's
	 * damaged copy must not take the name of the primary's good one. */
	bool compare_only;
};

/*
 * Read p's file.  ahead is given the compressed bytes as they come; it is
 * dropped if they turn out to be for another key.  Of an incomplete segment of
 * a finished timeline p->name becomes that of a partial one.  0 or -1.
 */
int prepare(
    struct push *p, struct ahead *ahead, struct prepared *r, struct fail *f);

/* Free what it holds. */
void prepared_clear(struct prepared *r);

#endif
