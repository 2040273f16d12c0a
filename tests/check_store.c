/* SPDX-License-Identifier: PostgreSQL */
/*
 * What every store keeps to, whatever it is made of: these tests take the
 * store that $WALVAULT_TEST_STORE names (an empty one), or a directory.
 */
#include <pthread.h>

#include "storecheck.h"

/* The part_size of stores that are tested with parts. */
#define PART ((size_t)5 * 1024 * 1024)

static char url[1024];

/* There a name is a file or a directory, and not both. */
static bool
is_directory(void)
{
	return strncmp(url, "file:", 5) == 0 || strncmp(url, "sftp:", 5) == 0 ||
	    strncmp(url, "exec:", 5) == 0;
}

/*
 * Where each object takes several processes of a tenth of a second there is no
 * time for as many, and none for what is the same as behind exec-directory.
 */
static bool
is_slow(void)
{
	return getenv("WALVAULT_TEST_STORE_SLOW") != NULL;
}

static unsigned
few_or(unsigned many)
{
	return is_slow() ? many / 50 + 1 : many;
}

/* Each test has keys of its own. */
static struct store *
open_store(void)
{
	return open_url(url);
}

START_TEST(what_is_put_is_got_back)
{
	static const size_t sizes[] = { 0, 1, 2, 4095, 65536, 262144, 262145,
		3000000 };
	struct store *s = open_store();
	uint64_t state = test_seed();

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		uint8_t *p = malloc(sizes[i] + 1);
		struct fail f = { 0 };
		char key[64];

		ck_assert_ptr_nonnull(p);
		fill_random(&state, p, sizes[i]);
		(void)snprintf(key, sizeof key, "sizes/%zu", sizes[i]);
		ck_assert_int_eq(put_bytes(s, key, p, sizes[i], NULL, &f), 0);
		assert_object(s, key, p, sizes[i]);
		free(p);
	}
	store_free(s);
}
END_TEST

START_TEST(a_key_is_written_once)
{
	struct store *s = open_store();
	struct fail f = { 0 };

	put_text(s, "once/a", "first");
	ck_assert_int_eq(put_bytes(s, "once/a", "second!", 7, NULL, &f), 1);
	ck_assert_int_eq(f.kind, FAIL_NONE);
	assert_object(s, "once/a", "first", 5);
	ck_assert_int_eq(put_bytes(s, "once/a", "first", 5, NULL, &f), 1);
	ck_assert_int_eq(put_bytes(s, "once/a", "", 0, NULL, &f), 1);
	assert_object(s, "once/a", "first", 5);
	assert_listing(s, "once/", "once/a ");
	store_free(s);
}
END_TEST

START_TEST(what_is_not_finished_is_not_there)
{
	struct store *s = open_store(), *other = open_store();
	struct store_attrs attrs = { 0 };
	struct fail f = { 0 };
	struct stream *out = store_put(s, "open/dir/a", &attrs, &f);

	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(stream_write(out, "half", 4, &f), 0);
	assert_absent(other, "open/dir/a");
	assert_listing(other, "open/", "");
	stream_free(out);
	assert_absent(other, "open/dir/a");
	assert_listing(other, "open/", "");
	/* The key is free for the next one. */
	put_text(other, "open/dir/a", "whole");
	assert_object(s, "open/dir/a", "whole", 5);
	store_free(s);
	store_free(other);
}
END_TEST

START_TEST(the_one_that_finishes_first_has_the_key)
{
	struct store *s = open_store(), *other = open_store();
	struct store_attrs attrs = { 0 };
	struct fail f = { 0 };
	struct stream *slow = store_put(s, "slow/a", &attrs, &f);

	ck_assert_ptr_nonnull(slow);
	ck_assert_int_eq(stream_write(slow, "slow", 4, &f), 0);
	put_text(other, "slow/a", "quick");
	ck_assert_int_eq(stream_finish(slow, &f), 1);
	stream_free(slow);
	assert_object(s, "slow/a", "quick", 5);
	store_free(s);
	store_free(other);
}
END_TEST

/* Those that can write the beginning last: for others there is no front. */
START_TEST(a_front_that_is_written_last_comes_first)
{
	static const struct {
		size_t len, front;
	} sizes[] = { { 1, 1 }, { 4096, 4096 }, { 4097, 4096 }, { 5000, 1 },
		{ 3000000, 4096 }, { 300000, 299999 } };
	struct store *s = open_store();
	uint64_t state = test_seed();

	for (size_t i = 0; store_has_front(s) && i < 6; i++) {
		uint8_t *p = malloc(sizes[i].len);
		struct fail f = { 0 };
		char key[64];

		ck_assert_ptr_nonnull(p);
		fill_random(&state, p, sizes[i].len);
		(void)snprintf(key, sizeof key, "front/%zu", i);
		if (put_front_last(
		        s, key, p, sizes[i].len, sizes[i].front, &f) != 0)
			ck_abort_msg("%s", f.cause);
		assert_object(s, key, p, sizes[i].len);
		ck_assert_int_eq(
		    put_front_last(s, key, p, sizes[i].len, sizes[i].front, &f),
		    1);
		free(p);
	}
	store_free(s);
}
END_TEST

START_TEST(what_has_its_front_is_not_there_before_it_is_finished)
{
	struct store *s = open_store(), *other = open_store();
	struct store_attrs attrs = { .front = 4 };
	struct fail f = { 0 };
	struct stream *out = store_has_front(s)
	    ? store_put(s, "front/open/a", &attrs, &f)
	    : NULL;

	ck_assert(out != NULL || !store_has_front(s));
	if (out != NULL) {
		assert_absent(other, "front/open/a");
		ck_assert_int_eq(stream_write(out, "payload", 7, &f), 0);
		assert_absent(other, "front/open/a");
		ck_assert_int_eq(store_front(s, out, "head", 4, &f), 0);
		assert_absent(other, "front/open/a");
		ck_assert_int_eq(stream_write(out, "!", 1, &f), 0);
		assert_absent(other, "front/open/a");
		assert_listing(other, "front/open/", "");
		ck_assert_int_eq(stream_finish(out, &f), 0);
		assert_object(other, "front/open/a", "headpayload!", 12);
	}
	stream_free(out);
	store_free(s);
	store_free(other);
}
END_TEST

/* Or zeros would stand where a reader looks for the header. */
START_TEST(without_its_whole_front_nothing_is_published)
{
	static const char zeros[16];
	struct store *s = open_store();

	for (size_t len = 0; store_has_front(s) && len <= 16; len++) {
		struct store_attrs attrs = { .front = 8 };
		struct fail f = { 0 };
		struct stream *out = store_put(s, "unfilled/a", &attrs, &f);

		ck_assert_ptr_nonnull(out);
		ck_assert_int_eq(stream_write(out, "payload", 7, &f), 0);
		if (len != 8) {
			ck_assert_int_eq(
			    store_front(s, out, zeros, len, &f), -1);
			assert_failed(&f, FAIL_INTERNAL);
			ck_assert_ptr_nonnull(strstr(f.object, "unfilled/a"));
		}
		f.kind = FAIL_NONE;
		ck_assert_int_eq(stream_finish(out, &f), -1);
		assert_failed(&f, FAIL_INTERNAL);
		stream_free(out);
		assert_absent(s, "unfilled/a");
		assert_listing(s, "unfilled/", "");
	}
	store_free(s);
}
END_TEST

/* Larger than what a store may put at once, and exactly as large as parts. */
START_TEST(large_objects_are_put_and_got)
{
	static const size_t sizes[] = { PART, PART + 1, 5 * PART,
		4 * PART + 12345 };
	struct store_attrs attrs = { .kind = STORE_BACKUP };
	struct store *s = open_store();
	uint64_t state = test_seed();
	uint8_t *p = malloc(5 * PART);

	ck_assert_ptr_nonnull(p);
	fill_random(&state, p, 5 * PART);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct fail f = { 0 };
		struct buf got;
		char key[64];
		struct stream *out;

		(void)snprintf(key, sizeof key, "large/%zu", i);
		for (int again = 0; again < 2; again++) {
			out = store_put(s, key, &attrs, &f);
			ck_assert_ptr_nonnull(out);
			ck_assert_int_eq(
			    write_in_chunks(out, p, sizes[i], 262144, &f), 0);
			if (again == 0)
				assert_absent(s, key);
			ck_assert_int_eq(stream_finish(out, &f), again);
			stream_free(out);
		}
		assert_object(s, key, p, sizes[i]);
		ck_assert_int_eq(get_range(s, key, PART - 5, 10, &got, &f), 0);
		ck_assert_uint_eq(
		    got.len, sizes[i] < PART + 5 ? sizes[i] - (PART - 5) : 10);
		ck_assert_mem_eq(got.data, p + PART - 5, got.len);
		buf_clear(&got);
	}
	free(p);
	store_free(s);
}
END_TEST

START_TEST(what_is_large_and_abandoned_leaves_nothing)
{
	struct store_attrs attrs = { .kind = STORE_BACKUP };
	struct store *s = open_store();
	struct fail f = { 0 };
	struct stream *out = store_put(s, "abandoned/a", &attrs, &f);
	uint8_t *p = calloc(3, PART);
	size_t n = 99;

	ck_assert_ptr_nonnull(out);
	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(write_in_chunks(out, p, 3 * PART, 262144, &f), 0);
	stream_free(out);
	assert_absent(s, "abandoned/a");
	assert_listing(s, "abandoned/", "");
	ck_assert_int_eq(store_sweep(s, "abandoned/", INT64_MAX, &n, &f), 0);
	ck_assert_uint_eq(n, 0);
	free(p);
	store_free(s);
}
END_TEST

START_TEST(keys_may_hold_every_printable_character)
{
	struct store *s = open_store();
	struct fail f = { 0 };
	char want[2048] = "";
	int each = is_slow() ? 16 : 1;

	for (int c = ' ' + 1; c < 127; c += each) {
		char key[64], chars[32] = "", text[16];

		for (int i = c; i < c + each && i < 127; i++)
			if (i != '/')
				chars[strlen(chars)] = (char)i;
		if (chars[0] == '\0')
			continue;
		(void)snprintf(key, sizeof key, "printable/x%sy z", chars);
		(void)snprintf(text, sizeof text, "%d", c);
		/* Azure makes a slash of it, which would be another key. */
		if (c == '\\' && strncmp(url, "azure:", 6) == 0) {
			ck_assert_int_eq(
			    put_bytes(s, key, "", 0, NULL, &f), -1);
			assert_failed(&f, FAIL_CONFIG);
			continue;
		}
		put_text(s, key, text);
		assert_object(s, key, text, strlen(text));
		(void)snprintf(want + strlen(want), sizeof want - strlen(want),
		    "%s ", key);
	}
	assert_listing(s, "printable/", want);
	store_free(s);
}
END_TEST

START_TEST(a_listing_can_begin_behind_any_key)
{
	static const struct {
		const char *after, *want;
	} tries[] = { { "after/", "after/a after/a-b after/a/c after/b " },
		{ "after/a", "after/a-b after/a/c after/b " },
		{ "after/a-", "after/a-b after/a/c after/b " },
		{ "after/a/b", "after/a/c after/b " },
		{ "after/a/c", "after/b " }, { "after/a~", "after/b " },
		{ "after/b", "" }, { "zzz", "" },
		{ "a", "after/a after/a-b after/a/c after/b " } };
	struct store *s = open_store();

	put_text(s, "after/b", "");
	put_text(s, "after/a/c", "");
	put_text(s, "after/a-b", "");
	if (!is_directory())
		put_text(s, "after/a", "");
	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
		const char *want = tries[i].want;
		struct listed l = { 0 };
		struct fail f = { 0 };

		if (is_directory() && strncmp(want, "after/a ", 8) == 0)
			want += 8;
		ck_assert_int_eq(store_list_after(s, "after/", tries[i].after,
		                     listed_add, &l, &f),
		    0);
		ck_assert_int_eq(buf_append_u8(&l.text, 0), 0);
		ck_assert_str_eq((const char *)l.text.data, want);
		buf_clear(&l.text);
	}
	store_free(s);
}
END_TEST

#define RACERS 16
#define ROUNDS 40

struct racer {
	pthread_t thread;
	pthread_barrier_t *start;
	unsigned number, round;
	int rc[ROUNDS];
};

static void
race_key(unsigned round, char key[64])
{
	(void)snprintf(key, 64, "race/new-%u/%u", round / 4, round);
}

/* Threads may not use check's assertions: what went wrong is in rc. */
static void *
race(void *arg)
{
	struct racer *r = arg;
	struct fail f = { 0 };
	struct store *s = try_to_open(url, &f);
	char text[32], key[64];

	(void)snprintf(text, sizeof text, "racer %u", r->number);
	for (unsigned round = 0; round < few_or(ROUNDS); round++) {
		race_key(round, key);
		(void)pthread_barrier_wait(r->start);
		r->rc[round] = s == NULL
		    ? -1
		    : put_bytes(s, key, text, strlen(text), NULL, &f);
	}
	store_free(s);
	return NULL;
}

START_TEST(of_many_writers_exactly_one_wins)
{
	struct racer racers[RACERS] = { 0 };
	struct store *s = open_store();
	pthread_barrier_t start;
	/* Such a store does not promise it. */
	bool alone = strcmp(test_store_option(NULL, "single-writer"), "yes") ==
	    0;

	if (alone)
		(void)printf("single_writer: a race may have two winners\n");

	ck_assert_int_eq(pthread_barrier_init(&start, NULL, RACERS), 0);
	for (unsigned i = 0; i < RACERS; i++) {
		racers[i].start = &start;
		racers[i].number = i;
		ck_assert_int_eq(
		    pthread_create(&racers[i].thread, NULL, race, &racers[i]),
		    0);
	}
	for (unsigned i = 0; i < RACERS; i++)
		ck_assert_int_eq(pthread_join(racers[i].thread, NULL), 0);
	for (unsigned round = 0; round < few_or(ROUNDS); round++) {
		unsigned winners = 0, winner = 0;
		char text[32], key[64];

		for (unsigned i = 0; i < RACERS; i++) {
			int rc = racers[i].rc[round];

			require(rc == 0 || rc == 1 || alone);
			winners += rc == 0;
			winner = rc == 0 ? i : winner;
		}
		race_key(round, key);
		if (alone)
			continue;
		ck_assert_uint_eq(winners, 1);
		(void)snprintf(text, sizeof text, "racer %u", winner);
		assert_object(s, key, text, strlen(text));
	}
	(void)pthread_barrier_destroy(&start);
	store_free(s);
}
END_TEST

START_TEST(any_range_can_be_got)
{
	static uint8_t bytes[600000];
	static const struct {
		uint64_t off, len, got;
	} ranges[] = { { 0, 0, 0 }, { 0, 1, 1 }, { 0, 600000, 600000 },
		{ 0, 600001, 600000 }, { 1, STORE_ALL, 599999 },
		{ 599999, 1, 1 }, { 599999, STORE_ALL, 1 }, { 600000, 1, 0 },
		{ 600000, STORE_ALL, 0 }, { 600001, 5, 0 },
		{ 262143, 262146, 262146 }, { 300000, 17, 17 },
		{ UINT64_C(1) << 40, STORE_ALL, 0 } };
	struct store *s = open_store();
	uint64_t state = test_seed();
	struct fail f = { 0 };

	fill_random(&state, bytes, sizeof bytes);
	ck_assert_int_eq(
	    put_bytes(s, "range/a", bytes, sizeof bytes, NULL, &f), 0);
	for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
		struct buf got;

		ck_assert_int_eq(get_range(s, "range/a", ranges[i].off,
		                     ranges[i].len, &got, &f),
		    0);
		ck_assert_uint_eq(got.len, ranges[i].got);
		if (got.len > 0)
			ck_assert_mem_eq(
			    got.data, bytes + ranges[i].off, got.len);
		buf_clear(&got);
	}
	store_free(s);
}
END_TEST

START_TEST(a_failure_of_the_receiver_is_not_taken_for_the_stores)
{
	static uint8_t bytes[600000];
	struct store *s = open_store();
	struct sink full = { .fail_behind = 300000 };
	struct fail f = { 0 };

	ck_assert_int_eq(
	    put_bytes(s, "full/a", bytes, sizeof bytes, NULL, &f), 0);
	ck_assert_int_eq(
	    store_get(s, "full/a", 0, STORE_ALL, sink_stream(&full), &f), -1);
	ck_assert_int_eq(f.kind, FAIL_SPACE);
	ck_assert_str_eq(f.object, "sink");
	buf_clear(&full.bytes);
	store_free(s);
}
END_TEST

/* Asks the store for something else before it takes more. */
struct curious {
	struct stream stream;
	struct store *store;
	unsigned asked;
};

static int
curious_write(struct stream *s, const void *bytes, size_t len, struct fail *f)
{
	struct curious *c = (struct curious *)s;
	struct store_info info;
	struct buf got;

	(void)bytes;
	(void)len;
	c->asked++;
	require(store_stat(c->store, "curious/b", &info, f) == 0);
	require(get_range(c->store, "curious/b", 0, STORE_ALL, &got, f) == 0);
	require(got.len == 5 && memcmp(got.data, "small", 5) == 0);
	buf_clear(&got);
	assert_listing(c->store, "curious/", "curious/a curious/b ");
	return 0;
}

START_TEST(a_store_answers_while_it_gives)
{
	static const struct stream_ops ops = { .write = curious_write };
	static uint8_t bytes[600000];
	struct curious c = { .stream.ops = &ops, .store = open_store() };
	struct fail f = { 0 };

	ck_assert_int_eq(
	    put_bytes(c.store, "curious/a", bytes, sizeof bytes, NULL, &f), 0);
	put_text(c.store, "curious/b", "small");
	ck_assert_int_eq(
	    store_get(c.store, "curious/a", 0, STORE_ALL, &c.stream, &f), 0);
	ck_assert_uint_gt(c.asked, 0);
	store_free(c.store);
}
END_TEST

START_TEST(what_was_never_put_is_absent)
{
	struct store *s = open_store();

	put_text(s, "absent/here", "x");
	assert_absent(s, "absent/there");
	assert_absent(s, "absent/other/deeper/still");
	assert_absent(s, "nothing");
	assert_listing(s, "absent/other/", "");
	store_free(s);
}
END_TEST

START_TEST(what_is_deleted_is_absent)
{
	struct store *s = open_store();
	struct fail f = { 0 };

	put_text(s, "del/a", "x");
	put_text(s, "del/b", "y");
	ck_assert_int_eq(store_del(s, "del/a", &f), 0);
	assert_absent(s, "del/a");
	assert_listing(s, "del/", "del/b ");
	put_text(s, "del/a", "again");
	assert_object(s, "del/a", "again", 5);
	store_free(s);
}
END_TEST

static void
count_failed(void *arg, size_t i, const struct fail *f)
{
	(void)i;
	(void)f;
	(*(unsigned *)arg)++;
}

/* As many as one request can take; most of them were never there. */
START_TEST(many_are_deleted_at_once)
{
	static char names[STORE_BATCH_MAX][64];
	const char *keys[STORE_BATCH_MAX];
	struct store *s = open_store();
	struct fail f = { 0 };
	unsigned failed = 0;
	/* Without batches it is one after the other, however many. */
	unsigned n = store_batch_size(s) > 1 ? STORE_BATCH_MAX : few_or(200);
	struct store_batch b = {
		.keys = keys, .n = n, .failed = count_failed, .arg = &failed
	};

	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(
		    names[i], sizeof names[i], "batch/a&<%u>'\"%%41+", i);
		keys[i] = names[i];
		if (i % 50 == 0)
			put_text(s, keys[i], "x");
	}
	put_text(s, "batch/left", "y");
	ck_assert_int_eq(store_del_many(s, &b, &f), 0);
	ck_assert_uint_eq(failed, 0);
	assert_listing(s, "batch/", "batch/left ");
	b.n = 0;
	if (store_batch_size(s) == 1)
		ck_assert_int_eq(store_del_many(s, &b, &f), 0);
	store_free(s);
}
END_TEST

START_TEST(keys_are_listed_in_bytewise_order)
{
	static const char *const keys[] = { "a0", "a.b", "b", "a/b", "a/b0",
		"a/c/d", "a-", "a/c.d", "a!", "B", "_", "a~", "aa", "0" };
	struct store *s = open_store();

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		char key[64];

		(void)snprintf(key, sizeof key, "list/%s", keys[i]);
		put_text(s, key, keys[i]);
	}
	assert_listing(s, "list/",
	    "list/0 list/B list/_ list/a! list/a- list/a.b list/a/b "
	    "list/a/b0 list/a/c.d list/a/c/d list/a0 list/aa list/a~ list/b ");
	assert_listing(
	    s, "list/a/", "list/a/b list/a/b0 list/a/c.d list/a/c/d ");
	assert_listing(s, "list/a/c/", "list/a/c/d ");
	assert_shallow_listing(s, "list/",
	    "list/0 list/B list/_ list/a! list/a- list/a.b list/a/ list/a0 "
	    "list/aa list/a~ list/b ");
	assert_shallow_listing(
	    s, "list/a/", "list/a/b list/a/b0 list/a/c.d list/a/c/ ");
	assert_shallow_listing(s, "list/x/", "");
	store_free(s);
}
END_TEST

START_TEST(the_empty_prefix_lists_everything)
{
	struct store *s = open_store();
	struct listed l = { 0 };
	struct fail f = { 0 };

	put_text(s, "top", "x");
	ck_assert_int_eq(store_list(s, "", listed_add, &l, &f), 0);
	ck_assert_uint_ge(l.n, 1);
	ck_assert(l.sorted);
	ck_assert_int_eq(buf_append_u8(&l.text, 0), 0);
	ck_assert_ptr_nonnull(strstr((const char *)l.text.data, "top "));
	buf_clear(&l.text);
	store_free(s);
}
END_TEST

#define MANY 2500

/* One of several at once, because each write waits for the disk. */
static void *
put_many(void *arg)
{
	struct racer *r = arg;
	struct fail f = { 0 };
	struct store *s = try_to_open(url, &f);

	for (unsigned i = r->number; s != NULL && i < MANY; i += RACERS) {
		char key[64];

		/* Not in the order of their names. */
		(void)snprintf(key, sizeof key, "many/%08X", i * 2654435761u);
		r->rc[0] += put_bytes(s, key, "", 0, NULL, &f) == 0;
	}
	store_free(s);
	return NULL;
}

/* More than any page of a listing, and more than one directory buffer. */
START_TEST(thousands_of_keys_are_listed_once_each)
{
	struct racer writers[RACERS] = { 0 };
	struct store *s = open_store();
	unsigned behind = 0;
	struct listed l = { 0 }, stopped = { .stop_after = 1700 };
	struct fail f = { 0 };
	int written = 0;

	for (unsigned i = 0; i < RACERS; i++) {
		writers[i].number = i;
		ck_assert_int_eq(pthread_create(&writers[i].thread, NULL,
		                     put_many, &writers[i]),
		    0);
	}
	for (unsigned i = 0; i < RACERS; i++) {
		ck_assert_int_eq(pthread_join(writers[i].thread, NULL), 0);
		written += writers[i].rc[0];
	}
	for (unsigned i = 0; i < MANY; i++)
		behind += i * 2654435761u > 0x80000000u;
	ck_assert_int_eq(written, MANY);
	ck_assert_int_eq(store_list(s, "many/", listed_add, &l, &f), 0);
	ck_assert_uint_eq(l.n, MANY);
	ck_assert(l.sorted);
	ck_assert_int_eq(store_list(s, "many/", listed_add, &stopped, &f), 42);
	ck_assert_uint_eq(stopped.n, 1700);
	buf_clear(&l.text);
	buf_clear(&stopped.text);
	l.n = 0;
	l.text.len = 0;
	ck_assert_int_eq(
	    store_list_after(s, "many/", "many/80000000", listed_add, &l, &f),
	    0);
	ck_assert(l.sorted);
	ck_assert_uint_eq(l.n, behind);
	buf_clear(&l.text);
	store_free(s);
}
END_TEST

START_TEST(a_listing_tells_sizes_and_times)
{
	struct store *s = open_store();
	struct store_info info = { 0 };
	struct fail f = { 0 };
	struct timespec now;
	int64_t sec;

	put_text(s, "info/a", "seven b");
	ck_assert_int_eq(store_stat(s, "info/a", &info, &f), 0);
	ck_assert_uint_eq(info.size, 7);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	sec = info.mtime / 1000000 + 946684800;
	ck_assert_int_ge(sec, now.tv_sec - 100);
	ck_assert_int_le(sec, now.tv_sec + 1);
	store_free(s);
}
END_TEST

START_TEST(a_damaged_object_is_set_aside_in_one_step)
{
	struct store *s = open_store();
	struct fail f = { 0 };

	put_text(s, "aside/a", "damaged");
	ck_assert_int_eq(
	    put_bytes(s, "aside/a", "good", 4, "aside/a.damaged-1", &f), 0);
	assert_object(s, "aside/a", "good", 4);
	assert_object(s, "aside/a.damaged-1", "damaged", 7);
	assert_listing(s, "aside/", "aside/a aside/a.damaged-1 ");
	store_free(s);
}
END_TEST

/* As large as a pack is in a store that puts it in parts. */
START_TEST(a_damaged_object_of_many_parts_is_set_aside)
{
	size_t len = 2 * PART + 1000;
	struct store *s = open_store();
	uint8_t *damaged = malloc(len), *good = malloc(len);
	uint64_t state = test_seed();
	struct fail f = { 0 };

	ck_assert(damaged != NULL && good != NULL);
	fill_random(&state, damaged, len);
	fill_random(&state, good, len);
	ck_assert_int_eq(put_bytes(s, "parts/a", damaged, len, NULL, &f), 0);
	if (put_bytes(s, "parts/a", good, len, "parts/a.damaged-1", &f) != 0)
		ck_abort_msg("%s: %s", f.object, f.cause);
	assert_object(s, "parts/a", good, len);
	assert_object(s, "parts/a.damaged-1", damaged, len);
	assert_listing(s, "parts/", "parts/a parts/a.damaged-1 ");
	free(damaged);
	free(good);
	store_free(s);
}
END_TEST

/* The name that it should go to is taken: nothing is lost. */
START_TEST(nothing_set_aside_is_overwritten)
{
	struct store *s = open_store();
	struct fail f = { 0 };

	put_text(s, "taken/a", "damaged");
	put_text(s, "taken/a.damaged-1", "older");
	ck_assert_int_ne(
	    put_bytes(s, "taken/a", "good", 4, "taken/a.damaged-1", &f), 0);
	assert_object(s, "taken/a", "damaged", 7);
	assert_object(s, "taken/a.damaged-1", "older", 5);
	assert_listing(s, "taken/", "taken/a taken/a.damaged-1 ");
	store_free(s);
}
END_TEST

START_TEST(an_object_of_another_process_can_be_settled)
{
	struct store *s = open_store(), *other = open_store();
	struct fail f = { 0 };

	put_text(other, "settle/deep/er/a", "x");
	ck_assert_int_eq(store_settle(s, "settle/deep/er/a", &f), 0);
	put_text(other, "settled", "x");
	ck_assert_int_eq(store_settle(s, "settled", &f), 0);
	store_free(s);
	store_free(other);
}
END_TEST

START_TEST(a_place_that_is_there_can_be_prepared_again)
{
	struct store *s = open_store();
	struct fail f = { 0 };

	put_text(s, "prepared/a", "x");
	ck_assert_int_eq(store_prepare(s, &f), 0);
	assert_object(s, "prepared/a", "x", 1);
	store_free(s);
}
END_TEST

/* Of a store that has no more than one there is nothing to see. */
START_TEST(another_handle_leads_to_the_same_place_and_outlives_the_first)
{
	struct store *s = open_store(), *again = store_again(s);

	put_text(s, "again/a", "x");
	if (again != NULL) {
		ck_assert_str_eq(again->name, s->name);
		ck_assert_str_eq(again->url, s->url);
		ck_assert_uint_eq(again->id, s->id);
		store_free(s);
		assert_object(again, "again/a", "x", 1);
		put_text(again, "again/b", "y");
		s = open_store();
		assert_object(s, "again/b", "y", 1);
	}
	store_free(again);
	store_free(s);
}
END_TEST

START_TEST(a_store_knows_its_name_and_place)
{
	struct store *s = open_store(), *again = open_store();
	char name[2048];

	ck_assert_str_eq(s->name, "test");
	ck_assert_uint_eq(s->id, again->id);
	store_object_name(s, "a/b", name, sizeof name);
	ck_assert_ptr_nonnull(strstr(name, url));
	ck_assert_ptr_nonnull(strstr(name, "a/b"));
	store_object_name(s, "a/b", name, 4);
	ck_assert_uint_lt(strlen(name), 4);
	store_free(s);
	store_free(again);
	store_free(NULL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("store");
	const char *given = getenv("WALVAULT_TEST_STORE");

	(void)test_seed();
	if (given != NULL)
		(void)snprintf(url, sizeof url, "%s", given);
	else
		(void)snprintf(url, sizeof url, "file://%s", temp_dir());
	add_tests(s, "objects",
	    TESTS(what_is_put_is_got_back, a_key_is_written_once,
	        what_is_not_finished_is_not_there,
	        the_one_that_finishes_first_has_the_key,
	        of_many_writers_exactly_one_wins, any_range_can_be_got,
	        a_failure_of_the_receiver_is_not_taken_for_the_stores,
	        a_store_answers_while_it_gives, what_was_never_put_is_absent,
	        what_is_deleted_is_absent, many_are_deleted_at_once,
	        large_objects_are_put_and_got,
	        what_is_large_and_abandoned_leaves_nothing,
	        keys_may_hold_every_printable_character));
	add_tests(s, "front",
	    TESTS(a_front_that_is_written_last_comes_first,
	        what_has_its_front_is_not_there_before_it_is_finished,
	        without_its_whole_front_nothing_is_published));
	add_tests(s, "listing",
	    TESTS(keys_are_listed_in_bytewise_order,
	        the_empty_prefix_lists_everything,
	        a_listing_can_begin_behind_any_key,
	        a_listing_tells_sizes_and_times));
	add_tests(s, "repair",
	    TESTS(a_damaged_object_is_set_aside_in_one_step,
	        nothing_set_aside_is_overwritten,
	        an_object_of_another_process_can_be_settled));
	add_tests(s, "place",
	    TESTS(a_place_that_is_there_can_be_prepared_again,
	        another_handle_leads_to_the_same_place_and_outlives_the_first,
	        a_store_knows_its_name_and_place));
	if (!is_slow())
		add_tests(s, "many",
		    TESTS(thousands_of_keys_are_listed_once_each,
		        a_damaged_object_of_many_parts_is_set_aside));
	return run_suite(s);
}
