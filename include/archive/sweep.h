/* SPDX-License-Identifier: PostgreSQL */
/* What writers that were killed left in a repository: see store_sweep. */
#ifndef WALVAULT_ARCHIVE_SWEEP_H
#define WALVAULT_ARCHIVE_SWEEP_H

#include "repository.h"

/*
 * All of a system's that is a day older than now, a moment by the store's
 * clock.  0 or -1.
 */
int sweep_system(struct repository *r, int64_t now, struct fail *f);

/* That of a backup whose deletion has begun.  0 or -1. */
int sweep_backup(struct repository *r, const char *id, struct fail *f);

#endif
