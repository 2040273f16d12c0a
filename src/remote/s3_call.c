/* SPDX-License-Identifier: PostgreSQL */
/* Requests to S3, signed and judged: see s3_call.h. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "keyed.h"
#include "s3_call.h"
#include "sigv4.h"
#include "uri.h"

static int
add(struct buf *b, const char *text)
{
	return buf_append(b, text, strlen(text));
}

/* The path as it is sent: root, prefix and key, encoded. */
static int
add_path(const struct s3_call *c, struct buf *b)
{
	if (uri_encode(b, c->s3->root, true) != 0)
		return -1;
	if (c->key != NULL &&
	    (uri_encode(b, c->s3->prefix, true) != 0 ||
	        uri_encode(b, c->key, true) != 0))
		return -1;
	return buf_append_u8(b, 0);
}

static void
body_hash(const struct s3_call *c, char hash[S3_HASH_TEXT])
{
	uint8_t sum[SHA256_LEN];

	if (c->hash[0] != '\0') {
		memcpy(hash, c->hash, S3_HASH_TEXT);
		return;
	}
	sha256_bytes(c->body != NULL ? c->body : "", c->body_len, sum);
	hex_text(sum, sizeof sum, hash);
}

static int
sign(
    struct s3_call *c, const char *path, struct http_request *r, struct fail *f)
{
	struct aws_credentials key;
	struct sigv4 by = { .region = c->s3->region, .service = "s3" };
	struct buf authorization = { 0 };
	char hash[S3_HASH_TEXT];
	struct sigv4_request what = { .method = c->method,
		.path = path,
		.query = c->query != NULL ? c->query : "",
		.headers = &r->headers,
		.payload_hash = hash };
	int rc;

	if (aws_get(c->s3->aws, &key, f) != 0)
		return -1;
	c->credentials = key.number;
	by.access_key = key.access_key;
	by.secret_key = key.secret_key;
	c->signed_at = time(NULL);
	sigv4_time(c->signed_at, by.time);
	body_hash(c, hash);
	headers_add(&r->headers, "Host", "%s", c->s3->host);
	headers_add(&r->headers, "x-amz-content-sha256", "%s", hash);
	headers_add(&r->headers, "x-amz-date", "%s", by.time);
	if (key.token[0] != '\0')
		headers_add(
		    &r->headers, "x-amz-security-token", "%s", key.token);
	rc = sigv4_authorization(&by, &what, &authorization);
	if (rc == 0)
		headers_add(&r->headers, "Authorization", "%s",
		    (const char *)authorization.data);
	buf_clear(&authorization);
	wipe(&key, sizeof key);
	return rc;
}

static int
make(void *arg, struct http_request *r, struct fail *f)
{
	struct s3_call *c = arg;
	struct buf path = { 0 };
	int rc = -1;

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
	f->kind = FAIL_NONE;
	if (add_path(c, &path) == 0 &&
	    sign(c, (const char *)path.data, r, f) == 0 &&
	    add(&r->url, c->s3->base) == 0 &&
	    add(&r->url, (const char *)path.data) == 0 &&
	    (c->query == NULL ||
	        (add(&r->url, "?") == 0 && add(&r->url, c->query) == 0)) &&
	    buf_append_u8(&r->url, 0) == 0)
		rc = 0;
	if (rc != 0 && f->kind == FAIL_NONE)
		(void)fail_set(f, FAIL_INTERNAL, c->object, "out of memory");
	buf_clear(&path);
	return rc;
}

/*
 * Is it from S3 at all?  What stands between us answers in HTML; but so does
 * Swift, in name, where the answer has no body.
 */
static bool
is_html(const struct http_answer *a)
{
	const char *type = headers_get(&a->headers, "Content-Type");

	return type != NULL && strncasecmp(type, "text/html", 9) == 0 &&
	    headers_get(&a->headers, "x-amz-request-id") == NULL;
}

static int
no_object(const struct s3_call *c, const char *why, struct fail *f)
{
	(void)fail_set(f, FAIL_TRANSIENT, c->object,
	    "the answer says success, but %s", why);
	(void)fail_hint(f,
	    "something between this host and the service answers in its "
	    "place (a proxy, a log-in page), or the endpoint is another "
	    "service's");
	return 1;
}

int
s3_accept_object(void *arg, const struct http_answer *a, struct fail *f)
{
	struct s3_call *c = arg;

	(void)f;
	return is_html(a) ? 1 : range_accept(&c->range, a);
}

/* A success that is none. */
static int
check_success(struct s3_call *c, const struct http_answer *a, struct fail *f)
{
	if (is_html(a))
		return no_object(c, "it is a web page", f);
	if (c->out == NULL)
		return c->check != NULL ? c->check(c, a, f) : 0;
	if (s3_parse_error(&a->body, &c->error) == 0) {
		(void)no_object(c, "it is an error", f);
		return fail_add(f, "%s: %s", c->error.code, c->error.message),
		       1;
	}
	if (a->body.len > 0 || s3_accept_object(c, a, f) != 0) {
		const char *why = range_check(&c->range, a);

		return no_object(c, why != NULL ? why : "it is no object", f);
	}
	return 0;
}

static enum http_verdict
judge(void *arg, const struct http_answer *a, struct fail *f)
{
	struct s3_call *c = arg;
	int rc;

	c->error = (struct s3_error){ 0 };
	if (a->status < 200 || a->status > 299)
		return s3_judge_error(c, a, f);
	rc = check_success(c, a, f);
	return rc == 0 ? HTTP_DONE : rc > 0 ? HTTP_AGAIN : HTTP_FAILED;
}

int
s3_call(struct s3_call *c, struct fail *f)
{
	struct http_exchange x = { .object = c->object,
		.make = make,
		.judge = judge,
		.accept = s3_accept_object,
		.once = c->once,
		.arg = c };
	int rc;

	store_object_name(&c->s3->store, c->key != NULL ? c->key : "",
	    c->object, sizeof c->object);
	if (c->headers.failed)
		return fail_set(f, FAIL_INTERNAL, c->object, "out of memory");
	rc = http_run(c->s3->http, &x, &c->answer, f);
	c->tries = x.tries;
	return rc;
}

void
s3_call_clear(struct s3_call *c)
{
	headers_clear(&c->headers);
	http_answer_clear(&c->answer);
}

void
s3_add_sse_customer(const struct s3 *s, struct headers *h)
{
	static const char prefix[] = "x-amz-server-side-encryption-customer-";
	char name[64];

	if (s->sse_key[0] == '\0')
		return;
	(void)snprintf(name, sizeof name, "%salgorithm", prefix);
	headers_add(h, name, "AES256");
	(void)snprintf(name, sizeof name, "%skey", prefix);
	headers_add(h, name, "%s", s->sse_key);
	(void)snprintf(name, sizeof name, "%skey-MD5", prefix);
	headers_add(h, name, "%s", s->sse_key_md5);
}
