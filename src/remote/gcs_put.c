/* SPDX-License-Identifier: PostgreSQL */
/*
 * Writing objects: see gcs_put.h.  What an object's bytes sum to is told
 * before them, so they are there before the request begins.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gcs_put.h"
#include "json.h"
#include "keyed.h"
#include "retry.h"
#include "sum.h"

#define CRC_BEGIN UINT32_C(0xFFFFFFFF)

int
gcs_put_next_body(struct gcs_put *p, struct fail *f)
{
	const char *dir = p->gcs->spool_dir;
	size_t memory = p->kind == STORE_BACKUP
	    ? p->gcs->part_size + ((size_t)1 << 20)
	    : GCS_MEMORY_MAX;

	spool_free(p->body);
	p->begin = p->len;
	p->body = spool_new(memory, dir[0] != '\0' ? dir : NULL);
	return p->body != NULL
	    ? 0
	    : fail_set(f, FAIL_INTERNAL, p->key, "out of memory");
}

static void
describe_lock(const struct gcs *g, struct json *j)
{
	time_t end = time(NULL) + (time_t)(g->lock_ms / 1000);
	char until[64];
	struct tm tm;

	if (g->lock_mode[0] == '\0')
		return;
	(void)gmtime_r(&end, &tm);
	(void)strftime(until, sizeof until, "%Y-%m-%dT%H:%M:%SZ", &tm);
	json_object(j, "retention");
	json_string(j, "mode", g->lock_mode);
	json_string(j, "retainUntilTime", until);
	json_end_object(j);
}

int
gcs_put_describe(const struct gcs_put *p, const char *crc, struct buf *out)
{
	const struct gcs *g = p->gcs;
	const char *class = p->kind == STORE_BACKUP ? g->storage_class
	    : p->kind == STORE_WAL                  ? g->wal_storage_class
	                                            : "";
	char name[sizeof g->place.prefix + STORE_KEY_MAX];
	struct json j = { 0 };
	int rc = -1;

	(void)snprintf(name, sizeof name, "%s%s", g->place.prefix, p->key);
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
	describe_lock(g, &j);
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
put_write(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct gcs_put *p = (struct gcs_put *)stream;
	const uint8_t *from = bytes;

	while (len > 0 && !p->taken) {
		uint64_t room = p->kind != STORE_BACKUP
		    ? len
		    : p->gcs->part_size - spool_len(p->body);
		size_t n = len < room ? len : (size_t)room;

		/* More is to come: what is full is a part. */
		if (n == 0) {
			if (gcs_put_part(p, f) != 0)
				return -1;
			continue;
		}
		if (stream_write(spool_stream(p->body), from, n, f) != 0)
			return -1;
		p->crc = crc32c(p->crc, from, n);
		p->len += n;
		from += n;
		len -= n;
	}
	return 0;
}

static int
check_lock(const struct gcs_put *p, const struct gcs_object *o, struct fail *f)
{
	if (strcmp(o->lock_mode, p->gcs->lock_mode) == 0 &&
	    o->locked_until > clock_now())
		return 0;
	(void)fail_set(f, FAIL_CONFIG, p->key,
	    "the service took it, but did not lock it (%s)", p->gcs->lock_mode);
	return fail_hint(f,
	    "the bucket must have object retention enabled, and the account "
	    "needs storage.objects.setRetention");
}

int
gcs_put_check_lock(struct gcs_put *p, struct fail *f)
{
	struct gcs_object o;
	int rc;

	if (p->gcs->lock_mode[0] == '\0')
		return 0;
	rc = gcs_describe(p->gcs, p->key, &o, f);
	if (rc == 1)
		return fail_set(
		    f, FAIL_TRANSIENT, p->key, "it is gone after it was put");
	return rc == 0 ? check_lock(p, &o, f) : -1;
}

static int
check_same(const struct gcs_put *p, const struct gcs_object *o,
    const char *object, struct fail *f)
{
	char crc[GCS_CRC_TEXT];

	gcs_crc_text(~p->crc, crc);
	if (o->size == p->len && strcmp(o->crc32c, crc) == 0)
		return 0;
	return fail_set(f, FAIL_TRANSIENT, object,
	    "what the service has is not what was sent: %llu bytes of CRC-32C "
	    "%s, and not %llu of %s",
	    (unsigned long long)o->size, o->crc32c, (unsigned long long)p->len,
	    crc);
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
	int rc = gcs_describe(p->gcs, p->key, &o, f);

	if (rc == 1)
		return fail_set(f, FAIL_TRANSIENT, p->key,
		    "the service says that it is there, and that it is not");
	if (rc != 0 || strcmp(o.mark, p->mark) != 0)
		return rc != 0 ? -1 : 1;
	return check_same(p, &o, p->key, f);
}

/* An upload that was ended well may be forgotten before its answer came. */
static bool
is_done(struct gcs_put *p, const struct gcs_call *c)
{
	struct fail ignored;

	return c->session != NULL &&
	    (c->answer.status == 404 || c->answer.status == 410) &&
	    (c->tries > 1 || c->answer.resent) && is_ours(p, &ignored) == 0;
}

/*
 * The right to replace an object is that of deleting it: without it some
 * creations are not answered by "there is one", but by "denied".
 */
static bool
is_taken(struct gcs_put *p, const struct gcs_call *c)
{
	struct fail ignored;

	return c->answer.status == 403 && strcmp(p->replaces, "0") == 0 &&
	    strstr(c->error.message, "storage.objects.delete") != NULL &&
	    gcs_exists(p->gcs, p->key, &ignored) == 0;
}

int
gcs_put_outcome(
    struct gcs_put *p, const struct gcs_call *c, int rc, struct fail *f)
{
	if (rc < 0 && is_done(p, c))
		return 0;
	if (rc < 0 && is_taken(p, c))
		rc = 1;
	if (rc == 1 && c->answer.status == 404)
		return fail_set(f, FAIL_TRANSIENT, c->object,
		    "answered that there is none of what is to be made");
	return rc == 1 && (c->tries > 1 || c->answer.resent) ? is_ours(p, f)
	                                                     : rc;
}

static int
check_put(struct gcs_call *c, const struct http_answer *a, struct fail *f)
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
	struct gcs_call c = { .gcs = p->gcs,
		.method = "POST",
		.permission = p->aside[0] == '\0'
		    ? "storage.objects.create"
		    : "storage.objects.create and storage.objects.delete",
		.root = GCS_UPLOAD,
		.query = query,
		.spool = p->body,
		.after = after,
		.check = check_put,
		.arg = p };
	struct buf before = { 0 };
	int rc = -1;

	random_text(boundary);
	(void)snprintf(after, sizeof after, "\r\n--%s--\r\n", boundary);
	gcs_put_query(p, "multipart", query, sizeof query);
	headers_add(&c.headers, "Content-Type",
	    "multipart/related; boundary=%s", boundary);
	if (make_parts(p, boundary, &before) == 0) {
		c.before = (const char *)before.data;
		rc = gcs_put_outcome(p, &c, gcs_call(&c, f), f);
	} else {
		(void)fail_set(f, FAIL_INTERNAL, p->key, "out of memory");
	}
	gcs_call_clear(&c);
	buf_clear(&before);
	return rc == 0 ? gcs_put_check_lock(p, f) : rc;
}

static int
put_finish(struct stream *stream, struct fail *f)
{
	struct gcs_put *p = (struct gcs_put *)stream;
	int rc;

	if (p->taken)
		return 1;
	if (p->session != NULL)
		return gcs_put_complete(p, f);
	if (p->aside[0] != '\0') {
		rc = gcs_put_copy(p, f);
		if (rc != 0)
			return rc;
	}
	return put_whole(p, f);
}

static void
put_free(struct stream *stream)
{
	struct gcs_put *p = (struct gcs_put *)stream;

	gcs_put_abort(p);
	spool_free(p->body);
	free(p);
}

static const struct stream_ops put_ops = {
	.write = put_write,
	.finish = put_finish,
	.free = put_free,
};

struct stream *
gcs_put(struct store *store, const char *key, const struct store_attrs *attrs,
    struct fail *f)
{
	struct gcs_put *p = calloc(1, sizeof *p);

	if (p == NULL) {
		(void)fail_set(f, FAIL_INTERNAL, key, "out of memory");
		return NULL;
	}
	p->stream.ops = &put_ops;
	p->gcs = (struct gcs *)store;
	p->kind = attrs->kind;
	p->crc = CRC_BEGIN;
	(void)snprintf(p->replaces, sizeof p->replaces, "0");
	random_text(p->mark);
	(void)snprintf(p->key, sizeof p->key, "%s", key);
	if (attrs->set_aside != NULL)
		(void)snprintf(
		    p->aside, sizeof p->aside, "%s", attrs->set_aside);
	if (gcs_put_next_body(p, f) == 0)
		return &p->stream;
	put_free(&p->stream);
	return NULL;
}
