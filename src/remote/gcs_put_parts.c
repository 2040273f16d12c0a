/* SPDX-License-Identifier: PostgreSQL */
/*
 * Objects that are put in parts ("Resumable uploads" in the documentation of
 * Cloud Storage), and copied.  See gcs_put.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gcs_put.h"
#include "keyed.h"
#include "members.h"
#include "uri.h"

/* A part on its way. */
struct part {
	struct gcs_put *put;
	uint64_t have; /* the service has so much of the object */
	bool last;
	bool doubt;  /* what it has is to be asked */
	bool asking; /* now */
};

static int
check_session(struct gcs_call *c, const struct http_answer *a, struct fail *f)
{
	const char *session = headers_get(&a->headers, "Location");

	if (session == NULL || strncmp(session, "http", 4) != 0)
		return gcs_no_success(c, "it has no upload's address", f);
	if (strncmp(c->gcs->base, "https://", 8) != 0 ||
	    strncmp(session, "https://", 8) == 0)
		return 0;
	return fail_set(f, FAIL_CONFIG, c->object,
	    "the upload's address that the service gave is not of https");
}

/* 0 (also if the key is taken), -1 */
static int
begin_upload(struct gcs_put *p, struct fail *f)
{
	char query[128];
	struct gcs_call c = { .gcs = p->gcs,
		.method = "POST",
		.permission = "storage.objects.create",
		.root = GCS_UPLOAD,
		.query = query,
		.check = check_session };
	struct buf body = { 0 };
	int rc = p->aside[0] != '\0' ? gcs_put_copy(p, f) : 0;

	p->taken = rc == 1;
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	gcs_put_query(p, "resumable", query, sizeof query);
	headers_add(
	    &c.headers, "Content-Type", "application/json; charset=UTF-8");
	headers_add(
	    &c.headers, "X-Upload-Content-Type", "application/octet-stream");
	if (gcs_put_describe(p, "", &body) == 0) {
		c.body = body.data;
		c.body_len = body.len;
		rc = gcs_put_outcome(p, &c, gcs_call(&c, f), f);
	} else {
		rc = fail_set(f, FAIL_INTERNAL, p->key, "out of memory");
	}
	p->taken = rc == 1;
	if (rc == 0) {
		p->session = strdup(headers_get(&c.answer.headers, "Location"));
		if (p->session == NULL)
			rc = fail_set(
			    f, FAIL_INTERNAL, p->key, "out of memory");
	}
	gcs_call_clear(&c);
	buf_clear(&body);
	return rc < 0 ? -1 : 0;
}

static uint64_t
end_of(const struct part *part)
{
	return part->put->begin + spool_len(part->put->body);
}

/* What is sent next: the rest of the part, or a question. */
static int
ready(struct gcs_call *c, struct fail *f)
{
	struct part *part = c->arg;
	struct gcs_put *p = part->put;
	unsigned long long first = part->have, end = end_of(part);
	char total[32] = "*", crc[GCS_CRC_TEXT];

	headers_clear(&c->headers);
	part->asking = part->doubt;
	if (part->last)
		(void)snprintf(total, sizeof total, "%llu", end);
	if (part->asking || first == end) {
		c->spool = NULL;
		headers_add(&c->headers, "Content-Range", "bytes */%s", total);
	} else {
		c->spool = p->body;
		c->from = first - p->begin;
		headers_add(&c->headers, "Content-Range", "bytes %llu-%llu/%s",
		    first, end - 1, total);
	}
	if (part->last && !part->asking) {
		gcs_crc_text(~p->crc, crc);
		headers_add(&c->headers, "X-Goog-Hash", "crc32c=%s", crc);
	}
	/* Until there is an answer. */
	part->doubt = true;
	return c->headers.failed
	    ? fail_set(f, FAIL_INTERNAL, c->object, "out of memory")
	    : 0;
}

/* 308: how far it is. */
static enum http_verdict
judge_progress(struct gcs_call *c, const struct http_answer *a, struct fail *f)
{
	struct part *part = c->arg;
	const char *range = headers_get(&a->headers, "Range");
	unsigned long long last, had = part->have;

	if (range == NULL) {
		part->have = 0;
	} else if (sscanf(range, "bytes=0-%llu", &last) == 1) {
		part->have = last + 1;
	} else {
		(void)fail_set(f, FAIL_TRANSIENT, c->object,
		    "an upload's state is answered as '%s'", range);
		return HTTP_AGAIN;
	}
	part->doubt = false;
	if (part->have < part->put->begin || part->have > end_of(part)) {
		(void)fail_set(f, FAIL_TRANSIENT, c->object,
		    "the service has %llu bytes of its upload, and had told of "
		    "%llu",
		    (unsigned long long)part->have,
		    (unsigned long long)part->put->begin);
		return HTTP_FAILED;
	}
	if (part->have == end_of(part) && !part->last)
		return HTTP_DONE;
	if (part->asking || part->have > had)
		return HTTP_NEXT;
	(void)fail_set(f, FAIL_TRANSIENT, c->object,
	    "the service took nothing of what was sent");
	return HTTP_AGAIN;
}

static bool
is_web_page(const struct http_answer *a)
{
	return a->body.len > 0 &&
	    memchr(a->body.data, '<', a->body.len) != NULL;
}

static bool
judge_part(struct gcs_call *c, const struct http_answer *a,
    enum http_verdict *v, struct fail *f)
{
	struct part *part = c->arg;

	if (a->status == 308) {
		*v = judge_progress(c, a, f);
		return true;
	}
	if ((a->status == 404 || a->status == 410) && !is_web_page(a)) {
		(void)fail_set(f, FAIL_TRANSIENT, c->object,
		    "its upload is gone (answered %d): somebody cancelled it, "
		    "or it took more than a week",
		    a->status);
		*v = HTTP_FAILED;
		return true;
	}
	if (a->status == 200 || a->status == 201) {
		*v = HTTP_AGAIN;
		if (is_web_page(a))
			(void)gcs_no_success(c, "it is a web page", f);
		else if (part->last)
			*v = gcs_put_check(part->put, a, c->object, f) == 0
			    ? HTTP_DONE
			    : HTTP_AGAIN;
		else
			(void)gcs_no_success(c, "there is more to come", f);
		return true;
	}
	return false;
}

static int
send_part(struct gcs_put *p, bool last, struct fail *f)
{
	struct part part = { .put = p, .have = p->begin, .last = last };
	struct gcs_call c = { .gcs = p->gcs,
		.method = "PUT",
		.permission = "storage.objects.create",
		.session = p->session,
		.ready = ready,
		.judge = judge_part,
		.arg = &part };
	int rc = gcs_call(&c, f);

	if (last)
		rc = gcs_put_outcome(p, &c, rc, f);
	else if (rc == 1)
		rc = fail_set(f, FAIL_TRANSIENT, c.object,
		    "an upload's part was answered %d", c.answer.status);
	gcs_call_clear(&c);
	return rc;
}

int
gcs_put_part(struct gcs_put *p, struct fail *f)
{
	if (p->session == NULL && begin_upload(p, f) != 0)
		return -1;
	if (p->taken)
		return 0;
	return send_part(p, false, f) == 0 ? gcs_put_next_body(p, f) : -1;
}

int
gcs_put_complete(struct gcs_put *p, struct fail *f)
{
	int rc = send_part(p, true, f);

	if (rc != 0)
		return rc;
	wipe(p->session, strlen(p->session));
	free(p->session);
	p->session = NULL;
	return gcs_put_check_lock(p, f);
}

void
gcs_put_abort(struct gcs_put *p)
{
	struct gcs_call c = { .gcs = p->gcs,
		.method = "DELETE",
		.session = p->session,
		.once = true };
	struct fail ignored;

	if (p->session == NULL)
		return;
	headers_add(&c.headers, "Content-Length", "0");
	(void)gcs_call(&c, &ignored);
	gcs_call_clear(&c);
	wipe(p->session, strlen(p->session));
	free(p->session);
	p->session = NULL;
}

struct rewrite {
	char token[1024];
	bool done, known;
};

static int
take_rewrite(void *arg, const char *path, const char *text)
{
	struct rewrite *r = arg;

	if (text == NULL)
		return 0;
	if (strcmp(path, "done") == 0) {
		r->known = true;
		r->done = strcmp(text, "true") == 0;
	} else if (strcmp(path, "rewriteToken") == 0) {
		(void)snprintf(r->token, sizeof r->token, "%s", text);
	}
	return 0;
}

static int
check_rewrite(struct gcs_call *c, const struct http_answer *a, struct fail *f)
{
	struct rewrite r = { .token = "" };

	if (members_read(
	        a->body.data, a->body.len, c->object, take_rewrite, &r, f) != 0)
		return 1;
	return r.known && (r.done || r.token[0] != '\0')
	    ? 0
	    : gcs_no_success(c, "it is not of a copy", f);
}

/* One request of a copy, which may take several.  0, 1 it is there, -1. */
static int
rewrite(struct gcs_put *p, const char *tail, struct rewrite *r, struct fail *f)
{
	struct gcs_call c = { .gcs = p->gcs,
		.method = "POST",
		.permission = "storage.objects.create",
		.key = p->key,
		.tail = tail,
		.check = check_rewrite };
	struct buf query = { 0 };
	char text[128];
	int rc = -1;

	(void)snprintf(text, sizeof text,
	    "fields=done,rewriteToken&ifGenerationMatch=0&sourceGeneration=%s",
	    p->replaces);
	if (buf_append(&query, text, strlen(text)) != 0 ||
	    (r->token[0] != '\0' &&
	        (buf_append(&query, "&rewriteToken=", 14) != 0 ||
	            uri_encode(&query, r->token, false) != 0)) ||
	    buf_append_u8(&query, 0) != 0) {
		(void)fail_set(f, FAIL_INTERNAL, p->key, "out of memory");
	} else {
		c.query = (const char *)query.data;
		rc = gcs_call(&c, f);
		if (rc == 1 && c.answer.status == 404)
			rc = fail_set(f, FAIL_TRANSIENT, c.object,
			    "what it is a copy of is gone");
	}
	if (rc == 0)
		rc = members_read(c.answer.body.data, c.answer.body.len,
		    c.object, take_rewrite, r, f);
	gcs_call_clear(&c);
	buf_clear(&query);
	return rc;
}

/* A copy whose answer was lost is there: is it this one? */
static int
is_copy(struct gcs_put *p, const struct gcs_object *source, struct fail *f)
{
	struct gcs_object there;
	int rc = gcs_describe(p->gcs, p->aside, &there, f);

	if (rc != 0)
		return -1;
	return there.size == source->size &&
	        strcmp(there.crc32c, source->crc32c) == 0 &&
	        strcmp(there.mark, source->mark) == 0
	    ? 0
	    : 1;
}

int
gcs_put_copy(struct gcs_put *p, struct fail *f)
{
	struct rewrite r = { .token = "" };
	struct gcs_object source;
	struct buf tail = { 0 };
	static const char begin[] = "/rewriteTo/b/";
	int rc = gcs_describe(p->gcs, p->key, &source, f);

	if (rc == 1)
		rc = fail_set(
		    f, FAIL_TRANSIENT, p->key, "what it is a copy of is gone");
	if (rc != 0)
		return rc;
	/* What is copied is what is replaced, and nothing that came since. */
	(void)snprintf(
	    p->replaces, sizeof p->replaces, "%s", source.generation);
	if (buf_append(&tail, begin, sizeof begin - 1) != 0 ||
	    gcs_add_object(p->gcs, NULL, &tail) != 0 ||
	    buf_append(&tail, "/o/", 3) != 0 ||
	    gcs_add_object(p->gcs, p->aside, &tail) != 0 ||
	    buf_append_u8(&tail, 0) != 0)
		rc = fail_set(f, FAIL_INTERNAL, p->key, "out of memory");
	while (rc == 0 && !r.done)
		rc = rewrite(p, (const char *)tail.data, &r, f);
	buf_clear(&tail);
	return rc == 1 ? is_copy(p, &source, f) : rc;
}
