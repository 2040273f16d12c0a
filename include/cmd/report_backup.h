/* SPDX-License-Identifier: PostgreSQL */
/* What basebackup says of a backup that it has made, or not. */
#ifndef WALVAULT_CMD_REPORT_BACKUP_H
#define WALVAULT_CMD_REPORT_BACKUP_H

#include <stdbool.h>

#include "basebackup.h"

/* Records on stderr: damaged pages, and one line with the facts. */
void report_backup_log(const struct basebackup_result *r);

/*
 * A backup that had begun has failed because of f: why, and where it may be all
 * the same.
 */
void
report_backup_failure(const struct basebackup_result *r, const struct fail *f);

/* The result on stdout: the id, or JSON. */
void report_backup_print(
    const struct basebackup_result *r, const char *cluster, bool json);

#endif
