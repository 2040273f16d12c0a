/* SPDX-License-Identifier: PostgreSQL */
/* Requests to Google Cloud Storage, made and judged: see gcs_call.h. */
#include <stdio.h>
#include <string.h>

#include "gcs_call.h"
#include "uri.h"

static int
add(struct buf *b, const char *text)
{
	return text != NULL ? buf_append(b, text, strlen(text)) : 0;
}

int
gcs_add_object(const struct gcs *g, const char *key, struct buf *b)
{
	if (key == NULL)
		return uri_encode(b, g->place.name, false);
	/* Encoded whole: a '/' is no part of the path. */
	if (uri_encode(b, g->place.prefix, false) != 0)
		return -1;
	return uri_encode(b, key, false);
}

static int
add_query(const struct gcs_call *c, struct buf *b)
{
	const char *sign = "?";

	if (c->query != NULL) {
		if (add(b, sign) != 0 || add(b, c->query) != 0)
			return -1;
		sign = "&";
	}
	/* Take it up where it broke off, of the same object. */
	if (c->range.pushed > 0 && c->generation[0] != '\0')
		return add(b, sign) != 0 || add(b, "ifGenerationMatch=") != 0 ||
		        add(b, c->generation) != 0
		    ? -1
		    : 0;
	return 0;
}

static int
add_url(const struct gcs_call *c, struct buf *b)
{
	const struct gcs *g = c->gcs;

	if (c->session != NULL)
		return add(b, c->session) != 0 ? -1 : buf_append_u8(b, 0);
	if (add(b, g->base) != 0 ||
	    add(b, c->root != NULL ? c->root : GCS_OBJECTS) != 0 ||
	    gcs_add_object(g, NULL, b) != 0 || add(b, "/o") != 0 ||
	    (c->key != NULL &&
	        (add(b, "/") != 0 || gcs_add_object(g, c->key, b) != 0)) ||
	    add(b, c->tail) != 0 || add_query(c, b) != 0)
		return -1;
	return buf_append_u8(b, 0);
}

static int
make(void *arg, struct http_request *r, struct fail *f)
{
	struct gcs_call *c = arg;
	const char *token;

	if (c->ready != NULL && c->ready(c, f) != 0)
		return -1;
	/* An upload's address is all that it asks for. */
	if (c->session == NULL) {
		token = gcp_token(c->gcs->gcp, f);
		if (token == NULL)
			return -1;
		headers_add(&r->headers, "Authorization", "Bearer %s", token);
	}
	r->method = c->method;
	r->body = c->body;
	r->body_len = c->body_len;
	r->spool = c->spool;
	r->from = c->from;
	r->before = c->before;
	r->after = c->after;
	r->out = c->out;
	r->pushed = &c->range.pushed;
	for (size_t i = 0; i < c->headers.n; i++)
		headers_add_line(&r->headers, c->headers.line[i],
		    strlen(c->headers.line[i]));
	if (c->out != NULL)
		range_ask(&c->range, &r->headers);
	if (add_url(c, &r->url) == 0)
		return 0;
	return fail_set(f, FAIL_INTERNAL, c->object, "out of memory");
}

int
gcs_no_success(const struct gcs_call *c, const char *why, struct fail *f)
{
	(void)fail_set(f, FAIL_TRANSIENT, c->object,
	    "the answer says success, but %s", why);
	(void)fail_hint(f,
	    "something between this host and the service answers in its "
	    "place (a proxy, a log-in page), or the endpoint is another "
	    "service's");
	return 1;
}

/* What is pushed is of one generation. */
static int
accept_object(void *arg, const struct http_answer *a, struct fail *f)
{
	struct gcs_call *c = arg;
	const char *g = headers_get(&a->headers, "X-Goog-Generation");

	(void)f;
	if (g == NULL || range_accept(&c->range, a) != 0)
		return 1;
	(void)snprintf(c->generation, sizeof c->generation, "%.*s",
	    (int)strspn(g, "0123456789"), g);
	return 0;
}

/* A success that is none. */
static int
check_success(struct gcs_call *c, const struct http_answer *a, struct fail *f)
{
	const char *why;

	if (c->out == NULL)
		return c->check != NULL ? c->check(c, a, f) : 0;
	if (a->body.len == 0 && accept_object(c, a, f) == 0)
		return 0;
	why = range_check(&c->range, a);
	return gcs_no_success(c, why != NULL ? why : "it is no object", f);
}

static enum http_verdict
judge(void *arg, const struct http_answer *a, struct fail *f)
{
	struct gcs_call *c = arg;
	enum http_verdict v = HTTP_DONE;
	int rc;

	c->error = (struct gcs_error){ .reason = "" };
	if (c->judge != NULL && c->judge(c, a, &v, f))
		return v;
	if (a->status < 200 || a->status > 299)
		return gcs_judge_error(c, a, f);
	rc = check_success(c, a, f);
	return rc == 0 ? HTTP_DONE : rc > 0 ? HTTP_AGAIN : HTTP_FAILED;
}

int
gcs_call(struct gcs_call *c, struct fail *f)
{
	struct http_exchange x = { .object = c->object,
		.make = make,
		.judge = judge,
		.accept = accept_object,
		.once = c->once,
		.arg = c };
	int rc;

	store_object_name(&c->gcs->store, c->key != NULL ? c->key : "",
	    c->object, sizeof c->object);
	if (c->headers.failed)
		return fail_set(f, FAIL_INTERNAL, c->object, "out of memory");
	rc = http_run(c->gcs->http, &x, &c->answer, f);
	c->tries = x.tries;
	return rc;
}

void
gcs_call_clear(struct gcs_call *c)
{
	headers_clear(&c->headers);
	http_answer_clear(&c->answer);
}
