/* SPDX-License-Identifier: PostgreSQL */
/*
 * Objects as stored: what goes in comes out, in whatever portions; whatever
 * is done to the bytes is noticed; the stock lz4 command reads them.
 */
#include <fcntl.h>

#include "io.h"
#include "objectcheck.h"
#include "storecheck.h"
#include "walcheck.h"

/* What the fuzz target and the format page call them. */
#define FIELD_CRITICAL_BIT 0x8000
#define FIELD_UNKNOWN      0x1234
#define FIELD_WAL_NAME     16
#define FIELD_WAL_PAGES    17

/* Head, four fields (two lengths, two sums), sum. */
#define TRAILER_LEN (18 + 4 * 6 + 2 * 8 + 2 * 16 + 8)

static const char text[] = "1\t0/5000148\tno recovery target specified\n";

static void
make_small(struct buf *out)
{
	struct object_header h = plain_header(OBJECT_HISTORY);

	make_object(&h, text, strlen(text), out);
}

START_TEST(an_object_gives_back_what_it_was_made_of)
{
	static const size_t sizes[] = { 0, 1, 41, 65536, 300000, 2000000,
		2000001, 1 << 20 };
	uint64_t state = test_seed();

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct object_header h = plain_header(OBJECT_HISTORY);
		uint8_t *p = malloc(sizes[i] + 1);
		struct buf b;

		/* Known to be large, it is read by two threads. */
		h.has_plain = i % 2 != 0;
		ck_assert_ptr_nonnull(p);
		fill_random(&state, p, sizes[i] / 2);
		memset(p + sizes[i] / 2, 0, sizes[i] - sizes[i] / 2);
		make_object(&h, p, sizes[i], &b);
		for (size_t c = 0; c < N_CHUNK_SIZES; c++) {
			struct object_seen seen;
			struct sum128 sum = sum128(p, sizes[i]);
			struct fail f = { 0 };
			struct buf plain;

			if (read_object(&b, b.len, chunk_sizes[c],
			        OBJECTCHECK_KEY, &seen, &plain, &f) != 0)
				ck_abort_msg("%s", f.cause);
			ck_assert_uint_eq(plain.len, sizes[i]);
			ck_assert(plain.len == 0 ||
			    memcmp(plain.data, p, plain.len) == 0);
			ck_assert_uint_eq(seen.stored, b.len);
			ck_assert_uint_eq(seen.plain.len, sizes[i]);
			ck_assert_mem_eq(seen.plain.sum.bytes, sum.bytes, 16);
			ck_assert_int_eq(seen.header.kind, OBJECT_HISTORY);
			ck_assert_int_eq(seen.header.has_plain, h.has_plain);
			ck_assert_str_eq(seen.header.key, OBJECTCHECK_KEY);
			ck_assert_str_eq(seen.header.repository, h.repository);
			ck_assert_str_eq(seen.header.writer, h.writer);
			ck_assert_int_eq(seen.header.created, h.created);
			ck_assert(!seen.header.has_facts);
			ck_assert(!seen.header.damaged);
			buf_clear(&plain);
		}
		buf_clear(&b);
		free(p);
	}
}
END_TEST

START_TEST(the_lz4_command_reads_an_object)
{
	struct object_header h = plain_header(OBJECT_HISTORY);
	char path[512], command[1024], out[sizeof text + 10];
	struct buf b;
	FILE *pipe;
	size_t n;
	int fd;

	make_object(&h, text, strlen(text), &b);
	(void)snprintf(path, sizeof path, "%s/object", temp_dir());
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_eq(io_write(fd, b.data, b.len), 0);
	(void)close(fd);
	(void)snprintf(command, sizeof command, "lz4 -dc < %s", path);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	n = fread(out, 1, sizeof out, pipe);
	ck_assert_int_eq(pclose(pipe), 0);
	ck_assert_uint_eq(n, strlen(text));
	ck_assert_mem_eq(out, text, n);
	buf_clear(&b);
}
END_TEST

START_TEST(a_changed_bit_anywhere_is_damage)
{
	struct buf b;

	make_small(&b);
	for (size_t i = 0; i < b.len * 8; i++) {
		struct object_seen seen;
		struct fail f = { 0 };
		struct buf plain;

		b.data[i / 8] ^= (uint8_t)(1 << i % 8);
		if (read_object(&b, b.len, SIZE_MAX, OBJECTCHECK_KEY, &seen,
		        &plain, &f) == 0)
			ck_abort_msg("bit %zu of byte %zu", i % 8, i / 8);
		require(f.kind == FAIL_DAMAGED && f.cause[0] != '\0');
		require(strcmp(f.object, "object") == 0);
		b.data[i / 8] ^= (uint8_t)(1 << i % 8);
		buf_clear(&plain);
	}
	buf_clear(&b);
}
END_TEST

START_TEST(an_object_cut_short_anywhere_is_damage)
{
	struct buf b;

	make_small(&b);
	for (size_t len = 0; len < b.len; len++)
		for (size_t c = 0; c < N_CHUNK_SIZES; c++) {
			struct object_seen seen;
			struct fail f = { 0 };
			struct buf plain;

			if (read_object(&b, len, chunk_sizes[c], NULL, &seen,
			        &plain, &f) == 0)
				ck_abort_msg("%zu of %zu bytes", len, b.len);
			require(f.kind == FAIL_DAMAGED);
			buf_clear(&plain);
		}
	buf_clear(&b);
}
END_TEST

START_TEST(bytes_behind_an_object_are_damage)
{
	struct buf b;
	size_t len;

	make_small(&b);
	len = b.len;
	/* The same object once more. */
	ck_assert_int_eq(buf_reserve(&b, 2 * len), 0);
	ck_assert_int_eq(buf_append(&b, b.data, len), 0);
	for (size_t more = 1; more <= len; more += len - 1)
		for (size_t c = 0; c < N_CHUNK_SIZES; c++) {
			struct object_seen seen;
			struct fail f = { 0 };
			struct buf plain;

			ck_assert_int_eq(
			    read_object(&b, len + more, chunk_sizes[c], NULL,
			        &seen, &plain, &f),
			    -1);
			assert_failed(&f, FAIL_DAMAGED);
			buf_clear(&plain);
		}
	buf_clear(&b);
}
END_TEST

/* Two frames with the trailer of one: as if an upload was put together. */
START_TEST(a_payload_swapped_for_another_is_damage)
{
	struct object_header h = plain_header(OBJECT_HISTORY);
	struct object_seen seen;
	struct fail f = { 0 };
	struct buf a, b, mixed = { 0 }, plain;
	size_t header;

	make_object(&h, "the one text", 12, &a);
	make_object(&h, "another text", 12, &b);
	ck_assert_uint_eq(a.len, b.len);
	ck_assert_int_eq(object_decode_header(a.data, a.len, "object",
	                     &seen.header, &header, &f),
	    0);
	ck_assert_int_eq(buf_append(&mixed, a.data, header), 0);
	ck_assert_int_eq(
	    buf_append(&mixed, b.data + header, b.len - header), 0);
	/* The headers are the same: this one is whole. */
	ck_assert_int_eq(
	    read_object(&mixed, mixed.len, SIZE_MAX, NULL, &seen, &plain, &f),
	    0);
	buf_clear(&plain);
	/* The trailer of the first, behind the frames of the second. */
	memcpy(mixed.data + mixed.len - 60, a.data + a.len - 60, 60);
	ck_assert_int_eq(
	    read_object(&mixed, mixed.len, SIZE_MAX, NULL, &seen, &plain, &f),
	    -1);
	assert_failed(&f, FAIL_DAMAGED);
	buf_clear(&plain);
	buf_clear(&mixed);
	buf_clear(&a);
	buf_clear(&b);
}
END_TEST

/* Everything stored is as it was written; what was written was wrong. */
START_TEST(a_writer_wrong_about_the_plain_bytes_is_found_out)
{
	for (int wrong = 0; wrong < 5; wrong++) {
		struct object_header h = plain_header(OBJECT_HISTORY);
		struct object_trailer t = { .plain.len = strlen(text) };
		struct object_seen seen;
		struct fail f = { 0 };
		struct buf b = { 0 }, whole, plain;
		size_t header;

		t.plain.sum = sum128(text, strlen(text));
		h.has_plain = true;
		h.plain = t.plain;
		h.plain.len += wrong == 1;
		h.plain.sum.bytes[15] ^= wrong == 2;
		t.plain.len += wrong == 3;
		t.plain.sum.bytes[15] ^= wrong == 4;
		make_small(&whole);
		ck_assert_int_eq(object_decode_header(whole.data, whole.len,
		                     "object", &seen.header, &header, &f),
		    0);
		/* The frames of a good object between these two. */
		ck_assert_int_eq(object_encode_header(&h, 0, &b), 0);
		ck_assert_int_eq(buf_append(&b, whole.data + header,
		                     whole.len - header - TRAILER_LEN),
		    0);
		t.stored.len = b.len;
		t.stored.sum = sum128(b.data, b.len);
		ck_assert_int_eq(object_encode_trailer(&t, &b), 0);
		ck_assert_int_eq(
		    read_object(&b, b.len, SIZE_MAX, NULL, &seen, &plain, &f),
		    wrong == 0 ? 0 : -1);
		if (wrong != 0)
			assert_failed(&f, FAIL_DAMAGED);
		buf_clear(&plain);
		buf_clear(&whole);
		buf_clear(&b);
	}
}
END_TEST

START_TEST(the_bytes_of_another_object_are_refused_before_any_is_used)
{
	struct object_seen seen;
	struct fail f = { 0 };
	struct buf b, plain;

	make_small(&b);
	ck_assert_int_eq(
	    read_object(&b, b.len, SIZE_MAX, "7431.1/other", &seen, &plain, &f),
	    -1);
	assert_failed(&f, FAIL_DAMAGED);
	ck_assert_ptr_nonnull(strstr(f.cause, OBJECTCHECK_KEY));
	ck_assert_uint_eq(plain.len, 0);
	buf_clear(&b);
}
END_TEST

START_TEST(what_was_never_an_object_is_damage)
{
	uint64_t state = test_seed();
	struct buf b = { 0 };

	ck_assert_int_eq(buf_reserve(&b, 200000), 0);
	for (int round = 0; round < 50; round++) {
		struct object_seen seen;
		struct fail f = { 0 };
		struct buf plain;

		b.len = 18 + (size_t)next_random(&state) % 190000;
		fill_random(&state, b.data, b.len);
		if (round % 2 == 0)
			encode_u32(b.data, FRAME_MAGIC_HEADER);
		ck_assert_int_eq(
		    read_object(&b, b.len, chunk_sizes[round % 4 + 1], NULL,
		        &seen, &plain, &f),
		    -1);
		assert_failed(&f, FAIL_DAMAGED);
		ck_assert_uint_eq(plain.len, 0);
	}
	buf_clear(&b);
}
END_TEST

/* The header alone, as a frame of its own. */
static void
header_of(const struct object_header *h, struct buf *b)
{
	memset(b, 0, sizeof *b);
	ck_assert_int_eq(object_encode_header(h, 0, b), 0);
}

START_TEST(a_header_asks_for_more_until_it_is_whole)
{
	struct object_header h = plain_header(OBJECT_HISTORY), back;
	struct fail f = { 0 };
	struct buf b;
	size_t used = 0;

	header_of(&h, &b);
	for (size_t len = 0; len < b.len; len++) {
		uint8_t *copy = malloc(len > 0 ? len : 1);

		require(copy != NULL);
		memcpy(copy, b.data, len);
		require(object_decode_header(
		            copy, len, "object", &back, &used, &f) == 1);
		free(copy);
	}
	ck_assert_int_eq(
	    object_decode_header(b.data, b.len, "object", &back, &used, &f), 0);
	ck_assert_uint_eq(used, b.len);
	buf_clear(&b);
}
END_TEST

START_TEST(an_unknown_field_is_skipped_and_a_critical_one_refused)
{
	struct object_header h = plain_header(OBJECT_HISTORY), back;
	struct fail f = { 0 };
	struct buf b;
	size_t used = 0;

	header_of(&h, &b);
	add_field(&b, FIELD_UNKNOWN, "from the future", 15);
	add_field(&b, FIELD_UNKNOWN + 1, "", 0);
	ck_assert_int_eq(
	    object_decode_header(b.data, b.len, "object", &back, &used, &f), 0);
	ck_assert_str_eq(back.key, OBJECTCHECK_KEY);
	add_field(&b, FIELD_UNKNOWN | FIELD_CRITICAL_BIT, "sealed", 6);
	ck_assert_int_eq(
	    object_decode_header(b.data, b.len, "object", &back, &used, &f),
	    -1);
	assert_failed(&f, FAIL_CONFIG);
	ck_assert_ptr_nonnull(strstr(f.hint, "newer"));
	buf_clear(&b);
}
END_TEST

START_TEST(a_newer_format_or_codec_is_not_called_damage)
{
	struct object_header h = plain_header(OBJECT_HISTORY), back;
	struct fail f = { 0 };
	struct buf b;
	size_t used = 0;

	header_of(&h, &b);
	b.data[16]++;
	reseal_header(&b);
	ck_assert_int_eq(
	    object_decode_header(b.data, b.len, "object", &back, &used, &f),
	    -1);
	assert_failed(&f, FAIL_CONFIG);
	ck_assert_ptr_nonnull(strstr(f.hint, "newer"));
	buf_clear(&b);
	h.codec = (enum codec_id)77;
	header_of(&h, &b);
	ck_assert_int_eq(
	    object_decode_header(b.data, b.len, "object", &back, &used, &f),
	    -1);
	assert_failed(&f, FAIL_CONFIG);
	buf_clear(&b);
}
END_TEST

START_TEST(a_field_longer_than_its_frame_is_damage)
{
	struct object_header h = plain_header(OBJECT_HISTORY), back;
	struct fail f = { 0 };
	struct buf b;
	size_t used = 0;

	header_of(&h, &b);
	add_field(&b, FIELD_UNKNOWN, "12345678", 8);
	for (uint64_t len = 9; len <= UINT32_MAX; len = len * 7 + 1) {
		encode_u32(b.data + b.len - FRAME_SUM_LEN - 12, (uint32_t)len);
		reseal_header(&b);
		require(object_decode_header(
		            b.data, b.len, "object", &back, &used, &f) == -1);
		require(f.kind == FAIL_DAMAGED);
	}
	buf_clear(&b);
}
END_TEST

/* Texts and byte strings longer than what a reader keeps. */
START_TEST(a_field_of_the_wrong_length_is_damage)
{
	static const uint8_t bytes[600] = { 'x' };

	for (unsigned type = 1; type <= 29; type++)
		for (size_t len = 0; len < sizeof bytes; len += 299) {
			struct object_header h = plain_header(OBJECT_HISTORY);
			struct object_header back;
			struct fail f = { 0 };
			struct buf b;
			size_t used = 0;
			int rc;

			header_of(&h, &b);
			add_field(&b, type, bytes, len);
			rc = object_decode_header(
			    b.data, b.len, "object", &back, &used, &f);
			if (rc != 0)
				require(f.kind == FAIL_DAMAGED);
			/* An unknown one may be of any length. */
			if (len == 598 && (type <= 8 || type >= 16))
				require(rc == -1);
			buf_clear(&b);
		}
}
END_TEST

/* Facts of every sort of segment, from the segment to the header and back. */
static void
check_facts(const struct walfacts *facts, bool damaged)
{
	struct object_header h = plain_header(OBJECT_SEGMENT), back;
	struct walfacts want = *facts;
	struct fail f = { 0 };
	struct buf b;
	size_t used = 0;

	h.has_facts = true;
	h.tli = 3;
	h.segno = UINT64_C(0x123456789);
	h.facts = *facts;
	h.damaged = damaged;
	h.damaged_lsn = damaged ? facts->end_lsn : 0;
	(void)snprintf(h.damaged_why, sizeof h.damaged_why, "%s",
	    damaged ? facts->end_why : "");
	header_of(&h, &b);
	ck_assert_uint_lt(b.len, OBJECT_HEADER_READ);
	if (object_decode_header(b.data, b.len, "object", &back, &used, &f) !=
	    0)
		ck_abort_msg("%s", f.cause);
	ck_assert(back.has_facts);
	ck_assert_uint_eq(back.tli, 3);
	ck_assert_uint_eq(back.segno, UINT64_C(0x123456789));
	ck_assert_int_eq(back.damaged, damaged);
	ck_assert_uint_eq(back.damaged_lsn, h.damaged_lsn);
	ck_assert_str_eq(back.damaged_why, h.damaged_why);
	/* Not in the header: constant texts; the end of what is complete. */
	want.end_why = NULL;
	if (want.flags & WALFACTS_COMPLETE)
		want.end_lsn = 0;
	ck_assert(memcmp(&back.facts, &want, sizeof want) == 0);
	buf_clear(&b);
}

START_TEST(facts_of_every_sort_come_back)
{
	struct walmaker w = WALMAKER_DEFAULT;
	uint64_t abandoned;
	struct walfacts f;

	walmaker_begin(&w, WALCHECK_START, 6);
	w.prev = 0x28;
	(void)walmaker_commit(&w, 700, -1);
	(void)walmaker_abort(&w, 4000000000, INT64_MAX);
	for (int i = 0; i < 20; i++)
		(void)walmaker_restore_point(
		    &w, "a name of a restore point that is rather long", i);
	walmaker_fill_to(&w, w.start + w.segsize - 80);
	(void)walmaker_filler(&w, 2500000);
	(void)walmaker_switch(&w);
	walmaker_fill_to(&w, w.start + 5 * (uint64_t)w.segsize - 4000);
	abandoned = walmaker_abandon(
	    &w, 9000, w.start + 5 * (uint64_t)w.segsize);
	(void)walmaker_overwrite(&w, abandoned);
	(void)walmaker_checkpoint(&w, 1700000000);
	for (unsigned i = 0; i < 5; i++) {
		f = scan_segment(&w, i);
		ck_assert(f.flags & WALFACTS_COMPLETE);
		check_facts(&f, false);
	}
	f = scan_segment(&w, 5);
	ck_assert_uint_eq(f.flags & WALFACTS_COMPLETE, 0);
	check_facts(&f, true);
	check_facts(&f, false);
	walmaker_end(&w);
}
END_TEST

/* Such a header was never written, but it must not end the reader. */
START_TEST(facts_without_lawful_page_sizes_are_refused)
{
	static const uint8_t name[12] = { 1 };
	uint8_t pages[34] = { 0 };

	for (int with = 0; with < 5; with++) {
		struct object_header h = plain_header(OBJECT_SEGMENT), back;
		struct fail f = { 0 };
		struct buf b;
		size_t used = 0;
		int rc;

		encode_u32(pages + 8, with > 1 ? 1 << 24 : 0);
		encode_u32(pages + 12, with > 2 ? 12345 : 0);
		if (with == 4)
			encode_u32(pages + 8, 12345);
		header_of(&h, &b);
		add_field(&b, FIELD_WAL_NAME, name, sizeof name);
		if (with > 0)
			add_field(&b, FIELD_WAL_PAGES, pages, sizeof pages);
		rc = object_decode_header(
		    b.data, b.len, "object", &back, &used, &f);
		ck_assert(rc == -1 || !back.has_facts);
		buf_clear(&b);
	}
}
END_TEST

static struct layout layout = {
	.cluster = "main", .sysid = 7431, .generation = 1
};

START_TEST(an_object_is_read_from_a_store)
{
	char url[600];
	struct store *s;
	struct object_header h;
	struct object_seen seen;
	struct fail f = { 0 };
	struct sink plain = { 0 };
	struct buf b;

	(void)snprintf(url, sizeof url, "file://%s", temp_subdir("read"));
	s = open_url(url);
	make_small(&b);
	ck_assert_int_eq(
	    put_bytes(s, "main/" OBJECTCHECK_KEY, b.data, b.len, NULL, &f), 0);
	ck_assert_int_eq(
	    object_read_header(s, &layout, "main/" OBJECTCHECK_KEY, &h, &f), 0);
	ck_assert_str_eq(h.key, OBJECTCHECK_KEY);
	ck_assert_int_eq(object_read(s, &layout, "main/" OBJECTCHECK_KEY,
	                     sink_stream(&plain), &seen, &f),
	    0);
	ck_assert(plain.finished && plain.freed);
	ck_assert_uint_eq(plain.bytes.len, strlen(text));
	ck_assert_int_eq(
	    object_read(s, &layout, "main/" OBJECTCHECK_KEY, NULL, &seen, &f),
	    0);
	ck_assert_uint_eq(seen.stored, b.len);
	ck_assert_int_eq(
	    object_read(s, &layout, "main/7431.1/none", NULL, &seen, &f), 1);
	ck_assert_int_eq(
	    object_read_header(s, &layout, "main/7431.1/none", &h, &f), 1);
	/* Copied by hand under another key. */
	ck_assert_int_eq(
	    put_bytes(s, "main/7431.1/moved", b.data, b.len, NULL, &f), 0);
	ck_assert_int_eq(
	    object_read_header(s, &layout, "main/7431.1/moved", &h, &f), -1);
	assert_failed(&f, FAIL_DAMAGED);
	ck_assert_int_eq(
	    object_read(s, &layout, "main/7431.1/moved", NULL, &seen, &f), -1);
	assert_failed(&f, FAIL_DAMAGED);
	buf_clear(&plain.bytes);
	buf_clear(&b);
	store_free(s);
}
END_TEST

START_TEST(a_large_header_is_read_in_two_steps)
{
	static const size_t sizes[] = { 10000, 20000, 60000, 70000 };
	static const uint8_t filler[70000];
	char url[600];
	struct store *s;

	(void)snprintf(url, sizeof url, "file://%s", temp_subdir("large"));
	s = open_url(url);
	for (size_t i = 0; i < 4; i++) {
		struct object_header h = plain_header(OBJECT_HISTORY), back;
		struct fail f = { 0 };
		char key[LAYOUT_KEY_MAX + 8];
		struct buf b;
		int rc;

		(void)snprintf(h.key, sizeof h.key, "7431.1/x%zu", i);
		(void)snprintf(key, sizeof key, "main/%s", h.key);
		header_of(&h, &b);
		add_field(&b, FIELD_UNKNOWN, filler, sizes[i]);
		/* Cut off behind the header: for reading it that will do. */
		ck_assert_int_eq(put_bytes(s, key, b.data, b.len, NULL, &f), 0);
		rc = object_read_header(s, &layout, key, &back, &f);
		ck_assert_int_eq(rc, sizes[i] < OBJECT_HEADER_MAX ? 0 : -1);
		if (rc != 0)
			assert_failed(&f, FAIL_DAMAGED);
		buf_clear(&b);
	}
	store_free(s);
}
END_TEST

START_TEST(an_empty_or_short_file_is_damage_and_not_absence)
{
	char url[600];
	struct store *s;
	struct object_header h;
	struct object_seen seen;
	struct buf b;

	(void)snprintf(url, sizeof url, "file://%s", temp_subdir("short"));
	s = open_url(url);
	make_small(&b);
	for (size_t len = 0; len < b.len; len += 17) {
		struct fail f = { 0 };
		char key[64];

		(void)snprintf(key, sizeof key, "main/short/%zu", len);
		ck_assert_int_eq(put_bytes(s, key, b.data, len, NULL, &f), 0);
		ck_assert_int_eq(
		    object_read_header(s, &layout, key, &h, &f), -1);
		assert_failed(&f, FAIL_DAMAGED);
		ck_assert_int_eq(
		    object_read(s, &layout, key, NULL, &seen, &f), -1);
		assert_failed(&f, FAIL_DAMAGED);
	}
	buf_clear(&b);
	store_free(s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("object");

	(void)test_seed();
	(void)temp_dir();
	add_tests(s, "whole",
	    TESTS(an_object_gives_back_what_it_was_made_of,
	        the_lz4_command_reads_an_object));
	add_tests(s, "damage",
	    TESTS(a_changed_bit_anywhere_is_damage,
	        an_object_cut_short_anywhere_is_damage,
	        bytes_behind_an_object_are_damage,
	        a_writer_wrong_about_the_plain_bytes_is_found_out,
	        a_payload_swapped_for_another_is_damage,
	        the_bytes_of_another_object_are_refused_before_any_is_used,
	        what_was_never_an_object_is_damage));
	add_tests(s, "header",
	    TESTS(a_header_asks_for_more_until_it_is_whole,
	        an_unknown_field_is_skipped_and_a_critical_one_refused,
	        a_newer_format_or_codec_is_not_called_damage,
	        a_field_longer_than_its_frame_is_damage,
	        a_field_of_the_wrong_length_is_damage,
	        facts_of_every_sort_come_back,
	        facts_without_lawful_page_sizes_are_refused));
	add_tests(s, "store",
	    TESTS(an_object_is_read_from_a_store,
	        a_large_header_is_read_in_two_steps,
	        an_empty_or_short_file_is_damage_and_not_absence));
	return run_suite(s);
}
