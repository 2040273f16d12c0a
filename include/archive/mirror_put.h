/* SPDX-License-Identifier: PostgreSQL */
/* The puts of a mirror (mirror.h); shared by the files mirror*.c. */
#ifndef WALVAULT_ARCHIVE_MIRROR_PUT_H
#define WALVAULT_ARCHIVE_MIRROR_PUT_H

#include "mirror.h"

const struct mirror_args *mirror_args_of(const struct mirror *m);

/*
 * A store that puts into these (NULL: left out already), which it owns from
 * then on, and the array too.  NULL: they are still the caller's.
 */
struct store *
mirror_put_store(struct mirror *m, struct store **stores, struct fail *f);

#endif
