/* SPDX-License-Identifier: PostgreSQL */
/* Files that hold keys and the like. */
#ifndef WALVAULT_UTIL_SECRET_H
#define WALVAULT_UTIL_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "buf.h"
#include "fail.h"

/*
 * Append a whole file, of at most max bytes; option is what named it, for
 * hints.  0, or -1: FAIL_CONFIG where there is none.  The caller wipes *b.
 */
int secret_read(const char *option, const char *path, size_t max, struct buf *b,
    struct fail *f);

/*
 * May others read it, or write it?  As PostgreSQL asks it of the server's own
 * private key: only the owner may, and if that is root, its group may read.
 * *mode is what it has.  false also where nobody can tell.
 */
bool secret_is_exposed(const char *path, mode_t *mode);

#endif
