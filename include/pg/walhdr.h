/* SPDX-License-Identifier: PostgreSQL */
/*
 * WAL page headers (PostgreSQL: access/xlog_internal.h, XLogPageHeaderData
 * and XLogLongPageHeaderData; the layout is the same from 13 to 18).  All
 * pages begin with the short one; the first of a segment has the long one.
 */
#ifndef WALVAULT_PG_WALHDR_H
#define WALVAULT_PG_WALHDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WALHDR_SHORT 24
#define WALHDR_LONG  40

/* xlp_info */
#define WALHDR_FIRST_IS_CONTRECORD 0x0001
#define WALHDR_IS_LONG             0x0002
#define WALHDR_BKP_REMOVABLE       0x0004
#define WALHDR_FIRST_IS_OVERWRITE  0x0008
#define WALHDR_ALL_FLAGS           0x000F

struct walhdr {
	uint16_t magic;
	uint16_t info;
	uint32_t tli;
	uint64_t pageaddr;
	uint32_t rem_len; /* bytes of the record continued from before */
	/* Only where info has WALHDR_IS_LONG: */
	uint64_t sysid;
	uint32_t segsize;
	uint32_t blcksz;
	size_t size; /* WALHDR_SHORT or WALHDR_LONG */
};

/* Decode at least WALHDR_LONG bytes.  No judgement: any bytes decode. */
void walhdr_decode(const uint8_t *page, struct walhdr *out);

/* PostgreSQL's major version by XLOG_PAGE_MAGIC, 13 to 18, or 0. */
int walhdr_major(uint16_t magic);

/*
 * Is this the first page of a segment that we can place?  A long header, a
 * lawful segment and page size.  (The magic number is judged elsewhere: an
 * unknown one is a newer server, not an error.)
 */
bool walhdr_is_segment_start(const struct walhdr *h);

#endif
