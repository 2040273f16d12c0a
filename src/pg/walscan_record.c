/* SPDX-License-Identifier: PostgreSQL */
/*
 * The WAL scanner's records, made a chain: see walscan_state.h.
 *
 * A record that lies within one page is checked where it stands.  One that
 * crosses pages is checked as it comes: a running CRC, and the first bytes
 * kept (all of them for ends of transactions, whose xid may stand last).
 */
#include <string.h>

#include "lsn.h"
#include "sum.h"
#include "walhdr.h"
#include "walscan_state.h"

/* Bytes kept of a transaction's end that crosses pages. */
#define KEEP_XACT ((size_t)4 * 1024 * 1024)

void
walscan_end_chain(struct walscan *s, uint64_t lsn, const char *why)
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

static void
note_tablespace(
    struct walscan *s, const uint8_t *bytes, size_t len, uint64_t lsn)
{
	struct waltablespace t = { .lsn = lsn };

	if (walrecord_tablespace(bytes, len, &t) != 0)
		return;
	s->facts.flags |= WALFACTS_TABLESPACE;
	if (s->args.events.tablespace != NULL)
		stop_if(s, s->args.events.tablespace(s->args.events.arg, &t));
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
	if (bytes[17] == WALRECORD_TABLESPACES && !s->stopped)
		note_tablespace(s, bytes, len, lsn);
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
		walscan_end_chain(s, lsn, "wrong record checksum (CRC-32C)");
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
	return walrecord_is_xact(&r) ? KEEP_XACT : WALSCAN_KEEP;
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
		walscan_end_chain(s, s->rec_lsn, why);
		return off;
	}
	off += walscan_align8(n);
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
		walscan_end_chain(s, s->rec_lsn, why);
		return off;
	}
	if (total <= s->blcksz - off) {
		uint32_t crc = crc32c(
		    0xFFFFFFFF, p + WALRECORD_HEADER, total - WALRECORD_HEADER);

		finish_record(
		    s, p, total, crc, s->addr + off + walscan_align8(total));
		return off + walscan_align8(total);
	}
	s->in_record = true;
	s->rec_total = total;
	s->rec_got = 0;
	s->rec_crc = 0xFFFFFFFF;
	s->kept.len = 0;
	take(s, p, s->blcksz - off);
	return s->blcksz;
}

size_t
walscan_records(struct walscan *s, const uint8_t *page, size_t off)
{
	if (s->in_record)
		off = continue_record(s, page, off);
	while (off < s->blcksz && !s->in_record && !s->ended && !s->stopped &&
	    s->zeros_to == 0)
		off = begin_record(s, page, off);
	return off;
}
