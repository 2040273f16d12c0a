/* SPDX-License-Identifier: PostgreSQL */
/*
 * Credentials for services that take AWS signatures, from the first place
 * that has them: the store's options, its credential_command, its profile,
 * the environment, a web identity, the AWS configuration files, the container,
 * the machine.  Those that end are asked for again before they do.  Any thread
 * may ask.
 */
#ifndef WALVAULT_REMOTE_AWS_H
#define WALVAULT_REMOTE_AWS_H

#include "store.h"

struct aws;

struct aws_credentials {
	char access_key[256];
	char secret_key[256];
	char token[8192]; /* empty: none */
	int64_t expires;  /* seconds of 1970; 0: never */
	char source[128]; /* for messages */
	unsigned number;  /* of those that were got, the how manyth */
};

/* args are asked here and not kept.  NULL with *f filled. */
struct aws *aws_new(const struct store_args *args, struct fail *f);

/* The same for another handle, which frees it too. */
struct aws *aws_share(struct aws *a);
void aws_free(struct aws *a);

/* Credentials that are good now, for the caller to wipe.  0 or -1. */
int aws_get(struct aws *a, struct aws_credentials *out, struct fail *f);

/* The service says that those of this number have ended: ask again. */
void aws_forget(struct aws *a, unsigned number);

/*
 * The region that environment or profile name.  Empty if none does.  0, or
 * -1: a file cannot be read.
 */
int aws_region(
    const struct store_args *args, char *out, size_t cap, struct fail *f);

#endif
