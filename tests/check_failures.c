/* SPDX-License-Identifier: PostgreSQL */
/* wrap: malloc calloc realloc reallocarray aligned_alloc open openat write */
/* wrap: pwrite pread read fsync sync_file_range linkat renameat2 mkdirat */
/* wrap: unlinkat fstatat */
/*
 * Every call of the layers up to store fails once: the answer is a failure
 * that says why, nothing leaks, no object is half there.
 */
#include "codec.h"
#include "digest.h"
#include "encoder.h"
#include "faults.h"
#include "io.h"
#include "json.h"
#include "spool.h"
#include "storecheck.h"
#include "timeline.h"
#include "walcheck.h"

#define OBJECT_SIZE ((size_t)600000)
#define FRONT       ((size_t)4096)

static uint8_t object[OBJECT_SIZE];

static const struct codec lz4 = { CODEC_LZ4, 1 };

/* One store and a key in it. */
struct place {
	char url[600], root[512];
	char key[128], aside[128];
	unsigned round; /* a new key each time */
	bool instead;   /* a damaged object is in the way */
	bool front;     /* its first bytes are written last */
};

static void
make_place(struct place *p, const char *name)
{
	uint64_t state = 7;

	memset(p, 0, sizeof *p);
	(void)snprintf(p->root, sizeof p->root, "%s", temp_subdir(name));
	(void)snprintf(p->url, sizeof p->url, "file://%s", p->root);
	fill_random(&state, object, sizeof object);
	(void)snprintf(p->key, sizeof p->key, "main/0/wal/a");
	(void)snprintf(p->aside, sizeof p->aside, "main/0/wal/a.damaged-1");
}

static void
next_key(struct place *p)
{
	unsigned n = ++p->round;

	(void)snprintf(p->key, sizeof p->key, "main/%u/wal/a", n);
	(void)snprintf(p->aside, sizeof p->aside, "main/%u/wal/a.damaged-1", n);
}

static int
run_put(void *arg, struct fail *f)
{
	struct place *p = arg;
	struct store *s = try_to_open(p->url, f);
	int rc = -1;

	if (s != NULL && p->front)
		rc = put_front_last(s, p->key, object, OBJECT_SIZE, FRONT, f);
	else if (s != NULL)
		rc = put_bytes(s, p->key, object, OBJECT_SIZE,
		    p->instead ? p->aside : NULL, f);
	store_free(s);
	return rc;
}

/* Temporary files left behind; this time's are removed. */
static unsigned strangers;

static int
count_strangers(
    const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	if (flag != FTW_F || path[ftw->base] == 'a')
		return 0;
	strangers++;
	return unlink(path);
}

/* Not there, or (where it had its name already) whole but not yet durable. */
static void
after_put(void *arg, int rc, const char *failed)
{
	struct place *p = arg;
	struct fail f = { 0 };
	struct store *s = try_to_open(p->url, &f);
	struct store_info info;
	int there;

	require(s != NULL);
	there = store_stat(s, p->key, &info, &f);
	if (rc == 0)
		require(there == 0);
	else
		require(there == 1 || faults.named > 0);
	if (there == 0)
		assert_object(s, p->key, object, OBJECT_SIZE);
	strangers = 0;
	require(nftw(p->root, count_strangers, 16, FTW_PHYS) == 0);
	/* A temporary file may stay only if it could not be removed. */
	require(strangers == 0 ||
	    (failed != NULL && strcmp(failed, "unlinkat") == 0));
	store_free(s);
	next_key(p);
}

static const int errors[] = { EIO, ENOSPC, EROFS };

START_TEST(a_put_fails_whole_or_not_at_all)
{
	struct place p;
	struct attempt a = { run_put, after_put, &p, false };

	make_place(&p, "put");
	/* The store itself, the object's state. */
	ck_assert_uint_ge(failure_loop(&a, FAULT_MEMORY, 0), 2);
	/* root, 3 directories, temp; 6 writes, 1 of them with word from the
	 * disk; 1 link; 5 fsyncs. */
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_ge(failure_loop(&a, FAULT_FILES, errors[i]), 16);
}
END_TEST

START_TEST(a_put_without_nameless_files_cleans_up)
{
	struct place p;
	struct attempt a = { run_put, after_put, &p, true };

	make_place(&p, "named");
	faults.no_tmpfile = true;
	ck_assert_uint_ge(failure_loop(&a, FAULT_MEMORY, 0), 2);
	ck_assert_uint_ge(failure_loop(&a, FAULT_FILES, EIO), 15);
	faults.no_noreplace = true;
	ck_assert_uint_ge(failure_loop(&a, FAULT_FILES, EIO), 15);
}
END_TEST

/* Or a power cut would leave a name with nothing behind it, or none. */
static void
after_forced_put(void *arg, int rc, const char *failed)
{
	after_put(arg, rc, failed);
	if (rc != 0)
		return;
	require(faults.files == 1);
	/* The directory with the name; those above it are others' too. */
	require(faults.dirs >= 1);
}

START_TEST(an_object_is_forced_to_disk_before_it_has_its_name)
{
	struct place p;
	struct attempt a = { run_put, after_forced_put, &p, false };

	make_place(&p, "forced");
	(void)failure_loop(&a, FAULT_FILES, EIO);
	faults.no_tmpfile = true;
	(void)failure_loop(&a, FAULT_MEMORY, EIO);
}
END_TEST

START_TEST(a_put_whose_front_comes_last_fails_whole_or_not_at_all)
{
	struct place p;
	struct attempt a = { run_put, after_forced_put, &p, false };

	make_place(&p, "front");
	p.front = true;
	ck_assert_uint_ge(failure_loop(&a, FAULT_MEMORY, 0), 2);
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_ge(failure_loop(&a, FAULT_FILES, errors[i]), 17);
	faults.no_tmpfile = true;
	a.tolerant = true;
	a.after = after_put;
	ck_assert_uint_ge(failure_loop(&a, FAULT_FILES, EIO), 17);
}
END_TEST

/* But where it answers with any other error, that counts: see the loops. */
START_TEST(a_disk_that_cannot_be_hurried_is_no_failure)
{
	static const int answers[] = { ENOSYS, EINVAL, EPERM };
	struct place p;

	make_place(&p, "hurry");
	for (size_t i = 0; i < 3; i++) {
		struct fail f = { 0 };
		struct store *s = try_to_open(p.url, &f);
		int rc;

		require(s != NULL);
		faults.kind = FAULT_FILES;
		faults.error = answers[i];
		faults.at = 0;
		faults.not_hurried = 0;
		faults.no_hurry = true;
		faults.armed = true;
		rc = run_put(&p, &f);
		faults.armed = false;
		ck_assert_int_eq(rc, 0);
		ck_assert_uint_gt(faults.not_hurried, 0);
		assert_object(s, p.key, object, OBJECT_SIZE);
		store_free(s);
		next_key(&p);
	}
}
END_TEST

/* The name is taken, with and without what newer file systems can do. */
START_TEST(a_taken_name_is_told_without_nameless_files_too)
{
	for (int variant = 0; variant < 3; variant++) {
		struct place p;
		struct fail f = { 0 };
		struct store *s;
		char name[32];
		int rc;

		(void)snprintf(name, sizeof name, "taken%d", variant);
		make_place(&p, name);
		s = try_to_open(p.url, &f);
		require(s != NULL);
		put_text(s, p.key, "first");
		faults.no_tmpfile = variant > 0;
		faults.no_noreplace = variant > 1;
		faults.at = 0;
		faults.armed = true;
		rc = run_put(&p, &f);
		faults.armed = false;
		ck_assert_int_eq(rc, 1);
		assert_object(s, p.key, "first", 5);
		assert_listing(s, "", "main/0/wal/a ");
		strangers = 0;
		ck_assert_int_eq(
		    nftw(p.root, count_strangers, 16, FTW_PHYS), 0);
		ck_assert_uint_eq(strangers, 0);
		store_free(s);
	}
}
END_TEST

/* Whatever fails, there is one object under the key, and no byte is lost. */
static void
after_exchange(void *arg, int rc, const char *failed)
{
	struct place *p = arg;
	struct fail f = { 0 };
	struct store *s = try_to_open(p->url, &f);
	struct store_info info;
	int aside;

	(void)failed;
	require(s != NULL);
	aside = store_stat(s, p->aside, &info, &f);
	if (rc == 0) {
		assert_object(s, p->key, object, OBJECT_SIZE);
		assert_object(s, p->aside, "damaged", 7);
	} else if (aside == 1) {
		assert_object(s, p->key, "damaged", 7);
	} else {
		/* Behind the link and the exchange. */
		require(faults.named == 2);
		assert_object(s, p->key, object, OBJECT_SIZE);
	}
	next_key(p);
	put_text(s, p->key, "damaged");
	store_free(s);
}

START_TEST(an_exchange_that_fails_leaves_the_old_object)
{
	struct place p;
	struct attempt a = { run_put, after_exchange, &p, false };
	struct fail f = { 0 };
	struct store *s;

	make_place(&p, "exchange");
	p.instead = true;
	s = try_to_open(p.url, &f);
	require(s != NULL);
	put_text(s, p.key, "damaged");
	store_free(s);
	ck_assert_uint_ge(failure_loop(&a, FAULT_MEMORY, 0), 2);
	ck_assert_uint_ge(failure_loop(&a, FAULT_FILES, EIO), 10);
}
END_TEST

static int
run_get(void *arg, struct fail *f)
{
	struct place *p = arg;
	struct store *s = try_to_open(p->url, f);
	struct store_info info;
	struct buf got = { 0 };
	int rc = -1;

	if (s != NULL)
		rc = get_range(s, p->key, 0, STORE_ALL, &got, f);
	if (rc == 0 &&
	    (got.len != OBJECT_SIZE ||
	        memcmp(got.data, object, OBJECT_SIZE) != 0))
		rc = 77;
	if (rc == 0)
		rc = store_stat(s, p->key, &info, f);
	if (rc == 0)
		rc = store_settle(s, p->key, f);
	buf_clear(&got);
	store_free(s);
	return rc;
}

/* EACCES and ENOENT would be answers; EIO and the like never are. */
START_TEST(a_get_that_fails_is_never_an_absence)
{
	static const int get_errors[] = { EIO, ESTALE, EMFILE, EACCES,
		ETIMEDOUT };
	struct place p;
	struct attempt a = { run_get, NULL, &p, false };
	struct fail f = { 0 };

	make_place(&p, "get");
	ck_assert_int_eq(run_put(&p, &f), 0);
	ck_assert_uint_ge(failure_loop(&a, FAULT_MEMORY, 0), 2);
	for (size_t i = 0; i < 5; i++)
		ck_assert_uint_ge(
		    failure_loop(&a, FAULT_FILES, get_errors[i]), 15);
}
END_TEST

static int
ignore_key(void *arg, const char *key, const struct store_info *info)
{
	(void)key;
	(void)info;
	++*(unsigned *)arg;
	return 0;
}

static int
run_list(void *arg, struct fail *f)
{
	struct place *p = arg;
	struct store *s = try_to_open(p->url, f);
	unsigned n = 0;
	int rc = -1;

	if (s != NULL)
		rc = store_list(s, "", ignore_key, &n, f);
	store_free(s);
	return rc != 0 || n == 100 ? rc : 77;
}

START_TEST(a_listing_that_fails_is_never_a_short_one)
{
	struct place p;
	struct attempt a = { run_list, NULL, &p, false };
	struct fail f = { 0 };
	struct store *s;

	make_place(&p, "list");
	s = try_to_open(p.url, &f);
	require(s != NULL);
	for (unsigned i = 0; i < 100; i++) {
		char key[64];

		(void)snprintf(key, sizeof key, "main/%u/%u", i % 3, i);
		put_text(s, key, "x");
	}
	store_free(s);
	ck_assert_uint_ge(failure_loop(&a, FAULT_MEMORY, 0), 3);
	ck_assert_uint_ge(failure_loop(&a, FAULT_FILES, EIO), 100);
}
END_TEST

static int
run_del(void *arg, struct fail *f)
{
	struct place *p = arg;
	struct store *s = try_to_open(p->url, f);
	int rc = -1;

	if (s != NULL)
		rc = store_del(s, p->key, f);
	store_free(s);
	return rc;
}

static void
after_del(void *arg, int rc, const char *failed)
{
	struct place *p = arg;
	struct fail f = { 0 };

	(void)rc;
	/* Deleted, but not durably: the next one finds nothing. */
	if (failed == NULL || strcmp(failed, "fsync") == 0)
		require(run_put(p, &f) == 0);
	else
		require(run_put(p, &f) == 1);
}

START_TEST(a_deletion_that_fails_is_told)
{
	struct place p;
	struct attempt a = { run_del, after_del, &p, false };
	struct fail f = { 0 };

	make_place(&p, "del");
	ck_assert_int_eq(run_put(&p, &f), 0);
	ck_assert_uint_ge(failure_loop(&a, FAULT_MEMORY, 0), 1);
	ck_assert_uint_ge(failure_loop(&a, FAULT_FILES, EIO), 5);
}
END_TEST

START_TEST(short_writes_reads_and_interruptions_do_no_harm)
{
	struct place p;
	struct fail f = { 0 };
	struct store *s;
	struct buf got;
	int put, get;

	make_place(&p, "trickle");
	s = try_to_open(p.url, &f);
	require(s != NULL);
	faults.at = 0;
	faults.trickle = true;
	faults.armed = true;
	put = put_bytes(s, p.key, object, 50000, NULL, &f);
	get = get_range(s, p.key, 0, STORE_ALL, &got, &f);
	faults.armed = false;
	ck_assert_int_eq(put, 0);
	ck_assert_int_eq(get, 0);
	ck_assert_uint_eq(got.len, 50000);
	ck_assert_mem_eq(got.data, object, 50000);
	ck_assert_uint_gt(faults.trickled, 50000);
	buf_clear(&got);
	store_free(s);
}
END_TEST

/* The kind of a failure is what walpush decides by. */
START_TEST(a_full_disk_and_a_denied_one_are_told_apart)
{
	static const struct {
		int error;
		enum fail_kind kind;
	} cases[] = { { ENOSPC, FAIL_SPACE }, { EDQUOT, FAIL_SPACE },
		{ EIO, FAIL_TRANSIENT }, { EROFS, FAIL_DENIED },
		{ EACCES, FAIL_DENIED } };
	struct place p;

	make_place(&p, "kinds");
	for (size_t i = 0; i < 5; i++) {
		struct fail f = { 0 };
		int rc;

		faults.kind = FAULT_FILES;
		faults.error = cases[i].error;
		faults.count = 0;
		/* Behind the root and the first directory. */
		faults.at = 4;
		faults.armed = true;
		rc = run_put(&p, &f);
		faults.armed = false;
		ck_assert_int_eq(rc, -1);
		assert_failed(&f, cases[i].kind);
		ck_assert_ptr_nonnull(strstr(f.object, p.key));
		if (f.kind != FAIL_TRANSIENT)
			ck_assert_int_ne(f.hint[0], '\0');
		next_key(&p);
	}
}
END_TEST

static int
run_codec(void *arg, struct fail *f)
{
	struct sink packed = { 0 }, plain = { 0 };
	struct digest digest = { 0 };
	struct stream *s = encoder_new(
	    &lz4, true, digest_new(&digest, sink_stream(&packed)));
	struct decoder *d = NULL;
	size_t off = 0;
	int rc = -1;

	(void)arg;
	if (s == NULL)
		(void)fail_set(f, FAIL_INTERNAL, "encoder", "NULL");
	else
		rc = write_in_chunks(s, object, 300000, 65536, f);
	if (rc == 0)
		rc = stream_finish(s, f);
	stream_free(s);
	require(packed.freed);
	if (rc == 0) {
		d = decoder_new(CODEC_LZ4);
		rc = d != NULL ? 0
		               : fail_set(f, FAIL_INTERNAL, "decoder", "NULL");
	}
	while (rc >= 0 && off < packed.bytes.len) {
		size_t used;

		rc = decoder_push(d, packed.bytes.data + off,
		    packed.bytes.len - off, sink_stream(&plain), &used, f);
		off += used;
	}
	/* 1: the last frame is complete. */
	if (rc >= 0)
		rc = rc == 1 && plain.bytes.len == 300000 ? 0 : 77;
	decoder_free(d);
	buf_clear(&packed.bytes);
	buf_clear(&plain.bytes);
	return rc;
}

START_TEST(compression_without_memory_fails_and_frees)
{
	struct attempt a = { run_codec, NULL, NULL, false };

	ck_assert_uint_ge(failure_loop(&a, FAULT_MEMORY, 0), 6);
}
END_TEST

static int
run_spool(void *arg, struct fail *f)
{
	struct spool *s = spool_new(100000, arg);
	struct sink out = { 0 };
	int rc = -1;

	if (s == NULL)
		(void)fail_set(f, FAIL_INTERNAL, "spool", "NULL");
	else
		rc = write_in_chunks(spool_stream(s), object, 300000, 65536, f);
	if (rc == 0)
		rc = spool_replay(s, sink_stream(&out), f);
	if (rc == 0 &&
	    (out.bytes.len != 300000 ||
	        memcmp(out.bytes.data, object, 300000) != 0))
		rc = 77;
	buf_clear(&out.bytes);
	spool_free(s);
	return rc;
}

START_TEST(a_spool_that_fails_says_so_and_leaves_nothing)
{
	char dir[512];
	struct attempt a = { run_spool, NULL, dir, false };

	(void)snprintf(dir, sizeof dir, "%s", temp_subdir("spool"));
	ck_assert_uint_ge(failure_loop(&a, FAULT_MEMORY, 0), 4);
	ck_assert_uint_ge(failure_loop(&a, FAULT_FILES, EIO), 3);
	ck_assert_uint_ge(failure_loop(&a, FAULT_FILES, ENOSPC), 3);
	faults.no_tmpfile = true;
	ck_assert_int_eq(run_spool(dir, &(struct fail){ 0 }), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

static int
run_timeline(void *arg, struct fail *f)
{
	static const char text[] =
	    "1\t0/3000000\tr\n2\t0/4000000\tr\n3\t0/5000000\tr\n";
	struct timeline t;

	(void)arg;
	if (timeline_parse(text, strlen(text), 4, "h", &t, f) != 0)
		return -1;
	timeline_clear(&t);
	return 0;
}

START_TEST(a_history_without_memory_is_not_called_damaged)
{
	struct attempt a = { run_timeline, NULL, NULL, false };

	ck_assert_uint_eq(failure_loop(&a, FAULT_MEMORY, 0), 3);
}
END_TEST

static int
run_read_file(void *arg, struct fail *f)
{
	struct buf b = { 0 };
	int rc = io_read_file(AT_FDCWD, arg, 1 << 20, &b, f);

	if (rc == 0 && b.len != 20000)
		rc = 77;
	buf_clear(&b);
	return rc;
}

START_TEST(a_file_that_cannot_be_read_is_not_called_absent)
{
	char path[600];
	struct attempt a = { run_read_file, NULL, path, false };
	int fd;

	(void)snprintf(path, sizeof path, "%s/file", temp_subdir("read"));
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	ck_assert_int_eq(io_write(fd, object, 20000), 0);
	(void)close(fd);
	ck_assert_uint_ge(failure_loop(&a, FAULT_MEMORY, 0), 3);
	ck_assert_uint_ge(failure_loop(&a, FAULT_FILES, EIO), 5);
	faults.at = 0;
	faults.trickle = true;
	faults.armed = true;
	fd = run_read_file(path, &(struct fail){ 0 });
	faults.armed = false;
	ck_assert_int_eq(fd, 0);
}
END_TEST

static int
run_json(void *arg, struct fail *f)
{
	struct json j = { 0 };
	bool failed;

	(void)arg;
	json_object(&j, NULL);
	for (int i = 0; i < 100; i++)
		json_string(&j, "name", "a value that is not so short");
	json_end_object(&j);
	failed = j.failed;
	buf_clear(&j.text);
	return failed ? fail_set(f, FAIL_INTERNAL, "json", "failed") : 0;
}

START_TEST(json_without_memory_says_that_it_is_not_usable)
{
	struct attempt a = { run_json, NULL, NULL, false };

	ck_assert_uint_ge(failure_loop(&a, FAULT_MEMORY, 0), 5);
}
END_TEST

/* A prepared transaction over pages; its xid may be unknown, never wrong. */
struct scanned {
	struct walmaker w;
	struct walfacts f;
};

static int
run_scan(void *arg, struct fail *f)
{
	struct scanned *s = arg;
	struct walscan_args args = { .max_tli = 1, .start_lsn = s->w.start };
	struct walscan *scan = walscan_new(&args);

	if (scan == NULL)
		return fail_set(f, FAIL_INTERNAL, "scanner", "NULL");
	push_in_chunks(scan, s->w.bytes, s->w.len, 4096);
	walscan_facts(scan, s->w.segsize, &s->f);
	walscan_free(scan);
	return 0;
}

static void
after_scan(void *arg, int rc, const char *failed)
{
	struct scanned *s = arg;

	(void)failed;
	if (rc != 0)
		return;
	require(s->f.flags & WALFACTS_COMPLETE);
	require(s->f.xacts == 1);
	require(s->f.xact_time_max == 77);
	require(s->f.xid_max == 4000000 || s->f.xid_max == 0);
}

START_TEST(a_scan_without_memory_is_never_wrong)
{
	struct scanned s = { .w = WALMAKER_DEFAULT };
	struct attempt a = { run_scan, after_scan, &s, true };

	walmaker_begin(&s.w, WALCHECK_START, 1);
	(void)walmaker_xact(&s.w,
	    &(struct walmaker_xact){ .op = WALMAKER_COMMIT_PREPARED,
	        .time = 77,
	        .prepared_xid = 4000000,
	        .subxacts = 9000 });
	fill_segment(&s.w);
	ck_assert_uint_ge(failure_loop(&a, FAULT_MEMORY, 0), 4);
	ck_assert_uint_eq(s.f.xid_max, 4000000);
	walmaker_end(&s.w);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("failures");

	(void)temp_dir();
	add_tests(s, "store",
	    TESTS(a_put_fails_whole_or_not_at_all,
	        a_put_whose_front_comes_last_fails_whole_or_not_at_all,
	        a_disk_that_cannot_be_hurried_is_no_failure,
	        a_put_without_nameless_files_cleans_up,
	        an_object_is_forced_to_disk_before_it_has_its_name,
	        a_taken_name_is_told_without_nameless_files_too,
	        an_exchange_that_fails_leaves_the_old_object,
	        a_get_that_fails_is_never_an_absence,
	        a_listing_that_fails_is_never_a_short_one,
	        a_deletion_that_fails_is_told,
	        short_writes_reads_and_interruptions_do_no_harm,
	        a_full_disk_and_a_denied_one_are_told_apart));
	add_tests(s, "stream",
	    TESTS(compression_without_memory_fails_and_frees,
	        a_spool_that_fails_says_so_and_leaves_nothing));
	add_tests(s, "memory",
	    TESTS(a_history_without_memory_is_not_called_damaged,
	        a_file_that_cannot_be_read_is_not_called_absent,
	        json_without_memory_says_that_it_is_not_usable,
	        a_scan_without_memory_is_never_wrong));
	return run_suite(s);
}
