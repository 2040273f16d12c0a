/* SPDX-License-Identifier: PostgreSQL */
/*
 * A WAL segment's facts as header fields.  The numbers are part of the format
 * (walvault-format(7)) and are never reused.  All integers little-endian.
 */
#include <stdio.h>
#include <string.h>

#include "facts.h"

enum {
	FIELD_WAL_NAME = 16,  /* tli u32, segno u64 */
	FIELD_WAL_PAGES = 17, /* sysid u64, segsize u32, blcksz u32, magic u16,
	                       * first tli u32, last tli u32, start lsn u64 */
	FIELD_WAL_FLAGS = 18, /* u32 */
	FIELD_WAL_CONT = 19,  /* length u32 */
	FIELD_WAL_FIRST = 20, /* lsn u64, xl_prev u64 */
	FIELD_WAL_LAST = 21,  /* lsn u64, length u32 */
	FIELD_WAL_UNFINISHED = 22, /* lsn u64, length u32, bytes here u32 */
	FIELD_WAL_TAIL = 23,       /* bytes */
	FIELD_WAL_HEAD = 24,       /* bytes */
	FIELD_WAL_XACTS = 25,  /* count u32, times: min i64, max, last; xids:
	                        * min u32, max u32 */
	FIELD_WAL_TIMED = 26,  /* i64 */
	FIELD_WAL_POINT = 27,  /* lsn u64, time i64, name; repeated */
	FIELD_WAL_END = 28,    /* lsn u64 behind the last good record */
	FIELD_WAL_DAMAGED = 29 /* lsn u64, words */
};

#define PAGES_LEN 34
#define XACTS_LEN 36

int
field_append(struct buf *b, unsigned type, const void *value, size_t len)
{
	if (buf_append_u16(b, (uint16_t)type) != 0 ||
	    buf_append_u32(b, (uint32_t)len) != 0)
		return -1;
	return buf_append(b, value, len);
}

int
field_append_int(struct buf *b, unsigned type, uint64_t value, size_t len)
{
	uint8_t bytes[8];

	encode_u64(bytes, value);
	return field_append(b, type, bytes, len);
}

/* Two integers as one field. */
static int
append_pair(struct buf *b, unsigned type, uint64_t first, uint64_t second,
    size_t second_len)
{
	uint8_t bytes[16];

	encode_u64(bytes, first);
	encode_u64(bytes + 8, second);
	return field_append(b, type, bytes, 8 + second_len);
}

static int
append_pages(const struct walfacts *w, struct buf *b)
{
	uint8_t bytes[PAGES_LEN];

	encode_u64(bytes, w->sysid);
	encode_u32(bytes + 8, w->segsize);
	encode_u32(bytes + 12, w->blcksz);
	bytes[16] = (uint8_t)w->magic;
	bytes[17] = (uint8_t)(w->magic >> 8);
	encode_u32(bytes + 18, w->first_tli);
	encode_u32(bytes + 22, w->last_tli);
	encode_u64(bytes + 26, w->start_lsn);
	return field_append(b, FIELD_WAL_PAGES, bytes, sizeof bytes);
}

static int
append_xacts(const struct walfacts *w, struct buf *b)
{
	uint8_t bytes[XACTS_LEN];

	if (w->xacts == 0)
		return 0;
	encode_u32(bytes, w->xacts);
	encode_u64(bytes + 4, (uint64_t)w->xact_time_min);
	encode_u64(bytes + 12, (uint64_t)w->xact_time_max);
	encode_u64(bytes + 20, (uint64_t)w->xact_time_last);
	encode_u32(bytes + 28, w->xid_min);
	encode_u32(bytes + 32, w->xid_max);
	return field_append(b, FIELD_WAL_XACTS, bytes, sizeof bytes);
}

static int
append_unfinished(const struct walfacts *w, struct buf *b)
{
	uint8_t bytes[16];

	if (w->unfinished == 0)
		return 0;
	encode_u64(bytes, w->unfinished);
	encode_u32(bytes + 8, w->unfinished_len);
	encode_u32(bytes + 12, w->unfinished_here);
	if (field_append(b, FIELD_WAL_UNFINISHED, bytes, sizeof bytes) != 0)
		return -1;
	return field_append(b, FIELD_WAL_TAIL, w->tail, w->tail_len);
}

static int
append_points(const struct walfacts *w, struct buf *b)
{
	for (uint32_t i = 0; i < w->n_points; i++) {
		const struct walrestore_point *p = &w->points[i];
		uint8_t bytes[16 + WAL_RESTORE_POINT_NAME];
		size_t len = strlen(p->name);

		encode_u64(bytes, p->lsn);
		encode_u64(bytes + 8, (uint64_t)p->time);
		memcpy(bytes + 16, p->name, len);
		if (field_append(b, FIELD_WAL_POINT, bytes, 16 + len) != 0)
			return -1;
	}
	return 0;
}

static int
append_damaged(const struct object_header *h, struct buf *b)
{
	uint8_t bytes[8 + sizeof h->damaged_why];
	size_t len = strlen(h->damaged_why);

	if (!h->damaged)
		return 0;
	encode_u64(bytes, h->damaged_lsn);
	memcpy(bytes + 8, h->damaged_why, len);
	return field_append(b, FIELD_WAL_DAMAGED, bytes, 8 + len);
}

int
facts_encode(const struct object_header *h, struct buf *b)
{
	const struct walfacts *w = &h->facts;
	uint8_t name[12];

	encode_u32(name, h->tli);
	encode_u64(name + 4, h->segno);
	if (field_append(b, FIELD_WAL_NAME, name, sizeof name) != 0 ||
	    append_pages(w, b) != 0 ||
	    field_append_int(b, FIELD_WAL_FLAGS, w->flags, 4) != 0)
		return -1;
	if (w->cont_len != 0 &&
	    (field_append_int(b, FIELD_WAL_CONT, w->cont_len, 4) != 0 ||
	        field_append(b, FIELD_WAL_HEAD, w->head, w->head_len) != 0))
		return -1;
	if (w->first_lsn != 0 &&
	    append_pair(b, FIELD_WAL_FIRST, w->first_lsn, w->first_prev, 8) !=
	        0)
		return -1;
	if (w->last_ended != 0 &&
	    append_pair(
	        b, FIELD_WAL_LAST, w->last_ended, w->last_ended_len, 4) != 0)
		return -1;
	if (w->timed_max != WAL_NO_TIME &&
	    field_append_int(b, FIELD_WAL_TIMED, (uint64_t)w->timed_max, 8) !=
	        0)
		return -1;
	if ((w->flags & WALFACTS_COMPLETE) == 0 &&
	    field_append_int(b, FIELD_WAL_END, w->end_lsn, 8) != 0)
		return -1;
	if (append_unfinished(w, b) != 0 || append_xacts(w, b) != 0 ||
	    append_points(w, b) != 0)
		return -1;
	return append_damaged(h, b);
}

static void
decode_pages(struct walfacts *w, const uint8_t *p)
{
	w->sysid = decode_u64(p);
	w->segsize = decode_u32(p + 8);
	w->blcksz = decode_u32(p + 12);
	w->magic = decode_u16(p + 16);
	w->first_tli = decode_u32(p + 18);
	w->last_tli = decode_u32(p + 22);
	w->start_lsn = decode_u64(p + 26);
}

static void
decode_xacts(struct walfacts *w, const uint8_t *p)
{
	w->xacts = decode_u32(p);
	w->xact_time_min = (int64_t)decode_u64(p + 4);
	w->xact_time_max = (int64_t)decode_u64(p + 12);
	w->xact_time_last = (int64_t)decode_u64(p + 20);
	w->xid_min = decode_u32(p + 28);
	w->xid_max = decode_u32(p + 32);
}

static int
decode_point(struct walfacts *w, const uint8_t *p, size_t len)
{
	struct walrestore_point *point;

	if (len < 16 || len >= 16 + WAL_RESTORE_POINT_NAME)
		return -1;
	if (w->n_points == WALFACTS_RESTORE_POINTS)
		return 0;
	point = &w->points[w->n_points++];
	point->lsn = decode_u64(p);
	point->time = (int64_t)decode_u64(p + 8);
	memcpy(point->name, p + 16, len - 16);
	point->name[len - 16] = '\0';
	return 0;
}

static int
decode_bytes(uint8_t *out, uint8_t *out_len, const uint8_t *p, size_t len)
{
	if (len > WALFACTS_CUT)
		return -1;
	memcpy(out, p, len);
	*out_len = (uint8_t)len;
	return 0;
}

static int
decode_damaged(struct object_header *h, const uint8_t *p, size_t len)
{
	if (len < 8 || len - 8 >= sizeof h->damaged_why)
		return -1;
	h->damaged = true;
	h->damaged_lsn = decode_u64(p);
	memcpy(h->damaged_why, p + 8, len - 8);
	h->damaged_why[len - 8] = '\0';
	return 0;
}

/* Fields of one fixed length; 0 for those of any. */
static size_t
fixed_len(unsigned type)
{
	switch (type) {
	case FIELD_WAL_NAME:
	case FIELD_WAL_LAST:
		return 12;
	case FIELD_WAL_PAGES:
		return PAGES_LEN;
	case FIELD_WAL_FLAGS:
	case FIELD_WAL_CONT:
		return 4;
	case FIELD_WAL_FIRST:
	case FIELD_WAL_UNFINISHED:
		return 16;
	case FIELD_WAL_XACTS:
		return XACTS_LEN;
	case FIELD_WAL_TIMED:
	case FIELD_WAL_END:
		return 8;
	default:
		return 0;
	}
}

int
facts_decode(
    struct object_header *h, unsigned type, const uint8_t *value, size_t len)
{
	struct walfacts *w = &h->facts;

	if (fixed_len(type) != 0 && len != fixed_len(type))
		return -1;
	switch (type) {
	case FIELD_WAL_NAME:
		h->has_facts = true;
		h->tli = decode_u32(value);
		h->segno = decode_u64(value + 4);
		return 0;
	case FIELD_WAL_PAGES:
		decode_pages(w, value);
		return 0;
	case FIELD_WAL_FLAGS:
		w->flags = decode_u32(value);
		return 0;
	case FIELD_WAL_CONT:
		w->cont_len = decode_u32(value);
		return 0;
	case FIELD_WAL_FIRST:
		w->first_lsn = decode_u64(value);
		w->first_prev = decode_u64(value + 8);
		return 0;
	case FIELD_WAL_LAST:
		w->last_ended = decode_u64(value);
		w->last_ended_len = decode_u32(value + 8);
		return 0;
	case FIELD_WAL_UNFINISHED:
		w->unfinished = decode_u64(value);
		w->unfinished_len = decode_u32(value + 8);
		w->unfinished_here = decode_u32(value + 12);
		return 0;
	case FIELD_WAL_TAIL:
		return decode_bytes(w->tail, &w->tail_len, value, len);
	case FIELD_WAL_HEAD:
		return decode_bytes(w->head, &w->head_len, value, len);
	case FIELD_WAL_XACTS:
		decode_xacts(w, value);
		return 0;
	case FIELD_WAL_TIMED:
		w->timed_max = (int64_t)decode_u64(value);
		return 0;
	case FIELD_WAL_POINT:
		return decode_point(w, value, len);
	case FIELD_WAL_END:
		w->end_lsn = decode_u64(value);
		return 0;
	case FIELD_WAL_DAMAGED:
		return decode_damaged(h, value, len);
	default:
		return 1;
	}
}
