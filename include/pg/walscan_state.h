/* SPDX-License-Identifier: PostgreSQL */
/*
 * Between the scanner's two halves alone: walscan.c knows pages,
 * walscan_record.c the chain of records in them.
 */
#ifndef WALVAULT_PG_WALSCAN_STATE_H
#define WALVAULT_PG_WALSCAN_STATE_H

#include "buf.h"
#include "walscan.h"

/* Bytes kept of a record that crosses pages. */
#define WALSCAN_KEEP ((size_t)256)

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

/* Records are aligned so. */
static inline size_t
walscan_align8(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

/* The chain ends at lsn, and why. */
void walscan_end_chain(struct walscan *s, uint64_t lsn, const char *why);

/*
 * The rest of the record at hand, if there is one, and all that begin on the
 * page, which has them from off on.  Returns the offset where they ended.
 */
size_t walscan_records(struct walscan *s, const uint8_t *page, size_t off);

#endif
