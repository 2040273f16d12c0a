/* SPDX-License-Identifier: PostgreSQL */
/*
 * Manifests: what is written is read, and what is read could have been
 * written; whatever is missing, out of order or out of range is found.
 */
#include <sys/resource.h>

#include "hash.h"
#include "manifestcheck.h"
#include "support.h"

/* The sample's bytes; the caller clears them. */
static void
make_sample(struct buf *out)
{
	struct sink sink = { 0 };
	struct manifest_writer *w = manifest_writer_new(sink_stream(&sink));
	struct manifest_head h;
	struct fail f = { 0 };

	ck_assert_ptr_nonnull(w);
	ck_assert_int_eq(manifestcheck_head(&h), 0);
	if (manifestcheck_write(w, &h, &f) != 0)
		ck_abort_msg("%s: %s", f.object, f.cause);
	ck_assert(sink.finished);
	manifest_writer_free(w);
	ck_assert(sink.freed);
	manifest_head_clear(&h);
	*out = sink.bytes;
}

static int
read_bytes(const void *p, size_t len, size_t chunk,
    const struct manifest_events *events, struct fail *f)
{
	struct stream *s = manifest_reader_new("the-manifest", events);
	int rc;

	ck_assert_ptr_nonnull(s);
	rc = write_in_chunks(s, p, len, chunk, f);
	if (rc == 0)
		rc = stream_finish(s, f);
	stream_free(s);
	return rc;
}

static int
read_all(const struct buf *b, struct fail *f)
{
	static const struct manifest_events none = { .head = NULL };

	*f = (struct fail){ 0 };
	return read_bytes(b->data, b->len, SIZE_MAX, &none, f);
}

START_TEST(what_is_read_is_what_was_written)
{
	struct buf b;

	make_sample(&b);
	for (size_t c = 0; c < N_CHUNK_SIZES; c++) {
		struct sink sink = { 0 };
		struct manifest_writer *w = manifest_writer_new(
		    sink_stream(&sink));
		struct manifest_events again = manifestcheck_again(w);
		struct fail f = { 0 };

		if (read_bytes(b.data, b.len, chunk_sizes[c], &again, &f) != 0)
			ck_abort_msg("%s: %s", f.object, f.cause);
		if (manifest_write_end(w, &f) != 0)
			ck_abort_msg("%s: %s", f.object, f.cause);
		manifest_writer_free(w);
		ck_assert_uint_eq(sink.bytes.len, b.len);
		ck_assert_mem_eq(sink.bytes.data, b.data, b.len);
		buf_clear(&sink.bytes);
	}
	buf_clear(&b);
}
END_TEST

struct told {
	size_t heads, entries, packs;
};

static int
told_head(void *arg, const struct manifest_head *h, struct fail *f)
{
	struct manifest_head want;

	(void)f;
	((struct told *)arg)->heads++;
	ck_assert_int_eq(manifestcheck_head(&want), 0);
	ck_assert_str_eq(h->s.id, want.s.id);
	ck_assert_uint_eq(h->s.sysid, want.s.sysid);
	ck_assert_uint_eq(h->s.stop_lsn, want.s.stop_lsn);
	ck_assert_int_eq(h->s.start_time, want.s.start_time);
	ck_assert_str_eq(h->s.label, want.s.label);
	ck_assert_str_eq(h->s.annotations, want.s.annotations);
	ck_assert(h->s.checksums && !h->s.from_standby);
	ck_assert_uint_eq(h->s.bad_pages, 3);
	ck_assert_uint_eq(h->control_version, 1300);
	ck_assert_uint_eq(h->max_locks_per_xact, 64);
	ck_assert_str_eq(h->preload, want.preload);
	ck_assert_uint_eq(h->n_backups, 2);
	ck_assert_str_eq(h->backups[1], MANIFESTCHECK_OLD);
	ck_assert_uint_eq(h->label_file.len, want.label_file.len);
	ck_assert_mem_eq(
	    h->label_file.data, want.label_file.data, want.label_file.len);
	ck_assert_uint_eq(h->tablespace_map.len, want.tablespace_map.len);
	ck_assert_mem_eq(h->tablespace_map.data, want.tablespace_map.data,
	    want.tablespace_map.len);
	manifest_head_clear(&want);
	return 0;
}

static int
told_entry(void *arg, const struct manifest_entry *e, struct fail *f)
{
	struct manifest_entry want = manifestcheck_entry(
	    ((struct told *)arg)->entries++);

	(void)f;
	ck_assert_int_eq(e->type, want.type);
	ck_assert_str_eq(e->path, want.path);
	ck_assert_pstr_eq(e->target, want.target);
	ck_assert_pstr_eq(e->outside, want.outside);
	ck_assert_str_eq(e->owner, want.owner);
	ck_assert_uint_eq(e->gid, want.gid);
	ck_assert_uint_eq(e->mode, want.mode);
	ck_assert_uint_eq(e->size, want.size);
	ck_assert_int_eq(e->mtime, want.mtime);
	ck_assert_uint_eq(e->crc, want.crc);
	ck_assert_uint_eq(e->n_pieces, want.n_pieces);
	for (size_t i = 0; i < e->n_pieces; i++) {
		ck_assert_uint_eq(e->pieces[i].backup, want.pieces[i].backup);
		ck_assert_uint_eq(e->pieces[i].pack, want.pieces[i].pack);
		ck_assert_uint_eq(e->pieces[i].off, want.pieces[i].off);
		ck_assert_uint_eq(e->pieces[i].stored, want.pieces[i].stored);
		ck_assert_uint_eq(e->pieces[i].skip, want.pieces[i].skip);
		ck_assert_uint_eq(e->pieces[i].len, want.pieces[i].len);
		ck_assert_mem_eq(&e->pieces[i].sum, &want.pieces[i].sum, 16);
		ck_assert_uint_eq(e->pieces[i].crc, want.pieces[i].crc);
	}
	ck_assert_uint_eq(e->n_bad_blocks, want.n_bad_blocks);
	for (size_t i = 0; i < e->n_bad_blocks; i++)
		ck_assert_uint_eq(e->bad_blocks[i], want.bad_blocks[i]);
	return 0;
}

static int
told_pack(void *arg, const struct manifest_pack *p, struct fail *f)
{
	struct manifest_pack want = manifestcheck_pack(
	    ((struct told *)arg)->packs++);

	(void)f;
	ck_assert_uint_eq(p->backup, want.backup);
	ck_assert_uint_eq(p->pack, want.pack);
	ck_assert_uint_eq(p->head, want.head);
	ck_assert_uint_eq(p->stored, want.stored);
	ck_assert_mem_eq(&p->sum, &want.sum, 16);
	return 0;
}

START_TEST(every_field_comes_back)
{
	struct told told = { 0 };
	struct manifest_events events = { told_head, told_entry, told_pack,
		&told };
	struct fail f = { 0 };
	struct buf b;

	make_sample(&b);
	if (read_bytes(b.data, b.len, 100, &events, &f) != 0)
		ck_abort_msg("%s: %s", f.object, f.cause);
	ck_assert_uint_eq(told.heads, 1);
	ck_assert_uint_eq(told.entries, MANIFESTCHECK_ENTRIES);
	ck_assert_uint_eq(told.packs, MANIFESTCHECK_PACKS);
	buf_clear(&b);
}
END_TEST

START_TEST(a_summary_comes_back)
{
	struct manifest_head h;
	struct manifest_summary s;
	struct buf b = { 0 };
	struct fail f = { 0 };

	ck_assert_int_eq(manifestcheck_head(&h), 0);
	ck_assert_int_eq(manifest_summary_encode(&h.s, &b), 0);
	ck_assert_ptr_null(memchr(b.data, '\n', b.len));
	if (manifest_summary_decode(b.data, b.len, "object", &s, &f) != 0)
		ck_abort_msg("%s", f.cause);
	ck_assert_mem_eq(&s, &h.s, sizeof s);
	for (size_t len = 0; len < b.len; len++) {
		ck_assert_int_eq(
		    manifest_summary_decode(b.data, len, "object", &s, &f), -1);
		assert_failed(&f, FAIL_DAMAGED);
	}
	buf_clear(&b);
	manifest_head_clear(&h);
}
END_TEST

START_TEST(a_manifest_cut_short_anywhere_is_damage)
{
	struct buf b, cut;

	make_sample(&b);
	for (size_t len = 0; len < b.len; len++) {
		struct fail f;

		cut = b;
		cut.len = len;
		require(read_all(&cut, &f) == -1);
		require(f.kind == FAIL_DAMAGED);
		require(strcmp(f.object, "the-manifest") == 0);
	}
	buf_clear(&b);
}
END_TEST

START_TEST(a_changed_byte_anywhere_is_damage)
{
	struct buf b;

	make_sample(&b);
	for (size_t i = 0; i < b.len; i++)
		for (int bit = 0; bit < 8; bit++) {
			struct fail f;

			b.data[i] ^= (uint8_t)(1 << bit);
			/* A newer format is not called damage. */
			if (read_all(&b, &f) == 0)
				ck_abort_msg("byte %zu, bit %d", i, bit);
			require(
			    f.kind == FAIL_DAMAGED || f.kind == FAIL_CONFIG);
			b.data[i] ^= (uint8_t)(1 << bit);
		}
	buf_clear(&b);
}
END_TEST

/* Make the SHA-256 in the last line that of the lines before it. */
static void
reseal(struct buf *b)
{
	struct sha256 *h = sha256_new();
	char text[SHA256_TEXT];
	size_t last = b->len - 1;

	while (last > 0 && b->data[last - 1] != '\n')
		last--;
	sha256_update(h, b->data, last);
	sha256_text(h, text);
	sha256_free(h);
	memcpy(b->data + b->len - 3 - 64, text, 64);
}

/* The sample with the first occurrence of a text replaced, and sealed. */
static void
make_changed(const char *from, const char *to, struct buf *out)
{
	struct buf b;
	char *at;
	size_t before;

	make_sample(&b);
	ck_assert_int_eq(buf_append_u8(&b, 0), 0);
	at = strstr((char *)b.data, from);
	ck_assert_msg(at != NULL, "no '%s'", from);
	before = (size_t)(at - (char *)b.data);
	*out = (struct buf){ 0 };
	ck_assert_int_eq(buf_append(out, b.data, before), 0);
	ck_assert_int_eq(buf_append(out, to, strlen(to)), 0);
	ck_assert_int_eq(buf_append(out, at + strlen(from),
	                     b.len - 1 - before - strlen(from)),
	    0);
	reseal(out);
	buf_clear(&b);
}

struct change {
	const char *from, *to;
	const char *says; /* in the cause */
};

static void
assert_refused(const struct change *c)
{
	struct fail f;
	struct buf b;

	make_changed(c->from, c->to, &b);
	if (read_all(&b, &f) == 0)
		ck_abort_msg("'%s' instead of '%s'", c->to, c->from);
	ck_assert_msg(strstr(f.cause, c->says) != NULL, "'%s' -> '%s': %s",
	    c->from, c->to, f.cause);
	ck_assert_ptr_nonnull(strstr(f.cause, "line "));
	ck_assert_int_eq(f.kind, FAIL_DAMAGED);
	buf_clear(&b);
}

START_TEST(a_field_that_cannot_be_is_refused)
{
	static const struct change changes[] = {
		/* the head */
		{ "\"walvault\":\"manifest\"", "\"walvault\":\"x\"",
		    "walvault" },
		{ "\"format\":1,", "", "'format': missing" },
		{ "\"id\":\"2026", "\"id\":\"x026", "'id'" },
		{ "\"type\":\"full\"", "\"type\":\"incr\"", "'type'" },
		{ "\"type\":\"full\"", "\"type\":\"fulllong\"", "too long" },
		{ "\"type\":\"full\",", "", "'type': missing" },
		{ "\"sysid\":\"17431", "\"sysid\":\"a7431", "'sysid'" },
		{ "\"sysid\":\"17431000000000000001\"", "\"sysid\":1",
		    "not a string" },
		{ "\"generation\":1", "\"generation\":0", "'generation'" },
		{ "\"generation\":1", "\"generation\":4294967296",
		    "out of range" },
		{ "\"generation\":1", "\"generation\":-1", "out of range" },
		{ "\"generation\":1", "\"generation\":1.0", "whole number" },
		{ "\"generation\":1", "\"generation\":99999999999999999999",
		    "not a JSON object" },
		{ "\"major\":15", "\"major\":14", "version_num" },
		{ "\"segsize\":16777216", "\"segsize\":16777217", "segsize" },
		{ "\"blcksz\":8192", "\"blcksz\":0", "blcksz" },
		{ "\"0/2000028\"", "\"2000028\"", "not an LSN" },
		{ "\"0/2000028\"", "\"0/0\"", "not an LSN" },
		{ "\"0/2000028\"", "\"9/2000028\"", "before the start" },
		{ "\"start_tli\":1", "\"start_tli\":0", "timeline" },
		{ "\"start_tli\":1", "\"start_tli\":2", "timeline" },
		{ "\"start_time\":\"2026-", "\"start_time\":\"2026/",
		    "not a time" },
		{ "\"checksums\":true", "\"checksums\":1", "true or false" },
		{ "\"who\":\"me=you\"", "\"who\":1", "annotations" },
		{ "\"who\":", "\"who=\":", "annotations" },
		{ "\"who\":", "\"ticket\":", "not a JSON object" },
		{ "\"settings\":{", "\"settings\":{\"x\":1},\"other\":{",
		    "max_connections" },
		{ "\"max_locks_per_xact\":64", "\"z\":1",
		    "max_locks_per_xact" },
		{ "\"backup_label\"", "\"x\"", "backup_label" },
		{ "\"tablespace_mapx\":\"31", "\"tablespace_mapx\":\"3g",
		    "hexadecimal" },
		{ "\"tablespace_mapx\":\"31", "\"tablespace_mapx\":\"3",
		    "hexadecimal" },
		{ "\"backups\":[\"20261120", "\"backups\":[\"20261121",
		    "the first is not" },
		{ MANIFESTCHECK_OLD, "20261119T020003-full-00ff00ff",
		    "'backups'" },
		{ "\"bad_pages\":3", "\"bad_pages\":4", "bad pages" },
		{ "\"files\":6", "\"files\":7", "number of files" },
		{ "\"bytes\":312", "\"bytes\":311", "number of bytes" },
		{ "\"stored\":200001", "\"stored\":200002", "stored bytes" },
		/* entries */
		{ "\"t\":\"f\"", "\"t\":\"x\"", "'t'" },
		{ "\"t\":\"f\"", "\"t\":\"ff\"", "'t'" },
		{ "\"p\":\"base\"", "\"p\":\"/base\"", "not a path" },
		{ "\"p\":\"base\"", "\"p\":\"base/\"", "not a path" },
		{ "\"p\":\"base\"", "\"p\":\"base//x\"", "not a path" },
		{ "\"p\":\"base\"", "\"p\":\"base/../x\"", "not a path" },
		{ "\"p\":\"base\"", "\"p\":\"..\"", "not a path" },
		{ "\"p\":\"base\"", "\"p\":\"base/.\"", "not a path" },
		{ "\"p\":\"base\"", "\"p\":\"\"", "'p'" },
		{ "\"p\":\"base\"", "\"q\":\"base\"", "not a path" },
		{ "\"p\":\"base\"", "\"p\":\"bas\\u0000e\"", "not a JSON" },
		{ "\"p\":\"base\"", "\"px\":\"6200\"", "NUL" },
		{ "\"p\":\"base\"", "\"p\":\"base\",\"px\":\"62\"",
		    "not one string" },
		{ "\"p\":\"base\"", "\"p\":\"base\",\"p\":\"base\"",
		    "not a JSON object" },
		{ "\"p\":\"base\"", "\"p\":\"zzz\"", "do not rise" },
		{ "\"p\":\"base\"", "\"p\":\"PG_VERSION\"", "do not rise" },
		{ "\"m\":\"0600\"", "\"m\":\"0800\"", "'m'" },
		{ "\"m\":\"0600\"", "\"m\":\"600\"", "'m'" },
		{ "\"m\":\"0600\"", "\"m\":384", "'m'" },
		{ "\"u\":999", "\"u\":4294967296", "out of range" },
		{ "\"mt\":\"2026-", "\"mt\":\"2026-13-", "not a time" },
		{ "\"s\":3,", "\"s\":4,", "not its size" },
		{ "\"s\":3,", "\"s\":-3,", "out of range" },
		{ "\"s\":3,", "\"s\":9223372036854775807,", "not its size" },
		{ "\"s\":3,", "", "'s': missing" },
		{ "\"c\":\"89abcdef\"", "\"c\":\"89abcdee\"", "its pieces" },
		{ "\"c\":\"89abcdef\"", "\"c\":\"89ABCDEF\"", "'c'" },
		{ "\"x\":[[", "\"x\":[[],[", "not a piece" },
		{ "\"x\":[[0,1,1000", "\"x\":[[0,1,0,1000", "not a piece" },
		{ "\"x\":[[0,1,1000", "\"x\":[[2,1,1000", "unknown backup" },
		{ "\"x\":[[0,1,1000", "\"x\":[[0,3,1000", "is missing" },
		{ "\"x\":[[0,1,1000", "\"x\":[[0,0,1000", "nothing" },
		{ "\"x\":[[0,1,1000", "\"x\":[[0,1000000,1000",
		    "out of range" },
		{ "\"x\":[[0,1,1000", "\"x\":[[0,1,100000",
		    "smaller than its pieces" },
		{ "\"x\":[[0,1,1000,2", "\"x\":[[0,1,1000,9223372036854775807",
		    "out of range" },
		{ "\"x\":[[0,1,1000,2,512,0,3,", "\"x\":[[0,1,1000,2,512,0,0,",
		    "nothing" },
		{ "\"x\":[[0,1,1000,2,512,0", "\"x\":[[0,1,1000,2,512,1",
		    "gap" },
		{ "010203ff", "01020zff", "checksum" },
		{ "[1,7,1100,51,0,100,100,", "[1,7,1100,51,0,101,100,", "gap" },
		{ "\"bad\":[0,3,", "\"bad\":[3,3,", "rise" },
		{ "\"bad\":[0,3,131071]", "\"bad\":[]", "'bad'" },
		{ "\"bad\":[0,3,131071]", "\"bad\":7", "'bad'" },
		{ "\"outside\":\"/etc", "\"outside\":\"etc", "'outside'" },
		{ "\"t\":\"l\"", "\"t\":\"d\"", "'to'" },
		{ "\"tox\":\"", "\"no\":\"", "'to'" },
		/* packs */
		{ "{\"pack\":1,", "{\"pack\":3,", "do not rise" },
		{ "{\"pack\":1,", "{\"pack\":2,", "do not rise" },
		{ "{\"pack\":1,", "{\"pack\":0,", "not a pack" },
		{ "{\"pack\":7,\"backup\":1", "{\"pack\":7,\"backup\":2",
		    "unknown backup" },
		{ "\"head\":150,\"stored\":100000",
		    "\"head\":150,\"stored\":1151", "smaller than its pieces" },
		{ "\"head\":150,", "\"head\":100001,", "not a pack" },
		{ "\"sum\":\"0908", "\"sum\":\"090", "checksum" },
		/* the end */
		{ "{\"end\":true", "{\"end\":false", "'end'" },
		{ "\"end\":true,\"files\":6", "\"end\":true,\"files\":5",
		    "wrong counts" },
		{ "\"dirs\":1", "\"dirs\":2", "wrong counts" },
		{ "\"links\":1", "\"links\":0", "wrong counts" },
		{ "\"packs\":3", "\"packs\":4", "wrong counts" },
	};

	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
		assert_refused(&changes[i]);
}
END_TEST

/* Lines first to behind (counted from 0) go to a place; sealed again. */
static void
move_lines(struct buf *b, size_t first, size_t behind, size_t to)
{
	char *text = (char *)b->data, *line[64];
	struct buf moved = { 0 };
	size_t n = 0;

	for (char *p = text; p < text + b->len; p = strchr(p, '\n') + 1)
		line[n++] = p;
	line[n] = text + b->len;
	for (size_t i = 0; i <= n; i++) {
		if (i == to)
			ck_assert_int_eq(
			    buf_append(&moved, line[first],
			        (size_t)(line[behind] - line[first])),
			    0);
		if (i < n && (i < first || i >= behind))
			ck_assert_int_eq(buf_append(&moved, line[i],
			                     (size_t)(line[i + 1] - line[i])),
			    0);
	}
	buf_clear(b);
	*b = moved;
	if (to <= n - 1)
		reseal(b);
}

START_TEST(lines_in_another_order_are_damage)
{
	/* head 0, entries 1 to 8, packs 9 to 11, end 12 */
	for (size_t from = 0; from < 13; from++)
		for (size_t to = 0; to <= 13; to++) {
			struct fail f;
			struct buf b;

			if (to == from || to == from + 1)
				continue;
			make_sample(&b);
			ck_assert_int_eq(buf_append_u8(&b, 0), 0);
			b.len--;
			move_lines(&b, from, from + 1, to);
			ck_assert_msg(
			    read_all(&b, &f) == -1, "%zu to %zu", from, to);
			assert_failed(&f, FAIL_DAMAGED);
			buf_clear(&b);
		}
}
END_TEST

START_TEST(a_missing_line_is_damage)
{
	for (size_t i = 0; i < 13; i++) {
		struct fail f;
		struct buf b;
		size_t line = 0, at = 0, behind;

		make_sample(&b);
		for (; line < i; at++)
			line += b.data[at] == '\n';
		for (behind = at; b.data[behind] != '\n'; behind++)
			;
		behind++;
		memmove(b.data + at, b.data + behind, b.len - behind);
		b.len -= behind - at;
		if (i < 12)
			reseal(&b);
		ck_assert_msg(read_all(&b, &f) == -1, "line %zu", i);
		assert_failed(&f, FAIL_DAMAGED);
		buf_clear(&b);
	}
}
END_TEST

START_TEST(a_wrong_sum_and_bytes_behind_the_end_are_damage)
{
	struct fail f;
	struct buf b;

	make_sample(&b);
	b.data[b.len - 4] ^= 1;
	ck_assert_int_eq(read_all(&b, &f), -1);
	ck_assert_ptr_nonnull(strstr(f.cause, "SHA-256"));
	b.data[b.len - 4] ^= 1;
	ck_assert_int_eq(read_all(&b, &f), 0);
	ck_assert_int_eq(buf_append(&b, " ", 1), 0);
	ck_assert_int_eq(read_all(&b, &f), -1);
	assert_failed(&f, FAIL_DAMAGED);
	ck_assert_int_eq(buf_append(&b, "\n", 1), 0);
	ck_assert_int_eq(read_all(&b, &f), -1);
	assert_failed(&f, FAIL_DAMAGED);
	buf_clear(&b);
}
END_TEST

START_TEST(unknown_fields_are_passed_over_and_newer_formats_refused)
{
	struct fail f;
	struct buf b;

	make_changed("\"t\":\"f\"", "\"t\":\"f\",\"new\":[1,{}]", &b);
	if (read_all(&b, &f) != 0)
		ck_abort_msg("%s", f.cause);
	buf_clear(&b);
	make_changed("\"format\":1", "\"format\":2", &b);
	ck_assert_int_eq(read_all(&b, &f), -1);
	assert_failed(&f, FAIL_CONFIG);
	ck_assert_ptr_nonnull(strstr(f.hint, "newer version"));
	buf_clear(&b);
}
END_TEST

static int
refuse_head(void *arg, const struct manifest_head *h, struct fail *f)
{
	(void)arg;
	return fail_set(f, FAIL_SPACE, h->s.id, "no");
}

START_TEST(a_failure_of_who_is_told_comes_through)
{
	struct manifest_events events = { .head = refuse_head };
	struct fail f = { 0 };
	struct buf b;

	make_sample(&b);
	ck_assert_int_eq(read_bytes(b.data, b.len, 10, &events, &f), -1);
	assert_failed(&f, FAIL_SPACE);
	buf_clear(&b);
}
END_TEST

/* A writer that has its head. */
static struct manifest_writer *
begin_writer(struct sink *sink)
{
	struct manifest_writer *w = manifest_writer_new(sink_stream(sink));
	struct manifest_head h;
	struct fail f = { 0 };

	ck_assert_int_eq(manifestcheck_head(&h), 0);
	ck_assert_int_eq(manifest_write_head(w, &h, &f), 0);
	manifest_head_clear(&h);
	return w;
}

START_TEST(what_could_not_be_read_is_not_written)
{
	static const char *const paths[] = { "", "/a", "a/", "a//b", "../a",
		"a/..", ".", "a/./b" };

	for (size_t i = 0; i < sizeof paths / sizeof paths[0] + 6; i++) {
		struct sink sink = { 0 };
		struct manifest_writer *w = begin_writer(&sink);
		struct manifest_entry e = manifestcheck_entry(2);
		struct manifest_pack p = manifestcheck_pack(0);
		struct fail f = { 0 };
		size_t len = sink.bytes.len;
		char path[16];
		int rc;

		if (i < sizeof paths / sizeof paths[0]) {
			(void)snprintf(path, sizeof path, "%s", paths[i]);
			e.path = path;
		}
		switch ((int)i - (int)(sizeof paths / sizeof paths[0])) {
		case 0:
			e.size++;
			break;
		case 1:
			e.pieces[1].plain_off++;
			break;
		case 2:
			e.target = path;
			path[0] = '\0';
			break;
		default:
			break;
		}
		switch ((int)i - (int)(sizeof paths / sizeof paths[0])) {
		case 3: /* no head's counts */
			ck_assert_int_eq(manifest_write_entry(w, &e, &f), 0);
			len = sink.bytes.len;
			rc = manifest_write_end(w, &f);
			break;
		case 4:
			ck_assert_int_eq(manifest_write_pack(w, &p, &f), 0);
			len = sink.bytes.len;
			rc = manifest_write_entry(w, &e, &f);
			break;
		case 5:
			ck_assert_int_eq(manifest_write_pack(w, &p, &f), 0);
			len = sink.bytes.len;
			rc = manifest_write_pack(w, &p, &f);
			break;
		default:
			rc = manifest_write_entry(w, &e, &f);
		}
		ck_assert_msg(rc == -1, "case %zu", i);
		assert_failed(&f, FAIL_INTERNAL);
		ck_assert_uint_eq(sink.bytes.len, len);
		ck_assert(!sink.finished);
		manifest_writer_free(w);
		ck_assert(sink.freed);
		buf_clear(&sink.bytes);
	}
}
END_TEST

START_TEST(a_head_that_could_not_be_read_is_not_written)
{
	static const char *const annotations[] = { "novalue\n", "=x\n", "a=b",
		"a=1\na=2\n" };

	for (size_t i = 0; i < 6; i++) {
		struct sink sink = { 0 };
		struct manifest_writer *w = manifest_writer_new(
		    sink_stream(&sink));
		struct manifest_head h;
		struct fail f = { 0 };

		ck_assert_int_eq(manifestcheck_head(&h), 0);
		if (i < 4)
			(void)snprintf(h.s.annotations, sizeof h.s.annotations,
			    "%s", annotations[i]);
		else if (i == 4)
			h.s.segsize = 5;
		else
			h.label_file.len = 0;
		ck_assert_int_eq(manifest_write_head(w, &h, &f), -1);
		ck_assert_int_ne(f.cause[0], '\0');
		ck_assert_uint_eq(sink.bytes.len, 0);
		manifest_writer_free(w);
		manifest_head_clear(&h);
	}
}
END_TEST

START_TEST(times_beyond_four_digits_are_brought_near)
{
	static const int64_t times[] = { INT64_MIN, INT64_MAX, 0, -1,
		-INT64_C(63082281600000000), INT64_C(252455615999999999) };

	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		struct sink sink = { 0 };
		struct manifest_writer *w = begin_writer(&sink);
		struct manifest_entry e = manifestcheck_entry(1);
		size_t head = sink.bytes.len;
		struct fail f = { 0 };
		char line[512];

		e.mtime = times[i];
		ck_assert_int_eq(manifest_write_entry(w, &e, &f), 0);
		(void)snprintf(line, sizeof line, "%.*s",
		    (int)(sink.bytes.len - head), sink.bytes.data + head);
		/* It is read, up to the end that is missing. */
		ck_assert_int_eq(read_all(&sink.bytes, &f), -1);
		ck_assert_msg(
		    strstr(f.cause, "cut off") != NULL, "%s%s", line, f.cause);
		manifest_writer_free(w);
		buf_clear(&sink.bytes);
	}
}
END_TEST

static size_t
max_rss_kib(void)
{
	struct rusage usage;

	ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
	return (size_t)usage.ru_maxrss;
}

START_TEST(hundreds_of_thousands_of_entries_cost_no_memory)
{
	enum { N = 200000 };
	size_t n = 0, before = max_rss_kib();
	struct manifest_events events = { .entry = manifestcheck_count,
		.arg = &n };
	struct manifest_writer *w = manifest_writer_new(
	    manifest_reader_new("object", &events));
	struct manifest_pack p = manifestcheck_pack(0);
	struct manifest_head h;
	struct fail f = { 0 };

	ck_assert_ptr_nonnull(w);
	ck_assert_int_eq(manifestcheck_head(&h), 0);
	h.s.files = N;
	h.s.bytes = 3 * N;
	h.s.stored = p.stored;
	ck_assert_int_eq(manifest_write_head(w, &h, &f), 0);
	for (size_t i = 0; i < N; i++) {
		struct manifest_entry e = manifestcheck_entry(0);
		char path[64];

		(void)snprintf(path, sizeof path, "base/5/%08zu", i);
		e.path = path;
		if (manifest_write_entry(w, &e, &f) != 0)
			ck_abort_msg("%s", f.cause);
	}
	ck_assert_int_eq(manifest_write_pack(w, &p, &f), 0);
	ck_assert_int_eq(manifest_write_end(w, &f), 0);
	manifest_writer_free(w);
	manifest_head_clear(&h);
	ck_assert_uint_eq(n, N);
#ifndef UNDER_ASAN
	ck_assert_uint_lt(max_rss_kib() - before, 8192);
#else
	(void)before;
#endif
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("manifest");

	add_tests(s, "whole",
	    TESTS(what_is_read_is_what_was_written, every_field_comes_back,
	        a_summary_comes_back,
	        unknown_fields_are_passed_over_and_newer_formats_refused,
	        times_beyond_four_digits_are_brought_near,
	        hundreds_of_thousands_of_entries_cost_no_memory));
	add_tests(s, "damage",
	    TESTS(a_manifest_cut_short_anywhere_is_damage,
	        a_changed_byte_anywhere_is_damage,
	        a_field_that_cannot_be_is_refused,
	        lines_in_another_order_are_damage, a_missing_line_is_damage,
	        a_wrong_sum_and_bytes_behind_the_end_are_damage,
	        a_failure_of_who_is_told_comes_through));
	add_tests(s, "writer",
	    TESTS(what_could_not_be_read_is_not_written,
	        a_head_that_could_not_be_read_is_not_written));
	return run_suite(s);
}
