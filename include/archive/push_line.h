/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a timeline needs beside the file at hand.  A promoted standby has
 * history files and the old primary's last segments in pg_wal, but never asks
 * to have them archived if the old primary could not.
 */
#ifndef WALVAULT_ARCHIVE_PUSH_LINE_H
#define WALVAULT_ARCHIVE_PUSH_LINE_H

#include "push_one.h"

/*
 * Ship the history files of p's own line, and, with a history file or the
 * first segment of a timeline, the segments of the parent timelines up to the
 * fork, as far as they are in pg_wal and not in every store.  What a store
 * refuses is logged and passed over; -1 only for what is worth another try.
 */
int push_line(const struct push *p, struct fail *f);

#endif
