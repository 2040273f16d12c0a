/* SPDX-License-Identifier: PostgreSQL */
/* wrap: malloc calloc realloc reallocarray aligned_alloc open openat write */
/* wrap: pwrite pread read fsync sync_file_range linkat renameat2 mkdirat */
/* wrap: unlinkat fstatat */
/*
 * Every call made while a backup is written, read and deleted fails once.  A
 * failure is told, is never called damage, and leaves no half object.
 */
#include "faults.h"
#include "manifestcheck.h"
#include "object.h"
#include "packcheck.h"

#define LARGE ((size_t)700000)

static uint8_t bytes[LARGE];

struct place {
	struct repository repo;
	uint32_t pack; /* another one each time */
};

static void
make_place(struct place *p, const char *name)
{
	uint64_t state = 5;

	*p = (struct place){ .pack = 0 };
	make_repository(name, &p->repo);
	fill_random(&state, bytes, LARGE / 2);
}

/* A path that needs a pax header. */
static const char *
long_path(void)
{
	static char path[300];

	memset(path, 'p', sizeof path - 1);
	return path;
}

static int
write_pack(struct place *p, struct packed *x, struct manifest_pack *out,
    struct fail *f)
{
	struct pack_member small = member_of(long_path(), 1000),
	                   large = member_of("large", LARGE),
	                   dir = member_of("base", 0);
	struct pack_writer *w = pack_begin(
	    &p->repo, PACKCHECK_ID, ++p->pack, &packcheck_codec, f);
	int rc = -1;

	if (w != NULL)
		rc = pack_entry(w, &dir, NULL, f);
	if (rc == 0)
		rc = pack_bytes(w, &small, bytes, 100, x, f);
	if (rc == 0)
		rc = pack_bytes(w, &large, bytes, 4096, x, f);
	if (rc == 0)
		rc = pack_finish(w, out, f);
	pack_free(w);
	return rc;
}

static int
compare(void *arg, const struct manifest_piece *p, const void *from, size_t len,
    struct fail *f)
{
	(void)f;
	(void)p;
	(void)from;
	*(uint64_t *)arg += len;
	return 0;
}

static int
run_pack(void *arg, struct fail *f)
{
	struct place *p = arg;
	struct pack_place place = { .backup = PACKCHECK_ID };
	struct manifest_pack pack;
	struct packed x = { 0 };
	uint64_t read = 0;
	struct pack_reader to = { compare, &read };
	int rc = write_pack(p, &x, &pack, f);

	if (rc == 0) {
		place.head = pack.head;
		rc = pack_read_pieces(&p->repo, &place, x.pieces, x.n, &to, f);
	}
	if (rc == 0 && read != 1000 + LARGE)
		rc = 77;
	free(x.pieces);
	return rc;
}

/* What is there is whole. */
static void
after_pack(void *arg, int rc, const char *failed)
{
	struct place *p = arg;
	char key[LAYOUT_KEY_MAX];
	struct object_seen seen;
	struct fail f = { 0 };

	(void)failed;
	require(rc == 0 || rc == -1);
	backup_pack_key(&p->repo.layout, PACKCHECK_ID, p->pack, key);
	require(object_read(p->repo.store, &p->repo.layout, key, NULL, &seen,
	            &f) >= rc);
}

static const int errors[] = { EIO, ENOSPC, ESTALE };

START_TEST(a_pack_is_written_whole_or_not_at_all)
{
	struct place p;
	struct attempt a = { run_pack, after_pack, &p, false };

	make_place(&p, "pack");
	ck_assert_uint_ge(failure_loop(&a, FAULT_MEMORY, 0), 15);
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_ge(failure_loop(&a, FAULT_FILES, errors[i]), 10);
	store_free(p.repo.store);
}
END_TEST

static int
write_manifest(struct place *p, struct fail *f)
{
	struct manifest_head h;
	struct manifest_writer *w = NULL;
	int rc = manifestcheck_head(&h);

	if (rc != 0)
		(void)fail_errno(f, "head", "memory");
	p->repo.layout.sysid = h.s.sysid;
	h.s.files = 6;
	h.s.bytes = 312;
	h.s.stored = 200001;
	h.s.bad_pages = 3;
	if (rc == 0) {
		struct stream *s = backup_put_manifest(
		    &p->repo, &h.s, &packcheck_codec, f);

		w = manifest_writer_new(s);
		rc = w != NULL  ? 0
		    : s == NULL ? -1
		                : fail_errno(f, "manifest", "memory");
	}
	if (rc == 0)
		rc = manifestcheck_write(w, &h, f);
	manifest_writer_free(w);
	manifest_head_clear(&h);
	return rc;
}

/* From begin to the tombstone. */
static int
run_life(void *arg, struct fail *f)
{
	static const struct manifest_events none = { .head = NULL };
	struct place *p = arg;
	struct backup_begin begin = { .id = PACKCHECK_ID,
		.type = "full",
		.host = "h",
		.pid = 1,
		.time = 1,
		.from_lsn = 1,
		.tli = 1 };
	struct backup_list list = { 0 };
	int rc = backup_write_begin(&p->repo, &begin, f);

	if (rc == 0)
		rc = write_manifest(p, f);
	if (rc == 0)
		rc = backup_is_deleting(&p->repo, PACKCHECK_ID, f);
	if (rc == 0)
		rc = backup_hold(&p->repo, PACKCHECK_ID, INT64_MAX, "x", f);
	if (rc == 0)
		rc = backup_list_load(&p->repo, &list, f);
	if (rc == 0 &&
	    (list.n != 1 || list.list[0].holds != 1 ||
	        list.list[0].state != BACKUP_COMPLETE))
		rc = 77;
	backup_list_clear(&list);
	if (rc == 0)
		rc = backup_read_manifest(&p->repo, PACKCHECK_ID, &none, f);
	if (rc == 0)
		rc = backup_release(&p->repo, PACKCHECK_ID, f);
	if (rc == 0)
		rc = backup_delete(&p->repo, PACKCHECK_ID, false, NULL, f);
	require(rc != -1 || f->kind != FAIL_DAMAGED);
	return rc;
}

/* Whatever is left can be cleaned up. */
static void
after_life(void *arg, int rc, const char *failed)
{
	struct place *p = arg;
	struct backup_list list;
	struct fail f = { 0 };

	(void)failed;
	require(backup_list_load(&p->repo, &list, &f) == 0);
	require(list.n <= 1 && (rc != 0 || list.n == 0));
	if (list.n == 1) {
		require(list.list[0].state != BACKUP_DAMAGED);
		require(backup_release(&p->repo, PACKCHECK_ID, &f) >= 0);
		require(backup_delete(
		            &p->repo, PACKCHECK_ID, false, NULL, &f) == 0);
	}
	backup_list_clear(&list);
	assert_listing(p->repo.store, "main/", "");
}

START_TEST(a_backups_life_has_no_step_that_fails_silently)
{
	struct place p;
	struct attempt a = { run_life, after_life, &p, false };

	make_place(&p, "life");
	p.repo.layout.sysid = UINT64_C(17431000000000000001);
	ck_assert_uint_ge(failure_loop(&a, FAULT_MEMORY, 0), 60);
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_ge(failure_loop(&a, FAULT_FILES, errors[i]), 60);
	store_free(p.repo.store);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("backup failures");

	(void)temp_dir();
	add_tests(s, "store",
	    TESTS(a_pack_is_written_whole_or_not_at_all,
	        a_backups_life_has_no_step_that_fails_silently));
	return run_suite(s);
}
