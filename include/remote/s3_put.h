/* SPDX-License-Identifier: PostgreSQL */
/* An object on its way into a bucket.  Internal to s3_put*.c. */
#ifndef WALVAULT_REMOTE_S3_PUT_H
#define WALVAULT_REMOTE_S3_PUT_H

#include "hash.h"
#include "s3_call.h"

/* Objects of one request wait in memory up to here, then in a file. */
#define S3_MEMORY_MAX ((size_t)32 * 1024 * 1024)

#define S3_PARTS_MAX 10000

struct s3_put {
	struct stream stream;
	struct s3 *s3;
	enum store_kind kind;
	char key[STORE_KEY_MAX];
	char aside[STORE_KEY_MAX]; /* empty: none */
	struct spool *body;        /* of the object, or of its next part */
	struct sha256 *sum;        /* of the body */
	uint64_t len;              /* of all of it */
	char upload[1024];         /* encoded id, empty: none is begun */
	char (*etag)[S3_ETAG_MAX]; /* of the parts so far */
	unsigned n_parts;
};

/* An empty body and its sum.  0 or -1. */
int s3_put_next_body(struct s3_put *p, struct fail *f);

/* Headers of what is to become an object: class, encryption, lock, ... */
void s3_put_attributes(const struct s3_put *p, struct headers *h);

/* Was the object really locked, if it was to be?  0 or -1. */
int s3_put_check_lock(struct s3_put *p, struct fail *f);

/* Have the service copy what is under the key to p->aside.  0, 1, -1. */
int s3_put_copy(struct s3_put *p, struct fail *f);

/* The body becomes the next part; the first begins the upload.  0 or -1. */
int s3_put_part(struct s3_put *p, struct fail *f);

/*
 * Make an object of the parts; what is under the key gives way if it was set
 * aside.  0, 1 the key is taken, -1.
 */
int s3_put_complete(struct s3_put *p, struct fail *f);

/* Forget the parts.  What fails here is swept later. */
void s3_put_abort(struct s3_put *p);

#endif
