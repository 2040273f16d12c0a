/* SPDX-License-Identifier: PostgreSQL */
/* wrap: pthread_create */
/* The stage that compresses by chunks, with a second thread and without. */
#include "digest.h"
#include "encoder.h"
#include "threadcheck.h"

static const struct codec lz4 = { CODEC_LZ4, 1 };

/* On both sides of a chunk, and of what the encoder can hold back. */
static const size_t sizes[] = { 0, 1, 5000, IO_CHUNK - 1, IO_CHUNK,
	IO_CHUNK + 1, 4 * IO_CHUNK, 7 * IO_CHUNK + 12345 };

#define N_SIZES (sizeof sizes / sizeof sizes[0])

static size_t
chunks_of(size_t len)
{
	return len == 0 ? 1 : (len + IO_CHUNK - 1) / IO_CHUNK;
}

/* All of it, to the end. */
static void
encode(const uint8_t *p, size_t len, size_t size, bool threaded, write_fn *fn,
    struct last *out)
{
	struct fail f = { 0 };
	struct stream *s = encoder_new(&lz4, threaded, last_stream(out));

	ck_assert_ptr_nonnull(s);
	if (fn(s, p, len, size, &f) != 0 || stream_finish(s, &f) != 0)
		ck_abort_msg("%s", f.cause);
	ck_assert(out->finished && !out->freed);
	stream_free(s);
	ck_assert(out->freed);
}

/* Bytes from off to end are one frame, of exactly this. */
static void
assert_frame(
    const struct last *l, size_t off, size_t end, const uint8_t *p, size_t len)
{
	struct decoder *d = decoder_new(CODEC_LZ4);
	struct sink plain = { 0 };
	struct fail f = { 0 };
	size_t used = 0;

	require(d != NULL);
	ck_assert_int_eq(decoder_push(d, l->bytes.data + off, end - off,
	                     sink_stream(&plain), &used, &f),
	    1);
	ck_assert_uint_eq(used, end - off);
	ck_assert_uint_eq(plain.bytes.len, len);
	ck_assert(len == 0 || memcmp(plain.bytes.data, p, len) == 0);
	decoder_free(d);
	buf_clear(&plain.bytes);
}

static void
assert_frames(const struct last *l, const uint8_t *p, size_t len)
{
	size_t off = 0;

	ck_assert_uint_eq(l->n, chunks_of(len));
	for (size_t i = 0; i < l->n; i++) {
		size_t left = len - i * IO_CHUNK;

		assert_frame(l, off, l->behind[i], p + i * IO_CHUNK,
		    left < IO_CHUNK ? left : IO_CHUNK);
		off = l->behind[i];
	}
	ck_assert_uint_eq(off, l->bytes.len);
}

START_TEST(each_chunk_is_a_frame_and_the_frames_are_in_order)
{
	for (size_t i = 0; i < N_SIZES; i++)
		for (int threaded = 0; threaded < 2; threaded++) {
			uint8_t *p = mixed_bytes(sizes[i]);
			struct last out = { 0 };

			encode(p, sizes[i], SIZE_MAX, threaded, write_in_chunks,
			    &out);
			assert_frames(&out, p, sizes[i]);
			ck_assert(pthread_equal(out.writer, pthread_self()));
			ck_assert(pthread_equal(out.ender, pthread_self()));
			buf_clear(&out.bytes);
			free(p);
		}
}
END_TEST

/* Whoever compressed them, and however they came. */
START_TEST(the_same_bytes_give_the_same_frames)
{
	static write_fn *const ways[] = { write_in_chunks, write_in_room };

	for (size_t i = 0; i < N_SIZES; i++) {
		uint8_t *p = mixed_bytes(sizes[i]);
		struct last want = { 0 };

		encode(p, sizes[i], SIZE_MAX, false, write_in_chunks, &want);
		for (size_t c = 0; c < 4 * N_CHUNK_SIZES; c++) {
			struct last out = { 0 };

			encode(p, sizes[i], chunk_sizes[c / 4], c % 2 != 0,
			    ways[c / 2 % 2], &out);
			ck_assert_uint_eq(out.bytes.len, want.bytes.len);
			ck_assert_mem_eq(
			    out.bytes.data, want.bytes.data, out.bytes.len);
			buf_clear(&out.bytes);
		}
		buf_clear(&want.bytes);
		free(p);
	}
}
END_TEST

START_TEST(a_second_thread_is_started_for_whole_chunks_alone)
{
	uint8_t *p = mixed_bytes(8 * IO_CHUNK);
	struct last out = { 0 };

	encode(p, 8 * IO_CHUNK, 65536, false, write_in_chunks, &out);
	ck_assert_uint_eq(threads.created, 0);
	buf_clear(&out.bytes);
	out = (struct last){ .n = 0 };
	encode(p, IO_CHUNK - 1, 65536, true, write_in_chunks, &out);
	ck_assert_uint_eq(threads.created, 0);
	buf_clear(&out.bytes);
	out = (struct last){ .n = 0 };
	encode(p, 8 * IO_CHUNK, 65536, true, write_in_chunks, &out);
	ck_assert_uint_eq(threads.created, 1);
	buf_clear(&out.bytes);
	assert_threads(1);
	free(p);
}
END_TEST

START_TEST(where_no_thread_is_to_be_had_one_does_it_all)
{
	uint8_t *p = mixed_bytes(9 * IO_CHUNK);
	struct last out = { 0 };

	threads.error = EAGAIN;
	encode(p, 9 * IO_CHUNK, 4096, true, write_in_chunks, &out);
	assert_frames(&out, p, 9 * IO_CHUNK);
	buf_clear(&out.bytes);
	free(p);
}
END_TEST

/* By write or by finish, whichever frame it is that has no room. */
START_TEST(the_next_stages_failure_comes_through)
{
	size_t len = 7 * IO_CHUNK + 12345;
	uint8_t *p = mixed_bytes(len);

	for (unsigned at = 1; at <= chunks_of(len); at++)
		for (int threaded = 0; threaded < 2; threaded++) {
			struct last full = { .fail_at = at };
			struct stream *s = encoder_new(
			    &lz4, threaded, last_stream(&full));

			assert_last_fails(s, &full, p, len, 65536);
			free_unfinished(s, &full);
		}
	free(p);
}
END_TEST

START_TEST(the_end_is_what_the_next_stage_says)
{
	static const int answers[] = { 0, 1, -1 };
	uint8_t *p = mixed_bytes(2 * IO_CHUNK);

	for (size_t i = 0; i < 3; i++) {
		struct last out = { .answer = answers[i] };
		struct stream *s = encoder_new(&lz4, true, last_stream(&out));

		assert_last_answers(s, &out, p, 2 * IO_CHUNK);
	}
	free(p);
}
END_TEST

START_TEST(given_up_it_ends_its_thread_and_finishes_nothing)
{
	uint8_t *p = mixed_bytes(8 * IO_CHUNK);

	for (size_t len = 0; len <= 8 * IO_CHUNK; len += IO_CHUNK / 2) {
		struct last out = { 0 };
		struct stream *s = encoder_new(&lz4, true, last_stream(&out));

		assert_given_up(s, &out, p, len, len < IO_CHUNK ? 1 : 2);
	}
	free(p);
}
END_TEST

START_TEST(a_chunk_made_in_the_room_stays_where_it_is)
{
	struct last out = { 0 };
	struct digest digest;
	struct fail f = { 0 };
	struct stream *next = encoder_new(&lz4, true, last_stream(&out));
	struct stream *s = digest_new(&digest, next);
	uint8_t *room = stream_room(s);

	ck_assert_ptr_nonnull(room);
	/* A stage that keeps nothing has the room of the next. */
	ck_assert_ptr_eq(room, stream_room(next));
	memset(room, 'a', IO_CHUNK);
	ck_assert_int_eq(stream_write(s, room, 1000, &f), 0);
	/* None in the middle of a chunk: it would not follow. */
	ck_assert_ptr_null(stream_room(s));
	/* Only who has no copy of it can see this. */
	room[999] = 'b';
	ck_assert_int_eq(stream_write(s, "c", 1, &f), 0);
	ck_assert_int_eq(stream_finish(s, &f), 0);
	memset(room, 'a', 999);
	room[999] = 'b';
	room[1000] = 'c';
	assert_frame(&out, 0, out.bytes.len, room, 1001);
	stream_free(s);
	buf_clear(&out.bytes);
}
END_TEST

START_TEST(every_chunk_has_room_and_none_that_is_still_in_use)
{
	struct last out = { 0 };
	struct fail f = { 0 };
	struct stream *s = encoder_new(&lz4, true, last_stream(&out));
	uint8_t *plain = malloc(40 * IO_CHUNK);

	ck_assert_ptr_nonnull(plain);
	for (size_t i = 0; i < 40; i++) {
		uint8_t *room = stream_room(s);

		ck_assert_ptr_nonnull(room);
		memset(room, (int)i, IO_CHUNK);
		memcpy(plain + i * IO_CHUNK, room, IO_CHUNK);
		ck_assert_int_eq(stream_write(s, room, IO_CHUNK, &f), 0);
	}
	ck_assert_int_eq(stream_finish(s, &f), 0);
	assert_frames(&out, plain, 40 * IO_CHUNK);
	stream_free(s);
	buf_clear(&out.bytes);
	free(plain);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("encoder");

	(void)test_seed();
	add_tests(s, "frames",
	    TESTS(each_chunk_is_a_frame_and_the_frames_are_in_order,
	        the_same_bytes_give_the_same_frames));
	add_tests(s, "threads",
	    TESTS(a_second_thread_is_started_for_whole_chunks_alone,
	        where_no_thread_is_to_be_had_one_does_it_all,
	        given_up_it_ends_its_thread_and_finishes_nothing));
	add_tests(s, "failures",
	    TESTS(the_next_stages_failure_comes_through,
	        the_end_is_what_the_next_stage_says));
	add_tests(s, "room",
	    TESTS(a_chunk_made_in_the_room_stays_where_it_is,
	        every_chunk_has_room_and_none_that_is_still_in_use));
	return run_suite(s);
}
