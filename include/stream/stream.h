/* SPDX-License-Identifier: PostgreSQL */
/*
 * Push streams: bytes are written into a stage, which writes into the next.
 * The same stages serve archiving (file to store) and fetching (store to
 * file).
 *
 *	write	takes all len bytes or fails;
 *	finish	commits, once, all the way down: what a stage held back is
 *		written, then the next stage is finished;
 *	free	aborts what was not finished, then frees the next stage.
 *
 * After a failure only free may follow.  Constructors always consume the next
 * stage, and give NULL when that is NULL, so a pipeline is one nested
 * expression with one check.  Not thread-safe.
 */
#ifndef WALVAULT_STREAM_STREAM_H
#define WALVAULT_STREAM_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "fail.h"

struct stream;

struct stream_ops {
	int (*write)(
	    struct stream *s, const void *bytes, size_t len, struct fail *f);
	/* 0, or 1 where the last stage documents an expected "no". */
	int (*finish)(struct stream *s, struct fail *f);
	void (*free)(struct stream *s);
	/* May be NULL. */
	uint8_t *(*room)(struct stream *s);
};

struct stream {
	const struct stream_ops *ops;
};

static inline int
stream_write(struct stream *s, const void *bytes, size_t len, struct fail *f)
{
	return s->ops->write(s, bytes, len, f);
}

static inline int
stream_finish(struct stream *s, struct fail *f)
{
	return s->ops->finish(s, f);
}

/*
 * IO_CHUNK bytes of a stage that keeps copies: what is made there, and then
 * given to the next write from its beginning, need not be copied.  NULL if the
 * stage has none: make it anywhere.
 */
static inline uint8_t *
stream_room(struct stream *s)
{
	return s->ops->room != NULL ? s->ops->room(s) : NULL;
}

static inline void
stream_free(struct stream *s)
{
	if (s != NULL)
		s->ops->free(s);
}

/* Write all that there is, finish, and free.  What finish gives, or -1. */
static inline int
stream_write_whole(
    struct stream *s, const void *bytes, size_t len, struct fail *f)
{
	int rc = stream_write(s, bytes, len, f);

	if (rc == 0)
		rc = stream_finish(s, f);
	stream_free(s);
	return rc;
}

#endif
