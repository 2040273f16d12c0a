/* SPDX-License-Identifier: PostgreSQL */
/*
 * Writing objects: see s3_call.h.  What a request signs is its body's
 * checksum, so the body is there before the request begins.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "keyed.h"
#include "probe.h"
#include "s3_put.h"

int
s3_put_next_body(struct s3_put *p, struct fail *f)
{
	const char *dir = p->s3->spool_dir;
	size_t memory = p->kind == STORE_BACKUP
	    ? p->s3->part_size + ((size_t)1 << 20)
	    : S3_MEMORY_MAX;

	spool_free(p->body);
	sha256_free(p->sum);
	p->body = spool_new(memory, dir[0] != '\0' ? dir : NULL);
	p->sum = sha256_new();
	if (p->body != NULL && p->sum != NULL)
		return 0;
	return fail_set(f, FAIL_INTERNAL, p->key, "out of memory");
}

void
s3_put_attributes(const struct s3_put *p, struct headers *h)
{
	const struct s3 *s = p->s3;
	const char *class = p->kind == STORE_BACKUP ? s->storage_class
	    : p->kind == STORE_WAL                  ? s->wal_storage_class
	                                            : "";
	char until[64];
	time_t end = time(NULL) + (time_t)(s->lock_ms / 1000);
	struct tm tm;

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
	if (s->lock_mode[0] == '\0')
		return;
	(void)gmtime_r(&end, &tm);
	(void)strftime(until, sizeof until, "%Y-%m-%dT%H:%M:%SZ", &tm);
	headers_add(h, "x-amz-object-lock-mode", "%s", s->lock_mode);
	headers_add(h, "x-amz-object-lock-retain-until-date", "%s", until);
}

static int
check_lock_answer(
    struct s3_call *c, const struct http_answer *a, struct fail *f)
{
	const char *mode = headers_get(&a->headers, "x-amz-object-lock-mode");
	const char *until = headers_get(
	    &a->headers, "x-amz-object-lock-retain-until-date");
	int64_t end = until != NULL ? s3_time(until) : 0;

	if (mode != NULL && strcmp(mode, c->s3->lock_mode) == 0 &&
	    end > clock_now())
		return 0;
	(void)fail_set(f, FAIL_CONFIG, c->object,
	    "the service took it, but did not lock it (lock_mode = %s)",
	    c->s3->lock_mode);
	return fail_hint(f,
	    "the bucket must have Object Lock, the credentials need "
	    "s3:PutObjectRetention and s3:GetObjectRetention; some services "
	    "ignore locks");
}

int
s3_put_check_lock(struct s3_put *p, struct fail *f)
{
	struct s3_call c = { .s3 = p->s3,
		.method = "HEAD",
		.action = "s3:GetObjectRetention",
		.key = p->key,
		.check = check_lock_answer };
	int rc;

	if (p->s3->lock_mode[0] == '\0')
		return 0;
	s3_add_sse_customer(p->s3, &c.headers);
	rc = s3_call(&c, f);
	if (rc == 1)
		rc = fail_set(
		    f, FAIL_TRANSIENT, c.object, "it is gone after it was put");
	s3_call_clear(&c);
	return rc;
}

static int
put_write(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct s3_put *p = (struct s3_put *)stream;
	const uint8_t *from = bytes;

	p->len += len;
	while (len > 0) {
		uint64_t room = p->kind != STORE_BACKUP
		    ? len
		    : p->s3->part_size - spool_len(p->body);
		size_t n = len < room ? len : (size_t)room;

		/* More is to come: what is full is a part. */
		if (n == 0) {
			if (s3_put_part(p, f) != 0)
				return -1;
			continue;
		}
		sha256_update(p->sum, from, n);
		if (stream_write(spool_stream(p->body), from, n, f) != 0)
			return -1;
		from += n;
		len -= n;
	}
	return 0;
}

static int
check_put(struct s3_call *c, const struct http_answer *a, struct fail *f)
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
not_conditional(const struct s3_call *c, struct fail *f)
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
	struct s3_call c = { .s3 = p->s3,
		.method = "PUT",
		.action = "s3:PutObject",
		.key = p->key,
		.spool = p->body,
		.check = check_put };
	int rc;

	sha256_text(p->sum, c.hash);
	if (conditional)
		headers_add(&c.headers, "If-None-Match", "*");
	s3_put_attributes(p, &c.headers);
	checksum_headers(c.hash, &c.headers);
	rc = s3_call(&c, f);
	if (rc < 0 && c.answer.status == 501 && conditional)
		rc = not_conditional(&c, f);
	/* An earlier try whose answer was lost may have been a success. */
	if (rc == 1 && (c.tries > 1 || c.answer.resent))
		rc = probe_same(&p->s3->store, p->key, p->sum, f);
	s3_call_clear(&c);
	return rc == 0 ? s3_put_check_lock(p, f) : rc;
}

/* Where nothing can be created conditionally: look, put, read back. */
static int
put_alone(struct s3_put *p, struct fail *f)
{
	int rc = s3_exists(p->s3, p->key, f);

	if (rc != 1)
		return rc == 0 ? 1 : -1;
	if (put_whole(p, false, f) != 0)
		return -1;
	rc = probe_same(&p->s3->store, p->key, p->sum, f);
	return rc <= 0
	    ? rc
	    : fail_set(f, FAIL_TRANSIENT, p->key,
	          "what is there is not what was put: there is another writer");
}

/* Copy what is under the key to its other name, which must be free. */
static int
copy_aside(struct s3_put *p, struct fail *f)
{
	int rc = s3_exists(p->s3, p->aside, f);

	if (rc != 1)
		return rc == 0 ? 1 : -1;
	return s3_put_copy(p, f);
}

static int
put_finish(struct stream *stream, struct fail *f)
{
	struct s3_put *p = (struct s3_put *)stream;
	bool aside = p->aside[0] != '\0';
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
put_free(struct stream *stream)
{
	struct s3_put *p = (struct s3_put *)stream;

	s3_put_abort(p);
	spool_free(p->body);
	sha256_free(p->sum);
	free(p->etag);
	free(p);
}

static const struct stream_ops put_ops = {
	.write = put_write,
	.finish = put_finish,
	.free = put_free,
};

struct stream *
s3_put(struct store *store, const char *key, const struct store_attrs *attrs,
    struct fail *f)
{
	struct s3_put *p = calloc(1, sizeof *p);

	if (p == NULL) {
		(void)fail_set(f, FAIL_INTERNAL, key, "out of memory");
		return NULL;
	}
	p->stream.ops = &put_ops;
	p->s3 = (struct s3 *)store;
	p->kind = attrs->kind;
	(void)snprintf(p->key, sizeof p->key, "%s", key);
	if (attrs->set_aside != NULL)
		(void)snprintf(
		    p->aside, sizeof p->aside, "%s", attrs->set_aside);
	if (s3_put_next_body(p, f) == 0)
		return &p->stream;
	put_free(&p->stream);
	return NULL;
}
