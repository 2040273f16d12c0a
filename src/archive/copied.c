/* SPDX-License-Identifier: PostgreSQL */
/*
 * What became of files: see copied.h.  The temporary file is read by nobody
 * else, so what is in it are this program's own structures.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "copied.h"
#include "io.h"
#include "sum.h"
#include "tempfile.h"

#define MEMORY_MAX ((size_t)1024 * 1024)

struct copied_list {
	const char *dir;
	struct buf tail;  /* what follows the bytes in the file */
	int fd;           /* -1: there is none yet */
	uint64_t on_disk; /* bytes in it */
};

/* What stands in front of the pieces and the blocks. */
struct record {
	uint64_t index, size;
	int64_t mtime;
	uint64_t n_pieces, n_bad;
};

/* Reads one list. */
struct cursor {
	struct copied_list *list;
	struct buf window; /* bytes read from the file */
	size_t used;       /* of them */
	uint64_t off;      /* behind the window */
	size_t tail;       /* used of the list's tail */
	bool has;          /* head is valid */
	struct record head;
};

struct copied_merge {
	struct cursor *cursors;
	size_t n;
	struct buf pieces, bad;
};

struct copied_list *
copied_new(const char *dir)
{
	struct copied_list *l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	l->fd = -1;
	l->dir = tempfile_dir(dir);
	return l;
}

static int
flush(struct copied_list *l, struct fail *f)
{
	if (l->fd < 0)
		l->fd = tempfile_open(l->dir);
	if (l->fd < 0) {
		(void)fail_errno(f, l->dir, "make a temporary file");
		return fail_hint(f, "set spool_dir to a directory with room");
	}
	if (io_pwrite(l->fd, l->tail.data, l->tail.len, (off_t)l->on_disk) != 0)
		return fail_errno(f, l->dir, "write a temporary file");
	l->on_disk += l->tail.len;
	l->tail.len = 0;
	return 0;
}

int
copied_add(struct copied_list *l, const struct copied *c, struct fail *f)
{
	struct record r = { .index = c->index,
		.size = c->size,
		.mtime = c->mtime,
		.n_pieces = c->n_pieces,
		.n_bad = c->n_bad };

	if (buf_append(&l->tail, &r, sizeof r) != 0 ||
	    buf_append(&l->tail, c->pieces, c->n_pieces * sizeof *c->pieces) !=
	        0 ||
	    buf_append(&l->tail, c->bad, c->n_bad * sizeof *c->bad) != 0)
		return fail_errno(f, "backup", "memory");
	return l->tail.len >= MEMORY_MAX ? flush(l, f) : 0;
}

void
copied_free(struct copied_list *l)
{
	if (l == NULL)
		return;
	if (l->fd >= 0)
		(void)close(l->fd);
	buf_clear(&l->tail);
	free(l);
}

/* The next window of the file.  1: it has no more. */
static int
refill(struct cursor *c, struct fail *f)
{
	struct copied_list *l = c->list;
	uint64_t left = l->on_disk - c->off;
	size_t want = left < IO_CHUNK ? (size_t)left : IO_CHUNK;
	ssize_t n;

	if (want == 0)
		return 1;
	if (buf_reserve(&c->window, IO_CHUNK) != 0)
		return fail_errno(f, "backup", "memory");
	n = io_pread(l->fd, c->window.data, want, (off_t)c->off);
	if (n != (ssize_t)want)
		return fail_errno(f, l->dir, "read a temporary file");
	c->window.len = want;
	c->used = 0;
	c->off += want;
	return 0;
}

/* Exactly len bytes, from the file and then from memory.  1: at the end. */
static int
take(struct cursor *c, void *out, size_t len, struct fail *f)
{
	uint8_t *p = out;

	while (len > 0) {
		size_t n;

		if (c->used == c->window.len) {
			int rc = refill(c, f);

			if (rc < 0)
				return -1;
			if (rc == 1)
				break;
		}
		n = c->window.len - c->used < len ? c->window.len - c->used
		                                  : len;
		memcpy(p, c->window.data + c->used, n);
		c->used += n;
		p += n;
		len -= n;
	}
	if (c->list->tail.len - c->tail < len)
		return 1;
	if (len > 0)
		memcpy(p, c->list->tail.data + c->tail, len);
	c->tail += len;
	return 0;
}

static int
advance(struct cursor *c, struct fail *f)
{
	int rc = take(c, &c->head, sizeof c->head, f);

	c->has = rc == 0;
	return rc < 0 ? -1 : 0;
}

struct copied_merge *
copied_merge_new(struct copied_list **lists, size_t n, struct fail *f)
{
	struct copied_merge *m = calloc(1, sizeof *m);

	if (m != NULL)
		m->cursors = calloc(n, sizeof *m->cursors);
	if (m == NULL || m->cursors == NULL) {
		(void)fail_errno(f, "backup", "memory");
		free(m);
		return NULL;
	}
	m->n = n;
	for (size_t i = 0; i < n; i++) {
		m->cursors[i].list = lists[i];
		if (advance(&m->cursors[i], f) != 0) {
			copied_merge_free(m);
			return NULL;
		}
	}
	return m;
}

/* Append n items of a size from the cursor. */
static int
append(struct cursor *c, struct buf *b, uint64_t n, size_t size, struct fail *f)
{
	size_t len = (size_t)n * size;

	if (len == 0)
		return 0;
	if (buf_reserve(b, b->len + len) != 0)
		return fail_errno(f, "backup", "memory");
	if (take(c, b->data + b->len, len, f) != 0)
		return fail_set(
		    f, FAIL_INTERNAL, "backup", "a record is cut off");
	b->len += len;
	return 0;
}

/* Add the part that the cursor is at. */
static int
collect(struct copied_merge *m, struct cursor *c, struct fail *f)
{
	if (append(c, &m->pieces, c->head.n_pieces,
	        sizeof(struct manifest_piece), f) != 0 ||
	    append(c, &m->bad, c->head.n_bad, sizeof(uint32_t), f) != 0)
		return -1;
	return advance(c, f);
}

static int
compare_pieces(const void *a, const void *b)
{
	const struct manifest_piece *p = a, *q = b;

	return (p->plain_off > q->plain_off) - (p->plain_off < q->plain_off);
}

static int
compare_blocks(const void *a, const void *b)
{
	uint32_t p, q;

	memcpy(&p, a, sizeof p);
	memcpy(&q, b, sizeof q);
	return (p > q) - (p < q);
}

/* Do the pieces make the whole file?  Then its CRC, too. */
static bool
is_whole(const struct copied *c, uint32_t *crc)
{
	uint64_t end = 0;

	*crc = 0;
	for (size_t i = 0; i < c->n_pieces; i++) {
		if (c->pieces[i].plain_off != end)
			return false;
		end += c->pieces[i].len;
		*crc = i == 0
		    ? c->pieces[i].crc
		    : crc32c_join(*crc, c->pieces[i].crc, c->pieces[i].len);
	}
	return end == c->size;
}

/* All parts of the file that comes next.  1: there is none. */
static int
collect_next(struct copied_merge *m, struct copied *out, struct fail *f)
{
	const struct cursor *first = NULL;

	for (size_t i = 0; i < m->n; i++)
		if (m->cursors[i].has &&
		    (first == NULL ||
		        m->cursors[i].head.index < first->head.index))
			first = &m->cursors[i];
	if (first == NULL)
		return 1;
	*out = (struct copied){ .index = first->head.index,
		.size = first->head.size,
		.mtime = first->head.mtime };
	m->pieces.len = m->bad.len = 0;
	for (size_t i = 0; i < m->n; i++) {
		struct cursor *c = &m->cursors[i];

		while (c->has && c->head.index == out->index) {
			if (c->head.mtime > out->mtime)
				out->mtime = c->head.mtime;
			if (collect(m, c, f) != 0)
				return -1;
		}
	}
	out->pieces = (void *)m->pieces.data;
	out->n_pieces = m->pieces.len / sizeof *out->pieces;
	out->bad = (void *)m->bad.data;
	out->n_bad = m->bad.len / sizeof *out->bad;
	if (out->n_pieces > 1)
		qsort(out->pieces, out->n_pieces, sizeof *out->pieces,
		    compare_pieces);
	if (out->n_bad > 1)
		qsort(out->bad, out->n_bad, sizeof *out->bad, compare_blocks);
	return 0;
}

int
copied_next(
    struct copied_merge *m, struct copied *out, uint32_t *crc, struct fail *f)
{
	int rc;

	do {
		rc = collect_next(m, out, f);
	} while (rc == 0 && !is_whole(out, crc));
	return rc;
}

void
copied_merge_free(struct copied_merge *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->n; i++)
		buf_clear(&m->cursors[i].window);
	free(m->cursors);
	buf_clear(&m->pieces);
	buf_clear(&m->bad);
	free(m);
}
