/* SPDX-License-Identifier: PostgreSQL */
/*
 * Page checksums (PostgreSQL: storage/checksum_impl.h): FNV-1a, changed to mix
 * better, in 32 lanes, folded, with the block's number mixed in.
 */
#include <string.h>

#include "buf.h"
#include "datafile.h"

/* Where a page's header has what is read here (storage/bufpage.h). */
#define PD_LSN      0
#define PD_CHECKSUM 8
#define PD_UPPER    14
#define PD_SIZE     24

#define LANES     32
#define ROW       (LANES * sizeof(uint32_t))
#define FNV_PRIME 16777619u

static const uint32_t offsets[LANES] = { 0x5B1F36E9, 0xB8525960, 0x02AB50AA,
	0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C, 0xF8D4474F,
	0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A,
	0x0B1C9CDB, 0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979,
	0xCCA6C0B2, 0x304A0979, 0x85AA43D4, 0x783125BB, 0x6CA8EAA2, 0xE407EAC6,
	0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756 };

/* One row of words into the lanes: a loop that compilers turn into vectors. */
static inline __attribute__((always_inline)) void
mix(uint32_t lanes[LANES], const uint32_t words[LANES])
{
	for (int i = 0; i < LANES; i++) {
		uint32_t mixed = lanes[i] ^ words[i];

		lanes[i] = mixed * FNV_PRIME ^ mixed >> 17;
	}
}

static inline __attribute__((always_inline)) uint32_t
hash_page(const uint8_t *page, size_t blcksz)
{
	uint32_t lanes[LANES], words[LANES], hash = 0;

	memcpy(lanes, offsets, sizeof lanes);
	for (size_t off = 0; off < blcksz; off += ROW) {
		memcpy(words, page + off, ROW);
		if (off == 0) /* the checksum itself counts as 0 */
			memset((uint8_t *)words + PD_CHECKSUM, 0, 2);
		mix(lanes, words);
	}
	/* Two rows of zeros mix the last words in. */
	memset(words, 0, sizeof words);
	mix(lanes, words);
	mix(lanes, words);
	for (int i = 0; i < LANES; i++)
		hash ^= lanes[i];
	return hash;
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static uint32_t
hash_page_avx2(const uint8_t *page, size_t blcksz)
{
	return hash_page(page, blcksz);
}
#endif

static uint16_t
checksum(const uint8_t *page, size_t blcksz, uint32_t block)
{
	uint32_t hash;

#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2"))
		hash = hash_page_avx2(page, blcksz);
	else
#endif
		hash = hash_page(page, blcksz);
	return (uint16_t)((hash ^ block) % 65535 + 1);
}

static bool
is_zero(const uint8_t *page, size_t blcksz)
{
	return page[0] == 0 && memcmp(page, page + 1, blcksz - 1) == 0;
}

bool
datafile_page_ok(
    const uint8_t *page, size_t blcksz, uint32_t block, uint64_t start_lsn)
{
	uint64_t lsn = (uint64_t)decode_u32(page + PD_LSN) << 32 |
	    decode_u32(page + PD_LSN + 4);

	/* Nothing but zeros is a new page; a server reads no other as one. */
	if (decode_u16(page + PD_UPPER) == 0)
		return is_zero(page, blcksz);
	return lsn >= start_lsn ||
	    decode_u16(page + PD_CHECKSUM) == checksum(page, blcksz, block);
}
