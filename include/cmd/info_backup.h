/* SPDX-License-Identifier: PostgreSQL */
/* The part of walvault info that is about backups. */
#ifndef WALVAULT_CMD_INFO_BACKUP_H
#define WALVAULT_CMD_INFO_BACKUP_H

#include "backup.h"
#include "json.h"

/* The backups of a repository's system: a member of j, or as text. */
void info_backups(const struct backup_list *l, struct json *j);

#endif
