/* SPDX-License-Identifier: PostgreSQL */
/* wrap: malloc calloc realloc reallocarray aligned_alloc open openat write */
/* wrap: pwrite pread read fsync sync_file_range linkat renameat2 mkdirat */
/* wrap: unlinkat fstatat */
/*
 * Every call made while an object is written and read fails once.  A failed
 * read is never an answer: neither "absent" nor "damaged", for both would be
 * acted upon.
 */
#include "faults.h"
#include "note.h"
#include "objectcheck.h"
#include "repository.h"
#include "storecheck.h"

/* Enough for a second thread on both ways. */
#define PLAIN_SIZE ((size_t)1200000)

static uint8_t plain[PLAIN_SIZE];

static struct layout layout = {
	.cluster = "main", .sysid = 7431, .generation = 1
};

struct place {
	char url[600], key[LAYOUT_KEY_MAX];
	struct buf object;
	unsigned round;
};

static void
make_place(struct place *p, const char *name)
{
	struct object_header h = plain_header(OBJECT_HISTORY);
	uint64_t state = 11;

	memset(p, 0, sizeof *p);
	h.has_plain = true;
	(void)snprintf(p->url, sizeof p->url, "file://%s", temp_subdir(name));
	(void)snprintf(p->key, sizeof p->key, "main/%s", OBJECTCHECK_KEY);
	fill_random(&state, plain, PLAIN_SIZE / 2);
	make_object(&h, plain, PLAIN_SIZE, &p->object);
}

static int
run_build(void *arg, struct fail *f)
{
	struct object_header h = plain_header(OBJECT_HISTORY);
	struct place *p = arg;
	struct buf b = { 0 };
	uint64_t stored = 0;
	int rc;

	h.has_plain = true;
	rc = build_object(&h, plain, PLAIN_SIZE, &b, &stored, f);

	if (rc == 0 &&
	    (stored != p->object.len || b.len != stored ||
	        memcmp(b.data, p->object.data, stored) != 0))
		rc = 77;
	buf_clear(&b);
	return rc;
}

START_TEST(an_object_is_built_whole_or_not_at_all)
{
	struct place p;
	struct attempt a = { run_build, NULL, &p, false };

	make_place(&p, "build");
	ck_assert_uint_ge(failure_loop(&a, FAULT_MEMORY, 0), 10);
	buf_clear(&p.object);
}
END_TEST

/* Written ahead: the payload goes to spool and put, then what is around it. */
static int
write_around(struct place *p, struct store *s, struct spool *spool,
    struct stream *put, struct fail *f)
{
	struct object_header h = plain_header(OBJECT_HISTORY);
	struct codec lz4 = { CODEC_LZ4, 1 };
	struct stream *in = digest_new(
	    &h.plain, encoder_new(&lz4, true, spool_stream(spool)));
	uint64_t stored = 0;
	int rc = -1;

	(void)snprintf(h.key, sizeof h.key, "%s", p->key + strlen("main/"));
	if (in == NULL)
		return fail_set(f, FAIL_INTERNAL, "stream", "NULL");
	if (write_in_chunks(in, plain, PLAIN_SIZE, 65536, f) == 0 &&
	    stream_finish(in, f) == 0 && spool_replay(spool, put, f) == 0)
		rc = object_write_around(&h, spool, s, put, &stored, f);
	stream_free(in);
	return rc;
}

static int
run_around(void *arg, struct fail *f)
{
	struct store_attrs attrs = { .front = OBJECT_FRONT };
	struct place *p = arg;
	struct store *s = try_to_open(p->url, f);
	struct spool *spool = spool_new(1 << 24, NULL);
	struct stream *put = NULL;
	int rc = -1;

	if (spool == NULL)
		(void)fail_set(f, FAIL_INTERNAL, "spool", "NULL");
	else if (s != NULL)
		put = store_put(s, p->key, &attrs, f);
	if (put != NULL)
		rc = write_around(p, s, spool, put, f);
	stream_free(put);
	spool_free(spool);
	store_free(s);
	return rc;
}

/* Whole or not there; then another key. */
static void
after_around(void *arg, int rc, const char *failed)
{
	struct place *p = arg;
	struct fail f = { 0 };
	struct store *s = try_to_open(p->url, &f);
	struct sink out = { 0 };
	struct object_seen seen;
	int there;

	(void)failed;
	require(s != NULL);
	there = object_read(s, &layout, p->key, sink_stream(&out), &seen, &f);
	require(there == 0 || there == 1);
	require(there == 0 || rc != 0);
	require(rc == 0 || there == 1 || faults.named > 0);
	require(there == 1 ||
	    (out.bytes.len == PLAIN_SIZE &&
	        memcmp(out.bytes.data, plain, PLAIN_SIZE) == 0));
	buf_clear(&out.bytes);
	store_free(s);
	(void)snprintf(p->key, sizeof p->key, "main/7431.1/%u/x", ++p->round);
}

START_TEST(an_object_written_around_its_payload_is_whole_or_not_there)
{
	struct place p;
	struct attempt a = { run_around, after_around, &p, false };

	make_place(&p, "around");
	ck_assert_uint_ge(failure_loop(&a, FAULT_MEMORY, 0), 10);
	ck_assert_uint_ge(failure_loop(&a, FAULT_FILES, EIO), 15);
	ck_assert_uint_ge(failure_loop(&a, FAULT_FILES, ENOSPC), 15);
	buf_clear(&p.object);
}
END_TEST

static int
run_read(void *arg, struct fail *f)
{
	struct place *p = arg;
	struct store *s = try_to_open(p->url, f);
	struct object_header h;
	struct object_seen seen;
	struct sink out = { 0 };
	int rc = -1;

	if (s != NULL)
		rc = object_read_header(s, &layout, p->key, &h, f);
	if (rc == 0)
		rc = object_read(
		    s, &layout, p->key, sink_stream(&out), &seen, f);
	if (rc == 0 &&
	    (!out.finished || out.bytes.len != PLAIN_SIZE ||
	        memcmp(out.bytes.data, plain, PLAIN_SIZE) != 0))
		rc = 77;
	require(rc == 0 || !out.finished);
	if (rc == 0)
		rc = object_read(s, &layout, p->key, NULL, &seen, f);
	require(rc != -1 || f->kind != FAIL_DAMAGED);
	buf_clear(&out.bytes);
	store_free(s);
	return rc;
}

START_TEST(a_read_that_fails_says_nothing_of_the_object)
{
	static const int errors[] = { EIO, ESTALE, EMFILE, EACCES };
	struct place p;
	struct attempt a = { run_read, NULL, &p, false };
	struct fail f = { 0 };
	struct store *s;

	make_place(&p, "read");
	s = try_to_open(p.url, &f);
	require(s != NULL);
	ck_assert_int_eq(
	    put_bytes(s, p.key, p.object.data, p.object.len, NULL, &f), 0);
	store_free(s);
	ck_assert_uint_ge(failure_loop(&a, FAULT_MEMORY, 0), 10);
	for (size_t i = 0; i < 4; i++)
		ck_assert_uint_ge(failure_loop(&a, FAULT_FILES, errors[i]), 10);
	buf_clear(&p.object);
}
END_TEST

/* init and everything that later asks whether this is the right place. */
static int
run_repository(void *arg, struct fail *f)
{
	struct place *p = arg;
	struct identity id = {
		.sysid = 7431, .generation = 1, .major = 15, .segsize = 1 << 24
	};
	struct identity back, *all = NULL;
	struct repository r = { .layout = layout };
	size_t n = 0;
	int rc;

	(void)snprintf(
	    r.layout.cluster, sizeof r.layout.cluster, "c%u", ++p->round);
	(void)snprintf(r.id, sizeof r.id, "0123456789abcdef0123456789abcdef");
	r.store = try_to_open(p->url, f);
	rc = r.store != NULL ? repository_create(&r, f) : -1;
	if (rc == 0)
		rc = repository_open(&r, f);
	if (rc == 0)
		rc = repository_add_identity(&r, &id, f);
	if (rc == 0)
		rc = repository_require(&r, &back, f);
	if (rc == 0)
		rc = repository_systems(&r, &all, &n, f);
	if (rc == 0 && (n != 1 || all[0].sysid != 7431))
		rc = 77;
	free(all);
	require(rc != -1 ||
	    (f->kind != FAIL_DAMAGED && f->kind != FAIL_REFUSED &&
	        f->kind != FAIL_CONFIG));
	store_free(r.store);
	return rc;
}

START_TEST(a_failure_is_not_taken_for_another_place)
{
	struct place p;
	struct attempt a = { run_repository, NULL, &p, false };

	make_place(&p, "repository");
	ck_assert_uint_ge(failure_loop(&a, FAULT_MEMORY, 0), 10);
	ck_assert_uint_ge(failure_loop(&a, FAULT_FILES, EIO), 20);
	buf_clear(&p.object);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("object failures");

	(void)temp_dir();
	add_tests(s, "objects",
	    TESTS(an_object_is_built_whole_or_not_at_all,
	        an_object_written_around_its_payload_is_whole_or_not_there,
	        a_read_that_fails_says_nothing_of_the_object,
	        a_failure_is_not_taken_for_another_place));
	return run_suite(s);
}
