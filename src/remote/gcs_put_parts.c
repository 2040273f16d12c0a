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
check_session(struct call *c, const struct http_answer *a, struct fail *f)
{
	const char *session = headers_get(&a->headers, "Location");

	if (session == NULL || strncmp(session, "http", 4) != 0)
		return call_not_theirs(c, "it has no upload's address", f);
	if (strncmp(c->at->base, "https://", 8) != 0 ||
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
	struct gcs_call c = { .call = { .at = p->put.at,
		                  .method = "POST",
		                  .right = "storage.objects.create",
		                  .query = query,
		                  .check = check_session },
		.root = GCS_UPLOAD };
	struct buf body = { 0 };
	int rc = p->put.aside[0] != '\0' ? gcs_put_copy(p, f) : 0;

	p->put.taken = rc == 1;
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	gcs_put_query(p, "resumable", query, sizeof query);
	headers_add(
	    &c.call.headers, "Content-Type", "application/json; charset=UTF-8");
	headers_add(&c.call.headers, "X-Upload-Content-Type",
	    "application/octet-stream");
	if (gcs_put_describe(p, "", &body) == 0) {
		c.call.body = body.data;
		c.call.body_len = body.len;
		rc = gcs_put_outcome(p, &c, call_run(&c.call, f), f);
	} else {
		rc = fail_set(f, FAIL_INTERNAL, p->put.key, "out of memory");
	}
	p->put.taken = rc == 1;
	if (rc == 0) {
		p->session = strdup(
		    headers_get(&c.call.answer.headers, "Location"));
		if (p->session == NULL)
			rc = fail_set(
			    f, FAIL_INTERNAL, p->put.key, "out of memory");
	}
	call_clear(&c.call);
	buf_clear(&body);
	return rc < 0 ? -1 : 0;
}

static uint64_t
end_of(const struct part *part)
{
	return part->put->put.begin + spool_len(part->put->put.body);
}

/* What is sent next: the rest of the part, or a question. */
static int
ready(struct call *c, struct fail *f)
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
		c->spool = p->put.body;
		c->from = first - p->put.begin;
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
judge_progress(struct call *c, const struct http_answer *a, struct fail *f)
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
	if (part->have < part->put->put.begin || part->have > end_of(part)) {
		(void)fail_set(f, FAIL_TRANSIENT, c->object,
		    "the service has %llu bytes of its upload, and had told of "
		    "%llu",
		    (unsigned long long)part->have,
		    (unsigned long long)part->put->put.begin);
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
judge_part(struct call *c, const struct http_answer *a, enum http_verdict *v,
    struct fail *f)
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
			(void)call_not_theirs(c, "it is a web page", f);
		else if (part->last)
			*v = gcs_put_check(part->put, a, c->object, f) == 0
			    ? HTTP_DONE
			    : HTTP_AGAIN;
		else
			(void)call_not_theirs(c, "there is more to come", f);
		return true;
	}
	return false;
}

static int
send_part(struct gcs_put *p, bool last, struct fail *f)
{
	struct part part = { .put = p, .have = p->put.begin, .last = last };
	struct gcs_call c = { .call = { .at = p->put.at,
		                  .method = "PUT",
		                  .right = "storage.objects.create",
		                  .arg = &part },
		.session = p->session,
		.ready = ready,
		.judge = judge_part };
	int rc = call_run(&c.call, f);

	if (last)
		rc = gcs_put_outcome(p, &c, rc, f);
	else if (rc == 1)
		rc = fail_set(f, FAIL_TRANSIENT, c.call.object,
		    "an upload's part was answered %d", c.call.answer.status);
	call_clear(&c.call);
	return rc;
}

int
gcs_put_part(struct put *put, struct fail *f)
{
	struct gcs_put *p = (struct gcs_put *)put;

	if (p->session == NULL && begin_upload(p, f) != 0)
		return -1;
	return put->taken ? 0 : send_part(p, false, f);
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
	struct gcs_call c = {
		.call = { .at = p->put.at, .method = "DELETE", .once = true },
		.session = p->session
	};
	struct fail ignored;

	if (p->session == NULL)
		return;
	headers_add(&c.call.headers, "Content-Length", "0");
	(void)call_run(&c.call, &ignored);
	call_clear(&c.call);
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
check_rewrite(struct call *c, const struct http_answer *a, struct fail *f)
{
	struct rewrite *r = c->arg;

	*r = (struct rewrite){ .token = "" };
	if (members_read(
	        a->body.data, a->body.len, c->object, take_rewrite, r, f) != 0)
		return 1;
	return r->known && (r->done || r->token[0] != '\0')
	    ? 0
	    : call_not_theirs(c, "it is not of a copy", f);
}

/* One request of a copy, which may take several.  0, 1 it is there, -1. */
static int
rewrite(struct gcs_put *p, const char *tail, struct rewrite *r, struct fail *f)
{
	struct gcs_call c = { .call = { .at = p->put.at,
		                  .method = "POST",
		                  .right = "storage.objects.create",
		                  .key = p->put.key,
		                  .check = check_rewrite,
		                  .arg = r },
		.tail = tail };
	char text[128];
	int rc;

	(void)snprintf(text, sizeof text,
	    "fields=done,rewriteToken&ifGenerationMatch=0&sourceGeneration=%s",
	    p->replaces);
	rc = call_add(&c.call.made, text);
	if (rc == 0 && r->token[0] != '\0')
		rc = call_add_parameter(
		    &c.call.made, "rewriteToken", "", r->token);
	rc = call_run_made(&c.call, rc, f);
	if (rc == 1 && c.call.answer.status == 404)
		rc = fail_set(f, FAIL_TRANSIENT, c.call.object,
		    "what it is a copy of is gone");
	call_clear(&c.call);
	return rc;
}

/* A copy whose answer was lost is there: is it this one? */
static int
is_copy(struct gcs_put *p, const struct gcs_object *source, struct fail *f)
{
	struct gcs_object there;
	int rc = gcs_describe(p->put.at, p->put.aside, &there, f);

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
	int rc = gcs_describe(p->put.at, p->put.key, &source, f);

	if (rc == 1)
		rc = fail_set(f, FAIL_TRANSIENT, p->put.key,
		    "what it is a copy of is gone");
	if (rc != 0)
		return rc;
	/* What is copied is what is replaced, and nothing that came since. */
	(void)snprintf(
	    p->replaces, sizeof p->replaces, "%s", source.generation);
	if (call_add(&tail, "/rewriteTo/b/") != 0 ||
	    uri_encode(&tail, p->put.at->name, false) != 0 ||
	    call_add(&tail, "/o/") != 0 ||
	    call_add_key(p->put.at, p->put.aside, false, &tail) != 0 ||
	    buf_append_u8(&tail, 0) != 0)
		rc = fail_set(f, FAIL_INTERNAL, p->put.key, "out of memory");
	while (rc == 0 && !r.done)
		rc = rewrite(p, (const char *)tail.data, &r, f);
	buf_clear(&tail);
	return rc == 1 ? is_copy(p, &source, f) : rc;
}
