/* SPDX-License-Identifier: PostgreSQL */
/*
 * Makes WAL as a server would (access/xlog_internal.h, access/xlogrecord.h,
 * access/xact.h of PostgreSQL 13 to 18), and WAL that no server would: pages,
 * records of any length at any place, records that cross pages and segments,
 * switches, records abandoned in a crash, the ends of transactions.
 *
 *	struct walmaker w = WALMAKER_DEFAULT;
 *	walmaker_begin(&w, start, 3);		three segments from start on
 *	lsn = walmaker_commit(&w, xid, time);
 *	walmaker_fill_to(&w, start + w.segsize);
 *	... walmaker_segment(&w, 0) ...
 *	walmaker_end(&w);
 */
#ifndef WALVAULT_TESTS_WALMAKER_H
#define WALVAULT_TESTS_WALMAKER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "sum.h"
#include "walhdr.h"
#include "walrecord.h"

#define WALMAKER_RM_XLOG 0
#define WALMAKER_RM_XACT 1
#define WALMAKER_RM_HEAP 10

/* info bytes */
#define WALMAKER_CHECKPOINT      0x10
#define WALMAKER_SWITCH          0x40
#define WALMAKER_RESTORE_POINT   0x70
#define WALMAKER_END_OF_RECOVERY 0x90
#define WALMAKER_OVERWRITE       0xD0
#define WALMAKER_COMMIT          0x00
#define WALMAKER_PREPARE         0x10
#define WALMAKER_ABORT           0x20
#define WALMAKER_COMMIT_PREPARED 0x30
#define WALMAKER_ABORT_PREPARED  0x40

struct walmaker {
	uint32_t segsize, blcksz;
	uint16_t magic;
	uint32_t tli;   /* on the pages begun from now on */
	uint64_t sysid; /* likewise */
	uint64_t prev;  /* what the next record says precedes it */

	uint64_t start, at; /* of the bytes; where the next one goes */
	uint8_t *bytes;
	size_t len;
	uint16_t page_flags; /* on the next page, once */
};

#define WALMAKER_DEFAULT                                                       \
	{                                                                      \
		.segsize = 1 << 20, .blcksz = 8192, .magic = 0xD110, .tli = 1, \
		.sysid = UINT64_C(7431000000000000123)                         \
	}

#define WALMAKER_INLINE static inline __attribute__((unused))

WALMAKER_INLINE void
walmaker_need(bool what, const char *why)
{
	if (!what) {
		(void)fprintf(stderr, "walmaker: %s\n", why);
		abort();
	}
}

/* Segments are zeros at first.  start is a segment's first byte. */
WALMAKER_INLINE void
walmaker_begin(struct walmaker *w, uint64_t start, unsigned segments)
{
	walmaker_need(start % w->segsize == 0, "not the start of a segment");
	w->len = (size_t)w->segsize * segments;
	w->bytes = calloc(segments, w->segsize);
	walmaker_need(w->bytes != NULL, "no memory");
	w->start = w->at = start;
}

WALMAKER_INLINE void
walmaker_end(struct walmaker *w)
{
	free(w->bytes);
	w->bytes = NULL;
}

WALMAKER_INLINE uint8_t *
walmaker_at(struct walmaker *w, uint64_t lsn)
{
	walmaker_need(
	    lsn >= w->start && lsn - w->start < w->len, "outside the segments");
	return w->bytes + (lsn - w->start);
}

WALMAKER_INLINE uint8_t *
walmaker_segment(struct walmaker *w, unsigned i)
{
	return walmaker_at(w, w->start + (uint64_t)i * w->segsize);
}

WALMAKER_INLINE size_t
walmaker_header_size(const struct walmaker *w, uint64_t page)
{
	return page % w->segsize == 0 ? WALHDR_LONG : WALHDR_SHORT;
}

/* A page's header, where w->at stands; rem bytes of a record follow. */
WALMAKER_INLINE void
walmaker_page(struct walmaker *w, uint32_t rem)
{
	bool first = w->at % w->segsize == 0;
	uint8_t *p = walmaker_at(w, w->at);
	uint32_t info = w->page_flags;

	info |= rem != 0 ? WALHDR_FIRST_IS_CONTRECORD : 0;
	info |= first ? WALHDR_IS_LONG : 0;
	encode_u32(p, w->magic | info << 16);
	encode_u32(p + 4, w->tli);
	encode_u64(p + 8, w->at);
	encode_u32(p + 16, rem);
	if (first) {
		encode_u64(p + 24, w->sysid);
		encode_u32(p + 32, w->segsize);
		encode_u32(p + 36, w->blcksz);
	}
	w->page_flags = 0;
	w->at += walmaker_header_size(w, w->at);
}

/* n bytes of a record, crossing pages. */
WALMAKER_INLINE void
walmaker_put(struct walmaker *w, const uint8_t *p, size_t n, size_t total)
{
	size_t done = 0;

	while (done < n) {
		size_t room;

		if (w->at % w->blcksz == 0)
			walmaker_page(
			    w, done == 0 ? 0 : (uint32_t)(total - done));
		room = w->blcksz - (size_t)(w->at % w->blcksz);
		if (room > n - done)
			room = n - done;
		memcpy(walmaker_at(w, w->at), p + done, room);
		w->at += room;
		done += room;
	}
	w->at = (w->at + 7) & ~UINT64_C(7);
}

/* Where the next record will begin. */
WALMAKER_INLINE uint64_t
walmaker_next(const struct walmaker *w)
{
	if (w->at % w->blcksz != 0)
		return w->at;
	return w->at + walmaker_header_size(w, w->at);
}

/* A record's bytes: header, checksum, body. */
WALMAKER_INLINE void
walmaker_encode(const struct walmaker *w, struct buf *b, uint8_t rmid,
    uint8_t info, uint32_t xid, const void *body, size_t len)
{
	uint32_t crc = crc32c(0xFFFFFFFF, body, len);
	bool ok = buf_append_u32(b, (uint32_t)(WALRECORD_HEADER + len)) == 0 &&
	    buf_append_u32(b, xid) == 0 && buf_append_u64(b, w->prev) == 0 &&
	    buf_append_u8(b, info) == 0 && buf_append_u8(b, rmid) == 0 &&
	    buf_append_u16(b, 0) == 0;

	walmaker_need(ok, "no memory");
	crc = crc32c(crc, b->data, 20) ^ 0xFFFFFFFF;
	ok = buf_append_u32(b, crc) == 0 && buf_append(b, body, len) == 0;
	walmaker_need(ok, "no memory");
}

/* Any record; returns its LSN. */
WALMAKER_INLINE uint64_t
walmaker_record(struct walmaker *w, uint8_t rmid, uint8_t info, uint32_t xid,
    const void *body, size_t len)
{
	uint64_t lsn = walmaker_next(w);
	struct buf b = { 0 };

	walmaker_encode(w, &b, rmid, info, xid, body, len);
	walmaker_put(w, b.data, b.len, b.len);
	w->prev = lsn;
	buf_clear(&b);
	return lsn;
}

/* Bytes that look like nothing and depend on the place only. */
WALMAKER_INLINE uint8_t *
walmaker_noise(const struct walmaker *w, size_t len)
{
	uint8_t *p = malloc(len > 0 ? len : 1);
	uint64_t x = w->at * UINT64_C(0x9E3779B97F4A7C15) + 1;

	walmaker_need(p != NULL, "no memory");
	for (size_t i = 0; i < len; i++) {
		x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
		p[i] = (uint8_t)(x >> 56);
	}
	return p;
}

/* A record of a resource manager that carries no times. */
WALMAKER_INLINE uint64_t
walmaker_filler(struct walmaker *w, size_t total)
{
	size_t len = total - WALRECORD_HEADER;
	uint8_t *noise = walmaker_noise(w, len);
	uint64_t lsn = walmaker_record(w, WALMAKER_RM_HEAP, 0, 700, noise, len);

	free(noise);
	return lsn;
}

/* Bytes for records between two places, page headers left out. */
WALMAKER_INLINE uint64_t
walmaker_room(const struct walmaker *w, uint64_t from, uint64_t to)
{
	uint64_t room = 0;

	while (from < to) {
		uint64_t end = from - from % w->blcksz + w->blcksz;

		if (from % w->blcksz == 0)
			from += walmaker_header_size(w, from);
		if (end > to)
			end = to;
		walmaker_need(from <= end, "a place inside a page header");
		room += end - from;
		from = end;
	}
	return room;
}

/* Records, the last of which ends just before to. */
WALMAKER_INLINE void
walmaker_fill_to(struct walmaker *w, uint64_t to)
{
	uint64_t room;

	while ((room = walmaker_room(w, w->at, to)) > 0) {
		uint64_t n = 200 + w->at / 8 % 97 * 8;

		if (room < n + WALRECORD_HEADER)
			n = room;
		walmaker_need(n >= WALRECORD_HEADER, "no room for a record");
		(void)walmaker_filler(w, (size_t)n);
	}
}

/* A switch record, and zeros up to the next segment. */
WALMAKER_INLINE uint64_t
walmaker_switch(struct walmaker *w)
{
	uint64_t lsn = walmaker_record(
	    w, WALMAKER_RM_XLOG, WALMAKER_SWITCH, 0, NULL, 0);

	w->at = (w->at + w->segsize - 1) / w->segsize * w->segsize;
	return lsn;
}

/* The beginning of a record, up to a page's first byte; then a crash. */
WALMAKER_INLINE uint64_t
walmaker_abandon(struct walmaker *w, size_t total, uint64_t upto)
{
	uint64_t lsn = walmaker_next(w), here = walmaker_room(w, w->at, upto);
	size_t len = total - WALRECORD_HEADER;
	uint8_t *noise = walmaker_noise(w, len);
	struct buf b = { 0 };

	walmaker_need(upto % w->blcksz == 0 && here < total, "nothing is left");
	walmaker_encode(w, &b, WALMAKER_RM_HEAP, 0, 701, noise, len);
	walmaker_put(w, b.data, (size_t)here, total);
	free(noise);
	buf_clear(&b);
	return lsn;
}

/* What a server writes first after that. */
WALMAKER_INLINE uint64_t
walmaker_overwrite(struct walmaker *w, uint64_t abandoned)
{
	uint8_t body[2 + 16] = { 255, 16 };

	encode_u64(body + 2, abandoned);
	w->page_flags = WALHDR_FIRST_IS_OVERWRITE;
	return walmaker_record(
	    w, WALMAKER_RM_XLOG, WALMAKER_OVERWRITE, 0, body, sizeof body);
}

/* Main data behind its header, long or short as its length asks. */
WALMAKER_INLINE uint64_t
walmaker_data(struct walmaker *w, uint8_t rmid, uint8_t info, uint32_t xid,
    const struct buf *data)
{
	struct buf b = { 0 };
	uint64_t lsn;
	int rc;

	if (data->len > 255)
		rc = buf_append_u8(&b, 254) |
		    buf_append_u32(&b, (uint32_t)data->len);
	else
		rc = buf_append_u8(&b, 255) |
		    buf_append_u8(&b, (uint8_t)data->len);
	walmaker_need(
	    (rc | buf_append(&b, data->data, data->len)) == 0, "no memory");
	lsn = walmaker_record(w, rmid, info, xid, b.data, b.len);
	buf_clear(&b);
	return lsn;
}

/* Everything that the end of a transaction may carry. */
struct walmaker_xact {
	uint8_t op;
	uint32_t xid; /* in the record's header */
	int64_t time;
	uint32_t prepared_xid; /* 0 for none */
	bool dbinfo;
	uint32_t subxacts, relations, stats, invals; /* how many of each */
};

WALMAKER_INLINE void
walmaker_array(struct buf *b, uint32_t n, size_t size)
{
	int rc = buf_append_u32(b, n);

	for (size_t i = 0; i < n * size; i++)
		rc |= buf_append_u8(b, (uint8_t)(0xA0 + i % 50));
	walmaker_need(rc == 0, "no memory");
}

WALMAKER_INLINE uint64_t
walmaker_xact(struct walmaker *w, const struct walmaker_xact *x)
{
	uint32_t xinfo = (x->dbinfo ? 0x01u : 0) | (x->subxacts ? 0x02u : 0) |
	    (x->relations ? 0x04u : 0) | (x->invals ? 0x08u : 0) |
	    (x->prepared_xid ? 0x10u : 0) | (x->stats ? 0x100u : 0);
	struct buf b = { 0 };
	uint64_t lsn;
	int rc = buf_append_u64(&b, (uint64_t)x->time);

	if (xinfo != 0)
		rc |= buf_append_u32(&b, xinfo);
	if (x->dbinfo)
		rc |= buf_append_u64(&b, UINT64_C(0x67F00000005));
	walmaker_need(rc == 0, "no memory");
	if (x->subxacts)
		walmaker_array(&b, x->subxacts, 4);
	if (x->relations)
		walmaker_array(&b, x->relations, 12);
	if (x->stats)
		walmaker_array(&b, x->stats, w->magic >= 0xD118 ? 16 : 12);
	if (x->invals)
		walmaker_array(&b, x->invals, 16);
	if (x->prepared_xid)
		rc = buf_append_u32(&b, x->prepared_xid);
	walmaker_need(rc == 0, "no memory");
	lsn = walmaker_data(w, WALMAKER_RM_XACT,
	    (uint8_t)(x->op | (xinfo ? 0x80 : 0)), x->xid, &b);
	buf_clear(&b);
	return lsn;
}

WALMAKER_INLINE uint64_t
walmaker_commit(struct walmaker *w, uint32_t xid, int64_t time)
{
	return walmaker_xact(w,
	    &(struct walmaker_xact){
	        .op = WALMAKER_COMMIT, .xid = xid, .time = time });
}

WALMAKER_INLINE uint64_t
walmaker_abort(struct walmaker *w, uint32_t xid, int64_t time)
{
	return walmaker_xact(w,
	    &(struct walmaker_xact){
	        .op = WALMAKER_ABORT, .xid = xid, .time = time });
}

WALMAKER_INLINE uint64_t
walmaker_restore_point(struct walmaker *w, const char *name, int64_t time)
{
	uint8_t body[2 + 8 + WAL_RESTORE_POINT_NAME] = { 255,
		8 + WAL_RESTORE_POINT_NAME };

	encode_u64(body + 2, (uint64_t)time);
	(void)snprintf((char *)body + 10, WAL_RESTORE_POINT_NAME, "%s", name);
	return walmaker_record(
	    w, WALMAKER_RM_XLOG, WALMAKER_RESTORE_POINT, 0, body, sizeof body);
}

/* unix_sec is what a checkpoint carries: whole seconds since 1970. */
WALMAKER_INLINE uint64_t
walmaker_checkpoint(struct walmaker *w, int64_t unix_sec)
{
	uint8_t body[2 + 88] = { 255, 88 };

	encode_u64(body + 2, w->prev);
	encode_u32(body + 10, w->tli);
	encode_u64(body + 2 + 64, (uint64_t)unix_sec);
	return walmaker_record(
	    w, WALMAKER_RM_XLOG, WALMAKER_CHECKPOINT, 0, body, sizeof body);
}

#endif
