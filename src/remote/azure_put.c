/* SPDX-License-Identifier: PostgreSQL */
/*
 * Writing objects: see azure_put.h.  The service compares what it has
 * received with the MD5 that is sent in front of it, so the body is there
 * before the request begins.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "azure_put.h"
#include "retry.h"

static int
begin(struct put *put)
{
	struct azure_put *p = (struct azure_put *)put;

	md5_free(p->sum);
	p->sum = md5_new();
	return p->sum != NULL ? 0 : -1;
}

static void
sum(struct put *put, const void *bytes, size_t len)
{
	md5_update(((struct azure_put *)put)->sum, bytes, len);
}

void
azure_put_sum(struct azure_put *p, struct headers *h)
{
	uint8_t sum[MD5_LEN];
	char text[BASE64_CAP(MD5_LEN)];

	md5_end(p->sum, sum);
	base64_text(sum, sizeof sum, text);
	headers_add(h, "Content-MD5", "%s", text);
}

void
azure_put_attributes(const struct azure_put *p, struct headers *h)
{
	const struct service *at = p->put.at;
	const char *tier = put_class(&p->put);
	char until[SERVICE_TIME_MAX];

	headers_add(h, AZURE_WRITER, "%s", p->writer);
	if (tier[0] != '\0')
		headers_add(h, "x-ms-access-tier", "%s", tier);
	if (at->lock_mode[0] == '\0')
		return;
	service_lock_end(at, false, until);
	headers_add(
	    h, "x-ms-immutability-policy-mode", "%s", service_lock_word(at));
	headers_add(h, "x-ms-immutability-policy-until-date", "%s", until);
}

/* What is there, by HEAD. */
static int
head(struct azure_put *p, struct call *c, struct fail *f)
{
	*c = (struct call){ .at = p->put.at,
		.method = "HEAD",
		.right = AZURE_READ,
		.key = p->put.key,
		.check = azure_check_object };
	return call_run(c, f);
}

int
azure_put_is_ours(struct azure_put *p, const struct call *c, struct fail *f)
{
	struct call h;
	const char *writer;
	int rc;

	if (!call_was_repeated(c))
		return 1;
	rc = head(p, &h, f);
	if (rc == 1)
		rc = fail_set(f, FAIL_TRANSIENT, h.object,
		    "it is said to be there, and not to be there");
	if (rc == 0) {
		writer = headers_get(&h.answer.headers, AZURE_WRITER);
		rc = writer != NULL && strcmp(writer, p->writer) == 0 ? 0 : 1;
	}
	call_clear(&h);
	return rc;
}

int
azure_put_check_lock(struct azure_put *p, struct fail *f)
{
	struct call h;
	const char *mode, *until;
	int rc;

	if (p->put.at->lock_mode[0] == '\0')
		return 0;
	rc = head(p, &h, f);
	if (rc == 1)
		rc = fail_set(
		    f, FAIL_TRANSIENT, h.object, "it is gone after it was put");
	if (rc == 0) {
		mode = headers_get(
		    &h.answer.headers, "x-ms-immutability-policy-mode");
		until = headers_get(
		    &h.answer.headers, "x-ms-immutability-policy-until-date");
		if (mode == NULL || until == NULL ||
		    strcasecmp(mode, service_lock_word(p->put.at)) != 0 ||
		    azure_time(until) <= clock_now()) {
			(void)put_not_locked(&p->put, h.object, f);
			rc = fail_hint(f,
			    "the container must support version-level "
			    "immutability, a shared access signature needs "
			    "'i'; some services ignore locks");
		}
	}
	call_clear(&h);
	return rc;
}

/* One request, on a condition.  0, 1 it does not hold, -1. */
static int
put_whole(struct azure_put *p, const char *condition, const char *value,
    struct fail *f)
{
	struct call c = { .at = p->put.at,
		.method = "PUT",
		.right = AZURE_WRITE,
		.key = p->put.key,
		.spool = p->put.body,
		.check = azure_check_object };
	int rc;

	headers_add(&c.headers, condition, "%s", value);
	headers_add(&c.headers, "x-ms-blob-type", "BlockBlob");
	headers_add(&c.headers, "Content-Type", "application/octet-stream");
	azure_put_attributes(p, &c.headers);
	azure_put_sum(p, &c.headers);
	rc = call_run(&c, f);
	if (rc == 1)
		rc = azure_put_is_ours(p, &c, f);
	call_clear(&c);
	return rc == 0 ? azure_put_check_lock(p, f) : rc;
}

static int
finish(struct put *put, struct fail *f)
{
	struct azure_put *p = (struct azure_put *)put;
	const char *condition = "If-None-Match";
	char etag[RANGE_ETAG_MAX] = "*";
	int rc;

	/* The damaged one gives way to ours, and no other. */
	if (put->aside[0] != '\0') {
		condition = "If-Match";
		rc = azure_put_copy(p, etag, f);
		if (rc != 0)
			return rc;
	}
	return put->n_parts > 0 ? azure_put_commit(p, condition, etag, f)
	                        : put_whole(p, condition, etag, f);
}

/* Blocks that nobody commits vanish by themselves. */
static void
forget(struct put *put)
{
	md5_free(((struct azure_put *)put)->sum);
}

struct stream *
azure_put(struct store *store, const char *key, const struct store_attrs *attrs,
    struct fail *f)
{
	static const struct put_ops ops = { .size = sizeof(struct azure_put),
		.parts_max = AZURE_BLOCKS_MAX,
		.begin = begin,
		.sum = sum,
		.part = azure_put_block,
		.finish = finish,
		.free = forget };
	struct azure_put *p;

	if (strchr(key, '\\') != NULL) {
		(void)fail_set(f, FAIL_CONFIG, key,
		    "Azure takes a backslash in a name for a slash");
		return NULL;
	}
	p = (struct azure_put *)put_new(&ops, store, key, attrs, f);
	if (p == NULL)
		return NULL;
	(void)snprintf(p->writer, sizeof p->writer, "%08x%08x", retry_random(),
	    retry_random());
	return &p->put.stream;
}
