/* SPDX-License-Identifier: PostgreSQL */
/* Requests to Azure, signed and judged: see azure_call.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "azure_call.h"
#include "keyed.h"
#include "uri.h"

/* The path as it is sent: root, prefix and key, encoded. */
static int
add_path(const struct call *c, struct buf *b)
{
	if (uri_encode(b, azure_of(c)->root, true) != 0 ||
	    (c->key != NULL &&
	        (call_add(b, "/") != 0 ||
	            call_add_key(c->at, c->key, true, b) != 0)))
		return -1;
	return buf_append_u8(b, 0);
}

static int
sign(struct call *c, const struct azure_credentials *by, const char *path,
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
add_date(struct call *c, struct headers *h)
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
add_url(const struct call *c, const struct azure_credentials *by,
    const char *path, struct buf *url)
{
	bool sas = by->kind == AZURE_SAS;

	if (call_add(url, c->at->base) != 0 || call_add(url, path) != 0)
		return -1;
	if (c->query != NULL &&
	    (call_add(url, "?") != 0 || call_add(url, c->query) != 0))
		return -1;
	if (sas &&
	    (call_add(url, c->query != NULL ? "&" : "?") != 0 ||
	        call_add(url, by->sas) != 0))
		return -1;
	return buf_append_u8(url, 0);
}

/* Whoever reads it on the way could do what we may. */
static int
check_private(
    const struct call *c, const struct azure_credentials *by, struct fail *f)
{
	if (by->kind == AZURE_SHARED_KEY || ask_is_private(c->at->base))
		return 0;
	(void)fail_set(f, FAIL_CONFIG, c->at->store.name,
	    "endpoint: %s is not sent over http",
	    by->kind == AZURE_SAS ? "a shared access signature" : "a token");
	return fail_hint(f, "write https:// in front of it");
}

static int
make(struct call *c, struct http_request *r, struct fail *f)
{
	const struct azure_credentials *by = azure_auth_get(
	    azure_of(c)->auth, f);
	struct buf path = { 0 };
	int rc = -1;

	if (by == NULL || check_private(c, by, f) != 0)
		return -1;
	add_date(c, &r->headers);
	if (add_path(c, &path) == 0 &&
	    sign(c, by, (const char *)path.data, r) == 0 &&
	    add_url(c, by, (const char *)path.data, &r->url) == 0)
		rc = 0;
	buf_clear(&path);
	return rc;
}

/* Azure signs all that it answers. */
static bool
is_azures(const struct http_answer *a)
{
	return headers_get(&a->headers, "x-ms-request-id") != NULL;
}

static int
accept(struct call *c, const struct http_answer *a)
{
	return is_azures(a) ? range_accept(&c->range, a) : 1;
}

int
azure_check_object(struct call *c, const struct http_answer *a, struct fail *f)
{
	return headers_get(&a->headers, "ETag") != NULL
	    ? 0
	    : call_not_theirs(c, "it tells of no blob", f);
}

static int
doubt(struct call *c, const struct http_answer *a, struct fail *f)
{
	if (azure_parse_error(a, &c->error) == 0) {
		(void)call_not_theirs(c, "it is an error", f);
		(void)fail_add(f, "%s: %s", c->error.code, c->error.message);
		return 1;
	}
	return is_azures(a) ? 0 : call_not_theirs(c, "it is not Azure's", f);
}

/* Each account has a host's name of its own. */
static void
hint(const struct call *c, struct fail *f)
{
	if (strstr(f->cause, "resolve host") != NULL)
		(void)fail_hint(f,
		    "is '%s' the storage account's name (account), or the "
		    "endpoint right?",
		    azure_of(c)->account);
}

const struct call_ops azure_calls = {
	.hint = hint,
	.make = make,
	.doubt = doubt,
	.accept = accept,
	.judge_error = azure_judge_error,
};
