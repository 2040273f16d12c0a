/* SPDX-License-Identifier: PostgreSQL */
/*
 * Several stores read as one: a listing has what any of them has, an object
 * comes from the first that gives it.  "No such object" and the end of a
 * listing are the word of all of them; a store that fails is asked last from
 * then on.
 *
 * What an object's reader finds to be damaged, it asks from elsewhere:
 * store_turn, or object_find_whole.
 */
#ifndef WALVAULT_ARCHIVE_MERGED_H
#define WALVAULT_ARCHIVE_MERGED_H

#include <stdbool.h>
#include <stddef.h>

#include "store.h"

/* For reading alone.  NULL: no memory. */
struct store *merged_new(struct store *const *stores, size_t n, struct fail *f);

/* The same; the stores are freed with it, also if it gives NULL. */
struct store *
merged_owner(struct store *const *stores, size_t n, struct fail *f);

#endif
