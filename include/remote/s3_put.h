/* SPDX-License-Identifier: PostgreSQL */
/* An object on its way into a bucket.  Internal to s3_put*.c. */
#ifndef WALVAULT_REMOTE_S3_PUT_H
#define WALVAULT_REMOTE_S3_PUT_H

#include "hash.h"
#include "put.h"
#include "s3_call.h"

#define S3_PARTS_MAX 10000

struct s3_put {
	struct put put;
	struct s3 *s3;
	struct sha256 *sum;        /* of the body */
	char upload[1024];         /* encoded id, empty: none is begun */
	char (*etag)[S3_ETAG_MAX]; /* of the parts so far */
};

/* Headers of what is to become an object: class, encryption, lock, ... */
void s3_put_attributes(const struct s3_put *p, struct headers *h);

/* Was the object really locked, if it was to be?  0 or -1. */
int s3_put_check_lock(struct s3_put *p, struct fail *f);

/* Have the service copy what is under the key to its other name.  0, 1, -1. */
int s3_put_copy(struct s3_put *p, struct fail *f);

/* As struct put_ops has it. */
int s3_put_part(struct put *put, struct fail *f);

/*
 * Make an object of the parts; what is under the key gives way if it was set
 * aside.  0, 1 the key is taken, -1.
 */
int s3_put_complete(struct s3_put *p, struct fail *f);

/* Forget the parts.  What fails here is swept later. */
void s3_put_abort(struct s3_put *p);

#endif
