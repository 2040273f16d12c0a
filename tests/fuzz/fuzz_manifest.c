/* SPDX-License-Identifier: PostgreSQL */
/*
 * Manifests.  The first byte chooses: with its lowest bit the SHA-256 of the
 * last line is set right; the second is the size of the portions.  What can be
 * read could have been written, and is then read again.
 */
#include "fuzz.h"

#include "../manifestcheck.h"
#include "hash.h"
#include "mem.h"

/* What every entry that is passed on must keep. */
static int
check_entry(void *arg, const struct manifest_entry *e, struct fail *f)
{
	uint64_t end = 0;

	MUST(e->path[0] != '\0' && e->path[0] != '/');
	MUST(strstr(e->path, "//") == NULL);
	MUST(strcmp(e->path, "..") != 0 && strncmp(e->path, "../", 3) != 0);
	MUST(strstr(e->path, "/../") == NULL);
	MUST(e->path[strlen(e->path) - 1] != '/');
	MUST((e->type == MANIFEST_LINK) == (e->target != NULL));
	for (size_t i = 0; i < e->n_pieces; i++) {
		const struct manifest_piece *p = &e->pieces[i];

		MUST(p->plain_off == end && p->len > 0);
		MUST(p->off <= INT64_MAX && p->stored <= INT64_MAX - p->off);
		MUST((p->pack == 0) == (p->stored == 0));
		end += p->len;
	}
	MUST(end == e->size);
	return manifest_write_entry(arg, e, f);
}

static int
read_manifest(const uint8_t *p, size_t len, size_t chunk,
    const struct manifest_events *events, struct fail *f)
{
	struct stream *s = manifest_reader_new("object", events);
	int rc = 0;

	MUST(s != NULL);
	for (size_t off = 0; rc == 0 && off < len;) {
		size_t n = len - off < chunk ? len - off : chunk;

		rc = stream_write(s, p + off, n, f);
		off += n;
	}
	if (rc == 0)
		rc = stream_finish(s, f);
	stream_free(s);
	if (rc != 0)
		MUST(f->kind == FAIL_DAMAGED || f->kind == FAIL_CONFIG);
	return rc;
}

/* Write what is read, and read that. */
static int
again(const uint8_t *p, size_t len, size_t chunk)
{
	static const struct manifest_events none = { .head = NULL };
	struct mem out;
	struct manifest_writer *w;
	struct manifest_events events;
	struct fail f = { 0 };
	int rc;

	mem_init(&out);
	w = manifest_writer_new(&out.stream);
	MUST(w != NULL);
	events = manifestcheck_again(w);
	events.entry = check_entry;
	rc = read_manifest(p, len, chunk, &events, &f);
	if (rc == 0) {
		MUST(manifest_write_end(w, &f) == 0);
		MUST(read_manifest(out.bytes.data, out.bytes.len, SIZE_MAX,
		         &none, &f) == 0);
	}
	manifest_writer_free(w);
	buf_clear(&out.bytes);
	return rc;
}

/* The last 64 digits become the sum of the lines before the last. */
static void
seal(uint8_t *p, size_t len)
{
	size_t last = len > 0 ? len - 1 : 0;
	struct sha256 *h = sha256_new();
	char text[SHA256_TEXT];

	MUST(h != NULL);
	while (last > 0 && p[last - 1] != '\n')
		last--;
	sha256_update(h, p, last);
	sha256_text(h, text);
	sha256_free(h);
	if (len - last > 64 + 3)
		memcpy(p + len - 3 - 64, text, 64);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t how = take_u8(&in);
	size_t chunk = 1 + (size_t)take_u8(&in);
	struct manifest_summary s;
	struct fail f = { 0 };
	uint8_t *copy = malloc(in.len + 1);
	const uint8_t *newline;

	MUST(copy != NULL);
	memcpy(copy, in.p, in.len);
	if ((how & 1) != 0)
		seal(copy, in.len);
	MUST(again(copy, in.len, SIZE_MAX) == again(copy, in.len, chunk));
	newline = memchr(copy, '\n', in.len);
	(void)manifest_summary_decode(copy,
	    newline != NULL ? (size_t)(newline - copy) : in.len, "object", &s,
	    &f);
	free(copy);
	return 0;
}

static void
write_seeds(void)
{
	struct manifest_writer *w;
	struct manifest_head h;
	struct mem out;
	struct fail f = { 0 };
	struct buf b = { 0 };

	mem_init(&out);
	w = manifest_writer_new(&out.stream);
	MUST(w != NULL && manifestcheck_head(&h) == 0);
	MUST(manifestcheck_write(w, &h, &f) == 0);
	manifest_writer_free(w);
	MUST(buf_append(&b, "\1\3", 2) == 0);
	MUST(buf_append(&b, out.bytes.data, out.bytes.len) == 0);
	MUST(again(out.bytes.data, out.bytes.len, 1) == 0);
	seed("sample", b.data, b.len);
	b.len = 2;
	MUST(manifest_summary_encode(&h.s, &b) == 0);
	seed("summary", b.data, b.len);
	manifest_head_clear(&h);
	buf_clear(&out.bytes);
	buf_clear(&b);
}
