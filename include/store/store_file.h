/* SPDX-License-Identifier: PostgreSQL */
/*
 * A store in a directory: file:///absolute/path.  Objects are files; keys are
 * paths below the directory, none of whose components may be a symbolic link.
 * Durable means fsync of the file, of its directory and of every directory
 * made for it.  What root writes gets the owner of its directory.
 */
#ifndef WALVAULT_STORE_STORE_FILE_H
#define WALVAULT_STORE_STORE_FILE_H

#include "store.h"

struct store *store_file_open(
    const struct store_args *args, const char *path, struct fail *f);

#endif
