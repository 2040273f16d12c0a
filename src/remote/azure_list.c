/* SPDX-License-Identifier: PostgreSQL */
/* Listings, page by page: see azure_call.h. */
#include <stdlib.h>
#include <string.h>

#include "azure_call.h"
#include "page.h"
#include "uri.h"
#include "xml.h"

struct listing {
	struct page *page;
	bool directory; /* what is being read is one, of a file system */
	bool shallow;
	bool unsorted;
	const char *last; /* key of the page, or of the one before */
};

static void
add_blob(struct listing *l)
{
	struct page *p = l->page;
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
	struct page *p = l->page;

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
	else if (strcmp(path, "/NextMarker") == 0 && *text != '\0')
		page_token(p, text);
	return 0;
}

static int
check_page(struct call *c, const struct http_answer *a, struct fail *f)
{
	struct listing l = { .page = c->arg,
		.shallow = strstr(c->query, "delimiter=") != NULL };

	page_clear(l.page);
	if (xml_parse((const char *)a->body.data, a->body.len, c->object,
	        take_element, &l, f) != 0)
		return 1;
	if (l.page->failed)
		return fail_set(f, FAIL_INTERNAL, c->object, "out of memory");
	if (!l.page->is_listing)
		return call_no_success(c, "it is no listing", f);
	if (l.unsorted) {
		(void)fail_set(f, FAIL_CONFIG, c->object,
		    "the service does not list in the order of the names");
		return fail_hint(
		    f, "use an account without a hierarchical namespace");
	}
	page_sort(l.page);
	return 0;
}

static int
make_query(const struct service *at, const struct store_scan *scan,
    const char *token, struct buf *b)
{
	if (call_add(b, "restype=container&comp=list") != 0 ||
	    ((at->prefix[0] != '\0' || scan->prefix[0] != '\0') &&
	        call_add_parameter(b, "prefix", at->prefix, scan->prefix) !=
	            0) ||
	    (scan->shallow &&
	        call_add_parameter(b, "delimiter", "", "/") != 0) ||
	    (token != NULL && call_add_parameter(b, "marker", "", token) != 0))
		return -1;
	return 0;
}

static int
load_page(struct store *store, const struct store_scan *scan, const char *token,
    struct page *p, struct fail *f)
{
	struct call c = { .at = (struct service *)store,
		.method = "GET",
		.right = AZURE_LIST,
		.check = check_page,
		.arg = p };

	return call_page(&c, make_query(c.at, scan, token, &c.made), f);
}

/* There is no way to begin behind a key: what is not wanted is left out. */
int
azure_list(struct store *store, const struct store_scan *scan,
    store_list_fn *fn, void *arg, struct fail *f)
{
	const struct page_taker to = { fn, arg };

	return page_list(
	    store, ((struct service *)store)->prefix, scan, load_page, &to, f);
}
