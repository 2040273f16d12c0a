/* SPDX-License-Identifier: PostgreSQL */
/*
 * A repository as it was at one moment, for whoever looks at much of it and
 * changes nothing: one listing answers all that is asked about what there is,
 * and index objects (heads.h) answer what headers and notes say, where that
 * listing agrees with them.  Everything else is asked of the store.  Who must
 * see what has happened since (a deletion, a lease) asks the store itself.
 */
#ifndef WALVAULT_ARCHIVE_SNAPSHOT_H
#define WALVAULT_ARCHIVE_SNAPSHOT_H

#include "repository.h"

/*
 * r as it is from its first listing on: of all its systems, or of the one that
 * its layout says.  Where requests are cheap, or without memory, out is r
 * itself.  r's store must outlive it; the caller calls snapshot_end.
 */
void snapshot_all(const struct repository *r, struct repository *out);
void snapshot_system(const struct repository *r, struct repository *out);

void snapshot_end(struct repository *s);

#endif
