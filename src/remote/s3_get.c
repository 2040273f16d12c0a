/* SPDX-License-Identifier: PostgreSQL */
/* Reading objects, and asking for them: see s3_call.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "s3_call.h"

int64_t
s3_time(const char *text)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);

	if (end == NULL) {
		tm = (struct tm){ 0 };
		end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	}
	return end != NULL
	    ? ((int64_t)timegm(&tm) - CLOCK_PG_EPOCH_UNIX) * 1000000
	    : 0;
}

int
s3_get(struct store *store, const char *key, uint64_t off, uint64_t len,
    struct stream *out, struct fail *f)
{
	struct call c = { .at = (struct service *)store,
		.method = "GET",
		.right = "s3:GetObject",
		.key = key,
		.out = out,
		.range = { .off = off, .len = len } };
	struct store_info info;
	int rc;

	/* No request asks for nothing; but is there such an object? */
	if (len == 0)
		return s3_stat(store, key, &info, f);
	s3_add_sse_customer(s3_of(&c), &c.headers);
	rc = call_run(&c, f);
	if (rc == 1 && c.answer.status == 416)
		rc = 0; /* it ends before the range begins */
	else if (rc == 1 && c.answer.status == 412)
		rc = fail_set(f, FAIL_TRANSIENT, c.object,
		    "it was replaced while it was read");
	call_clear(&c);
	return rc;
}

/*
 * HEAD has no words for what is missing: the key, or the bucket?  GET of the
 * first byte has.
 */
int
s3_exists(struct s3 *s, const char *key, struct fail *f)
{
	struct call c = { .at = &s->at,
		.method = "GET",
		.right = "s3:GetObject",
		.key = key };
	int rc;

	headers_add(&c.headers, "Range", "bytes=0-0");
	s3_add_sse_customer(s, &c.headers);
	rc = call_run(&c, f);
	if (rc == 1 && c.answer.status != 404)
		rc = 0;
	call_clear(&c);
	return rc;
}

static int
check_head(struct call *c, const struct http_answer *a, struct fail *f)
{
	if (headers_get(&a->headers, "ETag") != NULL &&
	    headers_get(&a->headers, "Content-Length") != NULL)
		return 0;
	(void)fail_set(f, FAIL_TRANSIENT, c->object,
	    "the answer says success, but nothing of an object");
	return 1;
}

/* 0, 1 not there (whatever that means), -1 */
static int
head(struct s3 *s, const char *key, struct store_info *info, struct fail *f)
{
	struct call c = { .at = &s->at,
		.method = "HEAD",
		.right = "s3:GetObject",
		.key = key,
		.check = check_head };
	const char *modified;
	int rc;

	s3_add_sse_customer(s, &c.headers);
	rc = call_run(&c, f);
	if (rc == 0) {
		modified = headers_get(&c.answer.headers, "Last-Modified");
		info->size = strtoull(
		    headers_get(&c.answer.headers, "Content-Length"), NULL, 10);
		info->mtime = modified != NULL ? s3_time(modified) : 0;
	}
	call_clear(&c);
	return rc;
}

int
s3_stat(struct store *store, const char *key, struct store_info *info,
    struct fail *f)
{
	struct s3 *s = (struct s3 *)store;
	char object[STORE_KEY_MAX + 1024];
	int rc;

	/* It may come, or go, between two questions. */
	for (int i = 0; i < 3; i++) {
		rc = head(s, key, info, f);
		if (rc != 1)
			return rc;
		rc = s3_exists(s, key, f);
		if (rc != 0)
			return rc;
	}
	store_object_name(store, key, object, sizeof object);
	return fail_set(f, FAIL_TRANSIENT, object,
	    "the service says that it is there, and that it is not");
}

/* What it says is deleted may never have been there. */
int
s3_del(struct store *store, const char *key, struct fail *f)
{
	struct call c = { .at = (struct service *)store,
		.method = "DELETE",
		.right = "s3:DeleteObject",
		.key = key };
	struct store_info info;
	int rc = s3_stat(store, key, &info, f);

	if (rc != 0)
		return rc;
	rc = call_run(&c, f);
	call_clear(&c);
	return rc;
}
