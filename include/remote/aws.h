/* SPDX-License-Identifier: PostgreSQL */
/*
 * Credentials for services that take AWS signatures, from the first place
 * that has them: the store's options, its credential_command, its profile,
 * the environment, a web identity, the AWS configuration files, the container,
 * the machine.  Those that end are asked for again before they do.
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
};

/* args are asked here and not kept.  NULL with *f filled. */
struct aws *aws_new(const struct store_args *args, struct fail *f);
void aws_free(struct aws *a);

/* Credentials that are good now; they stay a's.  NULL with *f filled. */
const struct aws_credentials *aws_get(struct aws *a, struct fail *f);

/* The service says that they have ended: ask again. */
void aws_forget(struct aws *a);

/*
 * The region that environment or profile name.  Empty if none does.  0, or
 * -1: a file cannot be read.
 */
int aws_region(
    const struct store_args *args, char *out, size_t cap, struct fail *f);

#endif
