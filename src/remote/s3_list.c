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
parse_page(struct s3_call *c, const struct http_answer *a, struct page *p,
    struct fail *f)
{
	page_clear(p);
	if (xml_parse((const char *)a->body.data, a->body.len, c->object,
	        take_element, p, f) != 0)
		return 1;
	if (p->failed)
		return fail_set(f, FAIL_INTERNAL, c->object, "out of memory");
	if (!p->is_listing || (p->truncated && p->token == NULL)) {
		(void)fail_set(f, FAIL_TRANSIENT, c->object,
		    "the answer says success, but it is no listing");
		return 1;
	}
	page_sort(p);
	return 0;
}

static int
check_listing(struct s3_call *c, const struct http_answer *a, struct fail *f)
{
	struct page p = { .prefix = c->s3->prefix };
	int rc = parse_page(c, a, &p, f);

	page_clear(&p);
	return rc;
}

static int
add_parameter(
    struct buf *b, const char *name, const char *prefix, const char *value)
{
	if ((b->len > 0 && buf_append(b, "&", 1) != 0) ||
	    buf_append(b, name, strlen(name)) != 0 ||
	    buf_append(b, "=", 1) != 0 || uri_encode(b, prefix, false) != 0)
		return -1;
	return uri_encode(b, value, false);
}

/* In the order of the names, as a signature wants them. */
static int
make_query(const struct s3 *s, const struct store_scan *scan, const char *token,
    struct buf *b)
{
	b->len = 0;
	if ((token != NULL &&
	        add_parameter(b, "continuation-token", "", token) != 0) ||
	    (scan->shallow && add_parameter(b, "delimiter", "", "/") != 0) ||
	    add_parameter(b, "encoding-type", "", "url") != 0 ||
	    add_parameter(b, "list-type", "", "2") != 0 ||
	    add_parameter(b, "prefix", s->prefix, scan->prefix) != 0 ||
	    (scan->after != NULL && token == NULL &&
	        add_parameter(b, "start-after", s->prefix, scan->after) != 0))
		return -1;
	return buf_append_u8(b, 0);
}

int
s3_list(struct store *store, const struct store_scan *scan, store_list_fn *fn,
    void *arg, struct fail *f)
{
	struct s3 *s = (struct s3 *)store;
	struct page p = { .prefix = s->prefix };
	struct buf query = { 0 };
	char *token = NULL;
	int rc;

	do {
		struct s3_call c = { .s3 = s,
			.method = "GET",
			.action = "s3:ListBucket",
			.check = check_listing };

		rc = make_query(s, scan, token, &query);
		if (rc != 0)
			rc = fail_set(
			    f, FAIL_INTERNAL, store->url, "out of memory");
		c.query = (const char *)query.data;
		if (rc == 0)
			rc = s3_call(&c, f);
		if (rc == 1)
			rc = fail_set(f, FAIL_TRANSIENT, c.object,
			    "it cannot be listed: answered %d",
			    c.answer.status);
		if (rc == 0 && parse_page(&c, &c.answer, &p, f) != 0)
			rc = -1;
		s3_call_clear(&c);
		free(token);
		token = p.token;
		p.token = NULL;
		if (rc == 0)
			rc = page_give(&p, NULL, fn, arg);
	} while (rc == 0 && p.truncated);
	free(token);
	page_clear(&p);
	buf_clear(&query);
	return rc;
}
