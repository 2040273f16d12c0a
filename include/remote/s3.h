/* SPDX-License-Identifier: PostgreSQL */
/*
 * A store in a bucket: s3://BUCKET/PREFIX, of Amazon or of any service that
 * speaks the same.  A key is created by If-None-Match: *; where a service
 * cannot do that, the store is refused, or (single_writer) looks before it
 * puts and reads back what it has put.
 */
#ifndef WALVAULT_REMOTE_S3_H
#define WALVAULT_REMOTE_S3_H

#include "store.h"

struct store *s3_open(const struct store_args *args, struct fail *f);

#endif
