/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the unit tests share: a suite's main, temporary directories that
 * remove themselves, seeded random bytes, and a stage that ends a stream.
 * Each test program is one .c file, so all of it is static.
 */
#ifndef WALVAULT_TESTS_SUPPORT_H
#define WALVAULT_TESTS_SUPPORT_H

#include <check.h>
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "fail.h"
#include "stream.h"

/* AddressSanitizer keeps what is freed: memory cannot be measured then. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) /* clang */
#define UNDER_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__) /* gcc */
#define UNDER_ASAN
#endif

#define UNUSED __attribute__((unused))

/* The sizes of the portions in which all that takes bytes is fed. */
static const size_t chunk_sizes[] UNUSED = { 1, 7, 4096, 65536, SIZE_MAX };

#define N_CHUNK_SIZES (sizeof chunk_sizes / sizeof chunk_sizes[0])

/* An assertion that costs nothing while it holds: for inner loops. */
#define require(what)                                      \
	do {                                               \
		if (!(what))                               \
			ck_abort_msg("not so: %s", #what); \
	} while (0)

/* A NULL-terminated array of tests: TESTS(one, two, three). */
#define TESTS(...)                \
	(const TTest *[])         \
	{                         \
		__VA_ARGS__, NULL \
	}

/* Around each of them setup and teardown run, which may be NULL. */
static inline UNUSED void
add_fixture_tests(Suite *suite, const char *name, SFun setup, SFun teardown,
    const TTest *const *tests)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup, teardown);
	/* ASan and a loaded machine are slow; a hang is still found. */
	tcase_set_timeout(tcase, 120);
	for (; *tests != NULL; tests++)
		tcase_add_test(tcase, *tests);
	suite_add_tcase(suite, tcase);
}

static inline UNUSED void
add_tests(Suite *suite, const char *name, const TTest *const *tests)
{
	add_fixture_tests(suite, name, NULL, NULL, tests);
}

/*
 * A directory for the tests of a program.  main makes it before the tests,
 * which are processes of their own; run_suite removes it with all in it.
 */
static char temp_dir_path[256] UNUSED;

static inline int
temp_dir_remove_one(
    const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline UNUSED void
temp_dir_remove(void)
{
	if (temp_dir_path[0] != '\0')
		(void)nftw(temp_dir_path, temp_dir_remove_one, 16,
		    FTW_DEPTH | FTW_PHYS);
	temp_dir_path[0] = '\0';
}

static inline UNUSED const char *
temp_dir(void)
{
	const char *base = getenv("TMPDIR");

	if (temp_dir_path[0] != '\0')
		return temp_dir_path;
	(void)snprintf(temp_dir_path, sizeof temp_dir_path,
	    "%s/walvault-check-XXXXXX", base != NULL ? base : "/tmp");
	if (mkdtemp(temp_dir_path) == NULL) {
		perror(temp_dir_path);
		abort();
	}
	return temp_dir_path;
}

/* A new directory in it, for one test; valid until the next call. */
static inline UNUSED const char *
temp_subdir(const char *name)
{
	static char path[512];

	(void)snprintf(path, sizeof path, "%s/%s", temp_dir(), name);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	return path;
}

static inline UNUSED int
run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	temp_dir_remove();
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/*
 * Random bytes from a seed that is printed once and can be given again in
 * $WALVAULT_TEST_SEED.
 */
static inline UNUSED uint64_t
test_seed(void)
{
	static uint64_t seed;
	const char *given = getenv("WALVAULT_TEST_SEED");

	if (seed != 0)
		return seed;
	if (given != NULL)
		seed = strtoull(given, NULL, 10);
	else
		seed = (uint64_t)time(NULL) << 16 ^ (uint64_t)getpid();
	seed |= 1;
	printf("WALVAULT_TEST_SEED=%" PRIu64 "\n", seed);
	(void)fflush(stdout);
	return seed;
}

/* xorshift64: *state must not be 0. */
static inline UNUSED uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static inline UNUSED void
fill_random(uint64_t *state, uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(next_random(state) >> 32);
}

/* Every failure says what kind it is and why. */
static inline UNUSED void
assert_failed(const struct fail *f, enum fail_kind kind)
{
	ck_assert_msg(f->kind == kind, "%s (%s: %s), not %s",
	    fail_kind_name(f->kind), f->object, f->cause, fail_kind_name(kind));
	ck_assert_int_ne(f->cause[0], '\0');
}

/* The end of a stream: keeps what comes; on the caller's stack. */
struct sink {
	struct stream stream;
	struct buf bytes;
	size_t fail_behind; /* writes fail behind so many bytes; 0 never */
	bool finished, freed;
};

static inline int
sink_write(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct sink *s = (struct sink *)stream;

	require(!s->finished && !s->freed);
	if (s->fail_behind != 0 && s->bytes.len + len > s->fail_behind)
		return fail_set(f, FAIL_SPACE, "sink", "full");
	if (buf_append(&s->bytes, bytes, len) != 0)
		return fail_errno(f, "sink", "memory");
	return 0;
}

static inline int
sink_finish(struct stream *stream, struct fail *f)
{
	struct sink *s = (struct sink *)stream;

	(void)f;
	require(!s->finished && !s->freed);
	s->finished = true;
	return 0;
}

static inline void
sink_free(struct stream *stream)
{
	struct sink *s = (struct sink *)stream;

	require(!s->freed);
	s->freed = true;
}

static inline UNUSED struct stream *
sink_stream(struct sink *s)
{
	static const struct stream_ops ops = {
		.write = sink_write,
		.finish = sink_finish,
		.free = sink_free,
	};

	s->stream.ops = &ops;
	return &s->stream;
}

/* Write all of it in portions of size bytes. */
static inline UNUSED int
write_in_chunks(struct stream *s, const void *bytes, size_t len, size_t size,
    struct fail *f)
{
	const uint8_t *p = bytes;

	while (len > 0) {
		size_t n = len < size ? len : size;

		if (stream_write(s, p, n, f) != 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

#endif
