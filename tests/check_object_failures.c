/* SPDX-License-Identifier: PostgreSQL */
/* wrap: malloc calloc realloc reallocarray aligned_alloc open openat write */
/* wrap: pread read fsync linkat renameat2 mkdirat unlinkat fstatat */
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

#define PLAIN_SIZE ((size_t)400000)

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
	(void)snprintf(p->url, sizeof p->url, "file://%s", temp_subdir(name));
	(void)snprintf(p->key, sizeof p->key, "main/%s", OBJECTCHECK_KEY);
	fill_random(&state, plain, PLAIN_SIZE / 2);
	make_object(&h, plain, PLAIN_SIZE, &p->object);
}

static struct store *
open_place(const struct place *p, struct fail *f)
{
	struct store_args args = { .name = "test",
		.url = p->url,
		.dir_mode = 0700,
		.file_mode = 0600 };

	return store_open(&args, f);
}

static int
run_build(void *arg, struct fail *f)
{
	struct object_header h = plain_header(OBJECT_HISTORY);
	struct place *p = arg;
	struct buf b = { 0 };
	uint64_t stored = 0;
	int rc = build_object(&h, plain, PLAIN_SIZE, &b, &stored, f);

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

static int
run_read(void *arg, struct fail *f)
{
	struct place *p = arg;
	struct store *s = open_place(p, f);
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
	s = open_place(&p, &f);
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
	r.store = open_place(p, f);
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
	        a_read_that_fails_says_nothing_of_the_object,
	        a_failure_is_not_taken_for_another_place));
	return run_suite(s);
}
