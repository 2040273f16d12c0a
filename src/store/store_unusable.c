/* SPDX-License-Identifier: PostgreSQL */
/* A store that answers with the reason why it is none: store_unusable.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_unusable.h"
#include "sum.h"

struct unusable {
	struct store store;
	struct fail why;
};

static int
why(const struct store *s, struct fail *f)
{
	*f = ((const struct unusable *)s)->why;
	return -1;
}

static struct stream *
put(struct store *s, const char *key, const struct store_attrs *attrs,
    struct fail *f)
{
	(void)key;
	(void)attrs;
	(void)why(s, f);
	return NULL;
}

static int
get(struct store *s, const char *key, uint64_t off, uint64_t len,
    struct stream *out, struct fail *f)
{
	(void)key;
	(void)off;
	(void)len;
	(void)out;
	return why(s, f);
}

static int
look(struct store *s, const char *key, struct store_info *info, struct fail *f)
{
	(void)key;
	(void)info;
	return why(s, f);
}

static int
list(struct store *s, const struct store_scan *scan, store_list_fn *fn,
    void *arg, struct fail *f)
{
	(void)scan;
	(void)fn;
	(void)arg;
	return why(s, f);
}

static int
by_key(struct store *s, const char *key, struct fail *f)
{
	(void)key;
	return why(s, f);
}

static int
whole(struct store *s, struct fail *f)
{
	return why(s, f);
}

static void
release(struct store *s)
{
	free(s);
}

static const struct store_ops ops = {
	.put = put,
	.get = get,
	.stat = look,
	.settle = by_key,
	.list = list,
	.del = by_key,
	.prepare = whole,
	.probe = whole,
	.free = release,
};

struct store *
store_unusable(const struct store_args *args, const struct fail *why_not)
{
	struct unusable *u = calloc(1, sizeof *u);

	if (u == NULL)
		return NULL;
	u->store.ops = &ops;
	(void)snprintf(u->store.name, sizeof u->store.name, "%s", args->name);
	(void)snprintf(u->store.url, sizeof u->store.url, "%s", args->url);
	u->store.id = sum64(args->url, strlen(args->url));
	u->why = *why_not;
	/* Whoever tells of a store's failures names the store. */
	(void)fail_add(&u->why, "%s", why_not->object);
	(void)snprintf(
	    u->why.object, sizeof u->why.object, "%.255s", args->url);
	return &u->store;
}
