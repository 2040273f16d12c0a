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

int
azure_put_next_body(struct azure_put *p, struct fail *f)
{
	const char *dir = p->azure->spool_dir;
	size_t memory = p->kind == STORE_BACKUP
	    ? p->azure->part_size + ((size_t)1 << 20)
	    : AZURE_MEMORY_MAX;

	spool_free(p->body);
	md5_free(p->sum);
	p->body = spool_new(memory, dir[0] != '\0' ? dir : NULL);
	p->sum = md5_new();
	if (p->body != NULL && p->sum != NULL)
		return 0;
	return fail_set(f, FAIL_INTERNAL, p->key, "out of memory");
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
	const struct azure *az = p->azure;
	const char *tier = p->kind == STORE_BACKUP ? az->tier
	    : p->kind == STORE_WAL                 ? az->wal_tier
	                                           : "";
	time_t end = time(NULL) + (time_t)(az->lock_ms / 1000);
	char until[64];
	struct tm tm;

	headers_add(h, AZURE_WRITER, "%s", p->writer);
	if (tier[0] != '\0')
		headers_add(h, "x-ms-access-tier", "%s", tier);
	if (az->lock_mode[0] == '\0')
		return;
	(void)gmtime_r(&end, &tm);
	(void)strftime(until, sizeof until, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	headers_add(h, "x-ms-immutability-policy-mode", "%s", az->lock_mode);
	headers_add(h, "x-ms-immutability-policy-until-date", "%s", until);
}

/* The answer of HEAD, or what it lacks. */
static int
head(struct azure_put *p, struct azure_call *c, const char *key, struct fail *f)
{
	*c = (struct azure_call){ .azure = p->azure,
		.method = "HEAD",
		.right = AZURE_READ,
		.key = key,
		.check = azure_check_object };
	return azure_call(c, f);
}

int
azure_put_is_ours(
    struct azure_put *p, const struct azure_call *c, struct fail *f)
{
	struct azure_call h;
	const char *writer;
	int rc;

	if (!azure_call_was_repeated(c))
		return 1;
	rc = head(p, &h, p->key, f);
	if (rc == 1)
		rc = fail_set(f, FAIL_TRANSIENT, h.object,
		    "it is said to be there, and not to be there");
	if (rc == 0) {
		writer = headers_get(&h.answer.headers, AZURE_WRITER);
		rc = writer != NULL && strcmp(writer, p->writer) == 0 ? 0 : 1;
	}
	azure_call_clear(&h);
	return rc;
}

static int
not_locked(const struct azure_call *c, struct fail *f)
{
	(void)fail_set(f, FAIL_CONFIG, c->object,
	    "the service took it, but did not lock it (lock_mode = %s)",
	    strcmp(c->azure->lock_mode, "Locked") == 0 ? "COMPLIANCE"
	                                               : "GOVERNANCE");
	return fail_hint(f,
	    "the container must support version-level immutability, a shared "
	    "access signature needs 'i'; some services ignore locks");
}

int
azure_put_check_lock(struct azure_put *p, const char *key, struct fail *f)
{
	struct azure_call h;
	const char *mode, *until;
	int rc;

	if (p->azure->lock_mode[0] == '\0')
		return 0;
	rc = head(p, &h, key, f);
	if (rc == 1)
		rc = fail_set(
		    f, FAIL_TRANSIENT, h.object, "it is gone after it was put");
	if (rc == 0) {
		mode = headers_get(
		    &h.answer.headers, "x-ms-immutability-policy-mode");
		until = headers_get(
		    &h.answer.headers, "x-ms-immutability-policy-until-date");
		if (mode == NULL || until == NULL ||
		    strcasecmp(mode, p->azure->lock_mode) != 0 ||
		    azure_time(until) <= clock_now())
			rc = not_locked(&h, f);
	}
	azure_call_clear(&h);
	return rc;
}

static int
put_write(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct azure_put *p = (struct azure_put *)stream;
	const uint8_t *from = bytes;

	while (len > 0) {
		uint64_t room = p->kind != STORE_BACKUP
		    ? len
		    : p->azure->part_size - spool_len(p->body);
		size_t n = len < room ? len : (size_t)room;

		/* More is to come: what is full is a block. */
		if (n == 0) {
			if (azure_put_block(p, f) != 0)
				return -1;
			continue;
		}
		md5_update(p->sum, from, n);
		if (stream_write(spool_stream(p->body), from, n, f) != 0)
			return -1;
		from += n;
		len -= n;
	}
	return 0;
}

/* One request, on a condition.  0, 1 it does not hold, -1. */
static int
put_whole(struct azure_put *p, const char *condition, const char *value,
    struct fail *f)
{
	struct azure_call c = { .azure = p->azure,
		.method = "PUT",
		.right = AZURE_WRITE,
		.key = p->key,
		.spool = p->body,
		.check = azure_check_object };
	int rc;

	headers_add(&c.headers, condition, "%s", value);
	headers_add(&c.headers, "x-ms-blob-type", "BlockBlob");
	headers_add(&c.headers, "Content-Type", "application/octet-stream");
	azure_put_attributes(p, &c.headers);
	azure_put_sum(p, &c.headers);
	rc = azure_call(&c, f);
	if (rc == 1)
		rc = azure_put_is_ours(p, &c, f);
	azure_call_clear(&c);
	return rc == 0 ? azure_put_check_lock(p, p->key, f) : rc;
}

static int
put_finish(struct stream *stream, struct fail *f)
{
	struct azure_put *p = (struct azure_put *)stream;
	const char *condition = "If-None-Match";
	char etag[RANGE_ETAG_MAX] = "*";
	int rc;

	/* The damaged one gives way to ours, and no other. */
	if (p->aside[0] != '\0') {
		condition = "If-Match";
		rc = azure_put_copy(p, etag, f);
		if (rc != 0)
			return rc;
	}
	return p->n_blocks > 0 ? azure_put_commit(p, condition, etag, f)
	                       : put_whole(p, condition, etag, f);
}

/* Blocks that nobody commits vanish by themselves. */
static void
put_free(struct stream *stream)
{
	struct azure_put *p = (struct azure_put *)stream;

	spool_free(p->body);
	md5_free(p->sum);
	free(p);
}

struct stream *
azure_put(struct store *store, const char *key, const struct store_attrs *attrs,
    struct fail *f)
{
	static const struct stream_ops ops = {
		.write = put_write, .finish = put_finish, .free = put_free
	};
	struct azure_put *p;

	if (strchr(key, '\\') != NULL) {
		(void)fail_set(f, FAIL_CONFIG, key,
		    "Azure takes a backslash in a name for a slash");
		return NULL;
	}
	p = calloc(1, sizeof *p);
	if (p == NULL) {
		(void)fail_set(f, FAIL_INTERNAL, key, "out of memory");
		return NULL;
	}
	p->stream.ops = &ops;
	p->azure = (struct azure *)store;
	p->kind = attrs->kind;
	(void)snprintf(p->key, sizeof p->key, "%s", key);
	(void)snprintf(p->writer, sizeof p->writer, "%08x%08x", retry_random(),
	    retry_random());
	if (attrs->set_aside != NULL)
		(void)snprintf(
		    p->aside, sizeof p->aside, "%s", attrs->set_aside);
	if (azure_put_next_body(p, f) == 0)
		return &p->stream;
	put_free(&p->stream);
	return NULL;
}
