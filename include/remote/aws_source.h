/* SPDX-License-Identifier: PostgreSQL */
/* Where credentials come from.  Internal to aws*.c. */
#ifndef WALVAULT_REMOTE_AWS_SOURCE_H
#define WALVAULT_REMOTE_AWS_SOURCE_H

#include <pthread.h>

#include "aws.h"
#include "http.h"

/* What was set when the store was opened; texts are owned, or NULL. */
struct aws {
	char *name; /* of the store, for messages */
	char *access_key_id, *secret_key, *secret_key_file, *session_token;
	char *command;
	char *profile;
	char *role_arn;
	char region[64]; /* empty: not known */
	struct http_options options;
	struct http *http; /* made when a source needs it */
	struct aws_credentials now;
	bool known; /* now holds some */
	pthread_mutex_t lock;
	unsigned users;
};

/*
 * One source.  0 it has credentials, 1 it is not set up here, -1 it is, and
 * fails.
 */
typedef int
aws_source(struct aws *a, struct aws_credentials *out, struct fail *f);

aws_source aws_from_profile;
aws_source aws_from_web_identity, aws_from_container, aws_from_machine;

/* With those in a->now as its own, ask for the role's.  0 or -1. */
int aws_assume_role(struct aws *a, const char *role,
    const struct aws_credentials *own, struct aws_credentials *out,
    struct fail *f);

/* A value of a profile in the AWS files.  0, 1 it is not there, -1. */
int aws_profile_value(const char *profile, const char *name, char *out,
    size_t cap, struct fail *f);

/* The profile in force where nothing names one. */
const char *aws_default_profile(void);

/*
 * Credentials as JSON: of a command ("credential_process" in the AWS
 * documentation), of a container or a machine.  0 or -1.
 */
int aws_parse_json(const struct buf *text, const char *what,
    struct aws_credentials *out, struct fail *f);

/* Of a command that prints JSON.  0 or -1. */
int aws_from_command(struct aws *a, const char *what, const char *command,
    struct aws_credentials *out, struct fail *f);

/* "2026-11-20T02:00:00Z" in seconds of 1970; 0: it is none. */
int64_t aws_time(const char *text);

/* Copy a text into a credential.  0, or -1: it is too long. */
int aws_set(
    char *out, size_t cap, const char *value, const char *what, struct fail *f);

#endif
