/* SPDX-License-Identifier: PostgreSQL */
/*
 * A repository made up by the test: WAL that joins, backups, timelines, all
 * with the times that the test wants.  What is wrong aborts the test.
 */
#ifndef WALVAULT_TESTS_KEEPCHECK_H
#define WALVAULT_TESTS_KEEPCHECK_H

#include <fcntl.h>
#include <sys/stat.h>

#include "backup_lease.h"
#include "clock.h"
#include "object.h"
#include "packcheck.h"

#define KEEPCHECK_SEGSIZE UINT32_C(0x100000)
#define KEEPCHECK_HOUR    (INT64_C(3600) * 1000000)
#define KEEPCHECK_DAY     (24 * KEEPCHECK_HOUR)

static const struct identity keepcheck_identity UNUSED = {
	.sysid = UINT64_C(7431000000000000001),
	.generation = 1,
	.major = 15,
	.segsize = KEEPCHECK_SEGSIZE,
};

static inline UNUSED void
keepcheck_must(int rc, const struct fail *f)
{
	if (rc != 0)
		ck_abort_msg("%d: %s: %s", rc, f->object, f->cause);
}

static inline UNUSED int64_t
keepcheck_time(const char *text)
{
	int64_t time;
	const char *why;

	ck_assert_int_eq(clock_parse(text, true, &time, &why), 0);
	return time;
}

static inline UNUSED void
keepcheck_path(const struct repository *r, const char *key, char out[1024])
{
	(void)snprintf(
	    out, 1024, "%s/%s", r->store->url + strlen("file://"), key);
}

/* Give an object the time that the store would have given it then. */
static inline UNUSED void
keepcheck_touch(const struct repository *r, const char *key, int64_t time)
{
	struct timespec ts[2];
	char path[1024];

	ts[0].tv_sec = ts[1].tv_sec = (time_t)(time / 1000000 +
	    CLOCK_PG_EPOCH_UNIX);
	ts[0].tv_nsec = ts[1].tv_nsec = 0;
	keepcheck_path(r, key, path);
	ck_assert_int_eq(utimensat(AT_FDCWD, path, ts, 0), 0);
}

static inline UNUSED void
keepcheck_object(struct repository *r, const struct object_header *facts,
    const char *key, const char *plain, int64_t time)
{
	struct object_header h = *facts;
	struct fail f = { 0 };
	struct stream *s;

	h.codec = CODEC_LZ4;
	h.created = time;
	(void)snprintf(
	    h.key, sizeof h.key, "%s", layout_own_key(&r->layout, key));
	(void)snprintf(h.repository, sizeof h.repository, "%s", r->id);
	s = object_encoder_new(&h, &packcheck_codec,
	    store_put(r->store, key, &(struct store_attrs){ 0 }, &f), &f);
	if (s == NULL)
		ck_abort_msg("%s: %s", f.object, f.cause);
	keepcheck_must(stream_write(s, plain, strlen(plain), &f), &f);
	keepcheck_must(stream_finish(s, &f), &f);
	stream_free(s);
	keepcheck_touch(r, key, time);
}

/* A segment that follows its predecessor by its facts. */
static inline UNUSED void
keepcheck_wal(struct repository *r, uint32_t tli, uint64_t segno, int64_t time)
{
	uint64_t start = segno * KEEPCHECK_SEGSIZE;
	struct object_header h = { .kind = OBJECT_SEGMENT,
		.has_facts = true,
		.tli = tli,
		.segno = segno,
		.facts = { .sysid = keepcheck_identity.sysid,
		    .segsize = KEEPCHECK_SEGSIZE,
		    .blcksz = 8192,
		    .magic = 0xD110,
		    .first_tli = tli,
		    .last_tli = tli,
		    .start_lsn = start,
		    .flags = WALFACTS_COMPLETE,
		    .first_lsn = start + 40,
		    .first_prev = start - KEEPCHECK_SEGSIZE + 1000,
		    .last_ended = start + 1000,
		    .last_ended_len = 64,
		    .xacts = 1,
		    .xact_time_min = time,
		    .xact_time_max = time,
		    .xact_time_last = time,
		    .xid_min = 700,
		    .xid_max = 700,
		    .timed_max = time,
		    .end_lsn = start + KEEPCHECK_SEGSIZE } };
	struct walname name;
	char key[LAYOUT_KEY_MAX];

	walname_segment(tli, segno, KEEPCHECK_SEGSIZE, &name);
	layout_wal(&r->layout, &name, NULL, key);
	keepcheck_object(r, &h, key, "wal", time);
}

/* A timeline's history: its lines as PostgreSQL writes them. */
static inline UNUSED void
keepcheck_history(
    struct repository *r, uint32_t tli, const char *text, int64_t time)
{
	struct object_header h = { .kind = OBJECT_HISTORY,
		.facts.timed_max = INT64_MIN };
	struct walname name;
	char key[LAYOUT_KEY_MAX];

	walname_history(tli, &name);
	layout_wal(&r->layout, &name, NULL, key);
	keepcheck_object(r, &h, key, text, time);
}

struct keepcheck_backup {
	char id[BACKUP_ID];
	uint32_t tli;
	uint64_t start, stop; /* segment numbers */
	int64_t time;         /* when it stopped */
	uint64_t bad_pages;
	bool unfinished;
};

static inline UNUSED void
keepcheck_manifest(struct repository *r, const struct keepcheck_backup *b,
    const struct packed *packed, const struct manifest_pack *pack)
{
	char ids[1][40], label[] = "START WAL LOCATION";
	struct manifest_head h = {
		.s = { .type = "full",
		    .sysid = keepcheck_identity.sysid,
		    .generation = 1,
		    .major = 15,
		    .version_num = 150018,
		    .segsize = KEEPCHECK_SEGSIZE,
		    .blcksz = 8192,
		    .start_lsn = b->start * KEEPCHECK_SEGSIZE + 40,
		    .stop_lsn = b->stop * KEEPCHECK_SEGSIZE + 500,
		    .start_tli = b->tli,
		    .stop_tli = b->tli,
		    .start_time = b->time - KEEPCHECK_HOUR / 60,
		    .stop_time = b->time,
		    .checksums = true,
		    .bad_pages = b->bad_pages,
		    .files = 1,
		    .bytes = 8192,
		    .stored = pack->stored,
		    .host = "db1" },
		.control_version = 1300,
		.catalog_version = 202209061,
		.max_connections = 100,
		.arch = "x86_64",
		.backups = ids,
		.n_backups = 1,
		.label_file = { (uint8_t *)label, strlen(label), 0 },
	};
	uint32_t bad[4] = { 0 };
	struct manifest_entry e = { .type = MANIFEST_FILE,
		.path = (char *)(uintptr_t) "base/1/16384",
		.owner = "postgres",
		.group = "postgres",
		.mode = 0600,
		.size = 8192,
		.mtime = b->time,
		.crc = packed->pieces[0].crc,
		.pieces = packed->pieces,
		.n_pieces = packed->n,
		.bad_blocks = bad,
		.n_bad_blocks = b->bad_pages };
	struct manifest_writer *w;
	struct fail f = { 0 };

	(void)snprintf(ids[0], sizeof ids[0], "%s", b->id);
	memcpy(h.s.id, b->id, sizeof h.s.id);
	w = manifest_writer_new(
	    backup_put_manifest(r, &h.s, &packcheck_codec, &f));
	if (w == NULL)
		ck_abort_msg("%s: %s", f.object, f.cause);
	keepcheck_must(manifest_write_head(w, &h, &f), &f);
	keepcheck_must(manifest_write_entry(w, &e, &f), &f);
	keepcheck_must(manifest_write_pack(w, pack, &f), &f);
	keepcheck_must(manifest_write_end(w, &f), &f);
	manifest_writer_free(w);
}

/* One with one pack and one file in it; b->id is made. */
static inline UNUSED void
keepcheck_take(struct repository *r, struct keepcheck_backup *b)
{
	struct backup_begin begin = { .type = "full",
		.host = "db1",
		.pid = 42,
		.time = b->time - KEEPCHECK_HOUR / 60,
		.from_lsn = b->start * KEEPCHECK_SEGSIZE + 40,
		.tli = b->tli };
	struct pack_member m = member_of("base/1/16384", 8192);
	struct packed packed = { 0 };
	struct manifest_pack pack;
	struct pack_writer *w;
	uint8_t page[8192];
	char key[LAYOUT_KEY_MAX];
	struct fail f = { 0 };
	uint64_t rng = (uint64_t)b->time | 1;

	backup_new_id(b->time, "full", b->id);
	memcpy(begin.id, b->id, sizeof begin.id);
	keepcheck_must(backup_write_begin(r, &begin, &f), &f);
	fill_random(&rng, page, sizeof page);
	w = pack_begin(r, b->id, 1, &packcheck_codec, &f);
	if (w == NULL)
		ck_abort_msg("%s: %s", f.object, f.cause);
	keepcheck_must(pack_bytes(w, &m, page, SIZE_MAX, &packed, &f), &f);
	keepcheck_must(pack_finish(w, &pack, &f), &f);
	pack_free(w);
	if (!b->unfinished)
		keepcheck_manifest(r, b, &packed, &pack);
	free(packed.pieces);
	backup_key(&r->layout, b->id, "begin", key);
	keepcheck_touch(r, key, b->time);
	backup_pack_key(&r->layout, b->id, 1, key);
	keepcheck_touch(r, key, b->time);
	backup_key(&r->layout, b->id, "manifest", key);
	if (!b->unfinished)
		keepcheck_touch(r, key, b->time);
}

/*
 * A restore of a backup that needs WAL up to a segment's end (UINT64_MAX: all),
 * and wrote that at a time; its note is in force for hours.
 */
static inline UNUSED struct backup_lease
keepcheck_lease(struct repository *r, const struct keepcheck_backup *b,
    uint64_t last, int64_t time, uint64_t hours)
{
	struct backup_lease l = { .from_lsn = b->start * KEEPCHECK_SEGSIZE + 40,
		.to_lsn = last != UINT64_MAX ? (last + 1) * KEEPCHECK_SEGSIZE
		                             : 0,
		.tli = b->tli,
		.seconds = hours * 3600 };
	char key[LAYOUT_KEY_MAX];
	struct fail f = { 0 };

	memcpy(l.id, b->id, sizeof l.id);
	keepcheck_must(backup_lease_write(r, &l, &f), &f);
	backup_key(&r->layout, l.id, l.name, key);
	keepcheck_touch(r, key, time);
	return l;
}

/* Is there an object? */
static inline UNUSED bool
keepcheck_has(struct repository *r, const char *key)
{
	struct store_info info;
	struct fail f = { 0 };
	int rc = store_stat(r->store, key, &info, &f);

	if (rc < 0)
		ck_abort_msg("%s: %s", f.object, f.cause);
	return rc == 0;
}

static inline UNUSED bool
keepcheck_has_wal(struct repository *r, uint32_t tli, uint64_t segno)
{
	struct walname name;
	char key[LAYOUT_KEY_MAX];

	walname_segment(tli, segno, KEEPCHECK_SEGSIZE, &name);
	layout_wal(&r->layout, &name, NULL, key);
	return keepcheck_has(r, key);
}

static inline UNUSED bool
keepcheck_has_backup(struct repository *r, const char *id)
{
	char key[LAYOUT_KEY_MAX];

	backup_key(&r->layout, id, "manifest", key);
	return keepcheck_has(r, key);
}

#endif
