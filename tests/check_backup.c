/* SPDX-License-Identifier: PostgreSQL */
/*
 * The life of a backup in a store: what exists, what is held, and that
 * deleting one and finishing it never both succeed, whoever is killed when.
 */
#include "backup.h"
#include "lsn.h"
#include "manifestcheck.h"
#include "memstore.h"
#include "note.h"
#include "object.h"
#include "storecheck.h"

#define ID MANIFESTCHECK_ID

static const struct codec codec = { CODEC_LZ4, 1 };

/* One party with its own way into the store. */
struct party {
	struct memstore_door door;
	struct repository repo;
};

static void
enter(struct memstore *m, struct party *p)
{
	memstore_door(m, &p->door);
	p->repo = (struct repository){ .store = &p->door.store,
		.layout = { .cluster = "main",
		    .sysid = UINT64_C(17431000000000000001),
		    .generation = 1 },
		.id = "0123456789abcdef0123456789abcdef" };
}

static const char *
key_of(const struct party *p, const char *name)
{
	static char key[LAYOUT_KEY_MAX];

	backup_key(&p->repo.layout, ID, name, key);
	return key;
}

static void
write_begin(struct party *p)
{
	struct backup_begin b = { .id = ID,
		.type = "full",
		.host = "db1",
		.pid = 4711,
		.time = INT64_C(848455203123456),
		.from_lsn = 0x2000028,
		.tli = 3 };
	struct fail f = { 0 };

	if (backup_write_begin(&p->repo, &b, &f) != 0)
		ck_abort_msg("%s: %s", f.object, f.cause);
}

/* 0, 1 it has one, -1. */
static int
write_manifest(struct party *p, struct fail *f)
{
	struct manifest_head h;
	struct manifest_writer *w;
	int rc;

	ck_assert_int_eq(manifestcheck_head(&h), 0);
	h.s.files = 6;
	h.s.bytes = 312;
	h.s.stored = 200001;
	h.s.bad_pages = 3;
	w = manifest_writer_new(backup_put_manifest(&p->repo, &h.s, &codec, f));
	ck_assert_ptr_nonnull(w);
	rc = manifestcheck_write(w, &h, f);
	manifest_writer_free(w);
	manifest_head_clear(&h);
	return rc;
}

/* begin and two packs. */
static void
begin_backup(struct memstore *m, struct party *p)
{
	write_begin(p);
	memstore_put_text(m, key_of(p, "pack-000001"), "one");
	memstore_put_text(m, key_of(p, "pack-000002"), "twotwo");
}

static void
complete_backup(struct memstore *m, struct party *p)
{
	struct fail f = { 0 };

	begin_backup(m, p);
	if (write_manifest(p, &f) != 0)
		ck_abort_msg("%s: %s", f.object, f.cause);
}

/* The only backup there is; all zero if there is none. */
static struct backup
state_of(struct party *p)
{
	struct backup_list l;
	struct backup b = { 0 };
	struct fail f = { 0 };

	if (backup_list_load(&p->repo, &l, &f) != 0)
		ck_abort_msg("%s: %s", f.object, f.cause);
	ck_assert_uint_le(l.n, 1);
	if (l.n == 1) {
		b = l.list[0];
		ck_assert_ptr_eq(backup_find(&l, b.id), &l.list[0]);
	}
	ck_assert_ptr_null(backup_find(&l, "x"));
	backup_list_clear(&l);
	return b;
}

START_TEST(ids_have_one_form)
{
	static const char *const good[] = { ID, MANIFESTCHECK_OLD,
		"20261119T020003Z-incr-00ff00ff",
		"20261119T020003Z-d-00ff00ff" };
	static const char *const bad[] = { "", "20261119T020003Z",
		"20261119T020003Z--00ff00ff", "20261119T020003Z-full-00ff00f",
		"20261119T020003Z-full-00ff00ff0",
		"20261119T020003Z-full-00FF00FF",
		"20261119T020003Z-Full-00ff00ff",
		"20261119T020003Z-toolongg-00ff00ff",
		"2026111T020003Z-full-00ff00ff",
		"20261119T020003Z-full-00ff00ff/x", "../../repository" };
	char id[BACKUP_ID], again[BACKUP_ID];

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		ck_assert_msg(backup_is_id(good[i]), "%s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(!backup_is_id(bad[i]), "%s", bad[i]);
	for (size_t i = 0; i < 100; i++) {
		backup_new_id(INT64_C(848455203123456), "full", id);
		ck_assert(backup_is_id(id));
		ck_assert_int_eq(strncmp(id, "20261120T020003Z-full-", 22), 0);
	}
	backup_new_id(INT64_C(848455203123456), "full", again);
	ck_assert_str_ne(id, again);
}
END_TEST

START_TEST(keys_are_where_the_format_says)
{
	struct memstore m = { .n = 0 };
	struct party p;
	char key[LAYOUT_KEY_MAX];

	enter(&m, &p);
	backup_pack_key(&p.repo.layout, ID, 42, key);
	ck_assert_str_eq(
	    key, "main/17431000000000000001.1/backup/" ID "/pack-000042");
	ck_assert_str_eq(key_of(&p, "begin"),
	    "main/17431000000000000001.1/backup/" ID "/begin");
	backup_prefix(&p.repo.layout, key);
	ck_assert_str_eq(key, "main/17431000000000000001.1/backup/");
}
END_TEST

START_TEST(what_a_backup_is_follows_from_its_objects)
{
	struct memstore m = { .age = 5000000 };
	struct party p;
	struct backup b;
	struct fail f = { 0 };

	enter(&m, &p);
	b = state_of(&p);
	ck_assert_str_eq(b.id, "");
	begin_backup(&m, &p);
	b = state_of(&p);
	ck_assert_str_eq(b.id, ID);
	ck_assert_int_eq(b.state, BACKUP_UNFINISHED);
	ck_assert(b.has_begin);
	ck_assert_str_eq(b.begin.id, ID);
	ck_assert_str_eq(b.begin.type, "full");
	ck_assert_str_eq(b.begin.host, "db1");
	ck_assert_int_eq(b.begin.pid, 4711);
	ck_assert_int_eq(b.begin.time, INT64_C(848455203123456));
	ck_assert_uint_eq(b.begin.from_lsn, 0x2000028);
	ck_assert_uint_eq(b.begin.tli, 3);
	ck_assert_uint_eq(b.objects, 3);
	ck_assert_uint_gt(b.stored, 9);
	ck_assert_int_le(b.newest, clock_now() - 5000000);
	m.age = 0;
	ck_assert_int_eq(write_manifest(&p, &f), 0);
	ck_assert_int_eq(backup_is_deleting(&p.repo, ID, &f), 0);
	b = state_of(&p);
	ck_assert_int_eq(b.state, BACKUP_COMPLETE);
	ck_assert_str_eq(b.info.id, ID);
	ck_assert_uint_eq(b.info.files, 6);
	ck_assert_str_eq(
	    b.info.annotations, "ticket=4711\nwho=me=you\nempty=\n");
	ck_assert_int_gt(b.newest, clock_now() - 5000000);
	ck_assert_uint_eq(b.objects, 4);
	/* A second manifest there cannot be. */
	ck_assert_int_eq(write_manifest(&p, &f), -1);
	assert_failed(&f, FAIL_REFUSED);
	memstore_put_text(&m, key_of(&p, "tombstone"), "x");
	ck_assert_int_eq(state_of(&p).state, BACKUP_DELETING);
	ck_assert_int_eq(backup_is_deleting(&p.repo, ID, &f), 1);
	memstore_clear(&m);
}
END_TEST

START_TEST(what_is_no_backup_is_passed_over)
{
	struct memstore m = { .n = 0 };
	struct party p;
	struct backup b;

	enter(&m, &p);
	memstore_put_text(&m, "main/17431000000000000001.1/backup/readme", "x");
	memstore_put_text(
	    &m, "main/17431000000000000001.1/backup/other/begin", "x");
	memstore_put_text(
	    &m, "main/17431000000000000001.2/backup/" ID "/begin", "x");
	b = state_of(&p);
	ck_assert_str_eq(b.id, "");
	memstore_clear(&m);
}
END_TEST

/* Change a byte in the middle of an object. */
static void
spoil(struct memstore *m, const char *key)
{
	bool found;
	size_t i = memstore_place(m, key, &found);

	require(found);
	m->object[i].bytes.data[m->object[i].bytes.len / 2] ^= 1;
}

START_TEST(damage_is_told_and_hides_no_other_backup)
{
	struct memstore m = { .n = 0 };
	struct party p;
	struct backup b;
	bool found;
	size_t i;

	enter(&m, &p);
	complete_backup(&m, &p);
	i = memstore_place(&m, key_of(&p, "manifest"), &found);
	ck_assert(found);
	m.object[i].bytes.data[100] ^= 1; /* in its header */
	b = state_of(&p);
	ck_assert_int_eq(b.state, BACKUP_DAMAGED);
	ck_assert_int_ne(b.why[0], '\0');
	m.object[i].bytes.data[100] ^= 1;
	ck_assert_int_eq(state_of(&p).state, BACKUP_COMPLETE);
	spoil(&m, key_of(&p, "begin"));
	b = state_of(&p);
	ck_assert(!b.has_begin);
	ck_assert_int_ne(b.why[0], '\0');
	memstore_clear(&m);
}
END_TEST

START_TEST(what_a_newer_version_wrote_is_not_called_damage)
{
	struct memstore m = { .n = 0 };
	struct party p;
	struct backup b;
	struct buf note = { 0 };
	struct fail f = { 0 };

	enter(&m, &p);
	ck_assert_int_eq(note_add(&note, "walvault", "begin"), 0);
	ck_assert_int_eq(note_add_number(&note, "format", 2), 0);
	ck_assert_int_eq(note_add(&note, "id", ID), 0);
	ck_assert_int_eq(
	    note_write(p.repo.store, key_of(&p, "begin"), &note, &f), 0);
	buf_clear(&note);
	b = state_of(&p);
	ck_assert_int_eq(b.state, BACKUP_UNFINISHED);
	ck_assert(b.newer && !b.has_begin);
	ck_assert_ptr_nonnull(strstr(b.why, "format 2"));
	memstore_clear(&m);
}
END_TEST

START_TEST(a_manifest_without_begin_is_no_backup)
{
	struct memstore m = { .n = 0 };
	struct party p;
	struct backup b;
	struct fail f = { 0 };

	enter(&m, &p);
	complete_backup(&m, &p);
	ck_assert_int_eq(store_del(p.repo.store, key_of(&p, "begin"), &f), 0);
	b = state_of(&p);
	ck_assert_int_eq(b.state, BACKUP_DAMAGED);
	ck_assert_int_eq(backup_is_deleting(&p.repo, ID, &f), 1);
	memstore_clear(&m);
}
END_TEST

START_TEST(a_manifest_is_read_from_its_object)
{
	struct memstore m = { .n = 0 };
	struct party p;
	size_t n = 0;
	struct manifest_events events = { .entry = manifestcheck_count,
		.arg = &n };
	struct manifest_summary s;
	struct fail f = { 0 };

	enter(&m, &p);
	ck_assert_int_eq(backup_read_manifest(&p.repo, ID, &events, &f), 1);
	ck_assert_int_eq(backup_read_summary(&p.repo, ID, &s, &f), 1);
	complete_backup(&m, &p);
	ck_assert_int_eq(backup_read_manifest(&p.repo, ID, &events, &f), 0);
	ck_assert_uint_eq(n, MANIFESTCHECK_ENTRIES);
	ck_assert_int_eq(backup_read_summary(&p.repo, ID, &s, &f), 0);
	ck_assert_uint_eq(s.sysid, p.repo.layout.sysid);
	/* A pack is no manifest; nor is another system's. */
	p.repo.layout.sysid = 5;
	ck_assert_int_eq(backup_read_summary(&p.repo, ID, &s, &f), 1);
	p.repo.layout.sysid = UINT64_C(17431000000000000001);
	spoil(&m, key_of(&p, "manifest"));
	ck_assert_int_eq(backup_read_manifest(&p.repo, ID, &events, &f), -1);
	assert_failed(&f, FAIL_DAMAGED);
	memstore_clear(&m);
}
END_TEST

/* -- holds -- */

START_TEST(a_hold_is_seen_and_released)
{
	const int64_t until = clock_now() + INT64_C(86400) * 1000000;
	struct memstore m = { .n = 0 };
	struct party p;
	struct backup b;
	struct fail f = { 0 };

	enter(&m, &p);
	complete_backup(&m, &p);
	ck_assert_int_eq(backup_release(&p.repo, ID, &f), 1);
	ck_assert_int_eq(
	    backup_hold(&p.repo, ID, until, "for the\nauditors", &f), 0);
	b = state_of(&p);
	ck_assert_int_eq(b.state, BACKUP_COMPLETE);
	ck_assert_uint_eq(b.holds, 1);
	ck_assert_int_eq(b.held_until, until);
	ck_assert_str_eq(b.hold_reason, "for the auditors");
	ck_assert_int_eq(backup_hold(&p.repo, ID, INT64_MAX, NULL, &f), 0);
	b = state_of(&p);
	ck_assert_uint_eq(b.holds, 2);
	ck_assert_int_eq(b.held_until, INT64_MAX);
	ck_assert_str_eq(b.hold_reason, "");
	ck_assert_int_eq(backup_delete(&p.repo, ID, false, NULL, &f), 1);
	ck_assert_int_eq(state_of(&p).state, BACKUP_COMPLETE);
	ck_assert_int_eq(backup_release(&p.repo, ID, &f), 0);
	ck_assert_uint_eq(state_of(&p).holds, 0);
	ck_assert_int_eq(backup_delete(&p.repo, ID, false, NULL, &f), 0);
	ck_assert_uint_eq(m.n, 0);
	memstore_clear(&m);
}
END_TEST

START_TEST(an_expired_hold_holds_nothing_and_an_unreadable_one_for_ever)
{
	struct memstore m = { .n = 0 };
	struct party p;
	struct backup b;
	struct fail f = { 0 };

	enter(&m, &p);
	complete_backup(&m, &p);
	memstore_put_text(&m, key_of(&p, "hold-00000000"), "nonsense");
	b = state_of(&p);
	ck_assert_uint_eq(b.holds, 1);
	ck_assert_int_eq(b.held_until, INT64_MAX);
	ck_assert_int_eq(backup_delete(&p.repo, ID, false, NULL, &f), 1);
	ck_assert_int_eq(state_of(&p).state, BACKUP_COMPLETE);
	ck_assert_int_eq(backup_release(&p.repo, ID, &f), 0);
	ck_assert_int_eq(
	    backup_hold(&p.repo, ID, clock_now() - 1, "old", &f), 0);
	ck_assert_int_eq(backup_delete(&p.repo, ID, false, NULL, &f), 0);
	ck_assert_uint_eq(m.n, 0);
}
END_TEST

START_TEST(only_what_exists_is_held)
{
	struct memstore m = { .n = 0 };
	struct party p;
	struct fail f = { 0 };

	enter(&m, &p);
	ck_assert_int_eq(backup_hold(&p.repo, ID, INT64_MAX, "x", &f), -1);
	assert_failed(&f, FAIL_ABSENT);
	ck_assert_uint_eq(m.n, 0);
	begin_backup(&m, &p);
	ck_assert_int_eq(backup_hold(&p.repo, ID, INT64_MAX, "x", &f), -1);
	assert_failed(&f, FAIL_ABSENT);
	ck_assert_uint_eq(m.n, 3);
	ck_assert_int_eq(write_manifest(&p, &f), 0);
	memstore_put_text(&m, key_of(&p, "tombstone"), "x");
	ck_assert_int_eq(backup_hold(&p.repo, ID, INT64_MAX, "x", &f), -1);
	assert_failed(&f, FAIL_ABSENT);
	ck_assert_uint_eq(m.n, 5);
	memstore_clear(&m);
}
END_TEST

/* -- deleting, and being killed -- */

START_TEST(a_killed_delete_leaves_no_backup_and_is_finished_by_the_next)
{
	for (int finished = 0; finished < 2; finished++)
		for (unsigned die_at = 1;; die_at++) {
			struct memstore m = { .n = 0 };
			struct party p, q;
			struct fail f = { 0 };
			int rc;

			enter(&m, &p);
			if (finished)
				complete_backup(&m, &p);
			else
				begin_backup(&m, &p);
			enter(&m, &p);
			p.door.die_at = die_at;
			rc = backup_delete(&p.repo, ID, !finished, NULL, &f);
			enter(&m, &q);
			if (rc == 0) {
				ck_assert_uint_eq(m.n, 0);
				ck_assert_uint_gt(die_at, 8);
				break;
			}
			ck_assert_int_eq(rc, -1);
			/* What is not wholly there does not exist. */
			if (state_of(&q).state == BACKUP_COMPLETE && m.n > 0) {
				ck_assert_int_eq(finished, 1);
				ck_assert_uint_eq(m.n, 4);
			}
			ck_assert_int_eq(
			    backup_delete(&q.repo, ID, !finished, NULL, &f), 0);
			ck_assert_uint_eq(m.n, 0);
		}
}
END_TEST

START_TEST(a_finished_backup_is_not_deleted_as_unfinished)
{
	struct memstore m = { .n = 0 };
	struct party p;
	struct fail f = { 0 };

	enter(&m, &p);
	complete_backup(&m, &p);
	ck_assert_int_eq(backup_delete(&p.repo, ID, true, NULL, &f), 1);
	ck_assert_int_eq(state_of(&p).state, BACKUP_COMPLETE);
	ck_assert_uint_eq(m.n, 4);
	memstore_clear(&m);
}
END_TEST

/*
 * A deleter of what is unfinished, a second one, and who finishes it, in all
 * orders of their calls: the first deleter's calls are numbered, the second
 * deletes before one of them; the finisher writes its manifest before some
 * call of either, and looks for tombstone and begin before later ones.
 */
struct race {
	struct memstore m;
	struct party first, second, finisher;
	unsigned second_at, write_at, look_at, begin_at;
	bool second_done, wrote, looked, looked_begin;
	int found, found_begin; /* what the finisher saw */
	int second_rc;
};

static void
race_finisher(struct race *r, unsigned now)
{
	struct store_info info;
	struct fail f = { 0 };

	if (!r->wrote && now >= r->write_at) {
		r->wrote = true;
		ck_assert_int_eq(write_manifest(&r->finisher, &f), 0);
	}
	if (!r->looked && now >= r->look_at) {
		r->looked = true;
		r->found = store_stat(r->finisher.repo.store,
		               key_of(&r->finisher, "tombstone"), &info,
		               &f) == 0;
	}
	if (!r->looked_begin && now >= r->begin_at) {
		r->looked_begin = true;
		r->found_begin = store_stat(r->finisher.repo.store,
		                     key_of(&r->finisher, "begin"), &info,
		                     &f) == 0;
	}
}

static void
race_before(void *arg)
{
	struct race *r = arg;
	unsigned now = r->first.door.calls + r->second.door.calls;
	struct fail f = { 0 };

	if (r->m.inside)
		return;
	r->m.inside = true;
	race_finisher(r, now);
	r->m.inside = false;
	if (!r->second_done && r->first.door.calls >= r->second_at) {
		r->second_done = true;
		r->second_rc = backup_delete(
		    &r->second.repo, ID, true, NULL, &f);
		/* The finisher may go on before the call at hand. */
		now = r->first.door.calls + r->second.door.calls + 1;
		r->m.inside = true;
		race_finisher(r, now);
		r->m.inside = false;
	}
}

/* All packs and begin. */
static bool
is_whole(const struct race *r)
{
	return memstore_has(&r->m, key_of(&r->finisher, "pack-000001")) &&
	    memstore_has(&r->m, key_of(&r->finisher, "pack-000002")) &&
	    memstore_has(&r->m, key_of(&r->finisher, "begin"));
}

static void
make_old(struct memstore *m)
{
	for (size_t i = 0; i < m->n; i++)
		m->object[i].mtime -= INT64_C(7200) * 1000000;
}

/* What must hold when all have ended. */
static void
race_check(struct race *r)
{
	bool reported = r->found == 0 && r->found_begin == 1;
	struct party p;
	struct backup b;
	struct fail f = { 0 };

	enter(&r->m, &p);
	b = state_of(&p);
	if (r->m.n > 0 && b.state == BACKUP_COMPLETE)
		require(is_whole(r));
	if (reported)
		require(is_whole(r));
	/* Later somebody comes upon what is left. */
	make_old(&r->m);
	if (r->m.n > 0)
		require(backup_delete(&p.repo, ID, true, NULL, &f) >= 0);
	b = state_of(&p);
	require(r->m.n == 0 || (b.state == BACKUP_COMPLETE && is_whole(r)));
	require(!reported || r->m.n > 0);
}

/* One order; the number of calls of the deleters. */
static unsigned
race(unsigned second_at, unsigned write_at, unsigned look_at, unsigned begin_at,
    unsigned die_at)
{
	static struct race r;
	struct fail f = { 0 };
	unsigned calls;

	memstore_clear(&r.m);
	r = (struct race){ .second_at = second_at,
		.write_at = write_at,
		.look_at = look_at,
		.begin_at = begin_at };
	enter(&r.m, &r.finisher);
	begin_backup(&r.m, &r.finisher);
	enter(&r.m, &r.first);
	enter(&r.m, &r.second);
	r.first.door.die_at = die_at;
	r.m.before = race_before;
	r.m.arg = &r;
	(void)backup_delete(&r.first.repo, ID, true, NULL, &f);
	calls = r.first.door.calls + r.second.door.calls;
	r.m.before = NULL;
	race_finisher(&r, UINT32_MAX);
	race_check(&r);
	memstore_clear(&r.m);
	return calls;
}

START_TEST(finishing_and_deleting_never_both_succeed)
{
	unsigned n = race(UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, 0);

	ck_assert_uint_ge(n, 8);
	for (unsigned w = 0; w <= n + 2; w++)
		for (unsigned l = w; l <= n + 2; l++)
			for (unsigned b = l; b <= n + 2; b++)
				for (unsigned die = 0; die <= n + 1; die++)
					(void)race(UINT32_MAX, w, l, b, die);
}
END_TEST

START_TEST(nor_with_a_second_deleter)
{
	unsigned n = race(UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, 0);

	for (unsigned second = 1; second <= n; second++) {
		unsigned all = race(
		    second, UINT32_MAX, UINT32_MAX, UINT32_MAX, 0);

		for (unsigned w = 0; w <= all + 1; w++)
			for (unsigned l = w; l <= all + 1; l++)
				for (unsigned b = l; b <= all + 1; b += 2)
					(void)race(second, w, l, b, 0);
	}
}
END_TEST

/* A hold that comes while the backup is being deleted. */
struct hold_race {
	struct memstore m;
	struct party deleter, holder;
	unsigned at;
	int rc;
	bool done;
};

static void
hold_before(void *arg)
{
	struct hold_race *r = arg;
	struct fail f = { 0 };

	if (r->m.inside || r->done || r->deleter.door.calls < r->at)
		return;
	r->m.inside = r->done = true;
	r->rc = backup_hold(&r->holder.repo, ID, INT64_MAX, "x", &f);
	r->m.inside = false;
}

START_TEST(a_hold_that_was_given_is_kept)
{
	for (unsigned at = 1; at < 30; at++) {
		static struct hold_race r;
		struct fail f = { 0 };
		int rc;

		r = (struct hold_race){ .at = at };
		enter(&r.m, &r.deleter);
		enter(&r.m, &r.holder);
		complete_backup(&r.m, &r.deleter);
		enter(&r.m, &r.deleter);
		r.m.before = hold_before;
		r.m.arg = &r;
		rc = backup_delete(&r.deleter.repo, ID, false, NULL, &f);
		r.m.before = NULL;
		if (r.done && r.rc == 0) {
			ck_assert_int_eq(rc, 1);
			ck_assert_int_eq(
			    state_of(&r.holder).state, BACKUP_COMPLETE);
			ck_assert_uint_eq(state_of(&r.holder).holds, 1);
		} else {
			ck_assert_int_eq(rc, 0);
			ck_assert_uint_eq(r.m.n, 0);
		}
		memstore_clear(&r.m);
	}
}
END_TEST

START_TEST(a_file_store_keeps_backups_too)
{
	char url[600];
	struct repository r = { .layout = { .cluster = "main",
		                    .sysid = UINT64_C(17431000000000000001),
		                    .generation = 1 } };
	struct party p = { .repo = r };
	struct fail f = { 0 };

	(void)snprintf(url, sizeof url, "file://%s", temp_subdir("file"));
	p.repo.store = open_url(url);
	write_begin(&p);
	put_text(p.repo.store, key_of(&p, "pack-000001"), "one");
	ck_assert_int_eq(state_of(&p).state, BACKUP_UNFINISHED);
	ck_assert_int_eq(write_manifest(&p, &f), 0);
	ck_assert_int_eq(state_of(&p).state, BACKUP_COMPLETE);
	ck_assert_int_eq(backup_delete(&p.repo, ID, false, NULL, &f), 0);
	assert_listing(p.repo.store, "main/", "");
	store_free(p.repo.store);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("backup");

	(void)temp_dir();
	add_tests(s, "states",
	    TESTS(ids_have_one_form, keys_are_where_the_format_says,
	        what_a_backup_is_follows_from_its_objects,
	        what_is_no_backup_is_passed_over,
	        damage_is_told_and_hides_no_other_backup,
	        what_a_newer_version_wrote_is_not_called_damage,
	        a_manifest_without_begin_is_no_backup,
	        a_manifest_is_read_from_its_object,
	        a_file_store_keeps_backups_too));
	add_tests(s, "holds",
	    TESTS(a_hold_is_seen_and_released,
	        an_expired_hold_holds_nothing_and_an_unreadable_one_for_ever,
	        only_what_exists_is_held, a_hold_that_was_given_is_kept));
	add_tests(s, "deleting",
	    TESTS(a_killed_delete_leaves_no_backup_and_is_finished_by_the_next,
	        a_finished_backup_is_not_deleted_as_unfinished,
	        finishing_and_deleting_never_both_succeed,
	        nor_with_a_second_deleter));
	return run_suite(s);
}
