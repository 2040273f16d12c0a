/* SPDX-License-Identifier: PostgreSQL */
/* Pages of listings: see page.h. */
#include <stdlib.h>
#include <string.h>

#include "page.h"

void
page_clear(struct page *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->list[i].key);
	free(p->list);
	free(p->now.key);
	free(p->token);
	*p = (struct page){ .prefix = p->prefix };
}

void
page_key(struct page *p, const char *name)
{
	size_t skip = strlen(p->prefix);

	free(p->now.key);
	if (strncmp(name, p->prefix, skip) == 0)
		name += skip;
	p->now.key = strdup(name);
	p->failed = p->failed || p->now.key == NULL;
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
	    (*name != '\0' &&
	        strncmp(name, PAGE_HIDDEN, strlen(PAGE_HIDDEN)) != 0);
}

void
page_add(struct page *p, bool prefix)
{
	struct page_entry *more;

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
	p->now = (struct page_entry){ 0 };
}

void
page_token(struct page *p, const char *text)
{
	free(p->token);
	p->token = strdup(text);
	p->failed = p->failed || p->token == NULL;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct page_entry *)a)->key,
	    ((const struct page_entry *)b)->key);
}

void
page_sort(struct page *p)
{
	if (p->n > 1)
		qsort(p->list, p->n, sizeof *p->list, compare);
}

/* What is behind after (NULL: all).  0, or what fn returned. */
static int
give(const struct page *p, const char *after, const struct page_taker *to)
{
	int rc = 0;

	for (size_t i = 0; i < p->n && rc == 0; i++) {
		const char *key = p->list[i].key;
		bool prefix = key[strlen(key) - 1] == '/';

		if (after == NULL || strcmp(key, after) > 0)
			rc = to->fn(
			    to->arg, key, prefix ? NULL : &p->list[i].info);
	}
	return rc;
}

int
page_list(struct store *store, const char *prefix,
    const struct store_scan *scan, page_load_fn *load,
    const struct page_taker *to, struct fail *f)
{
	struct page p = { .prefix = prefix };
	char *token = NULL;
	int rc;

	do {
		rc = load(store, scan, token, &p, f);
		free(token);
		token = p.token;
		p.token = NULL;
		if (rc == 0)
			rc = give(&p, scan->after, to);
	} while (rc == 0 && token != NULL);
	free(token);
	page_clear(&p);
	return rc;
}
