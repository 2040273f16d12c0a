/* SPDX-License-Identifier: PostgreSQL */
/*
 * The WAL scanner: pages into records, records into a chain.  See walscan.h.
 *
 * A record that lies within one page is checked where it stands.  One that
 * crosses pages is checked as it comes: a running CRC, and the first bytes
 * kept (all of them for ends of transactions, whose xid may stand last).
 */
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "lsn.h"
#include "sum.h"
#include "walhdr.h"
#include "walname.h"
#include "walscan.h"

#define PAGE_MAX ((size_t)65536)
#define PAGE_MIN ((size_t)1024)

/* Bytes kept of a record that crosses pages, and of a transaction's end. */
#define KEEP      ((size_t)256)
#define KEEP_XACT ((size_t)4 * 1024 * 1024)

struct walscan {
	struct walscan_args args;
	struct walfacts facts;
	int major;

	uint64_t addr;   /* of the page at hand */
	uint64_t pushed; /* bytes in all */
	size_t blcksz;   /* 0 until the first page is read */
	uint8_t *page;   /* a page that comes in portions; PAGE_MAX bytes */
	size_t page_len;

	bool ended;        /* the chain broke; facts.end_lsn, end_why */
	bool stopped;      /* an event asked to stop */
	bool tail_dirty;   /* something other than zeros behind the end */
	uint64_t zeros_to; /* after a switch: zeros up to this address */

	uint64_t skip;  /* leading continuation still to come */
	bool have_prev; /* prev is known */
	uint64_t prev;  /* the last whole record */

	bool in_record; /* one that crosses pages */
	uint64_t rec_lsn;
	uint32_t rec_total, rec_got;
	uint32_t rec_crc;
	struct buf kept;
};

struct walscan *
walscan_new(const struct walscan_args *args)
{
	struct walscan *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->page = malloc(PAGE_MAX);
	if (s->page == NULL || buf_reserve(&s->kept, KEEP) != 0) {
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

/* The chain ends at lsn, and why. */
static void
end_chain(struct walscan *s, uint64_t lsn, const char *why)
{
	s->ended = true;
	s->in_record = false;
	s->facts.end_lsn = lsn;
	s->facts.end_why = why;
}

/* Ask the listener; a "stop" makes the scanner deaf. */
static void
stop_if(struct walscan *s, int answer)
{
	if (answer != 0)
		s->stopped = true;
}

static void
note_xact(struct walscan *s, const struct walxact *x)
{
	struct walfacts *f = &s->facts;

	if (f->xacts == 0 || x->time < f->xact_time_min)
		f->xact_time_min = x->time;
	if (f->xacts == 0 || x->time > f->xact_time_max)
		f->xact_time_max = x->time;
	if (x->xid != 0 && (f->xid_min == 0 || x->xid < f->xid_min))
		f->xid_min = x->xid;
	if (x->xid > f->xid_max)
		f->xid_max = x->xid;
	f->xact_time_last = x->time;
	f->xacts++;
	if (s->args.events.xact != NULL)
		stop_if(s, s->args.events.xact(s->args.events.arg, x));
}

static void
note_restore_point(
    struct walscan *s, const struct walrestore_point *p, uint64_t end)
{
	struct walfacts *f = &s->facts;

	if (f->n_points < WALFACTS_RESTORE_POINTS)
		f->points[f->n_points++] = *p;
	else
		f->flags |= WALFACTS_MORE_POINTS;
	if (s->args.events.restore_point != NULL)
		stop_if(s,
		    s->args.events.restore_point(s->args.events.arg, p, end));
}

/* A whole, checked record; of its bytes at least the first len are here. */
static void
note_record(struct walscan *s, const uint8_t *bytes, size_t len, uint64_t lsn,
    uint64_t end)
{
	struct walrestore_point point = { .lsn = lsn };
	struct walxact x = { .lsn = lsn, .end = end };
	int64_t time = WAL_NO_TIME;

	/* Only these two resource managers' records carry times. */
	if (bytes[17] <= 1)
		time = walrecord_time(bytes, len, s->major);
	if (time != WAL_NO_TIME && time > s->facts.timed_max)
		s->facts.timed_max = time;
	if (s->args.events.record != NULL)
		stop_if(s,
		    s->args.events.record(s->args.events.arg, lsn, end, time));
	if (time == WAL_NO_TIME || s->stopped)
		return;
	if (walrecord_xact(bytes, len, s->major, &x) == 0)
		note_xact(s, &x);
	else if (walrecord_restore_point(bytes, len, &point) == 0)
		note_restore_point(s, &point, end);
}

/*
 * A record's header is all here: is it the next link of the chain?  The first
 * record's link cannot be judged here; the neighbours' facts do that.
 */
static const char *
check_link(struct walscan *s, const uint8_t *header, uint64_t lsn)
{
	struct walrecord r;

	walrecord_decode(header, &r);
	if (s->have_prev && r.prev != s->prev)
		return "the record does not follow the one before it (xl_prev)";
	if (lsn == s->facts.first_lsn)
		s->facts.first_prev = r.prev;
	return NULL;
}

/*
 * A switch record may itself straddle the cut: 8 or 16 of its 24 bytes are
 * then all that this segment holds.  Its kind stands in these (info, rmid).
 */
static bool
continued_switch(const struct walscan *s, size_t off)
{
	const struct walfacts *f = &s->facts;
	struct walrecord r;

	if ((f->cont_len != 8 && f->cont_len != 16) ||
	    s->addr != s->args.start_lsn || f->first_lsn != LSN_NONE ||
	    off != WALHDR_LONG + f->cont_len)
		return false;
	r = (struct walrecord){ .info = f->head[f->cont_len - 8],
		.rmid = f->head[f->cont_len - 7] };
	return walrecord_is_switch(&r);
}

/* Nothing but zeros is left of this segment, and lawfully so. */
static void
expect_zeros(struct walscan *s, uint64_t end)
{
	uint64_t segsize = s->facts.segsize;

	s->facts.flags |= WALFACTS_SWITCHED;
	s->zeros_to = (end + segsize - 1) / segsize * segsize;
}

/* All bytes of a record were seen; crc covers those behind its header. */
static void
finish_record(struct walscan *s, const uint8_t *bytes, size_t len, uint32_t crc,
    uint64_t end)
{
	struct walrecord r;
	uint64_t lsn = s->rec_lsn;

	walrecord_decode(bytes, &r);
	if ((crc32c(crc, bytes, 20) ^ 0xFFFFFFFF) != r.crc) {
		end_chain(s, lsn, "wrong record checksum (CRC-32C)");
		return;
	}
	s->in_record = false;
	s->have_prev = true;
	s->prev = lsn;
	s->facts.last_ended = lsn;
	s->facts.last_ended_len = r.tot_len;
	s->facts.end_lsn = end;
	if (walrecord_is_switch(&r))
		expect_zeros(s, end);
	note_record(s, bytes, len, lsn, end);
}

/* How much to keep of a record whose next bytes are at p. */
static size_t
keep_limit(const struct walscan *s, const uint8_t *p, size_t n)
{
	struct walrecord r = { .rmid = 0 };

	if (s->kept.len >= WALRECORD_HEADER)
		walrecord_decode(s->kept.data, &r);
	else if (s->kept.len == 0 && n >= WALRECORD_HEADER)
		walrecord_decode(p, &r);
	else
		return KEEP_XACT; /* not known yet */
	return walrecord_is_xact(&r) ? KEEP_XACT : KEEP;
}

/* Take n more bytes of a record that crosses pages. */
static void
take(struct walscan *s, const uint8_t *p, size_t n)
{
	size_t limit = keep_limit(s, p, n), keep, body = n;

	/* Once something was left out, nothing may follow the gap. */
	keep = s->kept.len == s->rec_got && s->kept.len < limit
	    ? limit - s->kept.len
	    : 0;
	if (s->rec_got < WALRECORD_HEADER) {
		size_t header = WALRECORD_HEADER - s->rec_got;

		body = n > header ? n - header : 0;
	}
	s->rec_crc = crc32c(s->rec_crc, p + (n - body), body);
	if (keep > n)
		keep = n;
	/* Without memory for more, the xid of a prepared one stays unknown:
	 * what there is room for suffices for all else. */
	if (buf_append(&s->kept, p, keep) != 0) {
		if (keep > s->kept.cap - s->kept.len)
			keep = s->kept.cap - s->kept.len;
		(void)buf_append(&s->kept, p, keep);
	}
	s->rec_got += (uint32_t)n;
}

static size_t
align8(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

/* Go on with the record that crosses pages; returns the next offset. */
static size_t
continue_record(struct walscan *s, const uint8_t *page, size_t off)
{
	size_t want = s->rec_total - s->rec_got;
	size_t n = want < s->blcksz - off ? want : s->blcksz - off;
	bool had_header = s->rec_got >= WALRECORD_HEADER;
	const char *why = NULL;

	take(s, page + off, n);
	if (!had_header && s->rec_got >= WALRECORD_HEADER)
		why = check_link(s, s->kept.data, s->rec_lsn);
	if (why != NULL) {
		end_chain(s, s->rec_lsn, why);
		return off;
	}
	off += align8(n);
	if (s->rec_got == s->rec_total)
		finish_record(
		    s, s->kept.data, s->kept.len, s->rec_crc, s->addr + off);
	return off;
}

/* A record begins at off; returns the next offset. */
static size_t
begin_record(struct walscan *s, const uint8_t *page, size_t off)
{
	const uint8_t *p = page + off;
	uint32_t total = decode_u32(p);
	const char *why = NULL;

	s->rec_lsn = s->addr + off;
	if (total == 0 && continued_switch(s, off)) {
		s->facts.end_lsn = s->rec_lsn;
		expect_zeros(s, s->rec_lsn);
		return off;
	}
	if (total < WALRECORD_HEADER)
		why = total == 0 ? "the WAL ends here" : "wrong record length";
	else if (s->facts.first_lsn == LSN_NONE)
		s->facts.first_lsn = s->rec_lsn;
	if (why == NULL && s->blcksz - off >= WALRECORD_HEADER)
		why = check_link(s, p, s->rec_lsn);
	if (why != NULL) {
		end_chain(s, s->rec_lsn, why);
		return off;
	}
	if (total <= s->blcksz - off) {
		uint32_t crc = crc32c(
		    0xFFFFFFFF, p + WALRECORD_HEADER, total - WALRECORD_HEADER);

		finish_record(s, p, total, crc, s->addr + off + align8(total));
		return off + align8(total);
	}
	s->in_record = true;
	s->rec_total = total;
	s->rec_got = 0;
	s->rec_crc = 0xFFFFFFFF;
	s->kept.len = 0;
	take(s, p, s->blcksz - off);
	return s->blcksz;
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
	return off + align8(n);
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
		end_chain(s, s->in_record ? s->rec_lsn : s->addr, why);
		if (!all_zero(page, s->blcksz))
			s->tail_dirty = true;
		return;
	}
	s->facts.last_tli = h.tli;
	off = h.size;
	if (s->in_record)
		off = continue_record(s, page, off);
	else if (s->skip > 0)
		off = skip_continuation(s, page, off);
	while (off < s->blcksz && !s->in_record && !s->ended && !s->stopped &&
	    s->zeros_to == 0)
		off = begin_record(s, page, off);
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
		end_chain(s, s->facts.end_lsn,
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
		end_chain(s, s->addr, "no segment header on the first page");
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
		end_chain(s, s->addr, "unknown WAL version");
		if (h.pageaddr != s->addr) {
			s->facts.flags &= ~(unsigned)WALFACTS_UNREAD;
			end_chain(s, s->addr, "wrong page address");
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
		end_chain(s, end, "the file is shorter than a segment");
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
