/* SPDX-License-Identifier: PostgreSQL */
/* What is wrong with the way to a service, in words.  Internal to http. */
#ifndef WALVAULT_REMOTE_HTTP_TELL_H
#define WALVAULT_REMOTE_HTTP_TELL_H

#include <curl/curl.h>

#include "http.h"

struct http_failure {
	CURLcode code;
	const char *detail; /* libcurl's words, or ours */
	const char *object;
	const char *url;
	const struct http_options *options;
	bool stranger; /* nothing is known of the port yet */
};

/* A request that got no answer.  1 it may heal, -1 it will not. */
int http_tell(const struct http_failure *x, struct fail *f);

/*
 * Has a plain request been answered by a port that wants TLS?  Then *f is
 * filled, and the answer is nobody's.
 */
bool http_is_astray(
    const struct http_failure *x, const struct http_answer *a, struct fail *f);

#endif
