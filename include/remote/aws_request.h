/* SPDX-License-Identifier: PostgreSQL */
/* A small request for credentials.  Internal to aws*.c. */
#ifndef WALVAULT_REMOTE_AWS_REQUEST_H
#define WALVAULT_REMOTE_AWS_REQUEST_H

#include "aws_source.h"

#define AWS_TOKEN_MAX 16384

struct aws_request {
	const char *method;
	const char *url;
	const char *what; /* for messages: the URL may hold a secret */
	const char *body; /* a form, or NULL */
	struct headers headers;
	bool optional; /* 1 where nobody answers, at once */
	struct http_answer answer;
};

/* 0 answered with success, 1 nobody is there (optional), -1. */
int aws_request(struct aws *a, struct aws_request *r, struct fail *f);

/* Also of a request that failed; what was answered is overwritten. */
void aws_request_clear(struct aws_request *r);

/* A token in a file.  0 or -1. */
int aws_read_token(const char *path, char *out, size_t cap, struct fail *f);

#endif
