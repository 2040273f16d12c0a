/* SPDX-License-Identifier: PostgreSQL */
/*
 * Buffers, checksums, JSON, failures, records.  The XXH3 constants were printed
 * by xxhsum 0.8.1 (-H2 and -H3) over the inputs named beside them.
 */
#include "json.h"
#include "log.h"
#include "sum.h"
#include "support.h"

START_TEST(integers_are_appended_little_endian)
{
	static const uint8_t want[] = { 0x01, 0x03, 0x02, 0x07, 0x06, 0x05,
		0x04, 0xEF, 0xCD, 0xAB, 0x89, 0x67, 0x45, 0x23, 0x01 };
	struct buf b = { 0 };

	ck_assert_int_eq(buf_append_u8(&b, 0x01), 0);
	ck_assert_int_eq(buf_append_u16(&b, 0x0203), 0);
	ck_assert_int_eq(buf_append_u32(&b, 0x04050607), 0);
	ck_assert_int_eq(buf_append_u64(&b, UINT64_C(0x0123456789ABCDEF)), 0);
	ck_assert_uint_eq(b.len, sizeof want);
	ck_assert_mem_eq(b.data, want, sizeof want);
	ck_assert_uint_eq(decode_u16(b.data + 1), 0x0203);
	ck_assert_uint_eq(decode_u32(b.data + 3), 0x04050607);
	ck_assert_uint_eq(decode_u64(b.data + 7), UINT64_C(0x0123456789ABCDEF));
	buf_clear(&b);
	ck_assert_ptr_null(b.data);
	ck_assert_uint_eq(b.len + b.cap, 0);
	/* Usable again. */
	ck_assert_int_eq(buf_append(&b, "x", 1), 0);
	buf_clear(&b);
}
END_TEST

START_TEST(a_buffer_grows_and_keeps_its_bytes)
{
	struct buf b = { 0 };

	for (unsigned i = 0; i < 100000; i++)
		require(buf_append_u8(&b, (uint8_t)(i * 31)) == 0);
	ck_assert_uint_eq(b.len, 100000);
	for (unsigned i = 0; i < 100000; i++)
		require(b.data[i] == (uint8_t)(i * 31));
	ck_assert_int_eq(buf_append(&b, NULL, 0), 0);
	ck_assert_uint_eq(b.len, 100000);
	buf_clear(&b);
}
END_TEST

START_TEST(an_impossible_append_leaves_the_buffer_alone)
{
	struct buf b = { 0 };

	ck_assert_int_eq(buf_append(&b, "abc", 3), 0);
	errno = 0;
	ck_assert_int_eq(buf_append(&b, "abc", SIZE_MAX - 1), -1);
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_uint_eq(b.len, 3);
	ck_assert_mem_eq(b.data, "abc", 3);
	buf_clear(&b);
}
END_TEST

START_TEST(crc32c_has_its_known_answers)
{
	uint8_t zeros[32] = { 0 }, ones[32];

	memset(ones, 0xFF, sizeof ones);
	ck_assert_uint_eq(
	    crc32c(0xFFFFFFFF, "123456789", 9) ^ 0xFFFFFFFF, 0xE3069283);
	/* RFC 3720, B.4 */
	ck_assert_uint_eq(
	    crc32c(0xFFFFFFFF, zeros, 32) ^ 0xFFFFFFFF, 0x8A9136AA);
	ck_assert_uint_eq(
	    crc32c(0xFFFFFFFF, ones, 32) ^ 0xFFFFFFFF, 0x62A8AB43);
	ck_assert_uint_eq(crc32c(0xFFFFFFFF, "", 0), 0xFFFFFFFF);
}
END_TEST

START_TEST(crc32c_in_pieces_is_that_of_the_whole)
{
	uint8_t bytes[100];
	uint64_t state = test_seed();

	fill_random(&state, bytes, sizeof bytes);
	for (size_t cut = 0; cut <= sizeof bytes; cut++) {
		uint32_t crc = crc32c(0xFFFFFFFF, bytes, cut);

		ck_assert_uint_eq(crc32c(crc, bytes + cut, sizeof bytes - cut),
		    crc32c(0xFFFFFFFF, bytes, sizeof bytes));
	}
}
END_TEST

/* bytes(i * 7 % 256 for i in range(5000)) */
static void
fill_known(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7);
}

START_TEST(sums_are_those_that_xxhsum_prints)
{
	uint8_t known[5000];
	struct sum128 sum;
	char text[SUM128_TEXT];

	sum = sum128("", 0);
	sum128_format(&sum, text);
	ck_assert_str_eq(text, "99aa06d3014798d86001c324468d497f");
	sum = sum128("a", 1);
	sum128_format(&sum, text);
	ck_assert_str_eq(text, "a96faf705af16834e6c632b61e964e1f");
	sum = sum128("123456789", 9);
	sum128_format(&sum, text);
	ck_assert_str_eq(text, "33119477ede5dcd5e9716427681d5860");
	fill_known(known, sizeof known);
	sum = sum128(known, sizeof known);
	sum128_format(&sum, text);
	ck_assert_str_eq(text, "a4ba2a60fb07e0166abe8be5abcb2760");
	ck_assert_uint_eq(sum64("123456789", 9), UINT64_C(0x72dcb18b67a17dff));
}
END_TEST

START_TEST(a_sum_in_pieces_is_that_of_the_whole)
{
	static uint8_t bytes[200000];

	fill_known(bytes, sizeof bytes);
	for (size_t i = 0; i < N_CHUNK_SIZES; i++) {
		struct sum128_state *s = sum128_new();
		struct sum128 whole = sum128(bytes, sizeof bytes), pieces;

		ck_assert_ptr_nonnull(s);
		for (size_t off = 0; off < sizeof bytes;) {
			size_t n = sizeof bytes - off;

			n = n < chunk_sizes[i] ? n : chunk_sizes[i];
			sum128_update(s, bytes + off, n);
			off += n;
		}
		pieces = sum128_final(s);
		ck_assert_mem_eq(pieces.bytes, whole.bytes, 16);
		sum128_free(s);
	}
	sum128_free(NULL);
}
END_TEST

static void
assert_json_text(const char *value, const char *want)
{
	struct json j = { 0 };

	json_string(&j, NULL, value);
	ck_assert(!j.failed);
	ck_assert_msg(j.text.len == strlen(want) &&
	        memcmp(j.text.data, want, j.text.len) == 0,
	    "%.*s is not %s", (int)j.text.len, (const char *)j.text.data, want);
	buf_clear(&j.text);
}

START_TEST(json_strings_are_escaped)
{
	assert_json_text("", "\"\"");
	assert_json_text("a\"b\\c/d", "\"a\\\"b\\\\c/d\"");
	assert_json_text("\n\t\x01\x1f", "\"\\u000a\\u0009\\u0001\\u001f\"");
	assert_json_text("\x7f", "\"\x7f\"");
	assert_json_text("J\xc3\xbcrgen \xe2\x82\xac \xf0\x9f\x90\x98",
	    "\"J\xc3\xbcrgen \xe2\x82\xac \xf0\x9f\x90\x98\"");
	assert_json_text(NULL, "null");
}
END_TEST

START_TEST(bytes_that_are_not_utf8_are_replaced)
{
	/* Stray, cut off, overlong, surrogate, beyond the last character. */
	assert_json_text("a\xff"
	                 "b",
	    "\"a\\ufffdb\"");
	assert_json_text("\x80", "\"\\ufffd\"");
	assert_json_text("\xc3", "\"\\ufffd\"");
	assert_json_text("\xc3(", "\"\\ufffd(\"");
	assert_json_text("\xe2\x82", "\"\\ufffd\\ufffd\"");
	assert_json_text("\xc0\xaf", "\"\\ufffd\\ufffd\"");
	assert_json_text("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"");
	assert_json_text(
	    "\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
	assert_json_text(
	    "\xf0\x80\x80\xaf", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
	assert_json_text("\xe0\x80\xaf", "\"\\ufffd\\ufffd\\ufffd\"");
	assert_json_text("\xef\xbf\xbf", "\"\xef\xbf\xbf\"");
}
END_TEST

START_TEST(json_values_are_separated_and_named)
{
	static const char want[] =
	    "{\"a\":[1,-9223372036854775808,{},[]],\"b\\\"\":true,"
	    "\"c\":{\"d\":null,\"e\":\"x\"},\"f\":false}";
	struct json j = { 0 };

	json_object(&j, NULL);
	json_array(&j, "a");
	json_int(&j, NULL, 1);
	json_int(&j, NULL, INT64_MIN);
	json_object(&j, NULL);
	json_end_object(&j);
	json_array(&j, NULL);
	json_end_array(&j);
	json_end_array(&j);
	json_bool(&j, "b\"", true);
	json_object(&j, "c");
	json_null(&j, "d");
	json_string(&j, "e", "x");
	json_end_object(&j);
	json_bool(&j, "f", false);
	json_end_object(&j);
	ck_assert(!j.failed);
	ck_assert_uint_eq(j.text.len, strlen(want));
	ck_assert_mem_eq(j.text.data, want, j.text.len);
	buf_clear(&j.text);
}
END_TEST

START_TEST(the_kind_of_a_failure_follows_from_errno)
{
	static const struct {
		int error;
		enum fail_kind kind;
	} cases[] = { { ENOSPC, FAIL_SPACE }, { EDQUOT, FAIL_SPACE },
		{ EFBIG, FAIL_SPACE }, { EACCES, FAIL_DENIED },
		{ EPERM, FAIL_DENIED }, { EROFS, FAIL_DENIED },
		{ ENOENT, FAIL_ABSENT }, { ENOTDIR, FAIL_ABSENT },
		{ ENOMEM, FAIL_INTERNAL }, { EIO, FAIL_TRANSIENT },
		{ ESTALE, FAIL_TRANSIENT }, { EINTR, FAIL_TRANSIENT } };

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fail f = { 0 };

		errno = cases[i].error;
		ck_assert_int_eq(fail_errno(&f, "file", "write"), -1);
		ck_assert_int_eq(errno, cases[i].error);
		ck_assert_int_eq(f.kind, cases[i].kind);
		ck_assert_str_eq(f.object, "file");
		ck_assert_ptr_nonnull(strstr(f.cause, "write: "));
		ck_assert_ptr_nonnull(
		    strstr(f.cause, strerror(cases[i].error)));
	}
}
END_TEST

START_TEST(a_new_failure_drops_the_older_hint)
{
	struct fail f = { 0 };

	ck_assert_int_eq(fail_set(&f, FAIL_REFUSED, "a", "no %d", 7), -1);
	ck_assert_int_eq(fail_hint(&f, "do %s", "this"), -1);
	ck_assert_str_eq(f.cause, "no 7");
	ck_assert_str_eq(f.hint, "do this");
	ck_assert_int_eq(fail_add(&f, "segment %d", 3), -1);
	ck_assert_str_eq(f.cause, "segment 3: no 7");
	ck_assert_str_eq(f.hint, "do this");
	ck_assert_int_eq(f.kind, FAIL_REFUSED);
	ck_assert_int_eq(fail_set(&f, FAIL_DAMAGED, NULL, "b"), -1);
	ck_assert_str_eq(f.hint, "");
	ck_assert_str_eq(f.object, "");
}
END_TEST

START_TEST(long_texts_in_a_failure_are_cut)
{
	char text[2000];
	struct fail f = { 0 };

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	(void)fail_set(&f, FAIL_CONFIG, text, "%s", text);
	(void)fail_hint(&f, "%s", text);
	(void)fail_add(&f, "%s", text);
	ck_assert_uint_lt(strlen(f.object), sizeof f.object);
	ck_assert_uint_lt(strlen(f.cause), sizeof f.cause);
	ck_assert_uint_lt(strlen(f.hint), sizeof f.hint);
}
END_TEST

START_TEST(every_kind_of_failure_has_a_word)
{
	for (int a = FAIL_NONE; a <= FAIL_INTERNAL; a++) {
		const char *word = fail_kind_name((enum fail_kind)a);

		ck_assert_str_ne(word, "unknown");
		for (int b = FAIL_NONE; b < a; b++)
			ck_assert_str_ne(
			    word, fail_kind_name((enum fail_kind)b));
	}
}
END_TEST

/* What write_records puts on stderr. */
static size_t
stderr_of(void (*write_records)(void), char *out, size_t cap)
{
	int saved = dup(STDERR_FILENO);
	FILE *file = tmpfile();
	size_t n;

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(dup2(fileno(file), STDERR_FILENO), 0);
	write_records();
	(void)dup2(saved, STDERR_FILENO);
	(void)close(saved);
	rewind(file);
	n = fread(out, 1, cap - 1, file);
	out[n] = '\0';
	(void)fclose(file);
	return n;
}

static size_t
count(const char *text, char c)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += *text == c;
	return n;
}

static void
write_text_records(void)
{
	struct fail f = { 0 };

	log_setup("walpush", LOG_INFO, false);
	log_debug("not seen");
	log_info("two\nlines %d", 7);
	(void)fail_set(&f, FAIL_DAMAGED, "object", "cause");
	(void)fail_hint(&f, "hint");
	log_fail(LOG_ERROR, "verify", &f);
}

START_TEST(a_record_is_one_line)
{
	char text[8192];

	(void)stderr_of(write_text_records, text, sizeof text);
	ck_assert_uint_eq(count(text, '\n'), 2);
	ck_assert_ptr_null(strstr(text, "not seen"));
	ck_assert_ptr_nonnull(strstr(text, "info: two?lines 7\n"));
	ck_assert_ptr_nonnull(
	    strstr(text, "error: verify: object: cause (hint: hint)\n"));
}
END_TEST

static void
write_long_record(void)
{
	char text[5000];

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	log_setup("walpush", LOG_DEBUG, false);
	log_debug("%s", text);
}

START_TEST(a_long_record_is_cut_but_still_one_line)
{
	char text[16384];
	size_t n = stderr_of(write_long_record, text, sizeof text);

	ck_assert_uint_gt(n, 1000);
	ck_assert_uint_lt(n, 4096);
	ck_assert_uint_eq(count(text, '\n'), 1);
	ck_assert_int_eq(text[n - 1], '\n');
}
END_TEST

static void
write_json_record(void)
{
	struct fail f = { 0 };

	log_setup("walfetch", LOG_WARNING, true);
	log_info("not seen");
	(void)fail_set(&f, FAIL_ABSENT, "a\"b", "cause\nagain");
	(void)fail_hint(&f, "hint");
	log_fail(LOG_WARNING, "get", &f);
}

START_TEST(json_records_carry_the_same_facts)
{
	char text[8192];

	(void)stderr_of(write_json_record, text, sizeof text);
	ck_assert_uint_eq(count(text, '\n'), 1);
	ck_assert_ptr_nonnull(strstr(text, "\"program\":\"walfetch\""));
	ck_assert_ptr_nonnull(strstr(text, "\"level\":\"warning\""));
	ck_assert_ptr_nonnull(
	    strstr(text, "\"message\":\"get: a\\\"b: cause\\u000aagain\""));
	ck_assert_ptr_nonnull(strstr(text, "\"hint\":\"hint\"}\n"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("util");

	(void)test_seed();
	add_tests(s, "buf",
	    TESTS(integers_are_appended_little_endian,
	        a_buffer_grows_and_keeps_its_bytes,
	        an_impossible_append_leaves_the_buffer_alone));
	add_tests(s, "sum",
	    TESTS(crc32c_has_its_known_answers,
	        crc32c_in_pieces_is_that_of_the_whole,
	        sums_are_those_that_xxhsum_prints,
	        a_sum_in_pieces_is_that_of_the_whole));
	add_tests(s, "json",
	    TESTS(json_strings_are_escaped,
	        bytes_that_are_not_utf8_are_replaced,
	        json_values_are_separated_and_named));
	add_tests(s, "fail",
	    TESTS(the_kind_of_a_failure_follows_from_errno,
	        a_new_failure_drops_the_older_hint,
	        long_texts_in_a_failure_are_cut,
	        every_kind_of_failure_has_a_word));
	add_tests(s, "log",
	    TESTS(a_record_is_one_line, a_long_record_is_cut_but_still_one_line,
	        json_records_carry_the_same_facts));
	return run_suite(s);
}
