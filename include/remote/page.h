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

/* Empty it for the next one. */
void page_clear(struct page *p);

/* The name of what is being read, decoded. */
void page_key(struct page *p, const char *name);

/* It has ended: keep it, if it is a key that walvault can have made. */
void page_add(struct page *p, bool prefix);

void page_token(struct page *p, const char *text);

/* In bytewise order: keys and prefixes come one behind the other. */
void page_sort(struct page *p);

/* What is behind after (NULL: all).  0, or what fn returned. */
int page_give(
    const struct page *p, const char *after, store_list_fn *fn, void *arg);

#endif
