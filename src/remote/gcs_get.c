/* SPDX-License-Identifier: PostgreSQL */
/* Reading objects, and asking for them: see gcs_call.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gcs_call.h"
#include "gcs_put.h"
#include "keyed.h"
#include "members.h"
#include "sum.h"

#define FIELDS "fields=size,generation,timeCreated,crc32c,metadata,retention"

int64_t
gcs_time(const char *text)
{
	struct tm tm = { 0 };

	return strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) != NULL
	    ? ((int64_t)timegm(&tm) - CLOCK_PG_EPOCH_UNIX) * 1000000
	    : 0;
}

void
gcs_crc_text(uint32_t crc, char out[GCS_CRC_TEXT])
{
	uint8_t bytes[4];

	for (int i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(crc >> (24 - 8 * i));
	base64_text(bytes, sizeof bytes, out);
}

/* Sums what goes through it. */
struct summed {
	struct stream stream;
	struct stream *next;
	uint32_t crc;
};

static int
summed_write(
    struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct summed *s = (struct summed *)stream;

	s->crc = crc32c(s->crc, bytes, len);
	return stream_write(s->next, bytes, len, f);
}

/* "crc32c=...,md5=...", or each in a header of its own. */
static const char *
stored_crc(const struct headers *h, char out[GCS_CRC_TEXT])
{
	static const char name[] = "X-Goog-Hash:";
	const char *sum;

	for (size_t i = 0; i < h->n; i++) {
		if (strncasecmp(h->line[i], name, sizeof name - 1) != 0)
			continue;
		sum = strstr(h->line[i], "crc32c=");
		if (sum == NULL || strlen(sum + 7) < GCS_CRC_TEXT - 1)
			continue;
		(void)snprintf(out, GCS_CRC_TEXT, "%s", sum + 7);
		return out;
	}
	return NULL;
}

/* All that is stored has come; is it the same? */
static int
check_sum(const struct call *c, uint32_t crc, struct fail *f)
{
	const struct headers *h = &c->answer.headers;
	const char *len = headers_get(h, "X-Goog-Stored-Content-Length");
	char ours[GCS_CRC_TEXT], sum[GCS_CRC_TEXT];
	const char *theirs = stored_crc(h, sum);

	if (theirs == NULL || c->range.off != 0 ||
	    (c->range.len != STORE_ALL &&
	        (len == NULL || strtoull(len, NULL, 10) != c->range.pushed)))
		return 0;
	gcs_crc_text(~crc, ours);
	if (strcmp(ours, theirs) == 0)
		return 0;
	return fail_set(f, FAIL_TRANSIENT, c->object,
	    "what has come is not what is stored: its CRC-32C is %s, and was "
	    "to be %s",
	    ours, theirs);
}

int
gcs_get(struct store *store, const char *key, uint64_t off, uint64_t len,
    struct stream *out, struct fail *f)
{
	static const struct stream_ops ops = { .write = summed_write };
	struct summed sum = {
		.stream.ops = &ops, .next = out, .crc = UINT32_C(0xFFFFFFFF)
	};
	struct gcs_call c = { .call = { .at = (struct service *)store,
		                  .method = "GET",
		                  .right = "storage.objects.get",
		                  .key = key,
		                  .query = "alt=media",
		                  .out = &sum.stream,
		                  .range = { .off = off, .len = len } } };
	struct store_info info;
	int rc;

	/* No request asks for nothing; but is there such an object? */
	if (len == 0)
		return gcs_stat(store, key, &info, f);
	rc = gcs_run(&c, f);
	if (rc == 1 && c.call.answer.status == 416)
		rc = 0; /* it ends before the range begins */
	else if (rc == 1 && c.call.answer.status == 412)
		rc = fail_set(f, FAIL_TRANSIENT, c.call.object,
		    "it was replaced while it was read");
	else if (rc == 0)
		rc = check_sum(&c.call, sum.crc, f);
	call_clear(&c.call);
	return rc;
}

static int
take_member(void *arg, const char *path, const char *text)
{
	struct gcs_object *o = arg;

	if (text == NULL)
		return 0;
	if (strcmp(path, "generation") == 0)
		(void)snprintf(o->generation, sizeof o->generation, "%s", text);
	else if (strcmp(path, "crc32c") == 0)
		(void)snprintf(o->crc32c, sizeof o->crc32c, "%s", text);
	else if (strcmp(path, "metadata/" GCS_MARK) == 0)
		(void)snprintf(o->mark, sizeof o->mark, "%s", text);
	else if (strcmp(path, "retention/mode") == 0)
		(void)snprintf(o->lock_mode, sizeof o->lock_mode, "%s", text);
	else if (strcmp(path, "retention/retainUntilTime") == 0)
		o->locked_until = gcs_time(text);
	else if (strcmp(path, "timeCreated") == 0)
		o->created = gcs_time(text);
	else if (strcmp(path, "size") == 0) {
		o->size = strtoull(text, NULL, 10);
		o->sized = true;
	}
	return 0;
}

int
gcs_parse_object(const struct http_answer *a, const char *object,
    struct gcs_object *out, struct fail *f)
{
	*out = (struct gcs_object){ .generation = "" };
	if (members_read(
	        a->body.data, a->body.len, object, take_member, out, f) != 0)
		return fail_add(f, "the answer says success, but");
	if (out->sized && out->generation[0] != '\0')
		return 0;
	return fail_set(f, FAIL_TRANSIENT, object,
	    "the answer says success, but nothing of an object");
}

static int
check_object(struct call *c, const struct http_answer *a, struct fail *f)
{
	return gcs_parse_object(a, c->object, c->arg, f) == 0 ? 0 : 1;
}

int
gcs_describe(
    struct service *at, const char *key, struct gcs_object *out, struct fail *f)
{
	struct gcs_call c = { .call = { .at = at,
		                  .method = "GET",
		                  .right = "storage.objects.get",
		                  .key = key,
		                  .query = FIELDS,
		                  .check = check_object,
		                  .arg = out } };
	int rc = gcs_run(&c, f);

	call_clear(&c.call);
	return rc;
}

int
gcs_stat(struct store *store, const char *key, struct store_info *info,
    struct fail *f)
{
	struct gcs_object o;
	int rc = gcs_describe((struct service *)store, key, &o, f);

	if (rc == 0)
		*info = (struct store_info){ .size = o.size,
			.mtime = o.created };
	return rc;
}

int
gcs_del(struct store *store, const char *key, struct fail *f)
{
	struct gcs_call c = { .call = { .at = (struct service *)store,
		                  .method = "DELETE",
		                  .right = "storage.objects.delete",
		                  .key = key } };
	int rc = gcs_run(&c, f);

	/* A try whose answer was lost may have been the one. */
	if (rc == 1 && !c.unclear && call_was_repeated(&c.call))
		rc = 0;
	call_clear(&c.call);
	return rc;
}
