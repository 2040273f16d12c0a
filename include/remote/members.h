/* SPDX-License-Identifier: PostgreSQL */
/*
 * Answers of services in JSON, as their leaves: each text, number or truth,
 * by its path.  What xml.h is for XML.
 */
#ifndef WALVAULT_REMOTE_MEMBERS_H
#define WALVAULT_REMOTE_MEMBERS_H

#include <stddef.h>

#include "fail.h"

#define MEMBERS_PATH_MAX 256

/*
 * A member: path is "name/name/...", without anything for the place in an
 * array; text is what it says, and NULL where an object has ended (its
 * members were given before).  Not 0 ends it with that value.
 */
typedef int members_fn(void *arg, const char *path, const char *text);

/*
 * Read a document, which is an object.  0, what fn returned, or -1 with
 * FAIL_TRANSIENT: it is no JSON, or no object.  Then nothing was given.
 */
int members_read(const void *bytes, size_t len, const char *object,
    members_fn *fn, void *arg, struct fail *f);

#endif
