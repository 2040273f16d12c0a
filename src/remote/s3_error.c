/* SPDX-License-Identifier: PostgreSQL */
/* What S3 answers when it does not do it: see s3_call.h. */
#include <stdio.h>
#include <string.h>

#include "s3_call.h"
#include "xml.h"

/* Seconds of difference that a signature survives. */
#define SKEW_MAX INT64_C(900)

static int
take_element(void *arg, const char *path, const char *text)
{
	struct s3_error *e = arg;

	if (strcmp(path, "Error/Code") == 0)
		(void)snprintf(e->code, sizeof e->code, "%s", text);
	else if (strcmp(path, "Error/Message") == 0)
		(void)snprintf(e->message, sizeof e->message, "%s", text);
	else if (strcmp(path, "Error/Region") == 0)
		(void)snprintf(e->region, sizeof e->region, "%s", text);
	return 0;
}

int
s3_parse_error(const struct buf *body, struct s3_error *e)
{
	struct fail ignored;

	*e = (struct s3_error){ 0 };
	if (body->len > 0)
		(void)xml_parse((const char *)body->data, body->len, "",
		    take_element, e, &ignored);
	return e->code[0] != '\0' ? 0 : 1;
}

/* "503 SlowDown: message", as the first words of every cause. */
static void
describe(const struct s3_call *c, const struct http_answer *a,
    enum fail_kind kind, struct fail *f)
{
	const struct s3_error *e = &c->error;

	(void)fail_set(f, kind, c->object, "%s: answered %d%s%s%s%s", c->method,
	    a->status, e->code[0] != '\0' ? " " : "", e->code,
	    e->message[0] != '\0' ? ": " : "", e->message);
}

/* Another region's bucket: the service says which. */
static enum http_verdict
wrong_region(struct s3_call *c, const struct http_answer *a, struct fail *f)
{
	const char *region = headers_get(&a->headers, "x-amz-bucket-region");

	if (c->error.region[0] != '\0')
		region = c->error.region;
	describe(c, a, FAIL_CONFIG, f);
	if (region != NULL && *region != '\0')
		(void)fail_hint(f,
		    "the bucket is in another region: set "
		    "region = %s (it is %s)",
		    region, c->s3->region);
	else
		(void)fail_hint(f,
		    "are region (%s) and endpoint those of the bucket?",
		    c->s3->region);
	return HTTP_FAILED;
}

static enum http_verdict
denied(struct s3_call *c, const struct http_answer *a, struct fail *f)
{
	const char *code = c->error.code;
	int64_t ahead = http_ahead(a, c->signed_at);

	describe(c, a, FAIL_DENIED, f);
	if (strcmp(code, "RequestTimeTooSkewed") == 0 || ahead > SKEW_MAX ||
	    ahead < -SKEW_MAX)
		(void)fail_hint(f,
		    "this host's clock is %lld s %s the service's: set it",
		    (long long)(ahead < 0 ? -ahead : ahead),
		    ahead < 0 ? "behind" : "ahead of");
	else if (strcmp(code, "SignatureDoesNotMatch") == 0)
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
		    c->action);
	else
		(void)fail_hint(f, "the credentials need %s", c->action);
	return HTTP_FAILED;
}

/* Once: perhaps the next ones are good. */
static enum http_verdict
expired(struct s3_call *c, const struct http_answer *a, struct fail *f)
{
	describe(c, a, FAIL_DENIED, f);
	(void)fail_hint(f, "the session has ended: bring new credentials");
	if (c->refreshed)
		return HTTP_FAILED;
	c->refreshed = true;
	aws_forget(c->s3->aws, c->credentials);
	return HTTP_AGAIN;
}

static bool
among(const char *code, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(code, *list) == 0)
			return true;
	return false;
}

/* By the code, where there is one; HTTP_DONE: the status decides. */
static enum http_verdict
judge_code(struct s3_call *c, const struct http_answer *a, struct fail *f)
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
	if (among(code, again)) {
		describe(c, a, FAIL_TRANSIENT, f);
		return HTTP_AGAIN;
	}
	if (among(code, session))
		return expired(c, a, f);
	if (among(code, region))
		return wrong_region(c, a, f);
	if (among(code, full)) {
		describe(c, a, FAIL_SPACE, f);
		return HTTP_FAILED;
	}
	if (strcmp(code, "NoSuchBucket") == 0) {
		describe(c, a, FAIL_CONFIG, f);
		(void)fail_hint(f,
		    "there is no bucket '%s' at %s; are url and endpoint "
		    "right? walvault does not make buckets",
		    c->s3->bucket, c->s3->base);
		return HTTP_FAILED;
	}
	return HTTP_DONE;
}

/* Only the service itself can say that there is no such key. */
static enum http_verdict
missing(struct s3_call *c, const struct http_answer *a, struct fail *f)
{
	if (strcmp(c->method, "HEAD") == 0 ||
	    strcmp(c->error.code, "NoSuchKey") == 0 ||
	    strcmp(c->error.code, "NoSuchUpload") == 0)
		return HTTP_NO;
	describe(c, a, FAIL_TRANSIENT, f);
	(void)fail_hint(f,
	    "this was not answered by an S3 service: is the "
	    "endpoint right, is there a proxy between?");
	return c->error.code[0] != '\0' ? HTTP_FAILED : HTTP_AGAIN;
}

static bool
may_heal(int status)
{
	return status == 408 || status == 425 || status == 429 ||
	    status == 409 || (status >= 500 && status != 501 && status != 505);
}

enum http_verdict
s3_judge_error(struct s3_call *c, const struct http_answer *a, struct fail *f)
{
	enum http_verdict v;

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
	describe(c, a, may_heal(a->status) ? FAIL_TRANSIENT : FAIL_CONFIG, f);
	if (a->status == 407)
		(void)fail_hint(f,
		    "the proxy (of the environment) asks for "
		    "credentials");
	return may_heal(a->status) ? HTTP_AGAIN : HTTP_FAILED;
}
