/* SPDX-License-Identifier: PostgreSQL */
/*
 * Writing an object into a file store.  It is written into a nameless file
 * (O_TMPFILE), so that a process killed at any moment leaves nothing; where
 * the file system has none (NFS), into a file whose name begins with
 * ".walvault-".  Publishing is link(2) or rename(2) without replacement,
 * behind fsync of the file (and, for the first object of a directory, of all
 * directories on its way) and before fsync of the directory.
 */
#ifndef WALVAULT_STORE_FILE_PUT_H
#define WALVAULT_STORE_FILE_PUT_H

#include "file_place.h"

/* As store_put and store_front. */
struct stream *file_put(struct store *store, const char *key,
    const struct store_attrs *attrs, struct fail *f);
int
file_front(struct stream *put, const void *bytes, size_t len, struct fail *f);

#endif
