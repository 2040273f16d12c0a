/* SPDX-License-Identifier: PostgreSQL */
/* One page of a service's listing, as a parser collects it. */
#ifndef WALVAULT_REMOTE_PAGE_H
#define WALVAULT_REMOTE_PAGE_H

#include "store.h"

/* Keys of ours that are no objects of anybody's: see probe.h. */
#define PAGE_HIDDEN ".walvault-"

struct page_entry {
	char *key; /* without the store's prefix; of a prefix, with its '/' */
	struct store_info info;
};

struct page {
	const char *prefix; /* of the store: what keys are without */
	struct page_entry *list;
	size_t n;
	struct page_entry now; /* being read */
	char *token;           /* of the next page; NULL: this was the last */
	bool truncated;
	bool is_listing;
	bool failed; /* out of memory */
};

/* Who is given what is listed. */
struct page_taker {
	store_list_fn *fn;
	void *arg;
};

/* Empty it for the next one. */
void page_clear(struct page *p);

/* The name of what is being read, decoded. */
void page_key(struct page *p, const char *name);

/* It has ended: keep it, if it is a key that walvault can have made. */
void page_add(struct page *p, bool prefix);

void page_token(struct page *p, const char *text);

/* In bytewise order: keys and prefixes come one behind the other. */
void page_sort(struct page *p);

/* Get the page that token leads to (NULL: the first).  0 or -1. */
typedef int page_load_fn(struct store *store, const struct store_scan *scan,
    const char *token, struct page *p, struct fail *f);

/*
 * Give all pages, of a store with that prefix; keys that are not behind
 * scan->after are left out.  0, -1, or what fn returned.
 */
int page_list(struct store *store, const char *prefix,
    const struct store_scan *scan, page_load_fn *load,
    const struct page_taker *to, struct fail *f);

#endif
