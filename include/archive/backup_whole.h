/* SPDX-License-Identifier: PostgreSQL */
/* Is a backup what it is taken for? */
#ifndef WALVAULT_ARCHIVE_BACKUP_WHOLE_H
#define WALVAULT_ARCHIVE_BACKUP_WHOLE_H

#include "backup.h"

/*
 * Read a backup's manifest through, and look for its packs, of the sizes that
 * the manifest says: one object and one listing, whatever the backup's size.
 * 0 it is whole, 1 it is gone, -1 (FAIL_DAMAGED: it is not whole).
 */
int backup_look_at(struct repository *r, const char *id, struct fail *f);

#endif
