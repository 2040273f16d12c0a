/* SPDX-License-Identifier: PostgreSQL */
/* Listings, page by page: see gcs_call.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gcs_call.h"
#include "members.h"
#include "page.h"

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
check_page(struct call *c, const struct http_answer *a, struct fail *f)
{
	struct page *p = c->arg;

	page_clear(p);
	if (members_read(
	        a->body.data, a->body.len, c->object, take_member, p, f) != 0)
		return fail_add(f, "the answer says success, but"), 1;
	if (p->failed)
		return fail_set(f, FAIL_INTERNAL, c->object, "out of memory");
	if (!p->is_listing)
		return call_not_theirs(c, "it is no listing", f);
	page_sort(p);
	return 0;
}

static int
make_query(const struct service *at, const struct store_scan *scan,
    const char *token, struct buf *b)
{
	if (call_add(b, FIELDS ",kind") != 0 ||
	    call_add_parameter(b, "prefix", at->prefix, scan->prefix) != 0 ||
	    (scan->shallow &&
	        call_add_parameter(b, "delimiter", "", "/") != 0) ||
	    (scan->after != NULL &&
	        call_add_parameter(b, "startOffset", at->prefix, scan->after) !=
	            0) ||
	    (token != NULL &&
	        call_add_parameter(b, "pageToken", "", token) != 0))
		return -1;
	return 0;
}

static int
load_page(struct store *store, const struct store_scan *scan, const char *token,
    struct page *p, struct fail *f)
{
	struct gcs_call c = { .call = { .at = (struct service *)store,
		                  .method = "GET",
		                  .right = "storage.objects.list",
		                  .check = check_page,
		                  .arg = p } };
	int rc = make_query(c.call.at, scan, token, &c.call.made);

	return call_page(&c.call, rc, f);
}

/* A listing begins with its offset, and not behind it: page_list does. */
int
gcs_list(struct store *store, const struct store_scan *scan, store_list_fn *fn,
    void *arg, struct fail *f)
{
	const struct page_taker to = { fn, arg };

	return page_list(
	    store, ((struct service *)store)->prefix, scan, load_page, &to, f);
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
check_first(struct call *c, const struct http_answer *a, struct fail *f)
{
	struct first *first = c->arg;

	*first = (struct first){ .any = false };
	if (members_read(a->body.data, a->body.len, c->object, take_first,
	        first, f) != 0)
		return 1;
	return first->is_listing ? 0
	                         : call_not_theirs(c, "it is no listing", f);
}

int
gcs_exists(struct service *at, const char *key, struct fail *f)
{
	struct first first = { .any = false };
	struct gcs_call c = { .call = { .at = at,
		                  .method = "GET",
		                  .right = "storage.objects.list",
		                  .check = check_first,
		                  .arg = &first } };
	char name[sizeof first.name];
	int rc = call_add(&c.call.made, "fields=items(name),kind&maxResults=1");

	if (rc == 0)
		rc = call_add_parameter(
		    &c.call.made, "prefix", at->prefix, key);
	if (call_page(&c.call, rc, f) != 0)
		return -1;
	(void)snprintf(name, sizeof name, "%s%s", at->prefix, key);
	return first.any && strcmp(first.name, name) == 0 ? 0 : 1;
}
