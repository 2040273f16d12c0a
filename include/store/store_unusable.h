/* SPDX-License-Identifier: PostgreSQL */
/* In place of a store that could not be opened, beside others that could. */
#ifndef WALVAULT_STORE_STORE_UNUSABLE_H
#define WALVAULT_STORE_STORE_UNUSABLE_H

#include "store.h"

/* Every call of it fails with *why.  NULL without memory. */
struct store *
store_unusable(const struct store_args *args, const struct fail *why);

#endif
