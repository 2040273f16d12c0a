/* SPDX-License-Identifier: PostgreSQL */
/*
 * A store in a container of Azure Blob Storage: azure://CONTAINER/PREFIX.  A
 * key is created by If-None-Match: *, by one request, or of blocks that
 * nobody sees before they are committed.
 */
#ifndef WALVAULT_REMOTE_AZURE_H
#define WALVAULT_REMOTE_AZURE_H

#include "store.h"

struct store *azure_open(const struct store_args *args, struct fail *f);

#endif
