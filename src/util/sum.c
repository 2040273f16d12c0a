/* SPDX-License-Identifier: PostgreSQL */
/*
 * Checksums: see sum.h.  xxhash is compiled in (it is a header), which saves
 * a shared library's start-up time on every WAL segment.
 */
#define XXH_INLINE_ALL
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "sum.h"

#define CRC32C_POLYNOMIAL 0x82F63B78u

/* One byte at a time, for processors without a CRC-32C instruction. */
static uint32_t
crc32c_table(uint32_t crc, const uint8_t *p, size_t len)
{
	static uint32_t table[256];
	static int ready;

	if (!ready) {
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t c = i;

			for (int bit = 0; bit < 8; bit++)
				c = c & 1 ? c >> 1 ^ CRC32C_POLYNOMIAL : c >> 1;
			table[i] = c;
		}
		ready = 1;
	}
	while (len-- > 0)
		crc = table[(crc ^ *p++) & 0xFF] ^ crc >> 8;
	return crc;
}

#ifdef __x86_64__
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t crc, const uint8_t *p, size_t len)
{
	uint64_t c = crc;

	for (; len >= 8; p += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		c = _mm_crc32_u64(c, word);
	}
	crc = (uint32_t)c;
	for (; len > 0; p++, len--)
		crc = _mm_crc32_u8(crc, *p);
	return crc;
}
#endif

uint32_t
crc32c(uint32_t crc, const void *bytes, size_t len)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_sse42(crc, bytes, len);
#endif
	return crc32c_table(crc, bytes, len);
}

static struct sum128
canonical(XXH128_hash_t hash)
{
	XXH128_canonical_t text;
	struct sum128 sum;

	XXH128_canonicalFromHash(&text, hash);
	memcpy(sum.bytes, text.digest, sizeof sum.bytes);
	return sum;
}

struct sum128
sum128(const void *bytes, size_t len)
{
	return canonical(XXH3_128bits(bytes, len));
}

uint64_t
sum64(const void *bytes, size_t len)
{
	return XXH3_64bits(bytes, len);
}

struct sum128_state {
	XXH3_state_t xxh;
};

struct sum128_state *
sum128_new(void)
{
	/* XXH3_state_t wants 64-byte alignment, more than malloc gives. */
	struct sum128_state *s = aligned_alloc(64, sizeof *s);

	if (s != NULL)
		(void)XXH3_128bits_reset(&s->xxh);
	return s;
}

void
sum128_update(struct sum128_state *s, const void *bytes, size_t len)
{
	(void)XXH3_128bits_update(&s->xxh, bytes, len);
}

struct sum128
sum128_final(const struct sum128_state *s)
{
	return canonical(XXH3_128bits_digest(&s->xxh));
}

void
sum128_free(struct sum128_state *s)
{
	free(s);
}

void
sum128_format(const struct sum128 *sum, char out[SUM128_TEXT])
{
	for (size_t i = 0; i < sizeof sum->bytes; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", sum->bytes[i]);
}
