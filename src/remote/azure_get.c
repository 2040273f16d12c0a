/* SPDX-License-Identifier: PostgreSQL */
/* Reading blobs, asking for them, deleting them: see azure_call.h. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "azure_call.h"

int64_t
azure_time(const char *text)
{
	struct tm tm = { 0 };

	return strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm) != NULL
	    ? ((int64_t)timegm(&tm) - CLOCK_PG_EPOCH_UNIX) * 1000000
	    : 0;
}

int
azure_get(struct store *store, const char *key, uint64_t off, uint64_t len,
    struct stream *out, struct fail *f)
{
	struct call c = { .at = (struct service *)store,
		.method = "GET",
		.right = AZURE_READ,
		.key = key,
		.out = out,
		.range = { .off = off, .len = len } };
	struct store_info info;
	int rc;

	/* No request asks for nothing; but is there such an object? */
	if (len == 0)
		return azure_stat(store, key, &info, f);
	rc = call_run(&c, f);
	if (rc == 1 && c.answer.status == 416)
		rc = 0; /* it ends before the range begins */
	else if (rc == 1 && c.answer.status != 404)
		rc = fail_set(f, FAIL_TRANSIENT, c.object,
		    "it was replaced while it was read");
	call_clear(&c);
	return rc;
}

static int
check_head(struct call *c, const struct http_answer *a, struct fail *f)
{
	if (headers_get(&a->headers, "Content-Length") != NULL)
		return azure_check_object(c, a, f);
	(void)fail_set(f, FAIL_TRANSIENT, c->object,
	    "the answer says success, but not how large it is");
	return 1;
}

/* Azure tells a missing blob from a missing container also without a body. */
int
azure_stat(struct store *store, const char *key, struct store_info *info,
    struct fail *f)
{
	struct call c = { .at = (struct service *)store,
		.method = "HEAD",
		.right = AZURE_READ,
		.key = key,
		.check = check_head };
	const char *modified;
	int rc = call_run(&c, f);

	if (rc == 0) {
		modified = headers_get(&c.answer.headers, "Last-Modified");
		info->size = strtoull(
		    headers_get(&c.answer.headers, "Content-Length"), NULL, 10);
		info->mtime = modified != NULL ? azure_time(modified) : 0;
	}
	call_clear(&c);
	return rc;
}

int
azure_settle(struct store *store, const char *key, struct fail *f)
{
	struct store_info info;

	/* What the service shows, it keeps. */
	return azure_stat(store, key, &info, f);
}

/*
 * Blocks that a writer has staged are no blob yet, but could be deleted: so it
 * is looked first.
 */
int
azure_del(struct store *store, const char *key, struct fail *f)
{
	struct call c = { .at = (struct service *)store,
		.method = "DELETE",
		.right = AZURE_DELETE,
		.key = key };
	struct store_info info;
	int rc = azure_stat(store, key, &info, f);

	if (rc != 0)
		return rc;
	rc = call_run(&c, f);
	/* An earlier try, whose answer was lost, may have deleted it. */
	if (rc == 1 && call_was_repeated(&c))
		rc = 0;
	call_clear(&c);
	return rc;
}
