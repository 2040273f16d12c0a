/* SPDX-License-Identifier: PostgreSQL */
/*
 * What WAL a repository holds: one listing, sorted into timelines.  The index
 * is made anew from the store each time; nothing can go stale.  Facts of
 * segments are read from their headers when a line is loaded (line.h).
 */
#ifndef WALVAULT_ARCHIVE_INDEX_H
#define WALVAULT_ARCHIVE_INDEX_H

#include <stdbool.h>
#include <stddef.h>

#include "repository.h"
#include "timeline.h"

struct index_object {
	struct walname name;
	uint64_t segno; /* segments and partial ones */
	uint64_t stored;
	int64_t mtime;
	char key[LAYOUT_KEY_MAX]; /* partial and set-aside ones */
};

struct index_list {
	struct index_object *list;
	size_t n, cap;
};

struct index_timeline {
	uint32_t tli;
	struct index_list segments; /* by segno */
	struct index_list partials;
	bool has_history;
	struct timeline history; /* n = 0 without has_history */
};

struct index {
	struct repository *repo;
	struct identity id;
	struct index_timeline *timelines; /* by tli */
	size_t n;
	struct index_list aside; /* damaged objects set aside */
};

/*
 * List a repository (opened, its system settled).  0 or -1; on 0 the caller
 * calls index_clear.  A damaged history file is logged and left out.
 */
int index_load(struct repository *repo, const struct identity *id,
    struct index *out, struct fail *f);

void index_clear(struct index *x);

/* NULL if nothing of that timeline is here. */
const struct index_timeline *
index_timeline(const struct index *x, uint32_t tli);

/*
 * Is t the end of a line: does no archived timeline fork from it, or does its
 * own WAL go on behind the segments in which they do?
 */
bool index_is_leaf(const struct index *x, const struct index_timeline *t);

#endif
