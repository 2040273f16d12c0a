/* SPDX-License-Identifier: PostgreSQL */
/* Parts of objects: see range.h. */
#include <stdio.h>
#include <string.h>

#include "range.h"

void
range_ask(struct range *r, struct headers *h)
{
	unsigned long long first, last;

	r->from = r->pushed;
	first = r->off + r->from;
	if (r->from > 0)
		headers_add(h, "If-Match", "%s", r->etag);
	if (first == 0 && r->len == STORE_ALL)
		return;
	if (r->len == STORE_ALL || r->len > STORE_ALL - r->off) {
		headers_add(h, "Range", "bytes=%llu-", first);
		return;
	}
	last = r->off + r->len - 1;
	headers_add(h, "Range", "bytes=%llu-%llu", first, last);
}

const char *
range_check(const struct range *r, const struct http_answer *a)
{
	const char *range = headers_get(&a->headers, "Content-Range");
	unsigned long long first, want = r->off + r->from;

	if (want == 0 && r->len == STORE_ALL)
		return a->status == 200 ? NULL : "it is not the whole object";
	if (a->status != 206 || range == NULL ||
	    sscanf(range, "bytes %llu-", &first) != 1 || first != want)
		return "it is not the range asked for";
	return NULL;
}

int
range_accept(struct range *r, const struct http_answer *a)
{
	const char *etag = headers_get(&a->headers, "ETag");

	if (etag == NULL || range_check(r, a) != NULL ||
	    (headers_get(&a->headers, "Content-Length") == NULL &&
	        headers_get(&a->headers, "Transfer-Encoding") == NULL) ||
	    (r->from > 0 && strcmp(etag, r->etag) != 0))
		return 1;
	(void)snprintf(r->etag, sizeof r->etag, "%s", etag);
	return 0;
}
