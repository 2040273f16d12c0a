/* SPDX-License-Identifier: PostgreSQL */
/*
 * Checksums in all their ways: each implementation of CRC-32C beside the
 * definition, which ones the processor has or not; joining; SHA-256.
 */
#include "../src/util/sum.c"

#include "hash.h"
#include "support.h"

/* CRC-32C as it is defined, bit by bit. */
static uint32_t
defined(uint32_t crc, const uint8_t *p, size_t len)
{
	while (len-- > 0) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ CRC32C_POLYNOMIAL : crc >> 1;
	}
	return crc;
}

typedef uint32_t (*crc_function)(uint32_t, const uint8_t *, size_t);

static uint32_t
dispatched(uint32_t crc, const uint8_t *p, size_t len)
{
	return crc32c(crc, p, len);
}

static void
assert_is_crc32c(crc_function function)
{
	enum { MOST = 20000 };
	static uint8_t bytes[MOST + 16];
	uint64_t random = test_seed();

	fill_random(&random, bytes, sizeof bytes);
	for (size_t len = 0; len < 300; len++)
		require(function(~0u, bytes + len % 16, len) ==
		    defined(~0u, bytes + len % 16, len));
	/* Around the lengths at which another way is taken. */
	for (size_t n = 1; n <= 6; n++)
		for (size_t len = n * 3072 - 17; len < n * 3072 + 17; len++)
			require(function(0, bytes + n, len) ==
			    defined(0, bytes + n, len));
	for (int i = 0; i < 300; i++) {
		size_t off = next_random(&random) % 16;
		size_t len = next_random(&random) % MOST;
		uint32_t crc = (uint32_t)next_random(&random);

		require(function(crc, bytes + off, len) ==
		    defined(crc, bytes + off, len));
	}
}

START_TEST(the_table_gives_crc32c)
{
	assert_is_crc32c(crc32c_table);
}
END_TEST

START_TEST(what_the_processor_offers_gives_crc32c)
{
	assert_is_crc32c(dispatched);
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		assert_is_crc32c(crc32c_sse42);
	if (__builtin_cpu_supports("sse4.2") &&
	    __builtin_cpu_supports("pclmul"))
		assert_is_crc32c(crc32c_three);
#endif
}
END_TEST

#define FINISHED(p, len) (crc32c(~0u, p, len) ^ ~0u)

START_TEST(joined_crcs_are_that_of_the_whole)
{
	enum { ALL = 70000 };
	static uint8_t bytes[ALL];
	uint64_t random = test_seed();
	uint32_t whole;

	fill_random(&random, bytes, ALL);
	whole = FINISHED(bytes, ALL);
	for (int i = 0; i < 500; i++) {
		size_t cut = i < 200 ? (size_t)i : next_random(&random) % ALL;

		require(
		    crc32c_join(FINISHED(bytes, cut),
		        FINISHED(bytes + cut, ALL - cut), ALL - cut) == whole);
	}
	ck_assert_uint_eq(crc32c_join(whole, FINISHED(bytes, 0), 0), whole);
	ck_assert_uint_eq(crc32c_join(FINISHED(bytes, 0), whole, ALL), whole);
}
END_TEST

/* Lengths whose bytes nobody wants to sum: however they are cut. */
START_TEST(joining_knows_no_largest_length)
{
	static uint8_t zeros[256];
	uint32_t crcs[64], joined;

	/* Of 2 to the 0, 1, ... 63 zero bytes. */
	crcs[0] = FINISHED(zeros, 1);
	for (int i = 1; i < 64; i++)
		crcs[i] = crc32c_join(
		    crcs[i - 1], crcs[i - 1], UINT64_C(1) << (i - 1));
	ck_assert_uint_eq(crcs[8], FINISHED(zeros, 256));
	/* 2^63 bytes are 1 and 1 and 2 and 4 ... and 2^62. */
	joined = crcs[0];
	for (int i = 0; i < 63; i++)
		joined = crc32c_join(joined, crcs[i], UINT64_C(1) << i);
	ck_assert_uint_eq(joined, crcs[63]);
	joined = crcs[62];
	for (int i = 62; i-- > 0;)
		joined = crc32c_join(joined, crcs[i], UINT64_C(1) << i);
	ck_assert_uint_eq(crc32c_join(joined, crcs[0], 1), crcs[63]);
}
END_TEST

START_TEST(a_sum_is_read_back)
{
	static const char *const bad[] = { "", "0", "0123456789abcdef",
		"0123456789ABCDEF0123456789abcdef",
		"0123456789abcdef0123456789abcde",
		"0123456789abcdef0123456789abcdef0",
		"0123456789abcdef0123456789abcdeg",
		" 123456789abcdef0123456789abcdef",
		"0x23456789abcdef0123456789abcdef" };
	uint64_t random = test_seed();
	struct sum128 sum, back;
	char text[SUM128_TEXT];

	for (int i = 0; i < 1000; i++) {
		fill_random(&random, sum.bytes, sizeof sum.bytes);
		sum128_format(&sum, text);
		require(sum128_parse(text, &back) == 0);
		require(memcmp(&sum, &back, sizeof sum) == 0);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_int_eq(sum128_parse(bad[i], &back), -1);
}
END_TEST

/* FIPS 180-2, appendix B, and what sha256sum prints for nothing. */
START_TEST(sha256_has_its_known_answers)
{
	struct sha256 *h = sha256_new();
	char text[SHA256_TEXT];

	ck_assert_ptr_nonnull(h);
	sha256_text(h, text);
	ck_assert_str_eq(text,
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sha256_update(h, "abc", 3);
	sha256_text(h, text);
	ck_assert_str_eq(text,
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	/* And goes on behind it. */
	sha256_update(
	    h, "dbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 53);
	sha256_text(h, text);
	ck_assert_str_eq(text,
	    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	sha256_free(h);
	sha256_free(NULL);
}
END_TEST

START_TEST(sha256_in_pieces_is_that_of_the_whole)
{
	static uint8_t bytes[100000];
	uint64_t random = test_seed();
	char whole[SHA256_TEXT], text[SHA256_TEXT];

	fill_random(&random, bytes, sizeof bytes);
	for (size_t i = N_CHUNK_SIZES; i-- > 0;) {
		struct sha256 *h = sha256_new();
		size_t n;

		for (size_t off = 0; off < sizeof bytes; off += n) {
			n = sizeof bytes - off;
			if (n > chunk_sizes[i])
				n = chunk_sizes[i];
			sha256_update(h, bytes + off, n);
			if (off == 0) /* a look on the way changes nothing */
				sha256_text(h, text);
		}
		sha256_text(h, text);
		if (chunk_sizes[i] == SIZE_MAX)
			memcpy(whole, text, sizeof whole);
		ck_assert_str_eq(text, whole);
		sha256_free(h);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sum");

	add_tests(s, "sum",
	    TESTS(the_table_gives_crc32c,
	        what_the_processor_offers_gives_crc32c,
	        joined_crcs_are_that_of_the_whole,
	        joining_knows_no_largest_length, a_sum_is_read_back,
	        sha256_has_its_known_answers,
	        sha256_in_pieces_is_that_of_the_whole));
	return run_suite(s);
}
