/* SPDX-License-Identifier: PostgreSQL */
/* Objects on their way to services: see put.h. */
#include <stdio.h>
#include <stdlib.h>

#include "put.h"

/* Objects of one request wait in memory up to here, then in a file. */
#define MEMORY_MAX ((size_t)32 * 1024 * 1024)

static int
next_body(struct put *p, struct fail *f)
{
	const char *dir = p->at->spool_dir;
	size_t memory = p->kind == STORE_BACKUP
	    ? p->at->part_size + ((size_t)1 << 20)
	    : MEMORY_MAX;

	spool_free(p->body);
	p->begin = p->len;
	p->body = spool_new(memory, dir[0] != '\0' ? dir : NULL);
	if (p->body != NULL && p->ops->begin(p) == 0)
		return 0;
	return fail_set(f, FAIL_INTERNAL, p->key, "out of memory");
}

int
put_part(struct put *p, struct fail *f)
{
	unsigned max = p->ops->parts_max;

	if (max != 0 && p->n_parts == max) {
		(void)fail_set(
		    f, FAIL_CONFIG, p->key, "more than %u parts", max);
		return fail_hint(f, "set a larger part_size");
	}
	if (p->ops->part(p, f) != 0)
		return -1;
	p->n_parts++;
	return 0;
}

static int
put_write(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct put *p = (struct put *)stream;
	const uint8_t *from = bytes;

	while (len > 0 && !p->taken) {
		uint64_t room = p->kind != STORE_BACKUP
		    ? len
		    : p->at->part_size - spool_len(p->body);
		size_t n = len < room ? len : (size_t)room;

		/* More is to come: what is full is a part. */
		if (n == 0) {
			if (put_part(p, f) != 0 ||
			    (!p->taken && next_body(p, f) != 0))
				return -1;
			continue;
		}
		p->ops->sum(p, from, n);
		if (stream_write(spool_stream(p->body), from, n, f) != 0)
			return -1;
		p->len += n;
		from += n;
		len -= n;
	}
	return 0;
}

static int
put_finish(struct stream *stream, struct fail *f)
{
	struct put *p = (struct put *)stream;

	return p->taken ? 1 : p->ops->finish(p, f);
}

static void
put_free(struct stream *stream)
{
	struct put *p = (struct put *)stream;

	p->ops->free(p);
	spool_free(p->body);
	free(p);
}

struct put *
put_new(const struct put_ops *ops, struct store *store, const char *key,
    const struct store_attrs *attrs, struct fail *f)
{
	static const struct stream_ops stream = {
		.write = put_write, .finish = put_finish, .free = put_free
	};
	const char *aside = attrs->set_aside != NULL ? attrs->set_aside : "";
	struct put *p = calloc(1, ops->size);

	if (p == NULL) {
		(void)fail_set(f, FAIL_INTERNAL, key, "out of memory");
		return NULL;
	}
	p->stream.ops = &stream;
	p->ops = ops;
	p->at = (struct service *)store;
	p->kind = attrs->kind;
	(void)snprintf(p->key, sizeof p->key, "%s", key);
	(void)snprintf(p->aside, sizeof p->aside, "%s", aside);
	if (next_body(p, f) == 0)
		return p;
	put_free(&p->stream);
	return NULL;
}

const char *
put_class(const struct put *p)
{
	return p->kind == STORE_BACKUP ? p->at->storage_class
	    : p->kind == STORE_WAL     ? p->at->wal_storage_class
	                               : "";
}

int
put_not_locked(const struct put *p, const char *object, struct fail *f)
{
	return fail_set(f, FAIL_CONFIG, object,
	    "the service took it, but did not lock it (lock_mode = %s)",
	    p->at->lock_mode);
}
