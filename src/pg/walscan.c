/* SPDX-License-Identifier: PostgreSQL */
/* The WAL scanner's pages, and what it found: see walscan.h. */
#include <stdlib.h>
#include <string.h>

#include "lsn.h"
#include "walhdr.h"
#include "walscan_state.h"

#define PAGE_MAX ((size_t)65536)
#define PAGE_MIN ((size_t)1024)

struct walscan *
walscan_new(const struct walscan_args *args)
{
	struct walscan *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->page = malloc(PAGE_MAX);
	if (s->page == NULL || buf_reserve(&s->kept, WALSCAN_KEEP) != 0) {
		walscan_free(s);
		return NULL;
	}
	s->args = *args;
	s->addr = args->start_lsn;
	s->facts.start_lsn = args->start_lsn;
	s->facts.timed_max = WAL_NO_TIME;
	return s;
}

void
walscan_free(struct walscan *s)
{
	if (s == NULL)
		return;
	buf_clear(&s->kept);
	free(s->page);
	free(s);
}

bool
walscan_ended(const struct walscan *s)
{
	return s->ended || s->stopped;
}

static bool
all_zero(const uint8_t *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* What the page's header says of itself; NULL if it is as it must be. */
static const char *
check_header(struct walscan *s, const struct walhdr *h)
{
	bool first = s->facts.segsize == 0;

	if (h->pageaddr != s->addr)
		return "wrong page address";
	if (h->info & ~(unsigned)WALHDR_ALL_FLAGS)
		return "wrong page flags";
	if (!first && h->magic != s->facts.magic)
		return "wrong page magic";
	if (!first &&
	    ((h->info & WALHDR_IS_LONG) != 0) !=
	        (s->addr % s->facts.segsize == 0))
		return "wrong kind of page header";
	if ((h->info & WALHDR_IS_LONG) && !first &&
	    (h->sysid != s->facts.sysid || h->segsize != s->facts.segsize))
		return "another cluster's page";
	if (h->tli == 0 || h->tli > s->args.max_tli ||
	    (!first && h->tli < s->facts.last_tli))
		return "wrong timeline on the page";
	return NULL;
}

/*
 * How the page begins: with the rest of a record, or not.  After a crash a
 * record may stay unfinished for ever; the next page written then carries the
 * overwrite flag and begins with a record of its own (13 and later).
 */
static const char *
check_continuation(struct walscan *s, const struct walhdr *h)
{
	bool first = s->addr == s->args.start_lsn;
	uint64_t want = s->in_record ? s->rec_total - s->rec_got : s->skip;

	if (h->info & WALHDR_FIRST_IS_OVERWRITE) {
		if (h->info & WALHDR_FIRST_IS_CONTRECORD)
			return "wrong page flags";
		s->facts.flags |= WALFACTS_OVERWRITE |
		    (first ? WALFACTS_OVERWRITE_FIRST : 0);
		/* An abandoned record whose link was never read is no link
		 * of the chain. */
		if (s->in_record && s->rec_got < WALRECORD_HEADER &&
		    s->facts.first_lsn == s->rec_lsn)
			s->facts.first_lsn = LSN_NONE;
		s->in_record = false;
		s->skip = 0;
		return NULL;
	}
	if ((h->info & WALHDR_FIRST_IS_CONTRECORD) == 0)
		return want != 0 ? "an unfinished record is not continued"
		                 : NULL;
	if (h->rem_len == 0)
		return "wrong length of a continued record";
	if (first) {
		s->facts.cont_len = h->rem_len;
		s->skip = h->rem_len;
		return NULL;
	}
	if (want == 0)
		return "a record is continued that was not begun";
	if (h->rem_len != want)
		return "wrong length of a continued record";
	return NULL;
}

/* The rest of a record begun before the first page: only its bytes count. */
static size_t
skip_continuation(struct walscan *s, const uint8_t *page, size_t off)
{
	struct walfacts *f = &s->facts;
	size_t n = s->blcksz - off;
	size_t room = WALFACTS_CUT - f->head_len;

	if (s->skip < n)
		n = (size_t)s->skip;
	if (room > n)
		room = n;
	memcpy(f->head + f->head_len, page + off, room);
	f->head_len = (uint8_t)(f->head_len + room);
	s->skip -= n;
	return off + walscan_align8(n);
}

/* All of a page that belongs to the chain. */
static void
scan_page(struct walscan *s, const uint8_t *page)
{
	struct walhdr h;
	const char *why;
	size_t off;

	walhdr_decode(page, &h);
	why = check_header(s, &h);
	if (why == NULL && s->facts.segsize == 0) {
		s->facts.segsize = h.segsize;
		s->facts.sysid = h.sysid;
		s->facts.magic = h.magic;
		s->facts.first_tli = h.tli;
	}
	if (why == NULL)
		why = check_continuation(s, &h);
	if (why != NULL) {
		walscan_end_chain(s, s->in_record ? s->rec_lsn : s->addr, why);
		if (!all_zero(page, s->blcksz))
			s->tail_dirty = true;
		return;
	}
	s->facts.last_tli = h.tli;
	off = h.size;
	if (!s->in_record && s->skip > 0)
		off = skip_continuation(s, page, off);
	off = walscan_records(s, page, off);
	if ((s->ended || s->zeros_to != 0) && off < s->blcksz &&
	    !all_zero(page + off, s->blcksz - off))
		s->tail_dirty = true;
}

static void
push_page(struct walscan *s, const uint8_t *page)
{
	if (s->stopped)
		return;
	if (s->zeros_to != 0 && s->addr >= s->zeros_to)
		s->zeros_to = 0;
	if (s->ended || s->zeros_to != 0) {
		if (!s->tail_dirty && !all_zero(page, s->blcksz))
			s->tail_dirty = true;
	} else {
		scan_page(s, page);
	}
	if (s->tail_dirty && s->zeros_to != 0 && !s->ended)
		walscan_end_chain(s, s->facts.end_lsn,
		    "bytes other than zeros behind a switch record");
	s->addr += s->blcksz;
}

/* The first page tells the page size; an unlawful one ends the chain. */
static void
first_page(struct walscan *s, const uint8_t *page)
{
	struct walhdr h;

	walhdr_decode(page, &h);
	s->blcksz = 8192;
	if (!walhdr_is_segment_start(&h)) {
		walscan_end_chain(
		    s, s->addr, "no segment header on the first page");
		return;
	}
	s->blcksz = s->facts.blcksz = h.blcksz;
	s->major = walhdr_major(h.magic);
	if (s->major == 0) {
		s->facts.flags |= WALFACTS_UNREAD;
		s->facts.sysid = h.sysid;
		s->facts.segsize = h.segsize;
		s->facts.magic = h.magic;
		s->facts.first_tli = s->facts.last_tli = h.tli;
		walscan_end_chain(s, s->addr, "unknown WAL version");
		if (h.pageaddr != s->addr) {
			s->facts.flags &= ~(unsigned)WALFACTS_UNREAD;
			walscan_end_chain(s, s->addr, "wrong page address");
		}
	}
}

void
walscan_push(struct walscan *s, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	s->pushed += len;
	while (len > 0) {
		size_t need = s->blcksz != 0 ? s->blcksz : PAGE_MIN;
		size_t n = need - s->page_len;

		if (s->page_len == 0 && s->blcksz != 0 && len >= need) {
			push_page(s, p);
			p += need;
			len -= need;
			continue;
		}
		if (n > len)
			n = len;
		memcpy(s->page + s->page_len, p, n);
		s->page_len += n;
		p += n;
		len -= n;
		if (s->page_len < need)
			continue;
		if (s->blcksz == 0) {
			first_page(s, s->page);
			if (s->page_len < s->blcksz)
				continue;
		}
		push_page(s, s->page);
		s->page_len = 0;
	}
}

/* What a record left unfinished at the end says of itself. */
static void
unfinished_facts(const struct walscan *s, struct walfacts *f)
{
	f->unfinished = s->rec_lsn;
	f->unfinished_len = s->rec_total;
	f->unfinished_here = s->rec_got;
	if (s->kept.len >= 18 &&
	    walrecord_is_tablespace(&(struct walrecord){
	        .info = s->kept.data[16], .rmid = s->kept.data[17] }))
		f->flags |= WALFACTS_TABLESPACE;
	f->tail_len = (uint8_t)(s->kept.len < WALFACTS_CUT ? s->kept.len
	                                                   : WALFACTS_CUT);
	memcpy(f->tail, s->kept.data, f->tail_len);
}

void
walscan_facts(struct walscan *s, uint64_t expect_len, struct walfacts *out)
{
	uint64_t end = s->facts.end_lsn;

	if (s->in_record)
		end = s->rec_lsn;
	else if (end == LSN_NONE)
		end = s->facts.start_lsn;
	if (!s->ended && (s->page_len != 0 || s->pushed < expect_len))
		walscan_end_chain(s, end, "the file is shorter than a segment");
	*out = s->facts;
	if (s->ended) {
		if (!s->tail_dirty)
			out->flags |= WALFACTS_TAIL_ZERO;
		return;
	}
	out->flags |= WALFACTS_COMPLETE;
	out->end_why = NULL;
	if (s->in_record)
		unfinished_facts(s, out);
}
