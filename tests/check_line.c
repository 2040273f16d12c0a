/* SPDX-License-Identifier: PostgreSQL */
/* A line so long that its headers are read by several threads. */
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"
#include "line.h"
#include "log.h"
#include "object.h"
#include "push.h"
#include "storecheck.h"
#include "walmaker.h"

#define SEGMENTS 200
#define SYSID    UINT64_C(7431000000000000123)

static struct identity identity = { SYSID, 1, 15, 1 << 20 };

/* A way into a store that sees who uses it, and can fail at one key. */
struct door {
	struct store store;
	struct store *inner;
	atomic_bool busy;
};

static struct store_ops door_ops;
static const char *fail_at; /* the end of a key, or NULL */
static atomic_size_t doors, doors_used;
static atomic_bool shared;

static struct store *
door_new(struct store *inner)
{
	struct door *d = calloc(1, sizeof *d);

	require(d != NULL && inner != NULL);
	d->store = *inner;
	d->store.ops = &door_ops;
	d->inner = inner;
	atomic_fetch_add(&doors, 1);
	return &d->store;
}

static int
door_get(struct store *s, const char *key, uint64_t off, uint64_t len,
    struct stream *out, struct fail *f)
{
	struct door *d = (struct door *)s;
	size_t end = fail_at != NULL ? strlen(fail_at) : 0;
	int rc;

	if (atomic_exchange(&d->busy, true))
		atomic_store(&shared, true);
	/* Whoever waits for a disk lets others go on. */
	(void)usleep(100);
	if (fail_at != NULL && strcmp(key + strlen(key) - end, fail_at) == 0)
		rc = fail_set(f, FAIL_TRANSIENT, key, "the cable is out");
	else
		rc = store_get(d->inner, key, off, len, out, f);
	atomic_store(&d->busy, false);
	return rc;
}

static int
door_list(struct store *s, const struct store_scan *scan, store_list_fn *fn,
    void *arg, struct fail *f)
{
	struct store *inner = ((struct door *)s)->inner;

	return inner->ops->list(inner, scan, fn, arg, f);
}

static struct store *
door_again(const struct store *s)
{
	atomic_fetch_add(&doors_used, 1);
	return door_new(store_again(((const struct door *)s)->inner));
}

static void
door_free(struct store *s)
{
	store_free(((struct door *)s)->inner);
	free(s);
	atomic_fetch_sub(&doors, 1);
}

static struct store_ops door_ops = { .get = door_get,
	.list = door_list,
	.again = door_again,
	.free = door_free };

static struct repository repo;
static struct index x;

/* Archive segments of one commit each, with times in their order. */
static void
archive_all(struct repository *r, const char *home)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct push_args args = {
		.repos = r, .n_repos = 1, .generation = 1, .compress_level = 1
	};

	w.at = w.segsize;
	for (uint32_t i = 0; i < SEGMENTS; i++) {
		struct fail f = { 0 };
		struct walname name;
		char path[700];
		int fd;

		walmaker_begin(&w, w.at, 1);
		walname_segment(1, w.start / w.segsize, w.segsize, &name);
		(void)walmaker_commit(&w, 1000 + i, 1000 + i);
		(void)walmaker_switch(&w);
		(void)snprintf(path, sizeof path, "%s/%s", home, name.text);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
		require(fd >= 0 && io_write(fd, w.bytes, w.len) == 0);
		(void)close(fd);
		if (push_file(&args, path, &f) != 0)
			ck_abort_msg("%s: %s", f.object, f.cause);
		walmaker_end(&w);
	}
}

static void
make_repository(void)
{
	char url[600], top[64];
	const char *home;
	struct fail f = { 0 };

	/* Each test is a process of its own. */
	(void)snprintf(top, sizeof top, "line-%ld", (long)getpid());
	home = temp_subdir(top);
	(void)snprintf(url, sizeof url, "file://%.500s/store", home);
	require(mkdir(url + strlen("file://"), 0700) == 0);
	repo = (struct repository){ .store = open_url(url),
		.layout = {
		    .cluster = "main", .sysid = SYSID, .generation = 1 } };
	repository_new_id(repo.id);
	require(repository_create(&repo, &f) == 0);
	require(repository_add_identity(&repo, &identity, &f) == 0);
	archive_all(&repo, home);
	repo.store = door_new(repo.store);
	doors_used = 0;
	require(index_load(&repo, &identity, &x, &f) == 0);
}

static void
clear(void)
{
	index_clear(&x);
	store_free(repo.store);
	ck_assert_uint_eq(doors, 0);
	ck_assert_msg(!shared, "two threads used one handle");
}

/* All of them in order, in one run, each with its own facts. */
static void
assert_whole(const struct line *l)
{
	ck_assert_uint_eq(l->n, SEGMENTS);
	ck_assert_uint_eq(line_run_end(l, 0), SEGMENTS - 1);
	for (uint32_t i = 0; i < SEGMENTS; i++) {
		const struct line_segment *s = &l->segment[i];

		ck_assert(!s->damaged);
		ck_assert_uint_eq(
		    s->facts.start_lsn, s->segno * identity.segsize);
		ck_assert_uint_eq(s->facts.xid_min, 1000 + i);
		ck_assert_int_eq(s->facts.xact_time_max, 1000 + i);
	}
}

START_TEST(several_readers_give_each_segment_its_own_facts)
{
	struct fail f = { 0 };
	struct line l;

	make_repository();
	ck_assert_int_eq(line_load(&x, 1, &l, &f), 0);
	ck_assert_uint_gt(doors_used, 1);
	assert_whole(&l);
	line_clear(&l);
	clear();
}
END_TEST

START_TEST(a_store_with_one_handle_gives_the_same)
{
	struct fail f = { 0 };
	struct line l;

	make_repository();
	door_ops.again = NULL;
	ck_assert_int_eq(line_load(&x, 1, &l, &f), 0);
	assert_whole(&l);
	line_clear(&l);
	clear();
}
END_TEST

START_TEST(whichever_reader_fails_its_failure_is_told)
{
	static const unsigned at[] = { 1, SEGMENTS / 2, SEGMENTS };

	make_repository();
	for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
		struct fail f = { 0 };
		struct walname name;
		struct line l;

		walname_segment(1, at[i], identity.segsize, &name);
		fail_at = name.text;
		ck_assert_int_eq(line_load(&x, 1, &l, &f), -1);
		ck_assert_int_eq(f.kind, FAIL_TRANSIENT);
		ck_assert_str_eq(f.cause, "the cable is out");
		ck_assert_ptr_nonnull(strstr(f.object, name.text));
	}
	fail_at = NULL;
	clear();
}
END_TEST

START_TEST(what_has_vanished_is_damage_of_one_segment_alone)
{
	struct fail f = { 0 };
	struct walname name;
	struct line l;
	char key[LAYOUT_KEY_MAX];
	size_t gone = SEGMENTS / 3;

	make_repository();
	walname_segment(1, gone + 1, identity.segsize, &name);
	layout_wal(&repo.layout, &name, NULL, key);
	require(store_del(((struct door *)repo.store)->inner, key, &f) == 0);
	ck_assert_int_eq(line_load(&x, 1, &l, &f), 0);
	ck_assert_uint_eq(l.n, SEGMENTS);
	for (size_t i = 0; i < SEGMENTS; i++)
		ck_assert_int_eq(l.segment[i].damaged, i == gone);
	ck_assert_uint_eq(line_run_end(&l, 0), gone - 1);
	ck_assert_uint_eq(line_run_end(&l, gone + 1), SEGMENTS - 1);
	line_clear(&l);
	clear();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("line");

	(void)test_seed();
	(void)temp_dir();
	log_setup("check_line", LOG_WARNING, false);
	add_tests(s, "readers",
	    TESTS(several_readers_give_each_segment_its_own_facts,
	        a_store_with_one_handle_gives_the_same,
	        whichever_reader_fails_its_failure_is_told,
	        what_has_vanished_is_damage_of_one_segment_alone));
	return run_suite(s);
}
