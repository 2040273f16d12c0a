/* SPDX-License-Identifier: PostgreSQL */
/*
 * AWS Signature Version 4, as a pure function (Amazon S3 API Reference,
 * "Authenticating Requests: Using the Authorization Header").
 */
#ifndef WALVAULT_REMOTE_SIGV4_H
#define WALVAULT_REMOTE_SIGV4_H

#include <stdint.h>

#include "buf.h"
#include "headers.h"

/* "20130524T000000Z" and a NUL. */
#define SIGV4_TIME 17

struct sigv4 {
	const char *access_key;
	const char *secret_key;
	const char *region;
	const char *service;
	char time[SIGV4_TIME];
};

/* seconds since 1970 as a signature's time. */
void sigv4_time(int64_t unix_time, char out[SIGV4_TIME]);

/* What is signed of a request. */
struct sigv4_request {
	const char *method;
	const char *path;  /* as it is sent, encoded */
	const char *query; /* the same, sorted by name, each with a '=' */
	const struct headers *headers; /* all of them: with Host, X-Amz-Date */
	const char *payload_hash;      /* SHA-256 in hexadecimal */
};

/*
 * Append the value of the request's Authorization header to out.  0, or -1
 * without memory.
 */
int sigv4_authorization(
    const struct sigv4 *s, const struct sigv4_request *r, struct buf *out);

#endif
