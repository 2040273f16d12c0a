/* SPDX-License-Identifier: PostgreSQL */
/* The bucket itself: what it can do, and what was left in it.  s3_call.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3_call.h"
#include "uri.h"
#include "xml.h"

int
s3_settle(struct store *store, const char *key, struct fail *f)
{
	struct store_info info;

	/* What a service shows, it keeps. */
	return s3_stat(store, key, &info, f);
}

int
s3_probe(struct store *store, struct fail *f)
{
	int rc = service_probe(store, "If-None-Match", f);

	if (rc <= 0 || ((struct s3 *)store)->single_writer)
		return rc < 0 ? -1 : 0;
	return fail_hint(f,
	    "two writers could overwrite each other's WAL. If one host alone "
	    "writes here, set single_writer = yes");
}

struct upload {
	char *key, *id;
	int64_t began;
};

struct uploads {
	struct upload *list;
	size_t n;
	struct upload now; /* one that is lost is found the next time */
};

static void
upload_clear(struct upload *u)
{
	free(u->key);
	free(u->id);
	*u = (struct upload){ 0 };
}

static int
take_element(void *arg, const char *path, const char *text)
{
	static const char root[] = "ListMultipartUploadsResult/Upload";
	struct uploads *u = arg;
	struct upload *more;

	if (strncmp(path, root, sizeof root - 1) != 0)
		return 0;
	path += sizeof root - 1;
	if (strcmp(path, "/Key") == 0) {
		free(u->now.key);
		u->now.key = strdup(text);
		if (u->now.key != NULL)
			uri_decode(u->now.key);
	} else if (strcmp(path, "/UploadId") == 0) {
		free(u->now.id);
		u->now.id = strdup(text);
	} else if (strcmp(path, "/Initiated") == 0) {
		u->now.began = s3_time(text);
	} else if (*path == '\0') {
		if (u->now.key == NULL || u->now.id == NULL)
			return 0;
		more = reallocarray(u->list, u->n + 1, sizeof *more);
		if (more == NULL)
			return 0;
		u->list = more;
		u->list[u->n++] = u->now;
		u->now = (struct upload){ 0 };
	}
	return 0;
}

static int
abort_upload(struct s3 *s, const struct upload *u, struct fail *f)
{
	struct call c = { .at = &s->at,
		.method = "DELETE",
		.right = "s3:AbortMultipartUpload",
		.key = u->key + strlen(s->at.prefix) };
	int rc = call_add_parameter(&c.made, "uploadId", "", u->id);

	rc = call_run_made(&c, rc, f);
	call_clear(&c);
	return rc;
}

/* One page of a thousand at a time; those that are swept are gone from it. */
static int
load_uploads(
    struct s3 *s, const char *prefix, struct uploads *u, struct fail *f)
{
	struct call c = { .at = &s->at,
		.method = "GET",
		.right = "s3:ListBucketMultipartUploads" };
	int rc = call_add_parameter(&c.made, "encoding-type", "", "url");

	if (rc == 0)
		rc = call_add_parameter(
		    &c.made, "prefix", s->at.prefix, prefix);
	if (rc == 0)
		rc = call_add_parameter(&c.made, "uploads", "", "");
	rc = call_run_made(&c, rc, f);
	if (rc == 1)
		rc = fail_set(f, FAIL_TRANSIENT, c.object,
		    "its uploads cannot be listed: answered %d",
		    c.answer.status);
	if (rc == 0)
		rc = xml_parse((const char *)c.answer.body.data,
		    c.answer.body.len, c.object, take_element, u, f);
	call_clear(&c);
	return rc;
}

int
s3_sweep(struct store *store, const char *prefix, int64_t before, size_t *n,
    struct fail *f)
{
	struct s3 *s = (struct s3 *)store;
	struct uploads u = { 0 };
	int rc = load_uploads(s, prefix, &u, f);

	for (size_t i = 0; i < u.n && rc == 0; i++) {
		const char *key = u.list[i].key;

		if (u.list[i].began >= before ||
		    strncmp(key, s->at.prefix, strlen(s->at.prefix)) != 0)
			continue;
		rc = abort_upload(s, &u.list[i], f);
		*n += rc == 0;
		rc = rc == 1 ? 0 : rc;
	}
	for (size_t i = 0; i < u.n; i++)
		upload_clear(&u.list[i]);
	upload_clear(&u.now);
	free(u.list);
	return rc;
}
