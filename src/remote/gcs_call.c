/* SPDX-License-Identifier: PostgreSQL */
/* Requests to Google Cloud Storage: see gcs_call.h. */
#include <stdio.h>
#include <string.h>

#include "gcs_call.h"
#include "uri.h"

static int
add_query(const struct gcs_call *c, struct buf *b)
{
	const char *query = c->call.query;

	if (query != NULL && (call_add(b, "?") != 0 || call_add(b, query) != 0))
		return -1;
	/* Take it up where it broke off, of the same object. */
	if (c->call.range.pushed == 0 || c->generation[0] == '\0')
		return 0;
	if (call_add(b, query != NULL ? "&" : "?") != 0 ||
	    call_add(b, "ifGenerationMatch=") != 0)
		return -1;
	return call_add(b, c->generation);
}

/* A key is encoded whole: a '/' is no part of the path. */
static int
add_url(const struct gcs_call *c, struct buf *b)
{
	const struct service *at = c->call.at;
	const char *key = c->call.key;

	if (c->session != NULL)
		return call_add(b, c->session);
	if (call_add(b, at->base) != 0 ||
	    call_add(b, c->root != NULL ? c->root : GCS_OBJECTS) != 0 ||
	    uri_encode(b, at->name, false) != 0 || call_add(b, "/o") != 0 ||
	    (key != NULL &&
	        (call_add(b, "/") != 0 ||
	            call_add_key(at, key, false, b) != 0)) ||
	    call_add(b, c->tail) != 0)
		return -1;
	return add_query(c, b);
}

static int
ready(struct call *call, struct fail *f)
{
	struct gcs_call *c = (struct gcs_call *)call;

	return c->ready != NULL ? c->ready(call, f) : 0;
}

static int
make(struct call *call, struct http_request *r, struct fail *f)
{
	struct gcs_call *c = (struct gcs_call *)call;
	const char *token;

	/* An upload's address is all that it asks for. */
	if (c->session == NULL) {
		token = gcp_token(gcs_of(call)->gcp, f);
		if (token == NULL)
			return -1;
		headers_add(&r->headers, "Authorization", "Bearer %s", token);
	}
	return add_url(c, &r->url) == 0 ? buf_append_u8(&r->url, 0) : -1;
}

/* What is pushed is of one generation. */
static int
accept(struct call *call, const struct http_answer *a)
{
	struct gcs_call *c = (struct gcs_call *)call;
	const char *g = headers_get(&a->headers, "X-Goog-Generation");

	if (g == NULL || range_accept(&call->range, a) != 0)
		return 1;
	(void)snprintf(c->generation, sizeof c->generation, "%.*s",
	    (int)strspn(g, "0123456789"), g);
	return 0;
}

static bool
judge(struct call *call, const struct http_answer *a, enum http_verdict *v,
    struct fail *f)
{
	struct gcs_call *c = (struct gcs_call *)call;

	return c->judge != NULL && c->judge(call, a, v, f);
}

const struct call_ops gcs_calls = {
	.ready = ready,
	.make = make,
	.accept = accept,
	.judge = judge,
	.judge_error = gcs_judge_error,
};

int
gcs_run(struct gcs_call *c, struct fail *f)
{
	int rc = call_run(&c->call, f);

	if (rc < 0 && c->unclear && gcs_exists(c->call.at, c->call.key, f) == 1)
		rc = 1;
	return rc;
}
