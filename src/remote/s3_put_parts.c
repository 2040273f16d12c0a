/* SPDX-License-Identifier: PostgreSQL */
/*
 * Objects that are put in parts, and copied: requests whose answer of 200 may
 * still be an error.  See s3_put.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3_put.h"
#include "uri.h"
#include "xml.h"

struct leaf {
	const char *path;
	char *out;
	size_t cap;
};

static int
take_leaf(void *arg, const char *path, const char *text)
{
	struct leaf *leaf = arg;

	if (strcmp(path, leaf->path) == 0)
		(void)snprintf(leaf->out, leaf->cap, "%s", text);
	return 0;
}

/* One element of a successful answer.  0; 1: it is not there. */
static int
find_leaf(struct s3_call *c, const struct http_answer *a, struct leaf *leaf,
    struct fail *f)
{
	leaf->out[0] = '\0';
	if (s3_parse_error(&a->body, &c->error) == 0) {
		(void)fail_set(f, FAIL_TRANSIENT, c->object,
		    "%s: answered %d with an error: %s: %s", c->method,
		    a->status, c->error.code, c->error.message);
		return 1;
	}
	if (xml_parse((const char *)a->body.data, a->body.len, c->object,
	        take_leaf, leaf, f) != 0)
		return 1;
	if (leaf->out[0] != '\0')
		return 0;
	(void)fail_set(f, FAIL_TRANSIENT, c->object,
	    "the answer says success, but has no %s", leaf->path);
	return 1;
}

static int
check_upload(struct s3_call *c, const struct http_answer *a, struct fail *f)
{
	char id[512];
	struct leaf leaf = { "InitiateMultipartUploadResult/UploadId", id,
		sizeof id };

	return find_leaf(c, a, &leaf, f);
}

static int
check_complete(struct s3_call *c, const struct http_answer *a, struct fail *f)
{
	char etag[S3_ETAG_MAX];
	struct leaf leaf = { "CompleteMultipartUploadResult/ETag", etag,
		sizeof etag };

	return find_leaf(c, a, &leaf, f);
}

static int
check_copy(struct s3_call *c, const struct http_answer *a, struct fail *f)
{
	char etag[S3_ETAG_MAX];
	struct leaf leaf = { "CopyObjectResult/ETag", etag, sizeof etag };

	return find_leaf(c, a, &leaf, f);
}

static int
check_part(struct s3_call *c, const struct http_answer *a, struct fail *f)
{
	if (headers_get(&a->headers, "ETag") != NULL)
		return 0;
	(void)fail_set(f, FAIL_TRANSIENT, c->object,
	    "the answer says success, but has no ETag");
	return 1;
}

int
s3_put_copy(struct s3_put *p, struct fail *f)
{
	struct s3 *s = p->s3;
	struct s3_call c = { .s3 = s,
		.method = "PUT",
		.action = "s3:PutObject",
		.key = p->aside,
		.check = check_copy };
	struct buf source = { 0 };
	int rc = -1;

	if (uri_encode(&source, "/", true) == 0 &&
	    uri_encode(&source, s->bucket, true) == 0 &&
	    uri_encode(&source, "/", true) == 0 &&
	    uri_encode(&source, s->prefix, true) == 0 &&
	    uri_encode(&source, p->key, true) == 0 &&
	    buf_append_u8(&source, 0) == 0) {
		headers_add(&c.headers, "x-amz-copy-source", "%s",
		    (const char *)source.data);
		rc = s3_call(&c, f);
		if (rc == 1)
			rc = fail_set(f, FAIL_TRANSIENT, c.object,
			    "what it is a copy of is gone");
	} else {
		(void)fail_set(f, FAIL_INTERNAL, p->key, "out of memory");
	}
	buf_clear(&source);
	s3_call_clear(&c);
	return rc;
}

static int
begin_upload(struct s3_put *p, struct fail *f)
{
	struct s3_call c = { .s3 = p->s3,
		.method = "POST",
		.action = "s3:PutObject",
		.key = p->key,
		.query = "uploads=",
		.check = check_upload };
	char id[512] = "";
	struct leaf leaf = { "InitiateMultipartUploadResult/UploadId", id,
		sizeof id };
	struct buf encoded = { 0 };
	int rc;

	p->etag = calloc(S3_PARTS_MAX, sizeof *p->etag);
	if (p->etag == NULL)
		return fail_set(f, FAIL_INTERNAL, p->key, "out of memory");
	s3_put_attributes(p, &c.headers);
	rc = s3_call(&c, f);
	if (rc == 0)
		rc = find_leaf(&c, &c.answer, &leaf, f);
	if (rc == 0 && uri_encode(&encoded, id, false) == 0 &&
	    buf_append_u8(&encoded, 0) == 0)
		(void)snprintf(p->upload, sizeof p->upload, "%s",
		    (const char *)encoded.data);
	else if (rc >= 0)
		rc = fail_set(
		    f, FAIL_TRANSIENT, c.object, "no upload could be begun");
	buf_clear(&encoded);
	s3_call_clear(&c);
	return rc;
}

int
s3_put_part(struct s3_put *p, struct fail *f)
{
	char query[sizeof p->upload + 64];
	struct s3_call c = { .s3 = p->s3,
		.method = "PUT",
		.action = "s3:PutObject",
		.key = p->key,
		.query = query,
		.spool = p->body,
		.check = check_part };
	int rc;

	if (p->upload[0] == '\0' && begin_upload(p, f) != 0)
		return -1;
	if (p->n_parts == S3_PARTS_MAX) {
		(void)fail_set(
		    f, FAIL_CONFIG, p->key, "more than %d parts", S3_PARTS_MAX);
		return fail_hint(f, "set a larger part_size");
	}
	(void)snprintf(query, sizeof query, "partNumber=%u&uploadId=%s",
	    p->n_parts + 1, p->upload);
	sha256_text(p->sum, c.hash);
	s3_add_sse_customer(p->s3, &c.headers);
	rc = s3_call(&c, f);
	if (rc == 0)
		(void)snprintf(p->etag[p->n_parts++], S3_ETAG_MAX, "%s",
		    headers_get(&c.answer.headers, "ETag"));
	else if (rc == 1)
		rc = fail_set(f, FAIL_TRANSIENT, c.object,
		    "its upload is gone: somebody removed it");
	s3_call_clear(&c);
	return rc == 0 ? s3_put_next_body(p, f) : -1;
}

static int
list_parts(const struct s3_put *p, struct buf *b)
{
	static const char begin[] = "<CompleteMultipartUpload>";
	static const char end[] = "</CompleteMultipartUpload>";
	int rc = buf_append(b, begin, sizeof begin - 1);

	for (unsigned i = 0; i < p->n_parts && rc == 0; i++) {
		char *text;
		int len = asprintf(&text,
		    "<Part><PartNumber>%u</PartNumber>"
		    "<ETag>%s</ETag></Part>",
		    i + 1, p->etag[i]);

		if (len < 0)
			return -1;
		rc = buf_append(b, text, (size_t)len);
		free(text);
	}
	return rc == 0 ? buf_append(b, end, sizeof end - 1) : -1;
}

/*
 * What is under the key now is of this upload if it has its size: no other
 * writer has the names of our packs.
 */
static int
check_size(struct s3_put *p, struct fail *f)
{
	struct store_info info;
	int rc = s3_stat(&p->s3->store, p->key, &info, f);

	if (rc == 0 && info.size == p->len)
		return 0;
	if (rc < 0)
		return -1;
	(void)fail_set(f, FAIL_TRANSIENT, p->key, "put in parts, but it %s",
	    rc == 1 ? "is not there" : "has another size");
	return -1;
}

int
s3_put_complete(struct s3_put *p, struct fail *f)
{
	char query[sizeof p->upload + 64];
	struct s3_call c = { .s3 = p->s3,
		.method = "POST",
		.action = "s3:PutObject",
		.key = p->key,
		.query = query,
		.check = check_complete };
	struct buf body = { 0 };
	bool replaces = p->aside[0] != '\0';
	int rc = spool_len(p->body) > 0 ? s3_put_part(p, f) : 0;

	/* Not every service looks at the condition of this request. */
	if (rc == 0)
		rc = replaces ? 1 : s3_exists(p->s3, p->key, f);
	if (rc <= 0)
		return rc == 0 ? 1 : -1;
	if (list_parts(p, &body) != 0) {
		buf_clear(&body);
		return fail_set(f, FAIL_INTERNAL, p->key, "out of memory");
	}
	(void)snprintf(query, sizeof query, "uploadId=%s", p->upload);
	c.body = body.data;
	c.body_len = body.len;
	headers_add(&c.headers, "Content-Type", "application/xml");
	if (!p->s3->single_writer && !replaces)
		headers_add(&c.headers, "If-None-Match", "*");
	rc = s3_call(&c, f);
	/* Gone, or there: an earlier try may have been a success. */
	if (rc == 1 && c.tries == 1 && !c.answer.resent &&
	    c.answer.status == 412) {
		s3_call_clear(&c);
		buf_clear(&body);
		return 1;
	}
	if (rc >= 0)
		rc = check_size(p, f);
	if (rc == 0) {
		p->upload[0] = '\0';
		rc = s3_put_check_lock(p, f);
	}
	s3_call_clear(&c);
	buf_clear(&body);
	return rc;
}

void
s3_put_abort(struct s3_put *p)
{
	char query[sizeof p->upload + 64];
	struct s3_call c = { .s3 = p->s3,
		.method = "DELETE",
		.action = "s3:AbortMultipartUpload",
		.once = true,
		.key = p->key,
		.query = query };
	struct fail ignored;

	if (p->upload[0] == '\0')
		return;
	(void)snprintf(query, sizeof query, "uploadId=%s", p->upload);
	(void)s3_call(&c, &ignored);
	s3_call_clear(&c);
	p->upload[0] = '\0';
}
