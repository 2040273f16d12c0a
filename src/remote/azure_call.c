/* SPDX-License-Identifier: PostgreSQL */
/* Requests to Azure, signed and judged: see azure_call.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "azure_call.h"
#include "keyed.h"
#include "uri.h"

static int
add(struct buf *b, const char *text)
{
	return buf_append(b, text, strlen(text));
}

/* The path as it is sent: root, prefix and key, encoded. */
static int
add_path(const struct azure_call *c, struct buf *b)
{
	if (uri_encode(b, c->azure->root, true) != 0)
		return -1;
	if (c->key != NULL &&
	    (add(b, "/") != 0 || uri_encode(b, c->azure->prefix, true) != 0 ||
	        uri_encode(b, c->key, true) != 0))
		return -1;
	return buf_append_u8(b, 0);
}

static int
sign(struct azure_call *c, const struct azure_credentials *by, const char *path,
    struct http_request *r)
{
	struct azure_request what = { .method = c->method,
		.path = path,
		.query = c->query != NULL ? c->query : "",
		.headers = &r->headers,
		.body_len = c->spool != NULL ? spool_len(c->spool)
		                             : c->body_len };
	struct buf authorization = { 0 };
	int rc = 0;

	switch (by->kind) {
	case AZURE_SAS: /* it is in the URL */
		break;
	case AZURE_TOKEN:
		headers_add(&r->headers, "Authorization", "Bearer %s",
		    by->bearer.token);
		break;
	case AZURE_SHARED_KEY:
		rc = azure_authorization(&by->key, &what, &authorization);
		if (rc == 0)
			headers_add(&r->headers, "Authorization", "%s",
			    (const char *)authorization.data);
		buf_clear(&authorization);
		break;
	}
	return rc;
}

static void
add_date(struct azure_call *c, struct headers *h)
{
	time_t now = time(NULL);
	char text[64];
	struct tm tm;

	c->sent_at = now;
	(void)gmtime_r(&now, &tm);
	(void)strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	headers_add(h, "x-ms-date", "%s", text);
	headers_add(h, "x-ms-version", "%s", AZURE_VERSION);
}

/* Base, path and query, and the SAS if there is one. */
static int
add_url(const struct azure_call *c, const struct azure_credentials *by,
    const char *path, struct buf *url)
{
	bool sas = by->kind == AZURE_SAS;

	if (add(url, c->azure->base) != 0 || add(url, path) != 0)
		return -1;
	if (c->query != NULL && (add(url, "?") != 0 || add(url, c->query) != 0))
		return -1;
	if (sas &&
	    (add(url, c->query != NULL ? "&" : "?") != 0 ||
	        add(url, by->sas) != 0))
		return -1;
	return buf_append_u8(url, 0);
}

/* Whoever reads it on the way could do what we may. */
static int
check_private(const struct azure_call *c, const struct azure_credentials *by,
    struct fail *f)
{
	if (by->kind == AZURE_SHARED_KEY || ask_is_private(c->azure->base))
		return 0;
	(void)fail_set(f, FAIL_CONFIG, c->azure->store.name,
	    "endpoint: %s is not sent over http",
	    by->kind == AZURE_SAS ? "a shared access signature" : "a token");
	return fail_hint(f, "write https:// in front of it");
}

static int
make(void *arg, struct http_request *r, struct fail *f)
{
	struct azure_call *c = arg;
	const struct azure_credentials *by = azure_auth_get(c->azure->auth, f);
	struct buf path = { 0 };
	int rc = -1;

	if (by == NULL || check_private(c, by, f) != 0)
		return -1;
	r->method = c->method;
	r->body = c->body;
	r->body_len = c->body_len;
	r->spool = c->spool;
	r->out = c->out;
	r->pushed = &c->range.pushed;
	for (size_t i = 0; i < c->headers.n; i++)
		headers_add_line(&r->headers, c->headers.line[i],
		    strlen(c->headers.line[i]));
	if (c->out != NULL)
		range_ask(&c->range, &r->headers);
	add_date(c, &r->headers);
	if (add_path(c, &path) == 0 &&
	    sign(c, by, (const char *)path.data, r) == 0 &&
	    add_url(c, by, (const char *)path.data, &r->url) == 0)
		rc = 0;
	buf_clear(&path);
	return rc == 0 ? 0
	               : fail_set(f, FAIL_INTERNAL, c->object, "out of memory");
}

/* Azure signs all that it answers. */
static bool
is_azures(const struct http_answer *a)
{
	return headers_get(&a->headers, "x-ms-request-id") != NULL;
}

static int
no_object(const struct azure_call *c, const char *why, struct fail *f)
{
	(void)fail_set(f, FAIL_TRANSIENT, c->object,
	    "the answer says success, but %s", why);
	(void)fail_hint(f,
	    "something between this host and the service answers in its "
	    "place (a proxy, a log-in page), or the endpoint is another "
	    "service's");
	return 1;
}

static int
accept_object(void *arg, const struct http_answer *a, struct fail *f)
{
	struct azure_call *c = arg;

	(void)f;
	return is_azures(a) ? range_accept(&c->range, a) : 1;
}

int
azure_check_object(
    struct azure_call *c, const struct http_answer *a, struct fail *f)
{
	return headers_get(&a->headers, "ETag") != NULL
	    ? 0
	    : no_object(c, "it tells of no blob", f);
}

/* A success that is none. */
static int
check_success(struct azure_call *c, const struct http_answer *a, struct fail *f)
{
	const char *why;

	if (azure_parse_error(a, &c->error) == 0) {
		(void)no_object(c, "it is an error", f);
		return fail_add(f, "%s: %s", c->error.code, c->error.message),
		       1;
	}
	if (!is_azures(a))
		return no_object(c, "it is not Azure's", f);
	if (c->out == NULL)
		return c->check != NULL ? c->check(c, a, f) : 0;
	why = range_check(&c->range, a);
	if (why == NULL && (a->body.len > 0 || range_accept(&c->range, a) != 0))
		why = "it is no blob";
	return why != NULL ? no_object(c, why, f) : 0;
}

static enum http_verdict
judge(void *arg, const struct http_answer *a, struct fail *f)
{
	struct azure_call *c = arg;
	int rc;

	c->error = (struct azure_error){ .code = "" };
	if (a->status < 200 || a->status > 299)
		return azure_judge_error(c, a, f);
	rc = check_success(c, a, f);
	return rc == 0 ? HTTP_DONE : rc > 0 ? HTTP_AGAIN : HTTP_FAILED;
}

int
azure_call(struct azure_call *c, struct fail *f)
{
	struct http_exchange x = { .object = c->object,
		.make = make,
		.judge = judge,
		.accept = accept_object,
		.arg = c };
	int rc;

	store_object_name(&c->azure->store, c->key != NULL ? c->key : "",
	    c->object, sizeof c->object);
	if (c->headers.failed)
		return fail_set(f, FAIL_INTERNAL, c->object, "out of memory");
	rc = http_run(c->azure->http, &x, &c->answer, f);
	c->tries = x.tries;
	/* Each account has a host's name of its own. */
	if (rc < 0 && strstr(f->cause, "resolve host") != NULL)
		(void)fail_hint(f,
		    "is '%s' the storage account's name (account), or the "
		    "endpoint right?",
		    c->azure->account);
	return rc;
}

void
azure_call_clear(struct azure_call *c)
{
	headers_clear(&c->headers);
	http_answer_clear(&c->answer);
}

bool
azure_call_was_repeated(const struct azure_call *c)
{
	return c->tries > 1 || c->answer.resent;
}
