/* SPDX-License-Identifier: PostgreSQL */
/*
 * The end of a base backup: the last pack, which holds what is known only
 * when all else is copied, and the manifest.  See basebackup_job.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "basebackup_job.h"
#include "pgmanifest.h"
#include "spool.h"
#include "sum.h"

#define SPOOL_MEMORY ((size_t)1024 * 1024)

/* The texts of the last pack, in the order of their paths. */
enum text { LABEL, PG_MANIFEST, CONTROL, TABLESPACE_MAP, N_TEXTS };

static const char *const text_paths[N_TEXTS] = { "backup_label",
	"backup_manifest", "global/pg_control", "tablespace_map" };

/* pg_control last: what is unpacked in order cannot start before. */
static const enum text text_order[N_TEXTS] = { LABEL, TABLESPACE_MAP,
	PG_MANIFEST, CONTROL };

struct last {
	struct basebackup *b;
	struct pack_writer *pack;
	struct spool *pg_manifest;
	struct copied texts[N_TEXTS];
};

/* The bytes of a text; not of the manifest, which may be large. */
static const struct buf *
text_bytes(const struct basebackup *b, enum text t)
{
	if (t == LABEL)
		return &b->stop.label_file;
	return t == CONTROL ? &b->control_file : &b->stop.tablespace_map;
}

static int
note_text(struct last *l, struct pgmanifest *m, enum text t, struct fail *f)
{
	const struct buf *bytes = text_bytes(l->b, t);
	struct manifest_summary *s = &l->b->head.s;
	uint32_t crc;

	if (bytes->len == 0)
		return 0;
	crc = ~crc32c(UINT32_MAX, bytes->data, bytes->len);
	s->files++;
	s->bytes += bytes->len;
	return pgmanifest_file(
	    m, text_paths[t], bytes->len, l->b->stop.now, crc, f);
}

/* All files that were copied, into PostgreSQL's manifest and the counts. */
static int
note_files(struct last *l, struct pgmanifest *m, struct fail *f)
{
	struct basebackup *b = l->b;
	struct copied_merge *merge = copied_merge_new(
	    b->copied.lists, b->copied.n_lists, f);
	struct copied c;
	uint32_t crc;
	int rc;

	if (merge == NULL)
		return -1;
	while ((rc = copied_next(merge, &c, &crc, f)) == 0) {
		const char *path = b->list.list[c.index].path;

		b->head.s.files++;
		b->head.s.bytes += c.size;
		b->head.s.bad_pages += c.n_bad;
		if (pgmanifest_file(m, path, c.size, c.mtime, crc, f) != 0) {
			rc = -1;
			break;
		}
	}
	copied_merge_free(merge);
	return rc < 0 ? -1 : 0;
}

/* The WAL of each timeline, the newest first, as the server writes it. */
static int
note_wal(struct last *l, struct pgmanifest *m, struct fail *f)
{
	const struct manifest_summary *s = &l->b->head.s;
	const struct timeline *line = &l->b->line;
	struct pgmanifest_range *ranges = calloc(line->n + 1, sizeof *ranges);
	uint64_t end = s->stop_lsn;
	size_t n = 0;
	int rc;

	if (ranges == NULL)
		return fail_errno(f, "backup_manifest", "memory");
	for (size_t i = line->n + 1; i-- > 0;) {
		uint32_t tli = i < line->n ? line->ancestors[i].tli : line->tli;
		uint64_t begin = i > 0 ? line->ancestors[i - 1].switch_lsn : 0;

		if (begin >= end)
			continue;
		if (begin < s->start_lsn)
			begin = s->start_lsn;
		ranges[n++] = (struct pgmanifest_range){ tli, begin, end };
		end = begin;
		if (begin == s->start_lsn)
			break;
	}
	rc = pgmanifest_end(m, ranges, n, f);
	free(ranges);
	return rc;
}

static int
make_pg_manifest(struct last *l, struct fail *f)
{
	struct basebackup *b = l->b;
	struct pgmanifest *m;
	int rc;

	l->pg_manifest = spool_new(SPOOL_MEMORY, b->args->spool_dir);
	if (l->pg_manifest == NULL)
		return fail_errno(f, "backup_manifest", "memory");
	m = pgmanifest_begin(
	    spool_stream(l->pg_manifest), b->head.s.major, b->head.s.sysid, f);
	if (m == NULL)
		return -1;
	rc = note_files(l, m, f);
	for (enum text t = LABEL; rc == 0 && t < N_TEXTS; t++)
		if (t != PG_MANIFEST)
			rc = note_text(l, m, t, f);
	if (rc == 0)
		rc = note_wal(l, m, f);
	pgmanifest_free(m);
	if (rc == 0) {
		b->head.s.files++;
		b->head.s.bytes += spool_len(l->pg_manifest);
	}
	return rc;
}

/* A stage that writes into the pack. */
struct into_pack {
	struct stream stream;
	struct pack_writer *pack;
};

static int
into_pack(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	return pack_write(((struct into_pack *)stream)->pack, bytes, len, f);
}

static const struct stream_ops into_pack_ops = { .write = into_pack };

static int
write_text(struct last *l, enum text t, struct fail *f)
{
	struct basebackup *b = l->b;
	const struct buf *bytes = t == PG_MANIFEST ? NULL : text_bytes(b, t);
	const struct source_entry *e = source_list_find(
	    &b->list, text_paths[t]);
	struct copied *c = &l->texts[t];
	struct into_pack stage = { { &into_pack_ops }, l->pack };
	struct pack_member m;

	if (e == NULL)
		return fail_set(f, FAIL_DAMAGED, b->args->pgdata,
		    "it has no %s", text_paths[t]);
	c->size = t != PG_MANIFEST ? bytes->len : spool_len(l->pg_manifest);
	c->index = (uint64_t)(e - b->list.list);
	c->mtime = b->stop.now;
	if (c->size == 0)
		return 0;
	copy_member(&b->list, e, c->size, c->mtime, &m);
	if (pack_member(l->pack, &m, &c->pieces, &c->n_pieces, f) != 0)
		return -1;
	if (t == PG_MANIFEST)
		return spool_replay(l->pg_manifest, &stage.stream, f);
	return pack_write(l->pack, bytes->data, bytes->len, f);
}

static int
write_texts(struct last *l, struct fail *f)
{
	struct basebackup *b = l->b;
	struct copied_list *list = b->copied.lists[b->copied.n_lists - 1];
	struct manifest_pack pack;

	for (int i = 0; i < N_TEXTS; i++)
		if (write_text(l, text_order[i], f) != 0)
			return -1;
	if (pack_finish(l->pack, &pack, f) != 0 ||
	    copy_add_pack(&b->copied, &pack, f) != 0)
		return -1;
	for (enum text t = LABEL; t < N_TEXTS; t++)
		if (l->texts[t].size > 0 &&
		    copied_add(list, &l->texts[t], f) != 0)
			return -1;
	return 0;
}

int
basebackup_last_pack(struct basebackup *b, struct fail *f)
{
	struct last l = { .b = b };
	uint32_t number = 1;
	int rc = -1;

	if (b->copied.n_packs > 0)
		number += b->copied.packs[b->copied.n_packs - 1].pack;
	b->head.s.files = b->head.s.bytes = b->head.s.bad_pages = 0;
	b->head.s.stored = 0;
	if (make_pg_manifest(&l, f) == 0) {
		l.pack = pack_begin(
		    &b->repo, b->id, number, &b->args->codec, f);
		if (l.pack != NULL)
			rc = write_texts(&l, f);
	}
	for (size_t i = 0; i < b->copied.n_packs; i++)
		b->head.s.stored += b->copied.packs[i].stored;
	pack_free(l.pack);
	spool_free(l.pg_manifest);
	for (int i = 0; i < N_TEXTS; i++)
		free(l.texts[i].pieces);
	return rc;
}

/* Pages that were found bad, for the result. */
static int
list_bad(struct basebackup *b, const char *path, const struct copied *c,
    struct fail *f)
{
	struct basebackup_result *r = b->result;

	for (size_t i = 0; i < c->n_bad && r->n_bad < BASEBACKUP_BAD_MAX; i++) {
		struct basebackup_bad *more = reallocarray(
		    r->bad, r->n_bad + 1, sizeof *more);

		if (more == NULL)
			return fail_errno(f, path, "memory");
		r->bad = more;
		more[r->n_bad] = (struct basebackup_bad){ .path = strdup(path),
			.block = c->bad[i] };
		if (more[r->n_bad].path == NULL)
			return fail_errno(f, path, "memory");
		r->n_bad++;
	}
	return 0;
}

/* Lists and manifest take texts that they do not change as char *. */
static char *
unconst(const char *text)
{
	char *copy;

	memcpy(&copy, &text, sizeof copy);
	return copy;
}

static int
write_entry(struct basebackup *b, struct manifest_writer *w,
    const struct source_entry *e, const struct copied *c, uint32_t crc,
    struct fail *f)
{
	struct manifest_entry m = { .type = e->type,
		.path = unconst(e->path),
		.target = unconst(e->target),
		.outside = unconst(e->outside),
		.mode = e->mode,
		.uid = e->uid,
		.gid = e->gid,
		.mtime = e->mtime };

	(void)snprintf(
	    m.owner, sizeof m.owner, "%s", source_name(&b->list.users, e->uid));
	(void)snprintf(m.group, sizeof m.group, "%s",
	    source_name(&b->list.groups, e->gid));
	if (c != NULL) {
		m.size = c->size;
		m.mtime = c->mtime;
		m.crc = crc;
		m.pieces = c->pieces;
		m.n_pieces = c->n_pieces;
		m.bad_blocks = c->bad;
		m.n_bad_blocks = c->n_bad;
		if (list_bad(b, e->path, c, f) != 0)
			return -1;
	}
	return manifest_write_entry(w, &m, f);
}

/* All entries in order; files that were not copied are gone. */
static int
write_entries(struct basebackup *b, struct manifest_writer *w, struct fail *f)
{
	struct copied_merge *merge = copied_merge_new(
	    b->copied.lists, b->copied.n_lists, f);
	struct copied c = { 0 };
	uint32_t crc = 0;
	int rc;

	if (merge == NULL)
		return -1;
	rc = copied_next(merge, &c, &crc, f);
	for (size_t i = 0; rc >= 0 && i < b->list.n; i++) {
		const struct source_entry *e = &b->list.list[i];

		if (e->type != MANIFEST_FILE) {
			if (write_entry(b, w, e, NULL, 0, f) != 0)
				rc = -1;
		} else if (rc == 0 && c.index == i) {
			rc = write_entry(b, w, e, &c, crc, f);
			if (rc == 0)
				rc = copied_next(merge, &c, &crc, f);
		}
	}
	copied_merge_free(merge);
	return rc < 0 ? -1 : 0;
}

/* All lines; with the last one the backup exists. */
static int
write_lines(struct basebackup *b, struct manifest_writer *w, struct fail *f)
{
	int rc;

	if (manifest_write_head(w, &b->head, f) != 0 ||
	    write_entries(b, w, f) != 0)
		return -1;
	for (size_t i = 0; i < b->copied.n_packs; i++)
		if (manifest_write_pack(w, &b->copied.packs[i], f) != 0)
			return -1;
	if (basebackup_tick(b, f) != 0)
		return -1;
	b->may_have[0] = true; /* with several stores: note_where */
	rc = manifest_write_end(w, f);
	return rc == 1
	    ? fail_set(f, FAIL_REFUSED, b->id, "it has a manifest already")
	    : rc;
}

/* What has failed may have failed too late for some of several stores. */
static void
note_where(struct basebackup *b)
{
	for (size_t i = 0; b->args->n_repos > 1 && i < b->args->n_repos; i++)
		b->may_have[i] = mirror_may_have(b->repo.store, i);
}

int
basebackup_publish(struct basebackup *b, struct fail *f)
{
	struct stream *put = backup_put_manifest(
	    &b->repo, &b->head.s, &b->args->codec, f);
	struct manifest_writer *w;
	int rc = -1;

	if (put == NULL)
		return -1;
	w = manifest_writer_new(put);
	if (w == NULL)
		(void)fail_errno(f, "manifest", "memory");
	else
		rc = write_lines(b, w, f);
	manifest_writer_free(w);
	note_where(b);
	return rc == 0 ? basebackup_check_kept(b, f) : -1;
}
