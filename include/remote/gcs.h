/* SPDX-License-Identifier: PostgreSQL */
/*
 * A store in a bucket of Google Cloud Storage: gs://BUCKET/PREFIX, by its JSON
 * API.  A key is created by ifGenerationMatch=0; what an object's bytes sum to
 * is told with them, and compared by the service.
 */
#ifndef WALVAULT_REMOTE_GCS_H
#define WALVAULT_REMOTE_GCS_H

#include "store.h"

struct store *gcs_open(const struct store_args *args, struct fail *f);

#endif
