/* SPDX-License-Identifier: PostgreSQL */
/* The part of walvault check that is about backups. */
#ifndef WALVAULT_CMD_CHECK_BACKUP_H
#define WALVAULT_CMD_CHECK_BACKUP_H

#include "backup.h"
#include "conf.h"
#include "findings.h"
#include "line.h"

/* The findings about a repository's backups. */
void check_backups(struct findings *found, const struct conf *c,
    const struct backup_list *backups, const struct index *x);

/*
 * How bad is it that no recovery leads across a line from the segment before
 * segno `behind`?  NAGIOS_CRITICAL unless a backup was taken behind it; then
 * it costs the moments between, which keep_wal may have given up: NAGIOS_OK.
 */
int check_hole(const struct conf *c, const struct backup_list *backups,
    const struct line *l, uint64_t behind);

/*
 * Segments that were set aside and have not come back: critical, unless a
 * backup was taken behind them.
 */
void check_aside(struct findings *found, const struct backup_list *backups,
    const struct index *x);

#endif
