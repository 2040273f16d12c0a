/* SPDX-License-Identifier: PostgreSQL */
/* The WAL's part of expire.h, for expire.c alone. */
#ifndef WALVAULT_ARCHIVE_EXPIRE_WAL_H
#define WALVAULT_ARCHIVE_EXPIRE_WAL_H

#include "expire.h"

/*
 * Delete (or with dry_run only count) WAL that the plan does not keep; a
 * failure to delete is counted, and the rest goes on.  0, or -1.
 */
int expire_wal(const struct survey *s, const struct retain_plan *p,
    bool dry_run, struct expire_report *out, struct fail *f);

#endif
