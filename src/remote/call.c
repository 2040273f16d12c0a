/* SPDX-License-Identifier: PostgreSQL */
/* Requests to services: see call.h. */
#include <string.h>

#include "call.h"
#include "uri.h"

/* Seconds of difference that a signature survives. */
#define SKEW_MAX INT64_C(900)

int
call_add(struct buf *b, const char *text)
{
	return text != NULL ? buf_append(b, text, strlen(text)) : 0;
}

int
call_add_key(
    const struct service *at, const char *key, bool slashes, struct buf *b)
{
	if (uri_encode(b, at->prefix, slashes) != 0)
		return -1;
	return uri_encode(b, key, slashes);
}

int
call_add_parameter(
    struct buf *b, const char *name, const char *prefix, const char *value)
{
	if ((b->len > 0 && call_add(b, "&") != 0) || call_add(b, name) != 0 ||
	    call_add(b, "=") != 0 || uri_encode(b, prefix, false) != 0)
		return -1;
	return uri_encode(b, value, false);
}

static int
make(void *arg, struct http_request *r, struct fail *f)
{
	struct call *c = arg;

	f->kind = FAIL_NONE;
	if (c->at->calls->ready != NULL && c->at->calls->ready(c, f) != 0)
		return -1;
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
	if (c->at->calls->make(c, r, f) == 0)
		return 0;
	return f->kind != FAIL_NONE
	    ? -1
	    : fail_set(f, FAIL_INTERNAL, c->object, "out of memory");
}

int
call_no_success(const struct call *c, const char *why, struct fail *f)
{
	(void)fail_set(f, FAIL_TRANSIENT, c->object,
	    "the answer says success, but %s", why);
	return 1;
}

int
call_not_theirs(const struct call *c, const char *why, struct fail *f)
{
	(void)call_no_success(c, why, f);
	(void)fail_hint(f,
	    "something between this host and the service answers in its "
	    "place (a proxy, a log-in page), or the endpoint is another "
	    "service's");
	return 1;
}

static int
accept_object(void *arg, const struct http_answer *a, struct fail *f)
{
	struct call *c = arg;

	(void)f;
	return c->at->calls->accept(c, a);
}

/* A success that is none. */
static int
check_success(struct call *c, const struct http_answer *a, struct fail *f)
{
	const char *why;

	if (c->at->calls->doubt != NULL && c->at->calls->doubt(c, a, f) != 0)
		return 1;
	if (c->out == NULL)
		return c->check != NULL ? c->check(c, a, f) : 0;
	if (a->body.len == 0 && accept_object(c, a, f) == 0)
		return 0;
	why = range_check(&c->range, a);
	return call_not_theirs(c, why != NULL ? why : "it is no object", f);
}

static enum http_verdict
judge(void *arg, const struct http_answer *a, struct fail *f)
{
	struct call *c = arg;
	const struct call_ops *ops = c->at->calls;
	enum http_verdict v = HTTP_DONE;
	int rc;

	c->error = (struct call_error){ .code = "" };
	if (ops->judge != NULL && ops->judge(c, a, &v, f))
		return v;
	if (a->status < 200 || a->status > 299)
		return ops->judge_error(c, a, f);
	rc = check_success(c, a, f);
	return rc == 0 ? HTTP_DONE : rc > 0 ? HTTP_AGAIN : HTTP_FAILED;
}

int
call_run(struct call *c, struct fail *f)
{
	struct http_exchange x = { .object = c->object,
		.make = make,
		.judge = judge,
		.accept = accept_object,
		.once = c->once,
		.arg = c };
	int rc;

	store_object_name(&c->at->store, c->key != NULL ? c->key : "",
	    c->object, sizeof c->object);
	if (c->headers.failed)
		return fail_set(f, FAIL_INTERNAL, c->object, "out of memory");
	rc = http_run(c->at->http, &x, &c->answer, f);
	c->tries = x.tries;
	if (rc < 0 && c->at->calls->hint != NULL)
		c->at->calls->hint(c, f);
	return rc;
}

int
call_run_made(struct call *c, int rc, struct fail *f)
{
	if (rc != 0 || buf_append_u8(&c->made, 0) != 0)
		return fail_set(
		    f, FAIL_INTERNAL, c->at->store.url, "out of memory");
	c->query = (const char *)c->made.data;
	return call_run(c, f);
}

int
call_page(struct call *c, int rc, struct fail *f)
{
	rc = call_run_made(c, rc, f);
	if (rc == 1)
		rc = fail_set(f, FAIL_TRANSIENT, c->object,
		    "it cannot be listed: answered %d %s", c->answer.status,
		    c->error.code);
	call_clear(c);
	return rc;
}

void
call_clear(struct call *c)
{
	buf_clear(&c->made);
	headers_clear(&c->headers);
	http_answer_clear(&c->answer);
}

bool
call_was_repeated(const struct call *c)
{
	return c->tries > 1 || c->answer.resent;
}

void
call_describe(const struct call *c, const struct http_answer *a,
    enum fail_kind kind, struct fail *f)
{
	const struct call_error *e = &c->error;

	(void)fail_set(f, kind, c->object, "%s: answered %d%s%s%s%s", c->method,
	    a->status, e->code[0] != '\0' ? " " : "", e->code,
	    e->message[0] != '\0' ? ": " : "", e->message);
	if (a->status == 407)
		(void)fail_hint(
		    f, "the proxy (of the environment) asks for credentials");
}

bool
call_hint_clock(
    const struct call *c, const struct http_answer *a, struct fail *f)
{
	int64_t ahead = http_ahead(a, c->sent_at);

	if (ahead <= SKEW_MAX && ahead >= -SKEW_MAX &&
	    strcmp(c->error.code, "RequestTimeTooSkewed") != 0)
		return false;
	(void)fail_hint(f,
	    "this host's clock is %lld s %s the service's: set it",
	    (long long)(ahead < 0 ? -ahead : ahead),
	    ahead < 0 ? "behind" : "ahead of");
	return true;
}

bool
call_among(const char *code, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(code, *list) == 0)
			return true;
	return false;
}

bool
call_may_heal(int status)
{
	return status == 408 || status == 425 || status == 429 ||
	    (status >= 500 && status != 501 && status != 505);
}
