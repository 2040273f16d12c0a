/* SPDX-License-Identifier: PostgreSQL */
/* Writing ahead: see ahead.h. */
#include "ahead.h"
#include "object.h"
#include "publish.h"

/* NULL if it cannot be begun now. */
static struct stream *
begin(const struct push *p, struct repository *repo)
{
	struct store_attrs attrs = { .kind = STORE_WAL, .front = OBJECT_FRONT };
	struct identity id;
	char key[LAYOUT_KEY_MAX];
	struct fail ignored;

	if (!store_has_front(repo->store) ||
	    (repo->id[0] == '\0' && repository_open(repo, &ignored) != 0))
		return NULL;
	publish_key(p, repo, p->sysid, NULL, key);
	if (repository_require(repo, &id, &ignored) != 0)
		return NULL;
	return store_put(repo->store, key, &attrs, &ignored);
}

void
ahead_open(struct ahead *a, const struct push *p)
{
	*a = (struct ahead){ .put = NULL };
	/* Other files are small, and a partial one's key depends on what is
	 * in it. */
	if (p->name.kind == WALNAME_SEGMENT && p->sysid != 0 &&
	    p->args->several == NULL && p->args->n_repos > 0)
		a->put = begin(p, &p->args->repos[0]);
}

static int
ahead_write(
    struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct ahead *a = (struct ahead *)stream;
	struct fail ignored;

	if (a->put != NULL && stream_write(a->put, bytes, len, &ignored) != 0)
		ahead_drop(a);
	return stream_write(spool_stream(a->spool), bytes, len, f);
}

static int
ahead_finish(struct stream *stream, struct fail *f)
{
	struct ahead *a = (struct ahead *)stream;

	return stream_finish(spool_stream(a->spool), f);
}

/* The put is still to come to its end. */
static void
ahead_stream_free(struct stream *stream)
{
	(void)stream;
}

static const struct stream_ops ahead_ops = {
	.write = ahead_write,
	.finish = ahead_finish,
	.free = ahead_stream_free,
};

struct stream *
ahead_stream(struct ahead *a, struct spool *spool)
{
	a->stream.ops = &ahead_ops;
	a->spool = spool;
	return &a->stream;
}

void
ahead_drop(struct ahead *a)
{
	stream_free(a->put);
	a->put = NULL;
}
