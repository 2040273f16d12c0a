/* SPDX-License-Identifier: PostgreSQL */
/* Stores by their URL, and the calls common to all: see store.h. */
#include <stdio.h>
#include <string.h>

#include "module.h"
#include "store.h"
#include "store_exec.h"
#include "store_file.h"
#include "sum.h"

struct store *
store_open(const struct store_args *args, struct fail *f)
{
	struct store *s = NULL;

	if (strncmp(args->url, "file://", 7) == 0)
		s = store_file_open(args, args->url + 7, f);
	else if (strncmp(args->url, "exec:", 5) == 0)
		s = store_exec_open(args, f);
	else
		s = module_open_store(args, f);
	if (s == NULL)
		return NULL;
	(void)snprintf(s->name, sizeof s->name, "%s", args->name);
	(void)snprintf(s->url, sizeof s->url, "%s", args->url);
	s->far = strncmp(args->url, "file://", 7) != 0;
	/* Where a URL is not all that says where it is, the driver has. */
	if (s->id == 0)
		s->id = sum64(args->url, strlen(args->url));
	return s;
}

struct store *
store_again(const struct store *s)
{
	return s->ops->again != NULL ? s->ops->again(s) : NULL;
}

const char *
store_option(
    const struct store_args *args, const char *name, const char *fallback)
{
	const char *value = args->option != NULL
	    ? args->option(args->option_arg, name)
	    : NULL;

	return value != NULL ? value : fallback;
}

struct stream *
store_put(struct store *s, const char *key, const struct store_attrs *attrs,
    struct fail *f)
{
	return s->ops->put(s, key, attrs, f);
}

int
store_front(struct store *s, struct stream *put, const void *bytes, size_t len,
    struct fail *f)
{
	return s->ops->front(put, bytes, len, f);
}

int
store_get(struct store *s, const char *key, uint64_t off, uint64_t len,
    struct stream *out, struct fail *f)
{
	return s->ops->get(s, key, off, len, out, f);
}

const void *
store_head(struct store *s, const char *key, size_t *len)
{
	return s->ops->head != NULL ? s->ops->head(s, key, len) : NULL;
}

int
store_turn(struct store *s, const char *key, const struct fail *why)
{
	return s->ops->turn != NULL ? s->ops->turn(s, key, why) : 0;
}

int
store_stat(
    struct store *s, const char *key, struct store_info *info, struct fail *f)
{
	return s->ops->stat(s, key, info, f);
}

int
store_settle(struct store *s, const char *key, struct fail *f)
{
	return s->ops->settle(s, key, f);
}

int
store_list(struct store *s, const char *prefix, store_list_fn *fn, void *arg,
    struct fail *f)
{
	return s->ops->list(
	    s, &(struct store_scan){ .prefix = prefix }, fn, arg, f);
}

int
store_list_after(struct store *s, const char *prefix, const char *after,
    store_list_fn *fn, void *arg, struct fail *f)
{
	struct store_scan scan = { .prefix = prefix, .after = after };

	return s->ops->list(s, &scan, fn, arg, f);
}

int
store_list_shallow(struct store *s, const char *prefix, store_list_fn *fn,
    void *arg, struct fail *f)
{
	struct store_scan scan = { .prefix = prefix, .shallow = true };

	return s->ops->list(s, &scan, fn, arg, f);
}

int
store_del(struct store *s, const char *key, struct fail *f)
{
	return s->ops->del(s, key, f);
}

size_t
store_batch_size(const struct store *s)
{
	return s->ops->del_many != NULL ? STORE_BATCH_MAX : 1;
}

int
store_del_many(struct store *s, struct store_batch *b, struct fail *f)
{
	struct fail one;
	int rc = s->ops->del_many != NULL ? s->ops->del_many(s, b, f) : 1;

	if (rc != 1)
		return rc;
	rc = 0;
	for (size_t i = 0; i < b->n; i++) {
		if (s->ops->del(s, b->keys[i], &one) >= 0)
			continue;
		if (b->failed != NULL)
			b->failed(b->arg, i, &one);
		*f = one;
		rc = -1;
	}
	return rc;
}

int
store_sweep(struct store *s, const char *prefix, int64_t before, size_t *n,
    struct fail *f)
{
	*n = 0;
	return s->ops->sweep != NULL ? s->ops->sweep(s, prefix, before, n, f)
	                             : 0;
}

int
store_prepare(struct store *s, struct fail *f)
{
	return s->ops->prepare(s, f);
}

int
store_probe(struct store *s, struct fail *f)
{
	return s->ops->probe != NULL ? s->ops->probe(s, f) : 1;
}

int
store_space(struct store *s, uint64_t *bytes, struct fail *f)
{
	return s->ops->space != NULL ? s->ops->space(s, bytes, f) : 1;
}

void
store_free(struct store *s)
{
	if (s != NULL)
		s->ops->free(s);
}

void
store_object_name(const struct store *s, const char *key, char *out, size_t cap)
{
	(void)snprintf(out, cap, "%s/%s", s->url, key);
}
