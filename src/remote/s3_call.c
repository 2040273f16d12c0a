/* SPDX-License-Identifier: PostgreSQL */
/* Requests to S3, signed and judged: see s3_call.h. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "hash.h"
#include "keyed.h"
#include "s3_call.h"
#include "sigv4.h"
#include "uri.h"

/* The path as it is sent: root, prefix and key, encoded. */
static int
add_path(const struct call *c, struct buf *b)
{
	if (uri_encode(b, s3_of(c)->root, true) != 0 ||
	    (c->key != NULL && call_add_key(c->at, c->key, true, b) != 0))
		return -1;
	return buf_append_u8(b, 0);
}

static void
body_hash(const struct call *c, char hash[SHA256_TEXT])
{
	uint8_t sum[SHA256_LEN];

	if (c->hash != NULL) {
		memcpy(hash, c->hash, SHA256_TEXT);
		return;
	}
	sha256_bytes(c->body != NULL ? c->body : "", c->body_len, sum);
	hex_text(sum, sizeof sum, hash);
}

static int
sign(struct call *c, const char *path, struct http_request *r, struct fail *f)
{
	const struct s3 *s = s3_of(c);
	struct aws_credentials key;
	struct sigv4 by = { .region = s->region, .service = "s3" };
	struct buf authorization = { 0 };
	char hash[SHA256_TEXT];
	struct sigv4_request what = { .method = c->method,
		.path = path,
		.query = c->query != NULL ? c->query : "",
		.headers = &r->headers,
		.payload_hash = hash };
	int rc;

	if (aws_get(s->aws, &key, f) != 0)
		return -1;
	c->credentials = key.number;
	by.access_key = key.access_key;
	by.secret_key = key.secret_key;
	c->sent_at = time(NULL);
	sigv4_time(c->sent_at, by.time);
	body_hash(c, hash);
	headers_add(&r->headers, "Host", "%s", s->host);
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
make(struct call *c, struct http_request *r, struct fail *f)
{
	struct buf path = { 0 };
	int rc = -1;

	if (add_path(c, &path) == 0 &&
	    sign(c, (const char *)path.data, r, f) == 0 &&
	    call_add(&r->url, c->at->base) == 0 &&
	    call_add(&r->url, (const char *)path.data) == 0 &&
	    (c->query == NULL ||
	        (call_add(&r->url, "?") == 0 &&
	            call_add(&r->url, c->query) == 0)) &&
	    buf_append_u8(&r->url, 0) == 0)
		rc = 0;
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
accept(struct call *c, const struct http_answer *a)
{
	return is_html(a) ? 1 : range_accept(&c->range, a);
}

/* Of what is no object, errors are found by who asked for something else. */
static int
doubt(struct call *c, const struct http_answer *a, struct fail *f)
{
	if (is_html(a))
		return call_not_theirs(c, "it is a web page", f);
	if (c->out == NULL || s3_parse_error(&a->body, &c->error) != 0)
		return 0;
	(void)call_not_theirs(c, "it is an error", f);
	(void)fail_add(f, "%s: %s", c->error.code, c->error.message);
	return 1;
}

const struct call_ops s3_calls = {
	.make = make,
	.doubt = doubt,
	.accept = accept,
	.judge_error = s3_judge_error,
};

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
