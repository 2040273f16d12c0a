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

/* a(x) * b(x) modulo the polynomial; bit 31 stands for x to the 0. */
static uint32_t
multiply(uint32_t a, uint32_t b)
{
	uint32_t product = 0;

	for (uint32_t bit = 0x80000000; bit != 0; bit >>= 1) {
		if (a & bit)
			product ^= b;
		b = b & 1 ? b >> 1 ^ CRC32C_POLYNOMIAL : b >> 1;
	}
	return product;
}

uint32_t
crc32c_join(uint32_t crc1, uint32_t crc2, uint64_t len2)
{
	/* crc1 behind len2 zero bytes: times x to the 8 * len2. */
	for (uint32_t power = 0x00800000; len2 != 0; len2 >>= 1) {
		if (len2 & 1)
			crc1 = multiply(crc1, power);
		power = multiply(power, power);
	}
	return crc1 ^ crc2;
}

#ifdef __x86_64__
#include <immintrin.h>

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

/*
 * The instruction takes three cycles but can begin in each: three streams at
 * a time.  To put a stream in front of n bytes is to multiply its CRC by x to
 * the 8n; carry-less multiplication and one more CRC do that for the constant
 * x to the 8n - 33 (the CRC gives 32 and the reflected product 1).
 */
#define LANE       ((size_t)1024)
#define SHIFT_LANE 0x170076FA /* x to the 8 * LANE - 33 */
#define SHIFT_TWO  0xA51B6135 /* x to the 8 * 2 * LANE - 33 */

__attribute__((target("sse4.2,pclmul"))) static uint64_t
shift(uint64_t crc, uint32_t power)
{
	__m128i product = _mm_clmulepi64_si128(
	    _mm_cvtsi64_si128((long long)crc), _mm_cvtsi64_si128(power), 0);

	return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t
crc32c_three(uint32_t crc, const uint8_t *p, size_t len)
{
	for (; len >= 3 * LANE; p += 3 * LANE, len -= 3 * LANE) {
		uint64_t a = crc, b = 0, c = 0, word;

		for (const uint8_t *q = p; q < p + LANE; q += 8) {
			memcpy(&word, q, 8);
			a = _mm_crc32_u64(a, word);
			memcpy(&word, q + LANE, 8);
			b = _mm_crc32_u64(b, word);
			memcpy(&word, q + 2 * LANE, 8);
			c = _mm_crc32_u64(c, word);
		}
		crc = (uint32_t)(shift(a, SHIFT_TWO) ^ shift(b, SHIFT_LANE) ^
		    c);
	}
	return crc32c_sse42(crc, p, len);
}
#endif

uint32_t
crc32c(uint32_t crc, const void *bytes, size_t len)
{
#ifdef __x86_64__
	if (len >= 3 * LANE && __builtin_cpu_supports("pclmul") &&
	    __builtin_cpu_supports("sse4.2"))
		return crc32c_three(crc, bytes, len);
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
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < sizeof sum->bytes; i++) {
		out[2 * i] = digits[sum->bytes[i] >> 4];
		out[2 * i + 1] = digits[sum->bytes[i] & 15];
	}
	out[2 * sizeof sum->bytes] = '\0';
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
sum128_parse(const char *text, struct sum128 *sum)
{
	for (size_t i = 0; i < sizeof sum->bytes; i++) {
		int high = digit(text[2 * i]), low;

		/* Behind a bad digit the text may have ended. */
		low = high < 0 ? -1 : digit(text[2 * i + 1]);
		if (low < 0)
			return -1;
		sum->bytes[i] = (uint8_t)(high << 4 | low);
	}
	return text[SUM128_TEXT - 1] == '\0' ? 0 : -1;
}
