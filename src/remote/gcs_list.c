/* SPDX-License-Identifier: PostgreSQL */
/* Listings, page by page: see gcs_call.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gcs_call.h"
#include "members.h"
#include "page.h"
#include "uri.h"

#define FIELDS "fields=nextPageToken,prefixes,items(name,size,timeCreated)"

static int
take_member(void *arg, const char *path, const char *text)
{
	struct page *p = arg;

	if (strcmp(path, "items") == 0) {
		page_add(p, false);
	} else if (text == NULL) {
		return 0;
	} else if (strcmp(path, "items/name") == 0) {
		page_key(p, text);
	} else if (strcmp(path, "items/size") == 0) {
		p->now.info.size = strtoull(text, NULL, 10);
	} else if (strcmp(path, "items/timeCreated") == 0) {
		p->now.info.mtime = gcs_time(text);
	} else if (strcmp(path, "prefixes") == 0) {
		page_key(p, text);
		page_add(p, true);
	} else if (strcmp(path, "nextPageToken") == 0) {
		page_token(p, text);
	} else if (strcmp(path, "kind") == 0) {
		p->is_listing = strcmp(text, "storage#objects") == 0;
	}
	return 0;
}

static int
parse_page(struct gcs_call *c, const struct http_answer *a, struct page *p,
    struct fail *f)
{
	page_clear(p);
	if (members_read(
	        a->body.data, a->body.len, c->object, take_member, p, f) != 0)
		return fail_add(f, "the answer says success, but"), 1;
	if (p->failed)
		return fail_set(f, FAIL_INTERNAL, c->object, "out of memory");
	if (!p->is_listing)
		return gcs_no_success(c, "it is no listing", f);
	page_sort(p);
	return 0;
}

static int
check_listing(struct gcs_call *c, const struct http_answer *a, struct fail *f)
{
	struct page p = { .prefix = c->gcs->place.prefix };
	int rc = parse_page(c, a, &p, f);

	page_clear(&p);
	return rc;
}

static int
add_parameter(
    struct buf *b, const char *name, const char *prefix, const char *value)
{
	if (buf_append(b, name, strlen(name)) != 0 ||
	    uri_encode(b, prefix, false) != 0)
		return -1;
	return uri_encode(b, value, false);
}

static int
make_query(const struct gcs *g, const struct store_scan *scan,
    const char *token, struct buf *b)
{
	static const char begin[] = FIELDS ",kind";

	b->len = 0;
	if (buf_append(b, begin, sizeof begin - 1) != 0 ||
	    add_parameter(b, "&prefix=", g->place.prefix, scan->prefix) != 0 ||
	    (scan->shallow && add_parameter(b, "&delimiter=", "", "/") != 0) ||
	    (scan->after != NULL &&
	        add_parameter(
	            b, "&startOffset=", g->place.prefix, scan->after) != 0) ||
	    (token != NULL && add_parameter(b, "&pageToken=", "", token) != 0))
		return -1;
	return buf_append_u8(b, 0);
}

/* One page.  0 or -1. */
static int
get_page(struct gcs *g, const struct buf *query, struct page *p, struct fail *f)
{
	struct gcs_call c = { .gcs = g,
		.method = "GET",
		.permission = "storage.objects.list",
		.query = (const char *)query->data,
		.check = check_listing };
	int rc = gcs_call(&c, f);

	if (rc == 1)
		rc = fail_set(f, FAIL_TRANSIENT, c.object,
		    "it cannot be listed: answered %d", c.answer.status);
	if (rc == 0 && parse_page(&c, &c.answer, p, f) != 0)
		rc = -1;
	gcs_call_clear(&c);
	return rc;
}

int
gcs_list(struct store *store, const struct store_scan *scan, store_list_fn *fn,
    void *arg, struct fail *f)
{
	struct gcs *g = (struct gcs *)store;
	struct page p = { .prefix = g->place.prefix };
	struct buf query = { 0 };
	char *token = NULL;
	int rc;

	do {
		rc = make_query(g, scan, token, &query);
		if (rc != 0)
			rc = fail_set(
			    f, FAIL_INTERNAL, store->url, "out of memory");
		else
			rc = get_page(g, &query, &p, f);
		free(token);
		token = p.token;
		p.token = NULL;
		/* A listing begins with its offset, and not behind it. */
		if (rc == 0)
			rc = page_give(&p, scan->after, fn, arg);
	} while (rc == 0 && token != NULL);
	free(token);
	page_clear(&p);
	buf_clear(&query);
	return rc;
}

/* The first of the names that begin with it. */
struct first {
	char name[STORE_KEY_MAX + 512];
	bool any, is_listing;
};

static int
take_first(void *arg, const char *path, const char *text)
{
	struct first *first = arg;

	if (text == NULL)
		return 0;
	if (strcmp(path, "kind") == 0)
		first->is_listing = strcmp(text, "storage#objects") == 0;
	else if (strcmp(path, "items/name") == 0 && !first->any) {
		first->any = true;
		(void)snprintf(first->name, sizeof first->name, "%s", text);
	}
	return 0;
}

static int
check_first(struct gcs_call *c, const struct http_answer *a, struct fail *f)
{
	struct first first = { .any = false };

	if (members_read(a->body.data, a->body.len, c->object, take_first,
	        &first, f) != 0)
		return 1;
	return first.is_listing ? 0 : gcs_no_success(c, "it is no listing", f);
}

int
gcs_exists(struct gcs *g, const char *key, struct fail *f)
{
	struct gcs_call c = { .gcs = g,
		.method = "GET",
		.permission = "storage.objects.list",
		.check = check_first };
	struct first first = { .any = false };
	char name[sizeof first.name];
	struct buf query = { 0 };
	int rc = -1;

	if (add_parameter(&query,
	        "fields=items(name),kind&maxResults=1&prefix=", g->place.prefix,
	        key) == 0 &&
	    buf_append_u8(&query, 0) == 0) {
		c.query = (const char *)query.data;
		rc = gcs_call(&c, f);
		if (rc == 1)
			rc = fail_set(f, FAIL_TRANSIENT, c.object,
			    "it cannot be listed: answered %d",
			    c.answer.status);
	} else {
		(void)fail_set(f, FAIL_INTERNAL, key, "out of memory");
	}
	if (rc == 0)
		rc = members_read(c.answer.body.data, c.answer.body.len,
		    c.object, take_first, &first, f);
	gcs_call_clear(&c);
	buf_clear(&query);
	(void)snprintf(name, sizeof name, "%s%s", g->place.prefix, key);
	return rc != 0                                   ? -1
	    : first.any && strcmp(first.name, name) == 0 ? 0
	                                                 : 1;
}
