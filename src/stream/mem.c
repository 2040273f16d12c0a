/* SPDX-License-Identifier: PostgreSQL */
/* Bytes into a buffer: see mem.h. */
#include "mem.h"

static int
mem_write(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct mem *m = (struct mem *)stream;

	if (buf_append(&m->bytes, bytes, len) != 0)
		return fail_errno(f, NULL, "memory");
	return 0;
}

static int
mem_finish(struct stream *stream, struct fail *f)
{
	(void)stream;
	(void)f;
	return 0;
}

static void
mem_free(struct stream *stream)
{
	(void)stream;
}

static const struct stream_ops mem_ops = {
	.write = mem_write,
	.finish = mem_finish,
	.free = mem_free,
};

void
mem_init(struct mem *m)
{
	*m = (struct mem){ .stream.ops = &mem_ops };
}
