/* SPDX-License-Identifier: PostgreSQL */
/*
 * An object on its way to a service.  What a request signs or tells in front
 * of its body is the body's sum, so the body is there before the request
 * begins: all of it, or, of a backup's packs, one part after the other.
 */
#ifndef WALVAULT_REMOTE_PUT_H
#define WALVAULT_REMOTE_PUT_H

#include "service.h"

struct put;

struct put_ops {
	size_t size;        /* of the driver's struct, a struct put in front */
	unsigned parts_max; /* 0: no such bound */
	/* Sum the body anew, which is empty; and what it is to hold. */
	int (*begin)(struct put *p);
	void (*sum)(struct put *p, const void *bytes, size_t len);
	/* The body is the next part; the first begins the upload.  0 or -1. */
	int (*part)(struct put *p, struct fail *f);
	/* As a stream's; after a part, what is in the body is the last one. */
	int (*finish)(struct put *p, struct fail *f);
	/* Give back what begin took, and forget the parts. */
	void (*free)(struct put *p);
};

struct put {
	struct stream stream;
	const struct put_ops *ops;
	struct service *at;
	enum store_kind kind;
	char key[STORE_KEY_MAX];
	char aside[STORE_KEY_MAX]; /* empty: none */
	struct spool *body;        /* of the object, or of its next part */
	uint64_t begin;            /* of the body in the object */
	uint64_t len;              /* of all of it */
	unsigned n_parts;
	bool taken; /* there was an object before it could begin */
};

/* NULL on failure.  All that is the driver's is 0 in it. */
struct put *put_new(const struct put_ops *ops, struct store *store,
    const char *key, const struct store_attrs *attrs, struct fail *f);

/* The body becomes a part.  0 or -1. */
int put_part(struct put *p, struct fail *f);

/* The class (or tier) that objects of its kind are to have; empty: any. */
const char *put_class(const struct put *p);

/* It was to be locked, and is not.  -1. */
int put_not_locked(const struct put *p, const char *object, struct fail *f);

#endif
