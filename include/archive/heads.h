/* SPDX-License-Identifier: PostgreSQL */
/*
 * Index objects: what many objects say of themselves, in one.  Below
 * SYSID.GEN/index/ lie objects that hold the headers of WAL and manifests, and
 * whole small notes, each with the key, the size and the time under which it
 * was listed.  They spare a request per object where requests are dear, and are
 * needed for nothing: an entry counts only where a listing agrees with it, and
 * without them the answers are the same.  Written once, under a name of its
 * own; a newer one says which older ones it replaces.
 */
#ifndef WALVAULT_ARCHIVE_HEADS_H
#define WALVAULT_ARCHIVE_HEADS_H

#include "object.h"
#include "repository.h"

/* Entries of one index object, at most. */
#define HEADS_MAX 65536

/* Objects that are kept whole are no larger. */
#define HEADS_WHOLE_MAX ((size_t)4096)

/* What is kept of an object. */
enum heads_what { HEADS_NONE, HEADS_HEADER, HEADS_WHOLE };

struct heads_entry {
	char key[LAYOUT_KEY_MAX]; /* without the cluster's name */
	struct store_info info;   /* as it was listed */
	enum heads_what what;
	const uint8_t *bytes; /* its header's frame, or all of it */
	size_t len;
};

/* What is kept of the object under a key (without the cluster's name). */
enum heads_what heads_what(const char *own_key, uint64_t size);

/* Append an entry, or the name of an index object that is replaced, to an
 * index's plain bytes.  0, or -1 without memory. */
int heads_add(struct buf *b, const struct heads_entry *e);
int heads_add_replaced(struct buf *b, const char *name);

/* What is found: entry or replaced is NULL.  Not 0 ends with that value. */
typedef int
heads_fn(void *arg, const struct heads_entry *entry, const char *replaced);

/*
 * Each of them in an index's plain bytes; entries point into b.  0, what fn
 * returned, or -1 (FAIL_DAMAGED; FAIL_CONFIG: a newer format).
 */
int heads_each(const struct buf *b, const char *object, heads_fn *fn, void *arg,
    struct fail *f);

/*
 * Bring the index objects of a system up to date: put one with what they lack,
 * if that is worth it; with clean, delete those that nobody reads any more.
 * Nothing where requests are cheap.  What fails is told as little as it
 * matters: nobody depends on them.
 */
void heads_renew(const struct repository *r, bool clean);

#endif
