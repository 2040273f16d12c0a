/* SPDX-License-Identifier: PostgreSQL */
/* wrap: object_encode_header */
/* Objects whose header is written behind their payload, and padded. */
#include "objectcheck.h"
#include "storecheck.h"

#define FIELD_UNKNOWN 0x1234

static struct layout layout = {
	.cluster = "main", .sysid = 7431, .generation = 1
};

/* A later version's headers: larger by so many bytes. */
static size_t grown;

int __real_object_encode_header(
    const struct object_header *h, size_t size, struct buf *b);
int __wrap_object_encode_header(
    const struct object_header *h, size_t size, struct buf *b);

int
__wrap_object_encode_header(
    const struct object_header *h, size_t size, struct buf *b)
{
	static const uint8_t filler[OBJECT_HEADER_MAX];

	if (grown == 0)
		return __real_object_encode_header(h, size, b);
	require(__real_object_encode_header(h, 0, b) == 0);
	add_field(b, FIELD_UNKNOWN, filler, grown);
	return 0;
}

/* The largest that there can be, of a segment. */
static struct object_header
largest_header(void)
{
	struct object_header h = plain_header(OBJECT_SEGMENT);
	struct walfacts *w = &h.facts;

	memset(h.key, 'k', sizeof h.key - 1);
	memset(h.repository, 'r', sizeof h.repository - 1);
	memset(h.writer, 'w', sizeof h.writer - 1);
	memset(h.damaged_why, 'd', sizeof h.damaged_why - 1);
	h.has_plain = h.has_facts = h.damaged = true;
	w->segsize = 1 << 24;
	w->blcksz = 8192;
	w->flags = WALFACTS_MORE_POINTS;
	w->cont_len = w->unfinished_len = w->unfinished_here = 1000;
	w->first_lsn = w->first_prev = w->last_ended = w->unfinished = 1;
	w->tail_len = w->head_len = WALFACTS_CUT;
	w->xacts = w->xid_min = w->xid_max = 3;
	w->timed_max = 5;
	w->end_lsn = 5;
	w->end_why = "wrong";
	w->n_points = WALFACTS_RESTORE_POINTS;
	for (size_t i = 0; i < w->n_points; i++)
		memset(w->points[i].name, 'p', sizeof w->points[i].name - 1);
	return h;
}

/* The header, encoded as it is. */
static struct buf
encoded(const struct object_header *h, size_t size)
{
	struct buf b = { 0 };

	ck_assert_int_eq(object_encode_header(h, size, &b), 0);
	return b;
}

/* What comes back from one says the same as the other. */
static void
assert_says_the_same(const struct buf *padded, const struct buf *bare)
{
	struct object_header back;
	struct fail f = { 0 };
	struct buf again;
	size_t used = 0;

	if (object_decode_header(
	        padded->data, padded->len, "object", &back, &used, &f) != 0)
		ck_abort_msg("%s", f.cause);
	ck_assert_uint_eq(used, padded->len);
	again = encoded(&back, 0);
	ck_assert_uint_eq(again.len, bare->len);
	ck_assert_mem_eq(again.data, bare->data, bare->len);
	buf_clear(&again);
}

START_TEST(a_padded_header_says_the_same_and_has_exactly_the_size)
{
	struct object_header headers[] = { plain_header(OBJECT_HISTORY),
		plain_header(OBJECT_SEGMENT), largest_header() };

	headers[1].has_facts = headers[1].has_plain = true;
	headers[1].facts.segsize = 1 << 20;
	headers[1].facts.blcksz = 8192;
	for (size_t i = 0; i < 3; i++) {
		struct buf bare = encoded(&headers[i], 0);
		struct buf padded = encoded(&headers[i], OBJECT_FRONT);
		size_t frame = bare.len - FRAME_SUM_LEN;

		ck_assert_uint_eq(padded.len, OBJECT_FRONT);
		assert_says_the_same(&padded, &bare);
		/* Behind all that it says: field 11, of zeros. */
		ck_assert_mem_eq(padded.data + 8, bare.data + 8, frame - 8);
		ck_assert_mem_eq(padded.data + frame, "\x0b\0", 2);
		ck_assert_uint_eq(decode_u32(padded.data + frame + 2),
		    OBJECT_FRONT - bare.len - 6);
		for (size_t at = frame + 6; at < OBJECT_FRONT - FRAME_SUM_LEN;
		     at++)
			require(padded.data[at] == 0);
		buf_clear(&bare);
		buf_clear(&padded);
	}
}
END_TEST

/* Padding itself needs six bytes. */
START_TEST(a_header_is_padded_only_if_there_is_room_for_it)
{
	struct object_header h = plain_header(OBJECT_HISTORY);
	struct buf bare = encoded(&h, 0);

	for (size_t size = bare.len - 10; size < bare.len + 20; size++) {
		struct buf padded = encoded(&h, size);

		ck_assert_uint_eq(
		    padded.len, size >= bare.len + 6 ? size : bare.len);
		assert_says_the_same(&padded, &bare);
		buf_clear(&padded);
	}
	buf_clear(&bare);
}
END_TEST

/* Or writing ahead would be in vain. */
START_TEST(the_largest_header_of_all_fits_in_front)
{
	struct object_header h = largest_header();
	struct buf b = encoded(&h, 0);

	ck_assert_uint_le(b.len + 6, OBJECT_FRONT);
	buf_clear(&b);
}
END_TEST

/* A put with its payload in it and in a spool, as a push has it. */
struct ahead_put {
	struct store *s;
	struct stream *put;
	struct spool *spool;
	struct object_header h;
	char key[LAYOUT_KEY_MAX + 8];
};

static void
begin_put(struct ahead_put *a, const char *name, const void *plain, size_t len)
{
	struct store_attrs attrs = { .front = OBJECT_FRONT };
	struct codec lz4 = { CODEC_LZ4, 1 };
	struct fail f = { 0 };
	struct stream *s;

	a->h = plain_header(OBJECT_SEGMENT);
	a->h.has_plain = true;
	(void)snprintf(a->h.key, sizeof a->h.key, "7431.1/%s", name);
	(void)snprintf(a->key, sizeof a->key, "main/%s", a->h.key);
	a->put = store_put(a->s, a->key, &attrs, &f);
	a->spool = spool_new((size_t)1 << 30, NULL);
	ck_assert(a->put != NULL && a->spool != NULL);
	s = digest_new(
	    &a->h.plain, encoder_new(&lz4, true, spool_stream(a->spool)));
	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(write_in_chunks(s, plain, len, 65536, &f), 0);
	ck_assert_int_eq(stream_finish(s, &f), 0);
	stream_free(s);
	ck_assert_int_eq(spool_replay(a->spool, a->put, &f), 0);
}

static void
end_put(struct ahead_put *a)
{
	stream_free(a->put);
	spool_free(a->spool);
}

static void
assert_stored(struct ahead_put *a, const void *plain, size_t len)
{
	struct object_seen seen;
	struct fail f = { 0 };
	struct sink out = { 0 };

	if (object_read(a->s, &layout, a->key, sink_stream(&out), &seen, &f) !=
	    0)
		ck_abort_msg("%s", f.cause);
	ck_assert_uint_eq(out.bytes.len, len);
	ck_assert(len == 0 || memcmp(out.bytes.data, plain, len) == 0);
	buf_clear(&out.bytes);
}

/* Of the straight way nothing differs but the padding, and the sums of it. */
START_TEST(an_object_written_around_its_payload_is_whole)
{
	static const size_t sizes[] = { 0, 1, 300000, 3000000 };
	static uint8_t plain[3000000];
	uint64_t state = test_seed();
	struct ahead_put a = { .s = NULL };
	char url[600];

	(void)snprintf(url, sizeof url, "file://%s", temp_subdir("around"));
	a.s = open_url(url);
	fill_random(&state, plain, sizeof plain / 2);
	for (size_t i = 0; i < 4; i++) {
		struct store_info info = { 0 };
		struct fail f = { 0 };
		uint64_t stored = 0;
		char name[32];

		(void)snprintf(name, sizeof name, "x%zu", i);
		begin_put(&a, name, plain, sizes[i]);
		assert_absent(a.s, a.key);
		ck_assert_int_eq(
		    object_write_around(&a.h, a.spool, a.s, a.put, &stored, &f),
		    0);
		ck_assert_int_eq(store_stat(a.s, a.key, &info, &f), 0);
		ck_assert_uint_eq(stored, info.size);
		assert_stored(&a, plain, sizes[i]);
		end_put(&a);
		/* The name is taken now. */
		begin_put(&a, name, "other", 5);
		ck_assert_int_eq(
		    object_write_around(&a.h, a.spool, a.s, a.put, &stored, &f),
		    1);
		end_put(&a);
		assert_stored(&a, plain, sizes[i]);
	}
	store_free(a.s);
}
END_TEST

/* Neither the front nor a trailer: the put goes on as if nothing had been. */
START_TEST(a_header_too_large_for_the_front_is_told_and_nothing_written)
{
	static const size_t more[] = { OBJECT_FRONT - 10, OBJECT_FRONT, 50000 };
	static uint8_t front[OBJECT_FRONT];
	char url[600];
	struct ahead_put a = { .s = NULL };

	(void)snprintf(url, sizeof url, "file://%s", temp_subdir("large"));
	a.s = open_url(url);
	for (size_t i = 0; i < 3; i++) {
		struct fail f = { 0 };
		struct sink payload = { 0 };
		struct buf want = { 0 };
		uint64_t stored = 0;
		char name[32];
		struct stream *straight;

		(void)snprintf(name, sizeof name, "x%zu", i);
		begin_put(&a, name, "plain", 5);
		grown = more[i];
		ck_assert_int_eq(
		    object_write_around(&a.h, a.spool, a.s, a.put, &stored, &f),
		    2);
		ck_assert_int_eq(f.kind, FAIL_NONE);
		assert_absent(a.s, a.key);
		/* What the put would be: the front and the payload alone. */
		memset(front, 'f', sizeof front);
		ck_assert_int_eq(
		    store_front(a.s, a.put, front, sizeof front, &f), 0);
		ck_assert_int_eq(stream_finish(a.put, &f), 0);
		ck_assert_int_eq(
		    spool_replay(a.spool, sink_stream(&payload), &f), 0);
		ck_assert_int_eq(buf_append(&want, front, sizeof front), 0);
		ck_assert_int_eq(
		    buf_append(&want, payload.bytes.data, payload.bytes.len),
		    0);
		assert_object(a.s, a.key, want.data, want.len);
		ck_assert_int_eq(store_del(a.s, a.key, &f), 0);
		/* The straight way is open. */
		straight = store_put(
		    a.s, a.key, &(struct store_attrs){ 0 }, &f);
		ck_assert_int_eq(
		    object_write(&a.h, a.spool, straight, &stored, &f), 0);
		stream_free(straight);
		grown = 0;
		assert_stored(&a, "plain", 5);
		end_put(&a);
		buf_clear(&want);
		buf_clear(&payload.bytes);
	}
	store_free(a.s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("object write");

	(void)test_seed();
	(void)temp_dir();
	add_tests(s, "padding",
	    TESTS(a_padded_header_says_the_same_and_has_exactly_the_size,
	        a_header_is_padded_only_if_there_is_room_for_it,
	        the_largest_header_of_all_fits_in_front));
	add_tests(s, "around",
	    TESTS(an_object_written_around_its_payload_is_whole,
	        a_header_too_large_for_the_front_is_told_and_nothing_written));
	return run_suite(s);
}
