/* SPDX-License-Identifier: PostgreSQL */
/*
 * Where a fetched file goes.  Its name appears, or is taken over from an older
 * file, only once all of it is there and is what was asked for.
 */
#ifndef WALVAULT_ARCHIVE_FETCH_PLACE_H
#define WALVAULT_ARCHIVE_FETCH_PLACE_H

#include <limits.h>

#include "buf.h"
#include "object.h"
#include "stream.h"
#include "walname.h"

struct fetch_place {
	const char *dest;
	char pg_wal[PATH_MAX]; /* the directory of dest */
	struct walname name;   /* what is asked for */
	uint64_t sysid;        /* whose it must be */
	bool allow_damaged;    /* also what was archived as damaged */
};

/*
 * The last stage behind an object_reader that fills seen.  Of a segment the
 * finish checks that its bytes say the name, system and timeline asked for
 * (FAIL_DAMAGED if not).  Both pointers are kept.  NULL on failure.
 */
struct stream *fetch_place_new(
    const struct fetch_place *to, struct object_seen *seen, struct fail *f);

/* Put a small file that is not in a store into place.  0 or -1. */
int fetch_place_bytes(
    const struct fetch_place *to, const struct buf *b, struct fail *f);

#endif
