/* SPDX-License-Identifier: PostgreSQL */
/* What a snapshot has listed.  Internal to snapshot*.c and heads*.c. */
#ifndef WALVAULT_ARCHIVE_SNAPSHOT_LIST_H
#define WALVAULT_ARCHIVE_SNAPSHOT_LIST_H

#include <pthread.h>

#include "heads.h"
#include "snapshot.h"

struct snapshot_object {
	char *key;
	struct store_info info;
	/* From an index object: */
	const uint8_t *known; /* NULL: nothing */
	uint32_t len;
	uint32_t index; /* which, in snapshot_list */
	bool whole;
};

/* An index object, and what became of it. */
struct snapshot_index {
	char *key;
	struct buf bytes;
	bool read, replaced, damaged;
	size_t entries; /* in it */
	size_t live;    /* of them, those that are known by it */
};

/* Shared by all handles; once loaded, it does not change. */
struct snapshot_list {
	struct layout layout;
	char prefix[LAYOUT_KEY_MAX];  /* of all that is in it */
	struct snapshot_object *list; /* by key */
	size_t n, cap;
	struct snapshot_index *index; /* by key, the newest of a system last */
	size_t n_index;
	bool listed, heads;
	pthread_mutex_t lock;
	unsigned users;
};

struct snapshot {
	struct store store;
	struct store *inner;
	bool owns_inner;
	struct snapshot_list *list;
};

/* List, and read the index objects.  0 or -1: it cannot be listed. */
int snapshot_load(struct snapshot *s, struct fail *f);

/* The listed object of a key; NULL. */
struct snapshot_object *
snapshot_find(const struct snapshot_list *l, const char *key);

/* Read the index objects of what was listed; those that cannot be read are
 * passed over. */
void snapshot_load_heads(struct snapshot *s);

#endif
