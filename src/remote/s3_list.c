/* SPDX-License-Identifier: PostgreSQL */
/* Listings, page by page: see s3_call.h. */
#include <stdlib.h>
#include <string.h>

#include "page.h"
#include "s3_call.h"
#include "uri.h"
#include "xml.h"

/* Keys come percent-encoded, for XML cannot hold every character. */
static void
take_key(struct page *p, const char *text)
{
	char *key = strdup(text);

	if (key != NULL) {
		uri_decode(key);
		page_key(p, key);
	}
	p->failed = p->failed || key == NULL;
	free(key);
}

static int
take_element(void *arg, const char *path, const char *text)
{
	static const char root[] = "ListBucketResult";
	struct page *p = arg;

	if (strncmp(path, root, sizeof root - 1) != 0)
		return 0;
	p->is_listing = true;
	path += sizeof root - 1;
	if (strcmp(path, "/Contents/Key") == 0 ||
	    strcmp(path, "/CommonPrefixes/Prefix") == 0)
		take_key(p, text);
	else if (strcmp(path, "/Contents/Size") == 0)
		p->now.info.size = strtoull(text, NULL, 10);
	else if (strcmp(path, "/Contents/LastModified") == 0)
		p->now.info.mtime = s3_time(text);
	else if (strcmp(path, "/Contents") == 0)
		page_add(p, false);
	else if (strcmp(path, "/CommonPrefixes") == 0)
		page_add(p, true);
	else if (strcmp(path, "/IsTruncated") == 0)
		p->truncated = strcmp(text, "true") == 0;
	else if (strcmp(path, "/NextContinuationToken") == 0)
		page_token(p, text);
	return 0;
}

static int
check_page(struct call *c, const struct http_answer *a, struct fail *f)
{
	struct page *p = c->arg;

	page_clear(p);
	if (xml_parse((const char *)a->body.data, a->body.len, c->object,
	        take_element, p, f) != 0)
		return 1;
	if (p->failed)
		return fail_set(f, FAIL_INTERNAL, c->object, "out of memory");
	if (!p->is_listing || (p->truncated && p->token == NULL))
		return call_no_success(c, "it is no listing", f);
	if (!p->truncated) {
		free(p->token);
		p->token = NULL;
	}
	page_sort(p);
	return 0;
}

/* In the order of the names, as a signature wants them. */
static int
make_query(const struct service *at, const struct store_scan *scan,
    const char *token, struct buf *b)
{
	if ((token != NULL &&
	        call_add_parameter(b, "continuation-token", "", token) != 0) ||
	    (scan->shallow &&
	        call_add_parameter(b, "delimiter", "", "/") != 0) ||
	    call_add_parameter(b, "encoding-type", "", "url") != 0 ||
	    call_add_parameter(b, "list-type", "", "2") != 0 ||
	    call_add_parameter(b, "prefix", at->prefix, scan->prefix) != 0 ||
	    (scan->after != NULL && token == NULL &&
	        call_add_parameter(b, "start-after", at->prefix, scan->after) !=
	            0))
		return -1;
	return 0;
}

static int
load_page(struct store *store, const struct store_scan *scan, const char *token,
    struct page *p, struct fail *f)
{
	struct call c = { .at = (struct service *)store,
		.method = "GET",
		.right = "s3:ListBucket",
		.check = check_page,
		.arg = p };

	return call_page(&c, make_query(c.at, scan, token, &c.made), f);
}

int
s3_list(struct store *store, const struct store_scan *scan, store_list_fn *fn,
    void *arg, struct fail *f)
{
	const struct page_taker to = { fn, arg };

	return page_list(
	    store, ((struct service *)store)->prefix, scan, load_page, &to, f);
}
