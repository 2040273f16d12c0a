/* SPDX-License-Identifier: PostgreSQL */
/*
 * The bytes of an object that a GET asks for, and asks for again from where
 * an answer broke off: of the same object, by its entity tag.
 */
#ifndef WALVAULT_REMOTE_RANGE_H
#define WALVAULT_REMOTE_RANGE_H

#include "http.h"

#define RANGE_ETAG_MAX 128

struct range {
	uint64_t off, len;         /* off 0, len STORE_ALL: all of it */
	uint64_t pushed;           /* of it so far: for http_request.pushed */
	uint64_t from;             /* of it, by earlier tries */
	char etag[RANGE_ETAG_MAX]; /* of the object that it began with */
};

/* The headers of the next try. */
void range_ask(struct range *r, struct headers *h);

/*
 * Is it the object that it began with, from where the last request broke off?
 * NULL, or what is wrong with the answer.
 */
const char *range_check(const struct range *r, const struct http_answer *a);

/*
 * The same of an answer whose body is about to come, with all that an
 * object's bytes come with; its entity tag is kept.  0, 1 it is not.
 */
int range_accept(struct range *r, const struct http_answer *a);

#endif
