/* SPDX-License-Identifier: PostgreSQL */
/* wrap: pthread_create */
/* Stages behind which others run in a thread of their own. */
#include <fcntl.h>

#include "async.h"
#include "codec.h"
#include "digest.h"
#include "threadcheck.h"

#define LEN (11 * IO_CHUNK + 54321)

START_TEST(what_is_written_arrives_in_another_thread_and_in_order)
{
	static write_fn *const ways[] = { write_in_chunks, write_in_room };
	static const size_t sizes[] = { 65536, 100000, IO_CHUNK, SIZE_MAX };
	uint8_t *p = mixed_bytes(LEN);

	for (size_t c = 0; c < 8; c++) {
		struct last out = { 0 };
		struct fail f = { 0 };
		struct stream *s = async_new(last_stream(&out));

		ck_assert_ptr_nonnull(s);
		ck_assert_int_eq(ways[c % 2](s, p, LEN, sizes[c / 2], &f), 0);
		ck_assert_int_eq(stream_finish(s, &f), 0);
		ck_assert(out.finished);
		ck_assert(!pthread_equal(out.writer, pthread_self()));
		ck_assert(pthread_equal(out.ender, pthread_self()));
		ck_assert_uint_eq(out.bytes.len, LEN);
		ck_assert_mem_eq(out.bytes.data, p, LEN);
		stream_free(s);
		ck_assert(out.freed);
		ck_assert(pthread_equal(out.ender, pthread_self()));
		assert_threads(1);
		buf_clear(&out.bytes);
	}
	free(p);
}
END_TEST

START_TEST(small_portions_arrive_too)
{
	struct sink out = { 0 };
	struct fail f = { 0 };
	struct stream *s = async_new(sink_stream(&out));
	uint8_t *p = mixed_bytes(10000);

	ck_assert_int_eq(write_in_chunks(s, p, 10000, 1, &f), 0);
	ck_assert_int_eq(write_in_chunks(s, p, 10000, 7, &f), 0);
	ck_assert_int_eq(stream_finish(s, &f), 0);
	ck_assert_uint_eq(out.bytes.len, 20000);
	ck_assert_mem_eq(out.bytes.data, p, 10000);
	ck_assert_mem_eq(out.bytes.data + 10000, p, 10000);
	stream_free(s);
	buf_clear(&out.bytes);
	free(p);
}
END_TEST

START_TEST(what_is_made_in_the_room_is_not_copied)
{
	struct last out = { 0 };
	struct digest digest;
	struct fail f = { 0 };
	struct stream *next = async_new(last_stream(&out));
	struct stream *s = digest_new(&digest, next);
	const uint8_t *room = NULL;

	for (int i = 0; i < 20; i++) {
		uint8_t *mine = stream_room(s);

		ck_assert_ptr_nonnull(mine);
		/* A stage that keeps nothing has the room of the next. */
		ck_assert_ptr_eq(mine, stream_room(next));
		memset(mine, i, IO_CHUNK);
		ck_assert_int_eq(stream_write(s, mine, IO_CHUNK, &f), 0);
		room = mine;
	}
	ck_assert_int_eq(stream_finish(s, &f), 0);
	ck_assert_ptr_eq(out.from, room);
	for (size_t i = 0; i < 20 * IO_CHUNK; i++)
		require(out.bytes.data[i] == i / IO_CHUNK);
	stream_free(s);
	buf_clear(&out.bytes);
}
END_TEST

/* All that a command prints, appended to b. */
static void
read_command(const char *command, struct buf *b)
{
	uint8_t chunk[65536];
	FILE *pipe = popen(command, "r");
	size_t n;

	ck_assert_ptr_nonnull(pipe);
	while ((n = fread(chunk, 1, sizeof chunk, pipe)) > 0)
		ck_assert_int_eq(buf_append(b, chunk, n), 0);
	ck_assert_int_eq(pclose(pipe), 0);
}

/*
 * Frames with blocks of other sizes than ours, and with blocks that refer to
 * the block before: it is somewhere else when the next is made in the room.
 */
START_TEST(what_is_decompressed_into_the_room_is_right)
{
	static const char *const options[] = { "-B4 -BI", "-B4 -BD", "-B5 -BD",
		"-B6 -BD", "-B7 -BD", "-B7 -BI", "-9 -BD -BX --content-size" };
	/* Text that repeats itself, over the borders of blocks too. */
	uint8_t *p = mixed_bytes(LEN);
	char path[512], command[1024];
	int fd;

	memcpy(p + LEN / 2, p, LEN / 2);
	(void)snprintf(path, sizeof path, "%s/plain", temp_dir());
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_eq(io_write(fd, p, LEN), 0);
	(void)close(fd);
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
		struct buf packed = { 0 };
		struct sink out = { 0 };
		struct fail f = { 0 };
		struct decoder *d = decoder_new(CODEC_LZ4);
		struct stream *s = async_new(sink_stream(&out));
		size_t used = 0;

		(void)snprintf(
		    command, sizeof command, "lz4 -qc %s %s", options[i], path);
		read_command(command, &packed);
		ck_assert(d != NULL && s != NULL);
		if (decoder_push(d, packed.data, packed.len, s, &used, &f) != 1)
			ck_abort_msg("%s: %s", options[i], f.cause);
		ck_assert_int_eq(stream_finish(s, &f), 0);
		ck_assert_uint_eq(used, packed.len);
		ck_assert_uint_eq(out.bytes.len, LEN);
		ck_assert_mem_eq(out.bytes.data, p, LEN);
		stream_free(s);
		decoder_free(d);
		buf_clear(&packed);
		buf_clear(&out.bytes);
	}
	free(p);
}
END_TEST

START_TEST(a_stage_that_copies_nothing_and_has_no_next_room_has_none)
{
	struct last out = { 0 };
	struct digest digest;
	struct stream *s = digest_new(&digest, last_stream(&out));

	ck_assert_ptr_null(stream_room(last_stream(&out)));
	ck_assert_ptr_null(stream_room(s));
	stream_free(s);
}
END_TEST

/* By a later write or by finish; and nobody waits for ever. */
START_TEST(the_next_stages_failure_comes_through)
{
	uint8_t *p = mixed_bytes(LEN);

	for (unsigned at = 1; at <= 12; at++) {
		struct last full = { .fail_at = at };
		struct stream *s = async_new(last_stream(&full));

		assert_last_fails(s, &full, p, LEN, IO_CHUNK);
		/* There is no room where there is no next. */
		ck_assert_ptr_null(stream_room(s));
		free_unfinished(s, &full);
	}
	free(p);
}
END_TEST

START_TEST(the_end_is_what_the_next_stage_says)
{
	static const int answers[] = { 0, 1, -1 };

	for (size_t i = 0; i < 3; i++) {
		struct last out = { .answer = answers[i] };

		assert_last_answers(async_new(last_stream(&out)), &out,
		    (const uint8_t *)"x", 1);
	}
}
END_TEST

START_TEST(given_up_it_ends_its_thread_and_finishes_nothing)
{
	uint8_t *p = mixed_bytes(LEN);

	for (size_t len = 0; len < LEN; len += IO_CHUNK) {
		struct last out = { 0 };

		assert_given_up(async_new(last_stream(&out)), &out, p, len, 2);
	}
	free(p);
}
END_TEST

START_TEST(without_a_thread_there_is_no_such_stage)
{
	struct last out = { 0 };

	threads.error = EAGAIN;
	errno = 0;
	ck_assert_ptr_null(async_new(last_stream(&out)));
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert(out.freed && !out.finished);
	ck_assert_ptr_null(async_new(NULL));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("async");

	(void)test_seed();
	(void)temp_dir();
	add_tests(s, "bytes",
	    TESTS(what_is_written_arrives_in_another_thread_and_in_order,
	        small_portions_arrive_too));
	add_tests(s, "room",
	    TESTS(what_is_made_in_the_room_is_not_copied,
	        what_is_decompressed_into_the_room_is_right,
	        a_stage_that_copies_nothing_and_has_no_next_room_has_none));
	add_tests(s, "failures",
	    TESTS(the_next_stages_failure_comes_through,
	        the_end_is_what_the_next_stage_says,
	        given_up_it_ends_its_thread_and_finishes_nothing,
	        without_a_thread_there_is_no_such_stage));
	return run_suite(s);
}
