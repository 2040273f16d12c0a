/* SPDX-License-Identifier: PostgreSQL */
/*
 * One file into a pack: see copy_file.h.  The server goes on writing all the
 * time: files are cut short, extended and dropped while they are read.  All
 * that is repaired by replaying the WAL from the backup's start, as long as a
 * file is not longer than it was at some moment behind that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "copy_file.h"
#include "datafile.h"
#include "io.h"

/* A page read while the server wrote it is right a moment later. */
#define REREADS      5
#define REREAD_FIRST 200000 /* ns; each later wait is five times as long */
#define PATIENCE     100    /* bad pages that are worth waiting for */
#define READ_AHEAD   ((uint64_t)4 * 1024 * 1024)

/* A file on its way. */
struct reading {
	struct copy_file *c;
	const struct source_entry *entry;
	struct source_file file;
	uint32_t first_block; /* of the file, counted over the fork */
	bool check;           /* its pages have checksums */
	struct copied done;
};

uint32_t
copy_parts(const struct source_entry *e)
{
	if (e->size <= PACK_PART)
		return 0;
	return (uint32_t)((e->size + PACK_PART - 1) / PACK_PART);
}

static int
failed(const struct reading *r, const char *what, struct fail *f)
{
	return fail_errno(f,
	    r->entry->outside != NULL ? r->entry->outside : r->entry->path,
	    what);
}

static int
add_bad(struct reading *r, uint64_t block, struct fail *f)
{
	uint32_t *more = reallocarray(
	    r->done.bad, r->done.n_bad + 1, sizeof *more);

	if (more == NULL)
		return failed(r, "memory", f);
	r->done.bad = more;
	more[r->done.n_bad++] = (uint32_t)block;
	r->c->bad++;
	atomic_fetch_add_explicit(
	    &r->c->args->progress->bad_pages, 1, memory_order_relaxed);
	return 0;
}

static void
pause_ns(long ns)
{
	struct timespec ts = { .tv_nsec = ns };

	(void)nanosleep(&ts, NULL);
}

/*
 * Read a page again until it is right.  One that is no more there was cut
 * off: zeros stand for it.  1: it stays wrong.
 */
static int
reread(struct reading *r, uint8_t *page, uint64_t off, struct fail *f)
{
	const struct copy_pages *p = &r->c->args->pages;
	int tries = r->c->bad < PATIENCE ? REREADS : 1;
	long wait = REREAD_FIRST;

	for (int i = 0; i < tries; i++, wait *= 5) {
		size_t got;

		if (i > 0)
			pause_ns(wait);
		if (source_read(r->c->args->source, &r->file, page, p->blcksz,
		        off, &got) != 0)
			return failed(r, "read", f);
		memset(page + got, 0, p->blcksz - got);
		if (got < p->blcksz ||
		    datafile_page_ok(page, p->blcksz,
		        r->first_block + (uint32_t)(off / p->blcksz),
		        p->start_lsn))
			return 0;
	}
	return 1;
}

/* Check the whole pages of len bytes at off; what is torn is read again. */
static int
check_pages(
    struct reading *r, uint8_t *bytes, size_t len, uint64_t off, struct fail *f)
{
	const struct copy_pages *p = &r->c->args->pages;
	uint32_t block = r->first_block + (uint32_t)(off / p->blcksz);

	for (size_t i = 0; i + p->blcksz <= len; i += p->blcksz, block++) {
		int rc;

		if (datafile_page_ok(bytes + i, p->blcksz, block, p->start_lsn))
			continue;
		rc = reread(r, bytes + i, off + i, f);
		if (rc == 1)
			rc = add_bad(r, (off + i) / p->blcksz, f);
		if (rc != 0)
			return -1;
	}
	return 0;
}

/* Read len bytes; behind the file's end they are zeros. */
static int
read_chunk(
    struct reading *r, uint8_t *bytes, size_t len, uint64_t off, struct fail *f)
{
	size_t got;

	if (source_read(r->c->args->source, &r->file, bytes, len, off, &got) !=
	    0)
		return failed(r, "read", f);
	if (got < len)
		memset(bytes + got, 0, len - got);
	return r->check ? check_pages(r, bytes, got, off, f) : 0;
}

static int
stopped(const struct copy_file *c, struct fail *f)
{
	if (!atomic_load_explicit(c->stop, memory_order_relaxed))
		return 0;
	return fail_set(f, FAIL_TRANSIENT, "backup", "stopped");
}

/* The member's bytes, from off to end. */
static int
write_range(struct reading *r, struct pack_writer *pack, uint64_t off,
    uint64_t end, struct fail *f)
{
	uint64_t ahead = off;

	while (off < end) {
		size_t len;
		uint8_t *room = pack_room(pack, &len);

		if (len > end - off)
			len = (size_t)(end - off);
		if (off + READ_AHEAD / 2 >= ahead && ahead < end &&
		    end - off > IO_CHUNK) {
			source_will_need(
			    r->c->args->source, &r->file, ahead, READ_AHEAD);
			ahead += READ_AHEAD;
		}
		if (stopped(r->c, f) != 0 ||
		    read_chunk(r, room, len, off, f) != 0 ||
		    pack_write(pack, room, len, f) != 0)
			return -1;
		off += len;
		atomic_fetch_add_explicit(
		    &r->c->args->progress->bytes, len, memory_order_relaxed);
	}
	return 0;
}

static int
begin_member(struct reading *r, const struct copy_item *item,
    struct pack_writer *pack, uint64_t len, struct fail *f)
{
	struct pack_member m;

	copy_member(r->c->args->list, r->entry, len, r->done.mtime, &m);
	m.part = item->part;
	if (item->part > 0)
		m.plain_off = (item->part - 1) * PACK_PART;
	return pack_member(pack, &m, &r->done.pieces, &r->done.n_pieces, f);
}

/*
 * A small file that is no relation may be rewritten at any time, and nothing
 * repairs it: what is there now is what is saved, whatever its size was.
 */
static int
copy_text(struct reading *r, const struct copy_item *item,
    struct pack_writer *pack, struct fail *f)
{
	size_t len;

	if (source_read(r->c->args->source, &r->file, r->c->chunk, IO_CHUNK, 0,
	        &len) != 0)
		return failed(r, "read", f);
	r->done.size = len;
	if (begin_member(r, item, pack, len, f) != 0 ||
	    pack_write(pack, r->c->chunk, len, f) != 0)
		return -1;
	atomic_fetch_add_explicit(
	    &r->c->args->progress->bytes, len, memory_order_relaxed);
	return 0;
}

static int
copy_range(struct reading *r, const struct copy_item *item,
    struct pack_writer *pack, struct fail *f)
{
	uint64_t begin = 0, end;

	if (item->part > 0) {
		/* All parts must mean the same size. */
		r->done.size = r->entry->size;
		begin = (item->part - 1) * PACK_PART;
	} else if (r->done.size > PACK_PART) {
		r->done.size = r->entry->size; /* it has grown a lot */
	}
	end = r->done.size;
	if (item->part > 0 && end - begin > PACK_PART)
		end = begin + PACK_PART;
	if (begin_member(r, item, pack, end - begin, f) != 0)
		return -1;
	return write_range(r, pack, begin, end, f);
}

/* Which blocks of a relation are these, and can they be checked? */
static void
identify(struct reading *r)
{
	const struct copy_pages *p = &r->c->args->pages;
	struct datafile_relation rel;

	if (!r->entry->relation || p->blcksz == 0 ||
	    !datafile_relation(r->entry->path, &rel))
		return;
	r->check = true;
	r->first_block = rel.segno * p->relseg_size;
}

int
copy_file(struct copy_file *c, const struct copy_item *item,
    struct pack_writer *pack, struct fail *f)
{
	struct reading r = { .c = c,
		.entry = &c->args->list->list[item->index],
		.done.index = item->index };
	int rc = source_open(c->args->source, r.entry, &r.file, f);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	r.done.size = r.file.size;
	r.done.mtime = r.file.mtime;
	identify(&r);
	if (!r.entry->relation && item->part == 0 && r.file.size < IO_CHUNK)
		rc = copy_text(&r, item, pack, f);
	else
		rc = copy_range(&r, item, pack, f);
	source_close(c->args->source, &r.file);
	if (rc == 0)
		rc = copied_add(c->list, &r.done, f);
	if (rc == 0 && item->part <= 1)
		atomic_fetch_add_explicit(
		    &c->args->progress->files, 1, memory_order_relaxed);
	free(r.done.pieces);
	free(r.done.bad);
	return rc;
}
