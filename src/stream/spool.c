/* SPDX-License-Identifier: PostgreSQL */
/* Bytes kept until they are all there: see spool.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "spool.h"
#include "tempfile.h"

struct spool {
	struct stream stream;
	struct buf memory;
	size_t memory_max;
	const char *dir;
	int fd; /* -1 until memory does not suffice */
	uint64_t in_file;
};

static int
write_to_file(struct spool *s, const void *bytes, size_t len, struct fail *f)
{
	if (s->fd < 0)
		s->fd = tempfile_open(s->dir);
	if (s->fd < 0 || io_write(s->fd, bytes, len) != 0) {
		(void)fail_errno(f, s->dir, "temporary file");
		return fail_hint(f,
		    "set spool_dir to a directory with room for one segment");
	}
	s->in_file += len;
	return 0;
}

static int
spool_write(
    struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct spool *s = (struct spool *)stream;

	if (s->fd >= 0 || s->memory.len + len > s->memory_max)
		return write_to_file(s, bytes, len, f);
	if (buf_append(&s->memory, bytes, len) != 0)
		return fail_errno(f, NULL, "memory");
	return 0;
}

static int
spool_finish(struct stream *stream, struct fail *f)
{
	(void)stream;
	(void)f;
	return 0;
}

static void
spool_stream_free(struct stream *stream)
{
	(void)stream;
}

static const struct stream_ops spool_ops = {
	.write = spool_write,
	.finish = spool_finish,
	.free = spool_stream_free,
};

struct spool *
spool_new(size_t memory_max, const char *dir)
{
	struct spool *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->stream.ops = &spool_ops;
	s->memory_max = memory_max;
	s->dir = tempfile_dir(dir);
	s->fd = -1;
	return s;
}

struct stream *
spool_stream(struct spool *s)
{
	return &s->stream;
}

uint64_t
spool_len(const struct spool *s)
{
	return s->memory.len + s->in_file;
}

static int
replay_file(struct spool *s, struct stream *out, struct fail *f)
{
	uint8_t *chunk = malloc(IO_CHUNK);
	uint64_t off = 0;
	int rc = 0;

	if (chunk == NULL)
		return fail_errno(f, NULL, "memory");
	while (rc == 0 && off < s->in_file) {
		ssize_t n = io_pread(s->fd, chunk, IO_CHUNK, (off_t)off);

		if (n <= 0)
			rc = fail_errno(f, s->dir, "temporary file");
		else
			rc = stream_write(out, chunk, (size_t)n, f);
		off += n > 0 ? (uint64_t)n : 0;
	}
	free(chunk);
	return rc;
}

int
spool_replay(struct spool *s, struct stream *out, struct fail *f)
{
	for (size_t off = 0; off < s->memory.len; off += IO_CHUNK) {
		size_t n = s->memory.len - off;

		if (stream_write(out, s->memory.data + off,
		        n < IO_CHUNK ? n : IO_CHUNK, f) != 0)
			return -1;
	}
	return s->in_file > 0 ? replay_file(s, out, f) : 0;
}

int
spool_read(struct spool *s, uint64_t off, void *bytes, size_t len, size_t *n,
    struct fail *f)
{
	ssize_t got;

	*n = 0;
	if (off < s->memory.len) {
		*n = s->memory.len - (size_t)off;
		*n = *n < len ? *n : len;
		memcpy(bytes, s->memory.data + off, *n);
		return 0;
	}
	if (s->fd < 0)
		return 0;
	got = io_pread(s->fd, bytes, len, (off_t)(off - s->memory.len));
	if (got < 0)
		return fail_errno(f, s->dir, "temporary file");
	*n = (size_t)got;
	return 0;
}

void
spool_free(struct spool *s)
{
	if (s == NULL)
		return;
	if (s->fd >= 0)
		(void)close(s->fd);
	buf_clear(&s->memory);
	free(s);
}
