/* SPDX-License-Identifier: PostgreSQL */
/* The stages of a stream: codec, spool, digest; encoder and async: there. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "codec.h"
#include "digest.h"
#include "encoder.h"
#include "io.h"
#include "spool.h"
#include "support.h"

/* Inputs that compressors treat differently. */
struct input {
	const char *what;
	size_t len;
	enum { ZERO, NOISE, TEXT } kind;
};

static const struct input inputs[] = {
	{ "nothing", 0, ZERO },
	{ "one byte", 1, TEXT },
	{ "zeros", 1 << 20, ZERO },
	{ "noise", 300001, NOISE },
	{ "exactly one chunk of noise", 256 * 1024, NOISE },
	{ "one byte more than a chunk", 256 * 1024 + 1, TEXT },
	{ "text", 2000000, TEXT },
};

#define N_INPUTS (sizeof inputs / sizeof inputs[0])

static const struct codec lz4 = { CODEC_LZ4, 1 }, zstd = { CODEC_ZSTD, 1 };

/* The caller frees it. */
static uint8_t *
make_input(const struct input *in)
{
	uint8_t *p = calloc(1, in->len + 1);
	uint64_t state = test_seed();

	ck_assert_ptr_nonnull(p);
	if (in->kind == NOISE)
		fill_random(&state, p, in->len);
	for (size_t i = 0; in->kind == TEXT && i < in->len; i++)
		p[i] = (uint8_t)("abcdefgh\n "[(i * i / 100) % 10]);
	return p;
}

static void
compress(const uint8_t *p, size_t len, size_t chunk, struct sink *out)
{
	struct fail f = { 0 };
	struct stream *s = encoder_new(&lz4, true, sink_stream(out));

	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(write_in_chunks(s, p, len, chunk, &f), 0);
	ck_assert_int_eq(stream_finish(s, &f), 0);
	ck_assert(out->finished);
	stream_free(s);
	ck_assert(out->freed);
}

/* A frame for each chunk, and one if there are no bytes. */
static size_t
frames_of(size_t len)
{
	return len == 0 ? 1 : (len + IO_CHUNK - 1) / IO_CHUNK;
}

/*
 * Push compressed bytes in portions, so many frames of them.  The decoder's
 * last answer: 1 where the last frame ended, behind *taken bytes.
 */
static int
decompress(const uint8_t *p, size_t len, size_t frames, size_t chunk,
    struct sink *out, size_t *taken, struct fail *f)
{
	struct decoder *d = decoder_new(CODEC_LZ4);
	size_t done = 0;
	int rc = 0;

	require(d != NULL);
	*taken = 0;
	while (rc != -1 && done < frames && *taken < len) {
		size_t n = len - *taken, used = 0;

		n = n < chunk ? n : chunk;
		rc = decoder_push(d, p + *taken, n, sink_stream(out), &used, f);
		require(used <= n);
		require(rc != 0 || used == n);
		*taken += used;
		done += rc == 1;
	}
	decoder_free(d);
	return rc == 1 && done < frames ? 0 : rc;
}

START_TEST(what_is_compressed_comes_back)
{
	for (size_t i = 0; i < N_INPUTS; i++)
		for (size_t c = 0; c < N_CHUNK_SIZES; c++) {
			uint8_t *p = make_input(&inputs[i]);
			struct sink packed = { 0 }, plain = { 0 };
			struct fail f = { 0 };
			size_t taken;

			if (chunk_sizes[c] == 1 && inputs[i].len > 400000) {
				free(p);
				continue;
			}
			compress(p, inputs[i].len, chunk_sizes[c], &packed);
			ck_assert_msg(
			    decompress(packed.bytes.data, packed.bytes.len,
			        frames_of(inputs[i].len), chunk_sizes[c],
			        &plain, &taken, &f) == 1,
			    "%s: %s", inputs[i].what, f.cause);
			ck_assert_uint_eq(taken, packed.bytes.len);
			ck_assert_uint_eq(plain.bytes.len, inputs[i].len);
			if (inputs[i].len > 0)
				ck_assert_mem_eq(
				    plain.bytes.data, p, inputs[i].len);
			buf_clear(&packed.bytes);
			buf_clear(&plain.bytes);
			free(p);
		}
}
END_TEST

START_TEST(zeros_become_small_and_noise_hardly_larger)
{
	uint8_t *zeros = make_input(&inputs[2]),
	        *noise = make_input(&inputs[3]);
	struct sink a = { 0 }, b = { 0 };

	compress(zeros, inputs[2].len, SIZE_MAX, &a);
	compress(noise, inputs[3].len, SIZE_MAX, &b);
	ck_assert_uint_lt(a.bytes.len, inputs[2].len / 100);
	ck_assert_uint_lt(b.bytes.len, inputs[3].len + 100);
	buf_clear(&a.bytes);
	buf_clear(&b.bytes);
	free(zeros);
	free(noise);
}
END_TEST

/* The stock tool reads it: the file is written, then "lz4 -dc" prints it. */
START_TEST(the_lz4_command_reads_what_is_compressed)
{
	for (size_t i = 0; i < N_INPUTS; i++) {
		uint8_t *p = make_input(&inputs[i]);
		struct sink packed = { 0 };
		struct buf plain = { 0 };
		char path[512], command[1024];
		uint8_t chunk[65536];
		FILE *pipe;
		size_t n;
		int fd;

		compress(p, inputs[i].len, SIZE_MAX, &packed);
		(void)snprintf(path, sizeof path, "%s/x.lz4", temp_dir());
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(
		    io_write(fd, packed.bytes.data, packed.bytes.len), 0);
		(void)close(fd);
		(void)snprintf(command, sizeof command, "lz4 -dc %s", path);
		pipe = popen(command, "r");
		ck_assert_ptr_nonnull(pipe);
		while ((n = fread(chunk, 1, sizeof chunk, pipe)) > 0)
			ck_assert_int_eq(buf_append(&plain, chunk, n), 0);
		ck_assert_int_eq(pclose(pipe), 0);
		ck_assert_uint_eq(plain.len, inputs[i].len);
		if (plain.len > 0)
			ck_assert_mem_eq(plain.data, p, plain.len);
		buf_clear(&packed.bytes);
		buf_clear(&plain);
		free(p);
	}
}
END_TEST

START_TEST(the_decoder_stops_where_the_frame_ends)
{
	uint8_t *p = make_input(&inputs[5]);
	struct sink packed = { 0 };
	size_t len;

	compress(p, inputs[5].len, SIZE_MAX, &packed);
	len = packed.bytes.len;
	ck_assert_int_eq(buf_append(&packed.bytes, "behind the frame", 16), 0);
	for (size_t c = 0; c < N_CHUNK_SIZES; c++) {
		struct sink plain = { 0 };
		struct fail f = { 0 };
		size_t taken;

		ck_assert_int_eq(decompress(packed.bytes.data, packed.bytes.len,
		                     frames_of(inputs[5].len), chunk_sizes[c],
		                     &plain, &taken, &f),
		    1);
		ck_assert_uint_eq(taken, len);
		ck_assert_uint_eq(plain.bytes.len, inputs[5].len);
		buf_clear(&plain.bytes);
	}
	buf_clear(&packed.bytes);
	free(p);
}
END_TEST

START_TEST(a_frame_cut_short_never_ends)
{
	uint8_t *p = make_input(&inputs[3]);
	struct sink packed = { 0 };

	compress(p, 5000, SIZE_MAX, &packed);
	for (size_t len = 0; len < packed.bytes.len; len++) {
		struct sink plain = { 0 };
		struct fail f = { 0 };
		size_t taken;

		require(decompress(packed.bytes.data, len, 1, 4096, &plain,
		            &taken, &f) != 1);
		buf_clear(&plain.bytes);
	}
	buf_clear(&packed.bytes);
	free(p);
}
END_TEST

START_TEST(bytes_that_are_no_frame_are_damage)
{
	static const char *const texts[] = { "this is not a frame, at all",
		"\x04\x22\x4d\x19 nearly, but not quite",
		"\x28\xb5\x2f\xfd another format",
		"\x04\x22\x4d\x18\xff\xff\xff"
		"\xff\xff\xff\xff\xff\xff"
		"\xff\xff\xff" };

	for (size_t i = 0; i < 4; i++)
		for (size_t c = 0; c < N_CHUNK_SIZES; c++) {
			struct sink plain = { 0 };
			struct fail f = { 0 };
			size_t taken;

			ck_assert_int_eq(
			    decompress((const uint8_t *)texts[i],
			        strlen(texts[i]), 1, chunk_sizes[c], &plain,
			        &taken, &f),
			    -1);
			assert_failed(&f, FAIL_DAMAGED);
			buf_clear(&plain.bytes);
		}
}
END_TEST

/* A bit in the frame's header is always noticed, one in the data may be. */
START_TEST(a_changed_bit_is_damage_or_other_bytes_but_no_crash)
{
	uint8_t *p = make_input(&inputs[6]);
	struct sink packed = { 0 };
	uint64_t state = test_seed();
	unsigned damaged = 0;

	compress(p, 300000, SIZE_MAX, &packed);
	for (int round = 0; round < 2000; round++) {
		size_t at = (size_t)(next_random(&state) % packed.bytes.len);
		uint8_t bit = (uint8_t)(1 << next_random(&state) % 8);
		struct sink plain = { 0 };
		struct fail f = { 0 };
		size_t taken;
		int rc;

		if (round < 7 * 8) {
			at = (size_t)round / 8;
			bit = (uint8_t)(1 << round % 8);
		}
		packed.bytes.data[at] ^= bit;
		rc = decompress(packed.bytes.data, packed.bytes.len,
		    frames_of(300000), 4096, &plain, &taken, &f);
		require(rc != -1 || f.kind == FAIL_DAMAGED);
		require(rc != 1 || round >= 7 * 8);
		damaged += rc != 1;
		packed.bytes.data[at] ^= bit;
		buf_clear(&plain.bytes);
	}
	ck_assert_uint_gt(damaged, 7 * 8);
	buf_clear(&packed.bytes);
	free(p);
}
END_TEST

/* At the latest when no more chunks can be held back. */
START_TEST(a_failure_behind_a_stage_comes_through)
{
	uint8_t *p = make_input(&inputs[6]);
	struct sink full = { .fail_behind = 1000 };
	struct digest digest = { 0 };
	struct fail f = { 0 };
	struct stream *s = encoder_new(
	    &lz4, true, digest_new(&digest, sink_stream(&full)));

	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(write_in_chunks(s, p, inputs[6].len, 4096, &f), -1);
	assert_failed(&f, FAIL_SPACE);
	ck_assert(!full.finished);
	stream_free(s);
	ck_assert(full.freed);
	ck_assert(!full.finished);
	buf_clear(&full.bytes);
	free(p);
}
END_TEST

START_TEST(a_full_end_stops_the_decoder)
{
	uint8_t *p = make_input(&inputs[6]);
	struct sink packed = { 0 }, full = { .fail_behind = 100000 };
	struct fail f = { 0 };
	size_t taken;

	compress(p, inputs[6].len, SIZE_MAX, &packed);
	ck_assert_int_eq(
	    decompress(packed.bytes.data, packed.bytes.len,
	        frames_of(inputs[6].len), SIZE_MAX, &full, &taken, &f),
	    -1);
	assert_failed(&f, FAIL_SPACE);
	buf_clear(&packed.bytes);
	buf_clear(&full.bytes);
	free(p);
}
END_TEST

START_TEST(a_stage_without_an_end_is_none)
{
	struct sink out = { 0 };
	struct digest digest;

	ck_assert_ptr_null(encoder_new(&lz4, true, NULL));
	ck_assert_ptr_null(digest_new(&digest, NULL));
	/* A codec that is only reserved consumes what comes next. */
	ck_assert_ptr_null(encoder_new(&zstd, true, sink_stream(&out)));
	ck_assert(out.freed);
	ck_assert_ptr_null(decoder_new(CODEC_ZSTD));
	ck_assert_ptr_null(decoder_new((enum codec_id)0));
	decoder_free(NULL);
	stream_free(NULL);
}
END_TEST

START_TEST(only_known_codecs_have_names_and_bounds)
{
	ck_assert_uint_gt(codec_bound(&lz4, IO_CHUNK), IO_CHUNK);
	ck_assert_uint_eq(codec_bound(&zstd, IO_CHUNK), 0);
	ck_assert_str_eq(codec_name(CODEC_LZ4), "lz4");
	ck_assert_ptr_null(codec_name((enum codec_id)0));
	ck_assert_ptr_null(codec_name((enum codec_id)77));
}
END_TEST

START_TEST(a_digest_counts_and_sums_what_passes)
{
	for (size_t i = 0; i < N_INPUTS; i++)
		for (size_t c = 1; c < N_CHUNK_SIZES; c++) {
			uint8_t *p = make_input(&inputs[i]);
			struct sink out = { 0 };
			struct digest digest = { 0 };
			struct fail f = { 0 };
			struct stream *s = digest_new(
			    &digest, sink_stream(&out));
			struct sum128 want = sum128(p, inputs[i].len);

			ck_assert_ptr_nonnull(s);
			ck_assert_int_eq(write_in_chunks(s, p, inputs[i].len,
			                     chunk_sizes[c], &f),
			    0);
			ck_assert_int_eq(stream_finish(s, &f), 0);
			stream_free(s);
			ck_assert(out.finished && out.freed);
			ck_assert_uint_eq(digest.len, inputs[i].len);
			ck_assert_mem_eq(digest.sum.bytes, want.bytes, 16);
			ck_assert_uint_eq(out.bytes.len, inputs[i].len);
			buf_clear(&out.bytes);
			free(p);
		}
}
END_TEST

static size_t
files_in(const char *path)
{
	DIR *dir = opendir(path);
	size_t n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		n++;
	(void)closedir(dir);
	return n - 2;
}

/* Below, at and above the bound; and then replayed twice. */
START_TEST(a_spool_keeps_what_was_written_on_both_sides_of_its_bound)
{
	static const size_t bounds[] = { 0, 1, 29999, 30000, 30001, 30002,
		1 << 20 };
	uint8_t *p = make_input(&inputs[3]);
	const char *dir = temp_subdir("spool");
	size_t len = 30001;

	for (size_t b = 0; b < sizeof bounds / sizeof bounds[0]; b++)
		for (size_t c = 0; c < N_CHUNK_SIZES; c++) {
			struct spool *s = spool_new(bounds[b], dir);
			struct fail f = { 0 };

			ck_assert_ptr_nonnull(s);
			ck_assert_int_eq(write_in_chunks(spool_stream(s), p,
			                     len, chunk_sizes[c], &f),
			    0);
			ck_assert_int_eq(stream_finish(spool_stream(s), &f), 0);
			stream_free(spool_stream(s));
			ck_assert_uint_eq(spool_len(s), len);
			/* Its file has no name. */
			ck_assert_uint_eq(files_in(dir), 0);
			for (int twice = 0; twice < 2; twice++) {
				struct sink out = { 0 };

				ck_assert_int_eq(
				    spool_replay(s, sink_stream(&out), &f), 0);
				ck_assert(!out.finished);
				ck_assert_uint_eq(out.bytes.len, len);
				ck_assert_mem_eq(out.bytes.data, p, len);
				buf_clear(&out.bytes);
			}
			spool_free(s);
		}
	free(p);
}
END_TEST

START_TEST(an_empty_spool_replays_nothing)
{
	struct spool *s = spool_new(1000, temp_dir());
	struct sink out = { 0 };
	struct fail f = { 0 };

	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(spool_len(s), 0);
	ck_assert_int_eq(spool_replay(s, sink_stream(&out), &f), 0);
	ck_assert_uint_eq(out.bytes.len, 0);
	spool_free(s);
	spool_free(NULL);
}
END_TEST

START_TEST(a_spool_without_its_directory_says_which_option_helps)
{
	char path[512];
	struct spool *s;
	struct fail f = { 0 };

	(void)snprintf(path, sizeof path, "%s/missing", temp_dir());
	s = spool_new(2, path);
	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(stream_write(spool_stream(s), "ab", 2, &f), 0);
	ck_assert_int_eq(stream_write(spool_stream(s), "c", 1, &f), -1);
	assert_failed(&f, FAIL_ABSENT);
	ck_assert_str_eq(f.object, path);
	ck_assert_ptr_nonnull(strstr(f.hint, "spool_dir"));
	spool_free(s);
}
END_TEST

/* Which directory that is depends on where the program was started. */
START_TEST(a_spool_obeys_tmpdir_only_if_it_is_absolute)
{
	static const struct {
		const char *tmpdir;
		int rc;
	} cases[] = { { "nonexistent/directory", 0 },
		{ "/nonexistent/directory", -1 } };

	for (size_t i = 0; i < 2; i++) {
		struct fail f = { 0 };
		struct spool *s;

		ck_assert_int_eq(setenv("TMPDIR", cases[i].tmpdir, 1), 0);
		s = spool_new(0, NULL);
		ck_assert_ptr_nonnull(s);
		ck_assert_int_eq(
		    stream_write(spool_stream(s), "a", 1, &f), cases[i].rc);
		spool_free(s);
	}
}
END_TEST

START_TEST(a_failed_replay_may_be_repeated)
{
	uint8_t *p = make_input(&inputs[3]);
	struct spool *s = spool_new(100000, temp_dir());
	struct sink full = { .fail_behind = 200000 }, out = { 0 };
	struct fail f = { 0 };

	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(
	    write_in_chunks(spool_stream(s), p, inputs[3].len, 4096, &f), 0);
	ck_assert_int_eq(spool_replay(s, sink_stream(&full), &f), -1);
	assert_failed(&f, FAIL_SPACE);
	ck_assert_int_eq(spool_replay(s, sink_stream(&out), &f), 0);
	ck_assert_uint_eq(out.bytes.len, inputs[3].len);
	ck_assert_mem_eq(out.bytes.data, p, out.bytes.len);
	buf_clear(&full.bytes);
	buf_clear(&out.bytes);
	spool_free(s);
	free(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("stream");

	(void)test_seed();
	(void)temp_dir();
	add_tests(s, "codec",
	    TESTS(what_is_compressed_comes_back,
	        zeros_become_small_and_noise_hardly_larger,
	        the_lz4_command_reads_what_is_compressed,
	        the_decoder_stops_where_the_frame_ends,
	        a_frame_cut_short_never_ends,
	        bytes_that_are_no_frame_are_damage,
	        a_changed_bit_is_damage_or_other_bytes_but_no_crash,
	        a_failure_behind_a_stage_comes_through,
	        a_full_end_stops_the_decoder, a_stage_without_an_end_is_none,
	        only_known_codecs_have_names_and_bounds));
	add_tests(s, "digest", TESTS(a_digest_counts_and_sums_what_passes));
	add_tests(s, "spool",
	    TESTS(a_spool_keeps_what_was_written_on_both_sides_of_its_bound,
	        an_empty_spool_replays_nothing,
	        a_spool_without_its_directory_says_which_option_helps,
	        a_spool_obeys_tmpdir_only_if_it_is_absolute,
	        a_failed_replay_may_be_repeated));
	return run_suite(s);
}
