/* SPDX-License-Identifier: PostgreSQL */
/* WAL page headers: see walhdr.h. */
#include "walhdr.h"
#include "buf.h"
#include "walname.h"

void
walhdr_decode(const uint8_t *page, struct walhdr *out)
{
	*out = (struct walhdr){
		.magic = decode_u16(page),
		.info = decode_u16(page + 2),
		.tli = decode_u32(page + 4),
		.pageaddr = decode_u64(page + 8),
		.rem_len = decode_u32(page + 16),
		.size = WALHDR_SHORT,
	};
	if (out->info & WALHDR_IS_LONG) {
		out->sysid = decode_u64(page + 24);
		out->segsize = decode_u32(page + 32);
		out->blcksz = decode_u32(page + 36);
		out->size = WALHDR_LONG;
	}
}

int
walhdr_major(uint16_t magic)
{
	switch (magic) {
	case 0xD106:
		return 13;
	case 0xD10D:
		return 14;
	case 0xD110:
		return 15;
	case 0xD113:
		return 16;
	case 0xD116:
		return 17;
	case 0xD118:
		return 18;
	default:
		return 0;
	}
}

bool
walhdr_is_segment_start(const struct walhdr *h)
{
	return (h->info & WALHDR_IS_LONG) != 0 &&
	    walname_segsize_ok(h->segsize) && h->blcksz >= 1024 &&
	    h->blcksz <= 65536 && (h->blcksz & (h->blcksz - 1)) == 0;
}
