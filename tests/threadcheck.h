/* SPDX-License-Identifier: PostgreSQL */
/*
 * For tests of stages with threads: they can be denied (a program that
 * includes this wraps pthread_create), are counted, and the last stage knows
 * in which one it was called.
 */
#ifndef WALVAULT_TESTS_THREADCHECK_H
#define WALVAULT_TESTS_THREADCHECK_H

#include <dirent.h>
#include <pthread.h>

#include "io.h"
#include "support.h"

static struct {
	int error; /* no threads to be had, and why */
	unsigned created;
} threads;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
    void *(*run)(void *arg), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
    void *(*run)(void *arg), void *arg);

int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
    void *(*run)(void *arg), void *arg)
{
	if (threads.error != 0)
		return threads.error;
	threads.created++;
	return __real_pthread_create(thread, attr, run, arg);
}

/* Threads that this process has now. */
static inline UNUSED unsigned
threads_now(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned n = 0;

	require(dir != NULL);
	while (readdir(dir) != NULL)
		n++;
	(void)closedir(dir);
	return n - 2;
}

/* One that was joined may be seen there a moment longer. */
static inline UNUSED void
assert_threads(unsigned n)
{
	for (int i = 0; i < 10000 && threads_now() != n; i++)
		(void)usleep(1000);
	ck_assert_uint_eq(threads_now(), n);
}

#define WRITES_MAX 64

/* A last stage that remembers each write. */
struct last {
	struct stream stream;
	struct buf bytes;
	size_t n;                  /* writes so far */
	size_t behind[WRITES_MAX]; /* bytes behind each of them */
	const void *from;          /* where the last one's bytes were */
	unsigned fail_at;          /* the write that fails, from 1; 0 none */
	int answer;                /* of finish */
	pthread_t writer, ender;   /* who called write; finish or free */
	bool finished, freed;
};

static inline int
last_write(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct last *l = (struct last *)stream;

	require(!l->finished && !l->freed && l->n < WRITES_MAX);
	require(l->n == 0 || pthread_equal(l->writer, pthread_self()));
	l->writer = pthread_self();
	l->from = bytes;
	if (l->n + 1 == l->fail_at)
		return fail_set(f, FAIL_SPACE, "last", "full");
	require(buf_append(&l->bytes, bytes, len) == 0);
	l->behind[l->n++] = l->bytes.len;
	return 0;
}

static inline int
last_finish(struct stream *stream, struct fail *f)
{
	struct last *l = (struct last *)stream;

	require(!l->finished && !l->freed);
	l->finished = true;
	l->ender = pthread_self();
	return l->answer >= 0 ? l->answer
	                      : fail_set(f, FAIL_DENIED, "last", "no end");
}

static inline void
last_free(struct stream *stream)
{
	struct last *l = (struct last *)stream;

	require(!l->freed);
	l->freed = true;
	l->ender = pthread_self();
}

static inline UNUSED struct stream *
last_stream(struct last *l)
{
	static const struct stream_ops ops = {
		.write = last_write,
		.finish = last_finish,
		.free = last_free,
	};

	l->stream.ops = &ops;
	return &l->stream;
}

/* Half noise, half zeros, changing from page to page.  The caller frees it. */
static inline UNUSED uint8_t *
mixed_bytes(size_t len)
{
	uint8_t *p = calloc(1, len + 1);
	uint64_t state = test_seed();

	require(p != NULL);
	for (size_t off = 0; off < len; off += 8192) {
		size_t n = len - off < 8192 ? len - off : 8192;

		fill_random(&state, p + off, n * (off / 8192 % 5) / 4);
	}
	return p;
}

/* Write in portions; made in the stage's room wherever it has some. */
static inline UNUSED int
write_in_room(struct stream *s, const void *bytes, size_t len, size_t size,
    struct fail *f)
{
	const uint8_t *p = bytes;

	while (len > 0) {
		size_t n = len < size ? len : size;
		uint8_t *room = stream_room(s);

		n = n < IO_CHUNK ? n : IO_CHUNK;
		if (room != NULL)
			memcpy(room, p, n);
		if (stream_write(s, room != NULL ? room : p, n, f) != 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

/* The two ways of writing in portions: write_in_chunks, write_in_room. */
typedef int write_fn(struct stream *s, const void *bytes, size_t len,
    size_t size, struct fail *f);

/* Write into s, whose last stage fails: that must come through. */
static inline UNUSED void
assert_last_fails(struct stream *s, const struct last *full, const uint8_t *p,
    size_t len, size_t size)
{
	struct fail f = { 0 };

	ck_assert_ptr_nonnull(s);
	ck_assert(write_in_chunks(s, p, len, size, &f) != 0 ||
	    stream_finish(s, &f) != 0);
	assert_failed(&f, FAIL_SPACE);
	ck_assert_str_eq(f.object, "last");
	ck_assert(!full->finished);
	ck_assert_uint_eq(full->n, full->fail_at - 1);
}

/* Free a stage that has not come to its end: its thread ends, too. */
static inline UNUSED void
free_unfinished(struct stream *s, struct last *last)
{
	stream_free(s);
	assert_threads(1);
	ck_assert(last->freed && !last->finished);
	buf_clear(&last->bytes);
}

/* s takes p; what its last stage answers to finish comes through.  Frees s. */
static inline UNUSED void
assert_last_answers(
    struct stream *s, struct last *out, const uint8_t *p, size_t len)
{
	struct fail f = { 0 };

	ck_assert_int_eq(write_in_chunks(s, p, len, 65536, &f), 0);
	ck_assert_int_eq(stream_finish(s, &f), out->answer);
	if (out->answer < 0)
		assert_failed(&f, FAIL_DENIED);
	stream_free(s);
	buf_clear(&out->bytes);
}

/* s is freed without an end after len bytes, with so many threads till then. */
static inline UNUSED void
assert_given_up(struct stream *s, struct last *out, const uint8_t *p,
    size_t len, unsigned n_threads)
{
	struct fail f = { 0 };

	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(write_in_chunks(s, p, len, 65536, &f), 0);
	assert_threads(n_threads);
	free_unfinished(s, out);
}

#endif
