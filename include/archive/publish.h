/* SPDX-License-Identifier: PostgreSQL */
/*
 * The second half of a push: what was prepared becomes an object of a store,
 * or is found to be there already, or is refused.
 */
#ifndef WALVAULT_ARCHIVE_PUBLISH_H
#define WALVAULT_ARCHIVE_PUBLISH_H

#include "prepare.h"

/* The store's key for p's file, whose content has the sum; repo is open. */
void publish_key(const struct push *p, struct repository *repo, uint64_t sysid,
    const struct sum128 *sum, char key[LAYOUT_KEY_MAX]);

/*
 * Make it durable in one store.  put, unless NULL, has its payload already
 * (ahead.h), and stays the caller's to free.  0, 1 other content has its name
 * there (FAIL_REFUSED), -1.  Neither p nor r is changed: other threads may be
 * writing them into other stores.
 */
int publish(const struct push *p, struct repository *repo,
    const struct prepared *r, struct stream *put, struct fail *f);

#endif
