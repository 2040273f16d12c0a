/* SPDX-License-Identifier: PostgreSQL */
/* Writing objects: see s3_put.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keyed.h"
#include "probe.h"
#include "s3_put.h"

static int
begin(struct put *put)
{
	struct s3_put *p = (struct s3_put *)put;

	sha256_free(p->sum);
	p->sum = sha256_new();
	return p->sum != NULL ? 0 : -1;
}

static void
sum(struct put *put, const void *bytes, size_t len)
{
	sha256_update(((struct s3_put *)put)->sum, bytes, len);
}

void
s3_put_attributes(const struct s3_put *p, struct headers *h)
{
	const struct s3 *s = p->s3;
	const char *class = put_class(&p->put);
	char until[SERVICE_TIME_MAX];

	headers_add(h, "Content-Type", "application/octet-stream");
	if (class[0] != '\0')
		headers_add(h, "x-amz-storage-class", "%s", class);
	if (s->sse[0] != '\0')
		headers_add(h, "x-amz-server-side-encryption", "%s", s->sse);
	if (s->sse_key_id[0] != '\0')
		headers_add(h, "x-amz-server-side-encryption-aws-kms-key-id",
		    "%s", s->sse_key_id);
	s3_add_sse_customer(s, h);
	if (s->tags[0] != '\0')
		headers_add(h, "x-amz-tagging", "%s", s->tags);
	if (s->at.lock_mode[0] == '\0')
		return;
	service_lock_end(&s->at, true, until);
	headers_add(h, "x-amz-object-lock-mode", "%s", s->at.lock_mode);
	headers_add(h, "x-amz-object-lock-retain-until-date", "%s", until);
}

static int
check_lock_answer(struct call *c, const struct http_answer *a, struct fail *f)
{
	const char *mode = headers_get(&a->headers, "x-amz-object-lock-mode");
	const char *until = headers_get(
	    &a->headers, "x-amz-object-lock-retain-until-date");
	int64_t end = until != NULL ? s3_time(until) : 0;

	if (mode != NULL && strcmp(mode, c->at->lock_mode) == 0 &&
	    end > clock_now())
		return 0;
	(void)put_not_locked(c->arg, c->object, f);
	return fail_hint(f,
	    "the bucket must have Object Lock, the credentials need "
	    "s3:PutObjectRetention and s3:GetObjectRetention; some services "
	    "ignore locks");
}

int
s3_put_check_lock(struct s3_put *p, struct fail *f)
{
	struct call c = { .at = p->put.at,
		.method = "HEAD",
		.right = "s3:GetObjectRetention",
		.key = p->put.key,
		.check = check_lock_answer,
		.arg = p };
	int rc;

	if (p->put.at->lock_mode[0] == '\0')
		return 0;
	s3_add_sse_customer(p->s3, &c.headers);
	rc = call_run(&c, f);
	if (rc == 1)
		rc = fail_set(
		    f, FAIL_TRANSIENT, c.object, "it is gone after it was put");
	call_clear(&c);
	return rc;
}

static int
check_put(struct call *c, const struct http_answer *a, struct fail *f)
{
	if (headers_get(&a->headers, "ETag") != NULL)
		return 0;
	(void)fail_set(f, FAIL_TRANSIENT, c->object,
	    "the answer says success, but nothing of an object%s%s",
	    s3_parse_error(&a->body, &c->error) == 0 ? ": " : "",
	    c->error.code);
	return 1;
}

static void
checksum_headers(const char *hash, struct headers *h)
{
	uint8_t sum[SHA256_LEN];
	char text[BASE64_CAP(SHA256_LEN)];

	for (size_t i = 0; i < sizeof sum; i++) {
		char two[3] = { hash[2 * i], hash[2 * i + 1], '\0' };

		sum[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	base64_text(sum, sizeof sum, text);
	headers_add(h, "x-amz-checksum-sha256", "%s", text);
}

static int
not_conditional(const struct call *c, struct fail *f)
{
	(void)fail_set(f, FAIL_CONFIG, c->object,
	    "the service cannot create an object only if there is none "
	    "(If-None-Match is answered %d)",
	    c->answer.status);
	return fail_hint(f,
	    "two writers could overwrite each other's WAL. If one host alone "
	    "writes here, set single_writer = yes");
}

/* One request.  0, 1 the key is taken, -1. */
static int
put_whole(struct s3_put *p, bool conditional, struct fail *f)
{
	char hash[SHA256_TEXT];
	struct call c = { .at = p->put.at,
		.method = "PUT",
		.right = "s3:PutObject",
		.key = p->put.key,
		.spool = p->put.body,
		.hash = hash,
		.check = check_put };
	int rc;

	sha256_text(p->sum, hash);
	if (conditional)
		headers_add(&c.headers, "If-None-Match", "*");
	s3_put_attributes(p, &c.headers);
	checksum_headers(hash, &c.headers);
	rc = call_run(&c, f);
	if (rc < 0 && c.answer.status == 501 && conditional)
		rc = not_conditional(&c, f);
	/* An earlier try whose answer was lost may have been a success. */
	if (rc == 1 && call_was_repeated(&c))
		rc = probe_same(&p->put.at->store, p->put.key, p->sum, f);
	call_clear(&c);
	return rc == 0 ? s3_put_check_lock(p, f) : rc;
}

/* Where nothing can be created conditionally: look, put, read back. */
static int
put_alone(struct s3_put *p, struct fail *f)
{
	int rc = s3_exists(p->s3, p->put.key, f);

	if (rc != 1)
		return rc == 0 ? 1 : -1;
	if (put_whole(p, false, f) != 0)
		return -1;
	rc = probe_same(&p->put.at->store, p->put.key, p->sum, f);
	return rc <= 0
	    ? rc
	    : fail_set(f, FAIL_TRANSIENT, p->put.key,
	          "what is there is not what was put: there is another writer");
}

/* Copy what is under the key to its other name, which must be free. */
static int
copy_aside(struct s3_put *p, struct fail *f)
{
	int rc = s3_exists(p->s3, p->put.aside, f);

	if (rc != 1)
		return rc == 0 ? 1 : -1;
	return s3_put_copy(p, f);
}

static int
finish(struct put *put, struct fail *f)
{
	struct s3_put *p = (struct s3_put *)put;
	bool aside = put->aside[0] != '\0';
	int rc = aside ? copy_aside(p, f) : 0;

	if (rc != 0)
		return rc;
	if (p->upload[0] != '\0')
		return s3_put_complete(p, f);
	if (aside)
		return put_whole(p, false, f);
	return p->s3->single_writer ? put_alone(p, f) : put_whole(p, true, f);
}

static void
forget(struct put *put)
{
	struct s3_put *p = (struct s3_put *)put;

	s3_put_abort(p);
	sha256_free(p->sum);
	free(p->etag);
}

struct stream *
s3_put(struct store *store, const char *key, const struct store_attrs *attrs,
    struct fail *f)
{
	static const struct put_ops ops = { .size = sizeof(struct s3_put),
		.parts_max = S3_PARTS_MAX,
		.begin = begin,
		.sum = sum,
		.part = s3_put_part,
		.finish = finish,
		.free = forget };
	struct put *put = put_new(&ops, store, key, attrs, f);

	if (put == NULL)
		return NULL;
	((struct s3_put *)put)->s3 = (struct s3 *)store;
	return &put->stream;
}
