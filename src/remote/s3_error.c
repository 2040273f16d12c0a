/* SPDX-License-Identifier: PostgreSQL */
/* What S3 answers when it does not do it: see s3_call.h. */
#include <stdio.h>
#include <string.h>

#include "s3_call.h"
#include "xml.h"

static int
take_element(void *arg, const char *path, const char *text)
{
	struct call_error *e = arg;

	if (strcmp(path, "Error/Code") == 0)
		(void)snprintf(e->code, sizeof e->code, "%s", text);
	else if (strcmp(path, "Error/Message") == 0)
		(void)snprintf(e->message, sizeof e->message, "%s", text);
	else if (strcmp(path, "Error/Region") == 0)
		(void)snprintf(e->region, sizeof e->region, "%s", text);
	return 0;
}

int
s3_parse_error(const struct buf *body, struct call_error *e)
{
	struct fail ignored;

	*e = (struct call_error){ 0 };
	if (body->len > 0)
		(void)xml_parse((const char *)body->data, body->len, "",
		    take_element, e, &ignored);
	return e->code[0] != '\0' ? 0 : 1;
}

/* Another region's bucket: the service says which. */
static enum http_verdict
wrong_region(struct call *c, const struct http_answer *a, struct fail *f)
{
	const char *region = headers_get(&a->headers, "x-amz-bucket-region");

	if (c->error.region[0] != '\0')
		region = c->error.region;
	call_describe(c, a, FAIL_CONFIG, f);
	if (region != NULL && *region != '\0')
		(void)fail_hint(f,
		    "the bucket is in another region: set "
		    "region = %s (it is %s)",
		    region, s3_of(c)->region);
	else
		(void)fail_hint(f,
		    "are region (%s) and endpoint those of the bucket?",
		    s3_of(c)->region);
	return HTTP_FAILED;
}

static enum http_verdict
denied(struct call *c, const struct http_answer *a, struct fail *f)
{
	const char *code = c->error.code;

	call_describe(c, a, FAIL_DENIED, f);
	if (call_hint_clock(c, a, f))
		return HTTP_FAILED;
	if (strcmp(code, "SignatureDoesNotMatch") == 0)
		(void)fail_hint(f,
		    "the secret key does not belong to this "
		    "access key (or a proxy changes requests)");
	else if (strcmp(code, "InvalidAccessKeyId") == 0)
		(void)fail_hint(f, "the service does not know this access key");
	else if (strcmp(code, "InvalidObjectState") == 0)
		(void)fail_hint(f,
		    "the object lies in an archive class: "
		    "have it restored there first");
	else if (code[0] == '\0' && a->body.len > 0)
		(void)fail_hint(f,
		    "this was not answered by an S3 service: "
		    "is there a proxy or a firewall between?");
	else if (strcmp(c->method, "GET") == 0 ||
	    strcmp(c->method, "HEAD") == 0)
		(void)fail_hint(f,
		    "the credentials need %s; without s3:ListBucket a "
		    "missing object is also answered like this",
		    c->right);
	else
		(void)fail_hint(f, "the credentials need %s", c->right);
	return HTTP_FAILED;
}

/* Once: perhaps the next ones are good. */
static enum http_verdict
expired(struct call *c, const struct http_answer *a, struct fail *f)
{
	call_describe(c, a, FAIL_DENIED, f);
	(void)fail_hint(f, "the session has ended: bring new credentials");
	if (c->refreshed)
		return HTTP_FAILED;
	c->refreshed = true;
	aws_forget(s3_of(c)->aws, c->credentials);
	return HTTP_AGAIN;
}

/* By the code, where there is one; HTTP_DONE: the status decides. */
static enum http_verdict
judge_code(struct call *c, const struct http_answer *a, struct fail *f)
{
	static const char *const again[] = { "SlowDown", "InternalError",
		"RequestTimeout", "ServiceUnavailable", "BadDigest",
		"XAmzContentSHA256Mismatch", "IncompleteBody", "Throttling",
		"ThrottlingException", "RequestLimitExceeded",
		"ConditionalRequestConflict", "OperationAborted",
		"XAmzContentChecksumMismatch", NULL };
	static const char *const session[] = { "ExpiredToken", "InvalidToken",
		"TokenRefreshRequired", NULL };
	static const char *const region[] = { "AuthorizationHeaderMalformed",
		"PermanentRedirect", "TemporaryRedirect", "Redirect",
		"IllegalLocationConstraintException", NULL };
	static const char *const full[] = { "QuotaExceeded",
		"InsufficientCapacity", "XMinioStorageFull", NULL };
	const char *code = c->error.code;

	if (code[0] == '\0')
		return HTTP_DONE;
	if (call_among(code, again)) {
		call_describe(c, a, FAIL_TRANSIENT, f);
		return HTTP_AGAIN;
	}
	if (call_among(code, session))
		return expired(c, a, f);
	if (call_among(code, region))
		return wrong_region(c, a, f);
	if (call_among(code, full)) {
		call_describe(c, a, FAIL_SPACE, f);
		return HTTP_FAILED;
	}
	if (strcmp(code, "NoSuchBucket") == 0) {
		call_describe(c, a, FAIL_CONFIG, f);
		(void)fail_hint(f,
		    "there is no bucket '%s' at %s; are url and endpoint "
		    "right? walvault does not make buckets",
		    c->at->name, c->at->base);
		return HTTP_FAILED;
	}
	return HTTP_DONE;
}

/* Only the service itself can say that there is no such key. */
static enum http_verdict
missing(struct call *c, const struct http_answer *a, struct fail *f)
{
	if (strcmp(c->method, "HEAD") == 0 ||
	    strcmp(c->error.code, "NoSuchKey") == 0 ||
	    strcmp(c->error.code, "NoSuchUpload") == 0)
		return HTTP_NO;
	call_describe(c, a, FAIL_TRANSIENT, f);
	(void)fail_hint(f,
	    "this was not answered by an S3 service: is the "
	    "endpoint right, is there a proxy between?");
	return c->error.code[0] != '\0' ? HTTP_FAILED : HTTP_AGAIN;
}

enum http_verdict
s3_judge_error(struct call *c, const struct http_answer *a, struct fail *f)
{
	enum http_verdict v;
	bool heals;

	(void)s3_parse_error(&a->body, &c->error);
	v = judge_code(c, a, f);
	if (v != HTTP_DONE)
		return v;
	if (a->status == 404)
		return missing(c, a, f);
	if (a->status == 412 || a->status == 416)
		return HTTP_NO;
	if (a->status == 301 || a->status == 302 || a->status == 307 ||
	    a->status == 308 ||
	    (a->status == 400 &&
	        headers_get(&a->headers, "x-amz-bucket-region") != NULL))
		return wrong_region(c, a, f);
	if (a->status == 401 || a->status == 403)
		return denied(c, a, f);
	heals = a->status == 409 || call_may_heal(a->status);
	call_describe(c, a, heals ? FAIL_TRANSIENT : FAIL_CONFIG, f);
	return heals ? HTTP_AGAIN : HTTP_FAILED;
}
