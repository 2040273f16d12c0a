/* SPDX-License-Identifier: PostgreSQL */
/*
 * Timeline histories that stores have answered with, remembered (state.h) for
 * when they do not.
 */
#ifndef WALVAULT_ARCHIVE_FETCH_MEMORY_H
#define WALVAULT_ARCHIVE_FETCH_MEMORY_H

#include "fetch.h"
#include "fetch_place.h"

/*
 * The history that one of several stores has answered with is in place; they
 * are known to be one repository.  Any other file is not remembered.
 */
void
fetch_memory_keep(const struct fetch_args *args, const struct fetch_place *to);

/* Put what is remembered into place: 0, or -1. */
int
fetch_memory_get(const struct fetch_args *args, const struct fetch_place *to);

#endif
