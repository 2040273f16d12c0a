/* SPDX-License-Identifier: PostgreSQL */
/* The second half of retain.h, for retain.c alone: which WAL stays. */
#ifndef WALVAULT_ARCHIVE_RETAIN_WAL_H
#define WALVAULT_ARCHIVE_RETAIN_WAL_H

#include "retain.h"

/* Is the line of in->timelines[timeline] live (see retain.h)? */
bool retain_is_live(const struct retain_input *in, size_t timeline);

/* Fill the ranges of a plan whose backups are decided.  0 or -1. */
int retain_wal(const struct retain_input *in, struct retain_plan *out);

#endif
