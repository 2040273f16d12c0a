/* SPDX-License-Identifier: PostgreSQL */
/*
 * Writing an object: see object.h.  The checksum in the trailer covers the
 * bytes in their order in the object, whatever the order they were written in.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "encoder.h"
#include "log.h"
#include "object.h"
#include "object_frame.h"

void
object_stamp(struct object_header *h)
{
	char host[256] = "";

	(void)gethostname(host, sizeof host - 1);
	(void)snprintf(h->writer, sizeof h->writer, "%s %s %.32s",
	    log_program(), WALVAULT_VERSION, host);
	h->created = clock_now();
}

/* Sums what is stored, and passes it on unless that has been done. */
static int
writer_write(
    struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct object_writer *w = (struct object_writer *)stream;

	sum128_update(w->sum, bytes, len);
	w->len += len;
	return w->out != NULL ? stream_write(w->out, bytes, len, f) : 0;
}

static const struct stream_ops writer_ops = { .write = writer_write };

/* header (encoded into an empty buffer) is the caller's to clear. */
static int
begin(struct object_writer *w, const struct object_header *h, size_t size,
    struct buf *header, struct fail *f)
{
	w->stream.ops = &writer_ops;
	w->len = 0;
	w->sum = sum128_new();
	if (w->sum == NULL || object_encode_header(h, size, header) != 0)
		return fail_errno(f, h->key, "memory");
	return writer_write(&w->stream, header->data, header->len, f);
}

int
object_begin(struct object_writer *w, const struct object_header *h,
    struct stream *out, struct fail *f)
{
	struct buf header = { 0 };
	int rc;

	w->out = out;
	rc = begin(w, h, 0, &header, f);
	buf_clear(&header);
	return rc;
}

int
object_end(struct object_writer *w, const struct digest *plain,
    struct object_sums *sums, struct fail *f)
{
	struct object_trailer trailer = { .plain = *plain };
	struct buf b = { 0 };
	int rc;

	trailer.stored.len = w->len;
	trailer.stored.sum = sum128_final(w->sum);
	if (object_encode_trailer(&trailer, &b) != 0)
		rc = fail_errno(f, NULL, "memory");
	else
		rc = stream_write(w->out, b.data, b.len, f);
	if (sums != NULL) {
		sums->size = w->len + b.len;
		sums->stored = trailer.stored.sum;
	}
	buf_clear(&b);
	return rc == 0 ? stream_finish(w->out, f) : -1;
}

void
object_writer_clear(struct object_writer *w)
{
	sum128_free(w->sum);
	w->sum = NULL;
}

int
object_write(const struct object_header *h, struct spool *payload,
    struct stream *out, uint64_t *stored, struct fail *f)
{
	struct object_writer w;
	struct object_sums sums = { 0 };
	int rc = object_begin(&w, h, out, f);

	if (rc == 0)
		rc = spool_replay(payload, &w.stream, f);
	if (rc == 0)
		rc = object_end(&w, &h->plain, &sums, f);
	*stored = sums.size;
	object_writer_clear(&w);
	return rc;
}

int
object_write_around(const struct object_header *h, struct spool *payload,
    struct store *s, struct stream *put, uint64_t *stored, struct fail *f)
{
	struct object_writer w = { .out = NULL };
	struct object_sums sums = { 0 };
	struct buf header = { 0 };
	int rc = begin(&w, h, OBJECT_FRONT, &header, f);

	if (rc == 0 && header.len != OBJECT_FRONT)
		rc = 2;
	if (rc == 0)
		rc = spool_replay(payload, &w.stream, f);
	if (rc == 0)
		rc = store_front(s, put, header.data, header.len, f);
	w.out = put;
	if (rc == 0)
		rc = object_end(&w, &h->plain, &sums, f);
	*stored = sums.size;
	buf_clear(&header);
	object_writer_clear(&w);
	return rc;
}

/* The end of object_encoder_new's stages: frames in, an object out. */
struct frames {
	struct stream stream;
	struct object_writer writer;
	struct digest plain; /* filled by the stage in front */
	struct stream *out;
};

static int
frames_write(
    struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	return stream_write(
	    &((struct frames *)stream)->writer.stream, bytes, len, f);
}

static int
frames_finish(struct stream *stream, struct fail *f)
{
	struct frames *x = (struct frames *)stream;

	return object_end(&x->writer, &x->plain, NULL, f);
}

static void
frames_free(struct stream *stream)
{
	struct frames *x = (struct frames *)stream;

	object_writer_clear(&x->writer);
	stream_free(x->out);
	free(x);
}

static const struct stream_ops frames_ops = {
	.write = frames_write,
	.finish = frames_finish,
	.free = frames_free,
};

struct stream *
object_encoder_new(const struct object_header *h, const struct codec *codec,
    struct stream *out, struct fail *f)
{
	struct frames *x = out != NULL ? calloc(1, sizeof *x) : NULL;
	struct stream *s;

	if (x == NULL) {
		stream_free(out);
		(void)fail_errno(f, h->key, "memory");
		return NULL;
	}
	x->stream.ops = &frames_ops;
	x->out = out;
	if (object_begin(&x->writer, h, out, f) != 0) {
		frames_free(&x->stream);
		return NULL;
	}
	s = digest_new(&x->plain, encoder_new(codec, false, &x->stream));
	if (s == NULL)
		(void)fail_errno(f, h->key, "memory");
	return s;
}
