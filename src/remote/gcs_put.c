/* SPDX-License-Identifier: PostgreSQL */
/* Writing objects: see gcs_put.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gcs_put.h"
#include "json.h"
#include "keyed.h"
#include "retry.h"
#include "sum.h"

#define CRC_BEGIN UINT32_C(0xFFFFFFFF)

static int
begin(struct put *put)
{
	struct gcs_put *p = (struct gcs_put *)put;

	/* Of the whole object, whatever its parts are. */
	if (put->n_parts == 0)
		p->crc = CRC_BEGIN;
	return 0;
}

static void
sum(struct put *put, const void *bytes, size_t len)
{
	struct gcs_put *p = (struct gcs_put *)put;

	p->crc = crc32c(p->crc, bytes, len);
}

static void
describe_lock(const struct service *at, struct json *j)
{
	char until[SERVICE_TIME_MAX];

	if (at->lock_mode[0] == '\0')
		return;
	service_lock_end(at, true, until);
	json_object(j, "retention");
	json_string(j, "mode", service_lock_word(at));
	json_string(j, "retainUntilTime", until);
	json_end_object(j);
}

int
gcs_put_describe(const struct gcs_put *p, const char *crc, struct buf *out)
{
	const struct service *at = p->put.at;
	const char *class = put_class(&p->put);
	char name[sizeof at->prefix + STORE_KEY_MAX];
	struct json j = { 0 };
	int rc = -1;

	(void)snprintf(name, sizeof name, "%s%s", at->prefix, p->put.key);
	json_object(&j, NULL);
	json_string(&j, "name", name);
	json_string(&j, "contentType", "application/octet-stream");
	if (crc[0] != '\0')
		json_string(&j, "crc32c", crc);
	if (class[0] != '\0')
		json_string(&j, "storageClass", class);
	json_object(&j, "metadata");
	json_string(&j, GCS_MARK, p->mark);
	json_end_object(&j);
	describe_lock(at, &j);
	json_end_object(&j);
	if (!j.failed && buf_append(out, j.text.data, j.text.len) == 0)
		rc = 0;
	buf_clear(&j.text);
	return rc;
}

void
gcs_put_query(const struct gcs_put *p, const char *type, char *out, size_t cap)
{
	(void)snprintf(
	    out, cap, "uploadType=%s&ifGenerationMatch=%s", type, p->replaces);
}

static int
check_lock(const struct gcs_put *p, const struct gcs_object *o, struct fail *f)
{
	if (strcmp(o->lock_mode, service_lock_word(p->put.at)) == 0 &&
	    o->locked_until > clock_now())
		return 0;
	(void)put_not_locked(&p->put, p->put.key, f);
	return fail_hint(f,
	    "the bucket must have object retention enabled, and the account "
	    "needs storage.objects.setRetention");
}

int
gcs_put_check_lock(struct gcs_put *p, struct fail *f)
{
	struct gcs_object o;
	int rc;

	if (p->put.at->lock_mode[0] == '\0')
		return 0;
	rc = gcs_describe(p->put.at, p->put.key, &o, f);
	if (rc == 1)
		return fail_set(f, FAIL_TRANSIENT, p->put.key,
		    "it is gone after it was put");
	return rc == 0 ? check_lock(p, &o, f) : -1;
}

static int
check_same(const struct gcs_put *p, const struct gcs_object *o,
    const char *object, struct fail *f)
{
	char crc[GCS_CRC_TEXT];

	gcs_crc_text(~p->crc, crc);
	if (o->size == p->put.len && strcmp(o->crc32c, crc) == 0)
		return 0;
	return fail_set(f, FAIL_TRANSIENT, object,
	    "what the service has is not what was sent: %llu bytes of CRC-32C "
	    "%s, and not %llu of %s",
	    (unsigned long long)o->size, o->crc32c,
	    (unsigned long long)p->put.len, crc);
}

int
gcs_put_check(const struct gcs_put *p, const struct http_answer *a,
    const char *object, struct fail *f)
{
	struct gcs_object o;

	if (gcs_parse_object(a, object, &o, f) != 0)
		return -1;
	return check_same(p, &o, object, f);
}

/* Is the object under the key ours?  0 yes, 1 no, -1. */
static int
is_ours(struct gcs_put *p, struct fail *f)
{
	struct gcs_object o;
	int rc = gcs_describe(p->put.at, p->put.key, &o, f);

	if (rc == 1)
		return fail_set(f, FAIL_TRANSIENT, p->put.key,
		    "the service says that it is there, and that it is not");
	if (rc != 0 || strcmp(o.mark, p->mark) != 0)
		return rc != 0 ? -1 : 1;
	return check_same(p, &o, p->put.key, f);
}

/* An upload that was ended well may be forgotten before its answer came. */
static bool
is_done(struct gcs_put *p, const struct gcs_call *c)
{
	struct fail ignored;

	return c->session != NULL &&
	    (c->call.answer.status == 404 || c->call.answer.status == 410) &&
	    call_was_repeated(&c->call) && is_ours(p, &ignored) == 0;
}

/*
 * The right to replace an object is that of deleting it: without it some
 * creations are not answered by "there is one", but by "denied".
 */
static bool
is_taken(struct gcs_put *p, const struct gcs_call *c)
{
	struct fail ignored;

	return c->call.answer.status == 403 && strcmp(p->replaces, "0") == 0 &&
	    strstr(c->call.error.message, "storage.objects.delete") != NULL &&
	    gcs_exists(p->put.at, p->put.key, &ignored) == 0;
}

int
gcs_put_outcome(
    struct gcs_put *p, const struct gcs_call *c, int rc, struct fail *f)
{
	if (rc < 0 && is_done(p, c))
		return 0;
	if (rc < 0 && is_taken(p, c))
		rc = 1;
	if (rc == 1 && c->call.answer.status == 404)
		return fail_set(f, FAIL_TRANSIENT, c->call.object,
		    "answered that there is none of what is to be made");
	return rc == 1 && call_was_repeated(&c->call) ? is_ours(p, f) : rc;
}

static int
check_put(struct call *c, const struct http_answer *a, struct fail *f)
{
	return gcs_put_check(c->arg, a, c->object, f) == 0 ? 0 : 1;
}

/* Its description and its bytes in one request ("multipart/related"). */
static int
make_parts(const struct gcs_put *p, const char *boundary, struct buf *before)
{
	char crc[GCS_CRC_TEXT], text[256];

	gcs_crc_text(~p->crc, crc);
	(void)snprintf(text, sizeof text,
	    "--%s\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n",
	    boundary);
	if (buf_append(before, text, strlen(text)) != 0 ||
	    gcs_put_describe(p, crc, before) != 0)
		return -1;
	(void)snprintf(text, sizeof text,
	    "\r\n--%s\r\nContent-Type: application/octet-stream\r\n\r\n",
	    boundary);
	return buf_append(before, text, strlen(text) + 1);
}

static void
random_text(char out[33])
{
	uint8_t bytes[16];

	for (size_t i = 0; i < sizeof bytes; i += sizeof(uint32_t)) {
		uint32_t r = retry_random();

		memcpy(bytes + i, &r, sizeof r);
	}
	hex_text(bytes, sizeof bytes, out);
}

/* One request.  0, 1 the key is taken, -1. */
static int
put_whole(struct gcs_put *p, struct fail *f)
{
	char query[128], boundary[33], after[64];
	struct gcs_call c = { .call = { .at = p->put.at,
		                  .method = "POST",
		                  .right = p->put.aside[0] == '\0'
		                      ? "storage.objects.create"
		                      : "storage.objects.create and "
		                        "storage.objects.delete",
		                  .query = query,
		                  .spool = p->put.body,
		                  .after = after,
		                  .check = check_put,
		                  .arg = p },
		.root = GCS_UPLOAD };
	struct buf before = { 0 };
	int rc = -1;

	random_text(boundary);
	(void)snprintf(after, sizeof after, "\r\n--%s--\r\n", boundary);
	gcs_put_query(p, "multipart", query, sizeof query);
	headers_add(&c.call.headers, "Content-Type",
	    "multipart/related; boundary=%s", boundary);
	if (make_parts(p, boundary, &before) == 0) {
		c.call.before = (const char *)before.data;
		rc = gcs_put_outcome(p, &c, call_run(&c.call, f), f);
	} else {
		(void)fail_set(f, FAIL_INTERNAL, p->put.key, "out of memory");
	}
	call_clear(&c.call);
	buf_clear(&before);
	return rc == 0 ? gcs_put_check_lock(p, f) : rc;
}

static int
finish(struct put *put, struct fail *f)
{
	struct gcs_put *p = (struct gcs_put *)put;
	int rc = 0;

	if (p->session != NULL)
		return gcs_put_complete(p, f);
	if (put->aside[0] != '\0')
		rc = gcs_put_copy(p, f);
	return rc == 0 ? put_whole(p, f) : rc;
}

static void
forget(struct put *put)
{
	gcs_put_abort((struct gcs_put *)put);
}

struct stream *
gcs_put(struct store *store, const char *key, const struct store_attrs *attrs,
    struct fail *f)
{
	static const struct put_ops ops = { .size = sizeof(struct gcs_put),
		.begin = begin,
		.sum = sum,
		.part = gcs_put_part,
		.finish = finish,
		.free = forget };
	struct gcs_put *p = (struct gcs_put *)put_new(
	    &ops, store, key, attrs, f);

	if (p == NULL)
		return NULL;
	(void)snprintf(p->replaces, sizeof p->replaces, "0");
	random_text(p->mark);
	return &p->put.stream;
}
