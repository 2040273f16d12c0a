/* SPDX-License-Identifier: PostgreSQL */
/*
 * Temporary files of a file store: where there are no nameless ones (NFS), a
 * writer that is killed leaves what it wrote, under a name that no key has.
 */
#ifndef WALVAULT_STORE_FILE_SWEEP_H
#define WALVAULT_STORE_FILE_SWEEP_H

#include "file_place.h"

/* ".walvault-PID-xxxxxxxx" */
#define FILE_TEMP_PREFIX ".walvault-"

/* As store_sweep. */
int file_sweep(struct store *store, const char *prefix, int64_t before,
    size_t *n, struct fail *f);

#endif
