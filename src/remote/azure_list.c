/* SPDX-License-Identifier: PostgreSQL */
/* Listings, page by page: see azure_call.h. */
#include <stdlib.h>
#include <string.h>

#include "azure_call.h"
#include "page.h"
#include "uri.h"
#include "xml.h"

struct listing {
	struct page page;
	bool directory; /* what is being read is one, of a file system */
	bool shallow;
	bool unsorted;
	const char *last; /* key of the page, or of the one before */
};

static void
add_blob(struct listing *l)
{
	struct page *p = &l->page;
	size_t n = p->n;

	if (!l->directory)
		page_add(p, false);
	l->directory = false;
	if (p->n == n)
		return;
	if (!l->shallow && l->last != NULL &&
	    strcmp(l->last, p->list[n].key) >= 0)
		l->unsorted = true;
	l->last = p->list[n].key;
}

static int
take_element(void *arg, const char *path, const char *text)
{
	static const char root[] = "EnumerationResults";
	struct listing *l = arg;
	struct page *p = &l->page;

	if (strncmp(path, root, sizeof root - 1) != 0)
		return 0;
	p->is_listing = true;
	path += sizeof root - 1;
	if (strcmp(path, "/Blobs/Blob/Name") == 0 ||
	    strcmp(path, "/Blobs/BlobPrefix/Name") == 0)
		page_key(p, text);
	else if (strcmp(path, "/Blobs/Blob/Properties/Content-Length") == 0)
		p->now.info.size = strtoull(text, NULL, 10);
	else if (strcmp(path, "/Blobs/Blob/Properties/Last-Modified") == 0)
		p->now.info.mtime = azure_time(text);
	else if (strcmp(path, "/Blobs/Blob/Properties/ResourceType") == 0)
		l->directory = strcmp(text, "directory") == 0;
	else if (strcmp(path, "/Blobs/Blob") == 0)
		add_blob(l);
	else if (strcmp(path, "/Blobs/BlobPrefix") == 0)
		page_add(p, true);
	else if (strcmp(path, "/NextMarker") == 0 && *text != '\0') {
		p->truncated = true;
		page_token(p, text);
	}
	return 0;
}

static int
parse_page(struct azure_call *c, const struct http_answer *a, struct listing *l,
    struct fail *f)
{
	page_clear(&l->page);
	l->last = NULL;
	if (xml_parse((const char *)a->body.data, a->body.len, c->object,
	        take_element, l, f) != 0)
		return 1;
	if (l->page.failed)
		return fail_set(f, FAIL_INTERNAL, c->object, "out of memory");
	if (!l->page.is_listing) {
		(void)fail_set(f, FAIL_TRANSIENT, c->object,
		    "the answer says success, but it is no listing");
		return 1;
	}
	if (l->unsorted) {
		(void)fail_set(f, FAIL_CONFIG, c->object,
		    "the service does not list in the order of the names");
		return fail_hint(
		    f, "use an account without a hierarchical namespace");
	}
	page_sort(&l->page);
	return 0;
}

static int
check_listing(struct azure_call *c, const struct http_answer *a, struct fail *f)
{
	struct listing l = { .page.prefix = c->azure->prefix,
		.shallow = strstr(c->query, "delimiter=") != NULL };
	int rc = parse_page(c, a, &l, f);

	page_clear(&l.page);
	return rc;
}

static int
add_parameter(
    struct buf *b, const char *name, const char *prefix, const char *value)
{
	if (buf_append(b, "&", 1) != 0 ||
	    buf_append(b, name, strlen(name)) != 0 ||
	    buf_append(b, "=", 1) != 0 || uri_encode(b, prefix, false) != 0)
		return -1;
	return uri_encode(b, value, false);
}

static int
make_query(const struct azure *az, const struct store_scan *scan,
    const char *token, struct buf *b)
{
	static const char begin[] = "restype=container&comp=list";

	b->len = 0;
	if (buf_append(b, begin, sizeof begin - 1) != 0 ||
	    ((az->prefix[0] != '\0' || scan->prefix[0] != '\0') &&
	        add_parameter(b, "prefix", az->prefix, scan->prefix) != 0) ||
	    (scan->shallow && add_parameter(b, "delimiter", "", "/") != 0) ||
	    (token != NULL && add_parameter(b, "marker", "", token) != 0))
		return -1;
	return buf_append_u8(b, 0);
}

/* One page.  0 or -1. */
static int
load_page(struct azure *az, const struct store_scan *scan, const char *token,
    struct listing *l, struct fail *f)
{
	struct buf query = { 0 };
	struct azure_call c = { .azure = az,
		.method = "GET",
		.right = AZURE_LIST,
		.check = check_listing };
	int rc = make_query(az, scan, token, &query);

	if (rc != 0)
		rc = fail_set(f, FAIL_INTERNAL, az->store.url, "out of memory");
	c.query = (const char *)query.data;
	if (rc == 0)
		rc = azure_call(&c, f);
	if (rc == 1)
		rc = fail_set(f, FAIL_TRANSIENT, c.object,
		    "it cannot be listed: answered %d %s", c.answer.status,
		    c.error.code);
	if (rc == 0 && parse_page(&c, &c.answer, l, f) != 0)
		rc = -1;
	azure_call_clear(&c);
	buf_clear(&query);
	return rc;
}

/* There is no way to begin behind a key: what is not wanted is left out. */
int
azure_list(struct store *store, const struct store_scan *scan,
    store_list_fn *fn, void *arg, struct fail *f)
{
	struct azure *az = (struct azure *)store;
	struct listing l = { .page.prefix = az->prefix,
		.shallow = scan->shallow };
	char *token = NULL;
	int rc;

	do {
		rc = load_page(az, scan, token, &l, f);
		free(token);
		token = l.page.token;
		l.page.token = NULL;
		if (rc == 0)
			rc = page_give(&l.page, scan->after, fn, arg);
	} while (rc == 0 && l.page.truncated);
	free(token);
	page_clear(&l.page);
	return rc;
}
