/* SPDX-License-Identifier: PostgreSQL */
/* Is a backup what it is taken for? */
#ifndef WALVAULT_ARCHIVE_BACKUP_WHOLE_H
#define WALVAULT_ARCHIVE_BACKUP_WHOLE_H

#include "backup.h"

/*
 * Is a pack there, of the size that the manifest of backup id says?  Where the
 * store has several sources, in one of them; *size is what it is in the last.
 * 0 yes, 1 it is missing, 2 it has another size, -1.
 */
int backup_find_pack(struct repository *r, const char *id,
    const struct manifest_pack *pack, uint64_t *size, struct fail *f);

/*
 * Read a backup's manifest through, and look for its packs, of the sizes that
 * the manifest says: one object and one listing, whatever the backup's size.
 * 0 it is whole, 1 it is gone, -1 (FAIL_DAMAGED: it is not whole).
 */
int backup_look_at(struct repository *r, const char *id, struct fail *f);

#endif
