/* SPDX-License-Identifier: PostgreSQL */
/*
 * The same objects into several stores side by side: what is put is made once,
 * and every store takes it at its own pace from a queue that is bounded.  A
 * store that fails, or holds all of it up for too long, is left out from then
 * on, as long as enough of them remain.
 */
#ifndef WALVAULT_ARCHIVE_MIRROR_H
#define WALVAULT_ARCHIVE_MIRROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store.h"

/* Which stores are still in.  May be used by several threads at once. */
struct mirror;

struct mirror_args {
	const struct store_args *stores;
	size_t n;
	size_t required; /* so many must remain; 1 .. n */
	/*
	 * How long one of them may hold up a thread's work, in all, while the
	 * others could go on.  Where it cannot be left out it is waited for, as
	 * long as it takes something at least every stuck_ms.
	 */
	int64_t patience_ms, stuck_ms;
};

/* What args points to must live as long.  NULL: no memory. */
struct mirror *mirror_new(const struct mirror_args *args);

/* All that mirror_open gave must be gone.  NULL is a no-op. */
void mirror_free(struct mirror *m);

bool mirror_has(struct mirror *m, size_t i);

/* Are there more than must remain? */
bool mirror_can_spare(struct mirror *m);

/* Has a put left a thread behind, that hangs in a store? */
bool mirror_left_behind(struct mirror *m);

/*
 * Leave store i out because of why, which is logged.  0; -1 if too few would
 * remain: *f is why, then (it may be the same place).
 */
int
mirror_drop(struct mirror *m, size_t i, const struct fail *why, struct fail *f);

/*
 * A store for one thread whose put goes into all that are in; it can do
 * nothing else.  Where there is only one it is that store itself.  NULL: too
 * few could be opened.
 *
 * A put is done (0) when it is in all that are then still in; if the key
 * exists in one of them it is 1.
 */
struct store *mirror_open(struct mirror *m, struct fail *f);

/*
 * A put into more than one store has been freed, whether it was done or not:
 * may it be in store i?
 */
bool mirror_may_have(const struct store *s, size_t i);

#endif
