/* SPDX-License-Identifier: PostgreSQL */
/* A stage that counts and sums what passes through it. */
#ifndef WALVAULT_STREAM_DIGEST_H
#define WALVAULT_STREAM_DIGEST_H

#include <stdbool.h>

#include "stream.h"
#include "sum.h"

struct digest {
	uint64_t len;
	struct sum128 sum;
};

/* Of the same bytes? */
bool digest_same(const struct digest *a, const struct digest *b);

/* *result is filled by finish; it must outlive the stage. */
struct stream *digest_new(struct digest *result, struct stream *next);

#endif
