/* SPDX-License-Identifier: PostgreSQL */
/* An object on its way into a container.  Internal to azure_put*.c. */
#ifndef WALVAULT_REMOTE_AZURE_PUT_H
#define WALVAULT_REMOTE_AZURE_PUT_H

#include "azure_call.h"
#include "keyed.h"
#include "put.h"

#define AZURE_BLOCKS_MAX 50000

/*
 * Under this name an object carries its writer's number: who has lost the
 * answer to his request can tell whether what is there is his.
 */
#define AZURE_WRITER      "x-ms-meta-walvault"
#define AZURE_WRITER_TEXT 17

struct azure_put {
	struct put put;
	char writer[AZURE_WRITER_TEXT];
	struct md5 *sum; /* of the body */
};

/* Content-MD5 of the body, which is complete: what the service is to find. */
void azure_put_sum(struct azure_put *p, struct headers *h);

/* Headers of what is to become an object: tier, lock, writer. */
void azure_put_attributes(const struct azure_put *p, struct headers *h);

/*
 * The key is taken, or so it says.  After a request that was repeated: by
 * ourselves?  0 yes, 1 no, -1.
 */
int
azure_put_is_ours(struct azure_put *p, const struct call *c, struct fail *f);

/* Was the object really locked, if it was to be?  0 or -1. */
int azure_put_check_lock(struct azure_put *p, struct fail *f);

/* Copy what is under the key to its other name, and tell its tag.  0, 1, -1. */
int
azure_put_copy(struct azure_put *p, char etag[RANGE_ETAG_MAX], struct fail *f);

/* As struct put_ops has it. */
int azure_put_block(struct put *put, struct fail *f);

/*
 * Make an object of the blocks, on a condition (a header and its value).  0, 1
 * it does not hold, -1.
 */
int azure_put_commit(struct azure_put *p, const char *condition,
    const char *value, struct fail *f);

#endif
