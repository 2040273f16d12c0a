/* SPDX-License-Identifier: PostgreSQL */
/* wrap: store_open */
/*
 * Objects into several stores side by side: stores that fail, hang and drag
 * their feet at every place where they can.
 */
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "io.h"
#include "mirror.h"
#include "support.h"

#define N 3

/* More than the queue of a mirror holds. */
#define SIZE ((size_t)40 * IO_CHUNK + 77)

enum how {
	GOOD,
	FAILS_OPEN,
	FAILS_PUT,
	FAILS_WRITE,
	FAILS_FINISH,
	EXISTS,
	HANGS, /* in a write */
	HANGS_AT_PUT,
	HANGS_AT_FINISH,
	SLOW
};

struct member {
	enum how how;
	struct buf bytes;
	bool finished;
	size_t puts;
	sem_t hangs, go, gone; /* it does; lets it go on; it has gone */
};

static struct member members[N];

struct put {
	struct stream stream;
	struct member *m;
	size_t writes;
};

struct place {
	struct store store;
	struct member *m;
};

static int
fails(struct fail *f)
{
	return fail_set(f, FAIL_TRANSIENT, "store", "it fails, as asked");
}

static int
put_write(struct stream *s, const void *bytes, size_t len, struct fail *f)
{
	struct put *p = (struct put *)s;
	struct timespec pause = { .tv_nsec = 40 * 1000000L };

	p->writes++;
	if (p->m->how == FAILS_WRITE && p->writes == 3)
		return fails(f);
	if (p->m->how == HANGS && p->writes == 3) {
		(void)sem_post(&p->m->hangs);
		(void)sem_wait(&p->m->go);
	}
	if (p->m->how == SLOW)
		(void)nanosleep(&pause, NULL);
	return buf_append(&p->m->bytes, bytes, len) == 0 ? 0 : fails(f);
}

static int
put_finish(struct stream *s, struct fail *f)
{
	struct put *p = (struct put *)s;

	if (p->m->how == FAILS_FINISH)
		return fails(f);
	if (p->m->how == HANGS_AT_FINISH)
		(void)sem_wait(&p->m->go);
	if (p->m->how == EXISTS)
		return 1;
	p->m->finished = true;
	return 0;
}

static void
put_free(struct stream *s)
{
	struct put *p = (struct put *)s;

	(void)sem_post(&p->m->gone);
	free(p);
}

static const struct stream_ops put_ops = {
	.write = put_write, .finish = put_finish, .free = put_free
};

static struct stream *
place_put(struct store *s, const char *key, const struct store_attrs *attrs,
    struct fail *f)
{
	struct place *place = (struct place *)s;
	struct put *p;

	(void)key;
	(void)attrs;
	place->m->puts++;
	if (place->m->how == FAILS_PUT) {
		(void)fails(f);
		return NULL;
	}
	if (place->m->how == HANGS_AT_PUT)
		(void)sem_wait(&place->m->go);
	p = calloc(1, sizeof *p);
	ck_assert_ptr_nonnull(p);
	p->stream.ops = &put_ops;
	p->m = place->m;
	return &p->stream;
}

static void
place_free(struct store *s)
{
	free(s);
}

static const struct store_ops place_ops = { .put = place_put,
	.free = place_free };

struct store *__wrap_store_open(const struct store_args *args, struct fail *f);

/* The name is the member's number. */
struct store *
__wrap_store_open(const struct store_args *args, struct fail *f)
{
	struct member *m = &members[args->name[0] - '0'];
	struct place *p;

	if (m->how == FAILS_OPEN) {
		(void)fails(f);
		return NULL;
	}
	p = calloc(1, sizeof *p);
	ck_assert_ptr_nonnull(p);
	p->store.ops = &place_ops;
	p->m = m;
	return &p->store;
}

static const struct store_args places[N] = {
	{ .name = "0", .url = "test://0" },
	{ .name = "1", .url = "test://1" },
	{ .name = "2", .url = "test://2" },
};

static uint8_t *content;

static struct mirror *
make_stuck(
    size_t required, int64_t patience_ms, int64_t stuck_ms, enum how last)
{
	struct mirror *m = mirror_new(&(struct mirror_args){
	    places, N, required, patience_ms, stuck_ms });
	uint64_t state = test_seed();

	ck_assert_ptr_nonnull(m);
	for (size_t i = 0; i < N; i++) {
		(void)sem_init(&members[i].hangs, 0, 0);
		(void)sem_init(&members[i].go, 0, 0);
		(void)sem_init(&members[i].gone, 0, 0);
	}
	members[N - 1].how = last;
	content = malloc(SIZE);
	ck_assert_ptr_nonnull(content);
	fill_random(&state, content, SIZE);
	return m;
}

static struct mirror *
make(size_t required, int64_t patience_ms, enum how last)
{
	return make_stuck(required, patience_ms, 60000, last);
}

/* One object into all of them: put's answer, or -1. */
static int
put_all(struct mirror *m, struct fail *f)
{
	struct store *s = mirror_open(m, f);
	struct stream *put;
	int rc = -1;

	if (s == NULL)
		return -1;
	put = store_put(s, "key", &(struct store_attrs){ 0 }, f);
	if (put != NULL)
		rc = stream_write(put, content, SIZE, f);
	if (rc == 0)
		rc = stream_finish(put, f);
	stream_free(put);
	store_free(s);
	return rc;
}

static void
assert_whole(size_t i)
{
	ck_assert(members[i].finished);
	ck_assert_uint_eq(members[i].bytes.len, SIZE);
	ck_assert_mem_eq(members[i].bytes.data, content, SIZE);
}

static void
clear(struct mirror *m)
{
	mirror_free(m);
	free(content);
	for (size_t i = 0; i < N; i++)
		buf_clear(&members[i].bytes);
}

START_TEST(all_stores_get_the_same_bytes)
{
	struct mirror *m = make(N, 60000, GOOD);
	struct fail f;

	ck_assert_int_eq(put_all(m, &f), 0);
	for (size_t i = 0; i < N; i++)
		assert_whole(i);
	clear(m);
}
END_TEST

static const enum how failures[] = { FAILS_OPEN, FAILS_PUT, FAILS_WRITE,
	FAILS_FINISH };

START_TEST(one_that_fails_is_left_out_from_then_on)
{
	struct mirror *m = make(2, 60000, failures[_i]);
	struct fail f;
	size_t puts;

	ck_assert_int_eq(put_all(m, &f), 0);
	assert_whole(0);
	assert_whole(1);
	ck_assert(!mirror_has(m, 2) && !members[2].finished);
	puts = members[2].puts;
	members[2].how = GOOD;
	ck_assert_int_eq(put_all(m, &f), 0);
	ck_assert_uint_eq(members[2].puts, puts);
	clear(m);
}
END_TEST

START_TEST(where_all_are_required_one_failure_fails_the_put)
{
	struct mirror *m = make(N, 60000, failures[_i]);
	struct fail f = { .kind = FAIL_NONE };

	ck_assert_int_eq(put_all(m, &f), -1);
	ck_assert_str_eq(f.cause, "it fails, as asked");
	ck_assert(mirror_has(m, 2) && !members[2].finished);
	clear(m);
}
END_TEST

static const enum how hangs[] = { HANGS, HANGS_AT_PUT, HANGS_AT_FINISH };

START_TEST(one_that_hangs_is_left_behind)
{
	struct mirror *m = make(2, 200, hangs[_i]);
	struct fail f;

	ck_assert_int_eq(put_all(m, &f), 0);
	assert_whole(0);
	assert_whole(1);
	ck_assert(!mirror_has(m, 2) && !members[2].finished);
	ck_assert(mirror_left_behind(m));
	/* Later it goes on with what is its own, and ends. */
	(void)sem_post(&members[2].go);
	(void)sem_wait(&members[2].gone);
	if (members[2].bytes.len > 0)
		ck_assert_mem_eq(
		    members[2].bytes.data, content, members[2].bytes.len);
	clear(m);
}
END_TEST

START_TEST(where_all_are_required_one_that_hangs_fails_the_put)
{
	struct mirror *m = make_stuck(N, 50, 1000, hangs[_i]);
	struct fail f = { .kind = FAIL_NONE };

	ck_assert_int_eq(put_all(m, &f), -1);
	ck_assert_ptr_nonnull(strstr(f.cause, "store 2 has taken nothing"));
	ck_assert_ptr_nonnull(strstr(f.hint, "--required"));
	ck_assert(mirror_has(m, 2) && mirror_left_behind(m));
	(void)sem_post(&members[2].go);
	(void)sem_wait(&members[2].gone);
	ck_assert(!members[2].finished || hangs[_i] == HANGS_AT_FINISH);
	clear(m);
}
END_TEST

START_TEST(a_slow_one_is_waited_for_where_all_are_required)
{
	struct mirror *m = make(N, 50, SLOW);
	struct fail f;

	ck_assert_int_eq(put_all(m, &f), 0);
	for (size_t i = 0; i < N; i++)
		assert_whole(i);
	clear(m);
}
END_TEST

START_TEST(one_that_is_too_slow_is_left_out_where_enough_remain)
{
	struct mirror *m = make(1, 50, SLOW);
	struct fail f;

	ck_assert_int_eq(put_all(m, &f), 0);
	assert_whole(0);
	assert_whole(1);
	ck_assert(!mirror_has(m, 2));
	clear(m);
}
END_TEST

/* The others are no faster: nobody is to blame. */
START_TEST(where_all_are_slow_none_is_left_out)
{
	struct mirror *m = make(1, 1000, SLOW);
	struct fail f;

	members[0].how = members[1].how = SLOW;
	ck_assert_int_eq(put_all(m, &f), 0);
	for (size_t i = 0; i < N; i++)
		assert_whole(i);
	clear(m);
}
END_TEST

START_TEST(what_one_thread_leaves_out_the_others_leave_out)
{
	struct mirror *m = make(1, 60000, GOOD);
	struct fail f, why;
	struct store *s = mirror_open(m, &f);
	struct stream *put = store_put(
	    s, "key", &(struct store_attrs){ 0 }, &f);

	ck_assert_int_eq(stream_write(put, content, SIZE, &f), 0);
	(void)fails(&why);
	ck_assert(mirror_can_spare(m));
	ck_assert_int_eq(mirror_drop(m, 2, &why, &f), 0);
	ck_assert_int_eq(stream_finish(put, &f), 0);
	stream_free(put);
	assert_whole(0);
	assert_whole(1);
	ck_assert_int_eq(mirror_drop(m, 1, &why, &f), 0);
	ck_assert_int_eq(mirror_drop(m, 1, &why, &f), 0);
	ck_assert(!mirror_can_spare(m));
	ck_assert_int_eq(mirror_drop(m, 0, &why, &f), -1);
	ck_assert(mirror_has(m, 0));
	store_free(s);
	clear(m);
}
END_TEST

START_TEST(what_one_that_others_leave_out_holds_stays_as_it_was)
{
	struct mirror *m = make(1, 60000, HANGS);
	const size_t held = (size_t)3 * IO_CHUNK;
	struct fail f, why;
	struct store *s = mirror_open(m, &f);
	struct stream *put = store_put(
	    s, "key", &(struct store_attrs){ 0 }, &f);

	ck_assert_int_eq(stream_write(put, content, held, &f), 0);
	(void)sem_wait(&members[2].hangs);
	(void)fails(&why);
	ck_assert_int_eq(mirror_drop(m, 2, &why, &f), 0);
	/* The chunk's place in the queue is used again. */
	ck_assert_int_eq(stream_write(put, content + held, SIZE - held, &f), 0);
	ck_assert_int_eq(stream_finish(put, &f), 0);
	(void)sem_post(&members[2].go);
	(void)sem_wait(&members[2].gone);
	stream_free(put);
	store_free(s);
	assert_whole(0);
	assert_whole(1);
	ck_assert(!members[2].finished);
	ck_assert_uint_eq(members[2].bytes.len, held);
	ck_assert_mem_eq(members[2].bytes.data, content, held);
	clear(m);
}
END_TEST

START_TEST(a_key_that_exists_in_one_is_told)
{
	struct mirror *m = make(N, 60000, EXISTS);
	struct fail f;

	ck_assert_int_eq(put_all(m, &f), 1);
	clear(m);
}
END_TEST

START_TEST(what_is_not_finished_is_finished_nowhere)
{
	struct mirror *m = make(N, 60000, GOOD);
	struct fail f;
	struct store *s = mirror_open(m, &f);
	struct stream *put = store_put(
	    s, "key", &(struct store_attrs){ 0 }, &f);

	ck_assert_int_eq(stream_write(put, content, SIZE, &f), 0);
	stream_free(put);
	store_free(s);
	for (size_t i = 0; i < N; i++)
		ck_assert(!members[i].finished);
	clear(m);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("mirror");
	TCase *t;

	add_tests(s, "puts",
	    TESTS(all_stores_get_the_same_bytes,
	        a_slow_one_is_waited_for_where_all_are_required,
	        one_that_is_too_slow_is_left_out_where_enough_remain,
	        where_all_are_slow_none_is_left_out,
	        what_one_thread_leaves_out_the_others_leave_out,
	        what_one_that_others_leave_out_holds_stays_as_it_was,
	        a_key_that_exists_in_one_is_told,
	        what_is_not_finished_is_finished_nowhere));
	t = tcase_create("failures");
	tcase_set_timeout(t, 30);
	tcase_add_loop_test(t, one_that_fails_is_left_out_from_then_on, 0, 4);
	tcase_add_loop_test(
	    t, where_all_are_required_one_failure_fails_the_put, 0, 4);
	tcase_add_loop_test(t, one_that_hangs_is_left_behind, 0, 3);
	tcase_add_loop_test(
	    t, where_all_are_required_one_that_hangs_fails_the_put, 0, 3);
	suite_add_tcase(s, t);
	return run_suite(s);
}
