/* SPDX-License-Identifier: PostgreSQL */
/*
 * Checksums.  CRC-32C is PostgreSQL's (WAL records, pg_control); XXH3-128 is
 * ours, written as the xxhsum tool prints it (canonical, big-endian).
 */
#ifndef WALVAULT_UTIL_SUM_H
#define WALVAULT_UTIL_SUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * Continue a CRC-32C over len bytes.  Start with 0xFFFFFFFF and invert the
 * end result, as PostgreSQL's INIT_CRC32C and FIN_CRC32C do.  Without SSE 4.2
 * the first call fills a table: make it before there are threads.
 */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);

/*
 * The finished CRC-32C of two texts, one behind the other, from their own
 * finished ones; len2 is the length of the second.
 */
uint32_t crc32c_join(uint32_t crc1, uint32_t crc2, uint64_t len2);

struct sum128 {
	uint8_t bytes[16];
};

#define SUM128_TEXT 33

/* XXH3-128 and XXH3-64 (seed 0) of a whole buffer. */
struct sum128 sum128(const void *bytes, size_t len);
uint64_t sum64(const void *bytes, size_t len);

/* The same in pieces.  NULL from new means no memory; free(NULL) is a no-op. */
struct sum128_state *sum128_new(void);
void sum128_update(struct sum128_state *s, const void *bytes, size_t len);
struct sum128 sum128_final(const struct sum128_state *s);
void sum128_free(struct sum128_state *s);

/* 32 lower-case hexadecimal digits, as "xxhsum -H2" prints. */
void sum128_format(const struct sum128 *sum, char out[SUM128_TEXT]);

/* And back.  0, or -1 if text is not that. */
int sum128_parse(const char *text, struct sum128 *sum);

#endif
