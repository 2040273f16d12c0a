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
find_leaf(struct call *c, const struct http_answer *a, struct leaf *leaf,
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
check_upload(struct call *c, const struct http_answer *a, struct fail *f)
{
	char id[512];
	struct leaf leaf = { "InitiateMultipartUploadResult/UploadId", id,
		sizeof id };

	return find_leaf(c, a, &leaf, f);
}

static int
check_complete(struct call *c, const struct http_answer *a, struct fail *f)
{
	char etag[S3_ETAG_MAX];
	struct leaf leaf = { "CompleteMultipartUploadResult/ETag", etag,
		sizeof etag };

	return find_leaf(c, a, &leaf, f);
}

static int
check_copy(struct call *c, const struct http_answer *a, struct fail *f)
{
	char etag[S3_ETAG_MAX];
	struct leaf leaf = { "CopyObjectResult/ETag", etag, sizeof etag };

	return find_leaf(c, a, &leaf, f);
}

static int
check_part(struct call *c, const struct http_answer *a, struct fail *f)
{
	return headers_get(&a->headers, "ETag") != NULL
	    ? 0
	    : call_no_success(c, "it has no ETag", f);
}

int
s3_put_copy(struct s3_put *p, struct fail *f)
{
	struct s3 *s = p->s3;
	struct call c = { .at = &s->at,
		.method = "PUT",
		.right = "s3:PutObject",
		.key = p->put.aside,
		.check = check_copy };
	struct buf source = { 0 };
	int rc = -1;

	if (uri_encode(&source, "/", true) == 0 &&
	    uri_encode(&source, s->at.name, true) == 0 &&
	    uri_encode(&source, "/", true) == 0 &&
	    call_add_key(&s->at, p->put.key, true, &source) == 0 &&
	    buf_append_u8(&source, 0) == 0) {
		headers_add(&c.headers, "x-amz-copy-source", "%s",
		    (const char *)source.data);
		rc = call_run(&c, f);
		if (rc == 1)
			rc = fail_set(f, FAIL_TRANSIENT, c.object,
			    "what it is a copy of is gone");
	} else {
		(void)fail_set(f, FAIL_INTERNAL, p->put.key, "out of memory");
	}
	buf_clear(&source);
	call_clear(&c);
	return rc;
}

static int
begin_upload(struct s3_put *p, struct fail *f)
{
	struct call c = { .at = p->put.at,
		.method = "POST",
		.right = "s3:PutObject",
		.key = p->put.key,
		.query = "uploads=",
		.check = check_upload };
	char id[512] = "";
	struct leaf leaf = { "InitiateMultipartUploadResult/UploadId", id,
		sizeof id };
	struct buf encoded = { 0 };
	int rc;

	p->etag = calloc(S3_PARTS_MAX, sizeof *p->etag);
	if (p->etag == NULL)
		return fail_set(f, FAIL_INTERNAL, p->put.key, "out of memory");
	s3_put_attributes(p, &c.headers);
	rc = call_run(&c, f);
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
	call_clear(&c);
	return rc;
}

int
s3_put_part(struct put *put, struct fail *f)
{
	struct s3_put *p = (struct s3_put *)put;
	char query[sizeof p->upload + 64], hash[SHA256_TEXT];
	struct call c = { .at = put->at,
		.method = "PUT",
		.right = "s3:PutObject",
		.key = put->key,
		.query = query,
		.spool = put->body,
		.hash = hash,
		.check = check_part };
	int rc;

	if (p->upload[0] == '\0' && begin_upload(p, f) != 0)
		return -1;
	(void)snprintf(query, sizeof query, "partNumber=%u&uploadId=%s",
	    put->n_parts + 1, p->upload);
	sha256_text(p->sum, hash);
	s3_add_sse_customer(p->s3, &c.headers);
	rc = call_run(&c, f);
	if (rc == 0)
		(void)snprintf(p->etag[put->n_parts], S3_ETAG_MAX, "%s",
		    headers_get(&c.answer.headers, "ETag"));
	else if (rc == 1)
		rc = fail_set(f, FAIL_TRANSIENT, c.object,
		    "its upload is gone: somebody removed it");
	call_clear(&c);
	return rc;
}

static int
list_parts(const struct s3_put *p, struct buf *b)
{
	static const char begin[] = "<CompleteMultipartUpload>";
	static const char end[] = "</CompleteMultipartUpload>";
	int rc = buf_append(b, begin, sizeof begin - 1);

	for (unsigned i = 0; i < p->put.n_parts && rc == 0; i++) {
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
	int rc = s3_stat(&p->put.at->store, p->put.key, &info, f);

	if (rc == 0 && info.size == p->put.len)
		return 0;
	if (rc < 0)
		return -1;
	(void)fail_set(f, FAIL_TRANSIENT, p->put.key, "put in parts, but it %s",
	    rc == 1 ? "is not there" : "has another size");
	return -1;
}

int
s3_put_complete(struct s3_put *p, struct fail *f)
{
	char query[sizeof p->upload + 64];
	struct call c = { .at = p->put.at,
		.method = "POST",
		.right = "s3:PutObject",
		.key = p->put.key,
		.query = query,
		.check = check_complete };
	struct buf body = { 0 };
	bool replaces = p->put.aside[0] != '\0';
	int rc = spool_len(p->put.body) > 0 ? put_part(&p->put, f) : 0;

	/* Not every service looks at the condition of this request. */
	if (rc == 0)
		rc = replaces ? 1 : s3_exists(p->s3, p->put.key, f);
	if (rc <= 0)
		return rc == 0 ? 1 : -1;
	if (list_parts(p, &body) != 0) {
		buf_clear(&body);
		return fail_set(f, FAIL_INTERNAL, p->put.key, "out of memory");
	}
	(void)snprintf(query, sizeof query, "uploadId=%s", p->upload);
	c.body = body.data;
	c.body_len = body.len;
	headers_add(&c.headers, "Content-Type", "application/xml");
	if (!p->s3->single_writer && !replaces)
		headers_add(&c.headers, "If-None-Match", "*");
	rc = call_run(&c, f);
	/* Gone, or there: an earlier try may have been a success. */
	if (rc == 1 && !call_was_repeated(&c) && c.answer.status == 412) {
		call_clear(&c);
		buf_clear(&body);
		return 1;
	}
	if (rc >= 0)
		rc = check_size(p, f);
	if (rc == 0) {
		p->upload[0] = '\0';
		rc = s3_put_check_lock(p, f);
	}
	call_clear(&c);
	buf_clear(&body);
	return rc;
}

void
s3_put_abort(struct s3_put *p)
{
	char query[sizeof p->upload + 64];
	struct call c = { .at = p->put.at,
		.method = "DELETE",
		.right = "s3:AbortMultipartUpload",
		.once = true,
		.key = p->put.key,
		.query = query };
	struct fail ignored;

	if (p->upload[0] == '\0')
		return;
	(void)snprintf(query, sizeof query, "uploadId=%s", p->upload);
	(void)call_run(&c, &ignored);
	call_clear(&c);
	p->upload[0] = '\0';
}
