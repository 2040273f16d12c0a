/* SPDX-License-Identifier: PostgreSQL */
/* Listings, page by page: see s3_call.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3_call.h"
#include "uri.h"
#include "xml.h"

/* Its objects are ours, and no keys: see s3_probe. */
#define HIDDEN ".walvault-"

struct entry {
	char *key; /* without the store's prefix; of a prefix, with its '/' */
	struct store_info info;
};

struct page {
	const struct s3 *s3;
	struct entry *list;
	size_t n;
	struct entry now; /* being read */
	char *token;      /* of the next page; NULL: this was the last */
	bool truncated;
	bool is_listing;
	bool failed;
};

static void
page_clear(struct page *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->list[i].key);
	free(p->list);
	free(p->now.key);
	free(p->token);
	*p = (struct page){ .s3 = p->s3 };
}

/* Keys come percent-encoded, for XML cannot hold every character. */
static void
take_key(struct page *p, const char *text)
{
	size_t skip = strlen(p->s3->prefix);

	free(p->now.key);
	p->now.key = strdup(text);
	if (p->now.key == NULL) {
		p->failed = true;
		return;
	}
	uri_decode(p->now.key);
	if (strncmp(p->now.key, p->s3->prefix, skip) == 0)
		memmove(p->now.key, p->now.key + skip,
		    strlen(p->now.key + skip) + 1);
}

/* Ours are shorter; directories that other tools make end with a '/'. */
static bool
is_ours(const char *key, bool prefix)
{
	size_t len = strlen(key);
	const char *slash = strrchr(key, '/');
	const char *name = slash != NULL ? slash + 1 : key;

	if (len == 0 || len >= STORE_KEY_MAX)
		return false;
	return prefix ||
	    (*name != '\0' && strncmp(name, HIDDEN, strlen(HIDDEN)) != 0);
}

static void
add_entry(struct page *p, bool prefix)
{
	struct entry *more;

	if (p->now.key != NULL && is_ours(p->now.key, prefix)) {
		more = reallocarray(p->list, p->n + 1, sizeof *more);
		if (more == NULL) {
			p->failed = true;
		} else {
			p->list = more;
			more[p->n++] = p->now;
			p->now.key = NULL;
		}
	}
	free(p->now.key);
	p->now = (struct entry){ 0 };
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
		add_entry(p, false);
	else if (strcmp(path, "/CommonPrefixes") == 0)
		add_entry(p, true);
	else if (strcmp(path, "/IsTruncated") == 0)
		p->truncated = strcmp(text, "true") == 0;
	else if (strcmp(path, "/NextContinuationToken") == 0) {
		free(p->token);
		p->token = strdup(text);
		p->failed = p->failed || p->token == NULL;
	}
	return 0;
}

static int
compare_entries(const void *a, const void *b)
{
	return strcmp(
	    ((const struct entry *)a)->key, ((const struct entry *)b)->key);
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
	/* Keys and common prefixes come one behind the other. */
	if (p->n > 1)
		qsort(p->list, p->n, sizeof *p->list, compare_entries);
	return 0;
}

static int
check_listing(struct s3_call *c, const struct http_answer *a, struct fail *f)
{
	struct page p = { .s3 = c->s3 };
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

static int
give_page(const struct page *p, store_list_fn *fn, void *arg)
{
	int rc = 0;

	for (size_t i = 0; i < p->n && rc == 0; i++) {
		const char *key = p->list[i].key;
		bool prefix = key[strlen(key) - 1] == '/';

		rc = fn(arg, key, prefix ? NULL : &p->list[i].info);
	}
	return rc;
}

int
s3_list(struct store *store, const struct store_scan *scan, store_list_fn *fn,
    void *arg, struct fail *f)
{
	struct s3 *s = (struct s3 *)store;
	struct page p = { .s3 = s };
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
			rc = give_page(&p, fn, arg);
	} while (rc == 0 && p.truncated);
	free(token);
	page_clear(&p);
	buf_clear(&query);
	return rc;
}
