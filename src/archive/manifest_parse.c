/* SPDX-License-Identifier: PostgreSQL */
/*
 * A manifest's lines from JSON: every field is there, has its type, and a
 * value that can be.  Fields that are not known are passed over: what a reader
 * must not miss raises the format's number.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup.h"
#include "manifest_fields.h"
#include "walname.h"

static void
take_annotations(struct fields *s, char *out, size_t cap)
{
	json_t *all = fields_member(s, "annotations"), *v;
	const char *key;
	size_t len = 0;

	out[0] = '\0';
	if (all != NULL && !json_is_object(all))
		fields_wrong(s, "annotations", "not an object");
	if (s->failed)
		return;
	json_object_foreach(all, key, v)
	{
		const char *text = json_string_value(v);
		int n;

		if (text == NULL || *key == '\0' ||
		    strpbrk(key, "=\n") != NULL || strchr(text, '\n') != NULL) {
			fields_wrong(s, "annotations", "not a key and a text");
			return;
		}
		n = snprintf(out + len, cap - len, "%s=%s\n", key, text);
		if (n < 0 || (size_t)n >= cap - len) {
			fields_wrong(s, "annotations", "too long");
			return;
		}
		len += (size_t)n;
	}
}

static void
take_sysid(struct fields *s, uint64_t *sysid)
{
	char text[24];
	char *end = text;

	fields_text(s, "sysid", text, sizeof text);
	if (s->failed)
		return;
	if (text[0] >= '1' && text[0] <= '9')
		*sysid = strtoull(text, &end, 10);
	if (end == text || *end != '\0')
		fields_wrong(s, "sysid", "not a system identifier");
}

static bool
is_power_of_two(uint32_t v, uint32_t min, uint32_t max)
{
	return v >= min && v <= max && (v & (v - 1)) == 0;
}

/* Fields that must fit one another. */
static void
check_summary(struct fields *s, const struct manifest_summary *m)
{
	char type[64];

	if (s->failed)
		return;
	(void)snprintf(type, sizeof type, "-%s-", m->type);
	if (!backup_is_id(m->id))
		fields_wrong(s, "id", "not a backup's id");
	else if (m->type[0] == '\0' || strstr(m->id, type) == NULL)
		fields_wrong(s, "type", "not the one in its id");
	else if (m->generation == 0)
		fields_wrong(s, "generation", "out of range");
	else if (m->version_num / 10000 != (uint32_t)m->major)
		fields_wrong(s, "version_num", "not of its major version");
	else if (!walname_segsize_ok(m->segsize))
		fields_wrong(s, "segsize", "not a segment size");
	else if (!is_power_of_two(m->blcksz, 1024, 32768))
		fields_wrong(s, "blcksz", "not a page size");
	else if (m->stop_lsn < m->start_lsn)
		fields_wrong(s, "stop_lsn", "before the start");
	else if (m->start_tli == 0 || m->stop_tli < m->start_tli)
		fields_wrong(s, "stop_tli", "not a timeline");
}

static void
take_summary(struct fields *s, struct manifest_summary *m)
{
	fields_text(s, "id", m->id, sizeof m->id);
	fields_text(s, "type", m->type, sizeof m->type);
	take_sysid(s, &m->sysid);
	m->generation = fields_u32(s, "generation");
	m->major = (int)fields_number(s, "major", 1000);
	m->version_num = fields_u32(s, "version_num");
	m->segsize = fields_u32(s, "segsize");
	m->blcksz = fields_u32(s, "blcksz");
	m->start_lsn = fields_lsn(s, "start_lsn");
	m->start_tli = fields_u32(s, "start_tli");
	m->stop_lsn = fields_lsn(s, "stop_lsn");
	m->stop_tli = fields_u32(s, "stop_tli");
	m->start_time = fields_time(s, "start_time");
	m->stop_time = fields_time(s, "stop_time");
	m->from_standby = fields_bool(s, "from_standby");
	m->checksums = fields_bool(s, "checksums");
	m->bad_pages = fields_number(s, "bad_pages", INT64_MAX);
	m->files = fields_number(s, "files", INT64_MAX);
	m->bytes = fields_number(s, "bytes", INT64_MAX);
	m->stored = fields_number(s, "stored", INT64_MAX);
	fields_text(s, "label", m->label, sizeof m->label);
	fields_text(s, "host", m->host, sizeof m->host);
	take_annotations(s, m->annotations, sizeof m->annotations);
	check_summary(s, m);
}

static void
take_settings(struct fields *s, struct manifest_head *h)
{
	struct fields in = *s;

	in.json = fields_member(s, "settings");
	if (s->failed)
		return;
	h->max_connections = fields_u32(&in, "max_connections");
	h->max_worker_processes = fields_u32(&in, "max_worker_processes");
	h->max_wal_senders = fields_u32(&in, "max_wal_senders");
	h->max_prepared_xacts = fields_u32(&in, "max_prepared_xacts");
	h->max_locks_per_xact = fields_u32(&in, "max_locks_per_xact");
	s->failed = in.failed;
}

static void
take_backups(struct fields *s, struct manifest_head *h)
{
	json_t *all = fields_member(s, "backups"), *v;
	size_t i;

	if (s->failed)
		return;
	h->n_backups = json_array_size(all);
	if (h->n_backups == 0 || h->n_backups > MANIFEST_BACKUPS_MAX) {
		h->n_backups = 0;
		fields_wrong(s, "backups", "not a list of backups");
		return;
	}
	h->backups = calloc(h->n_backups, sizeof *h->backups);
	if (h->backups == NULL) {
		fields_no_memory(s);
		return;
	}
	json_array_foreach(all, i, v)
	{
		const char *id = json_string_value(v);

		if (id == NULL || !backup_is_id(id)) {
			fields_wrong(s, "backups", "not a backup's id");
			return;
		}
		(void)snprintf(h->backups[i], sizeof h->backups[i], "%s", id);
	}
	if (strcmp(h->backups[0], h->s.id) != 0)
		fields_wrong(s, "backups", "the first is not this one");
}

static void
parse_head(struct fields *s, struct manifest_head *h)
{
	char what[16];

	fields_text(s, "walvault", what, sizeof what);
	if (!s->failed && strcmp(what, "manifest") != 0)
		fields_wrong(s, "walvault", "not a manifest");
	take_summary(s, &h->s);
	h->control_version = fields_u32(s, "control_version");
	h->catalog_version = fields_u32(s, "catalog_version");
	fields_text(s, "arch", h->arch, sizeof h->arch);
	fields_text(s, "libc", h->libc, sizeof h->libc);
	fields_text(s, "icu", h->icu, sizeof h->icu);
	fields_text(s, "locale", h->locale, sizeof h->locale);
	fields_text(s, "preload", h->preload, sizeof h->preload);
	take_settings(s, h);
	if (!fields_find_bytes(s, "backup_label", &h->label_file) ||
	    h->label_file.len == 0)
		fields_wrong(s, "backup_label", "missing");
	if (!fields_find_bytes(s, "tablespace_map", &h->tablespace_map))
		fields_wrong(s, "tablespace_map", "missing");
	take_backups(s, h);
}

/* [backup, pack, off, stored, skip, plain_off, len, sum, crc] */
static void
parse_piece(struct fields *s, const json_t *a, struct manifest_piece *p)
{
	static const uint64_t max = INT64_MAX;
	const char *crc = json_string_value(json_array_get(a, 8));

	if (json_array_size(a) != 9 || crc == NULL) {
		fields_wrong(s, "x", "not a piece");
		return;
	}
	p->backup = (uint32_t)fields_number_of(
	    s, "x", json_array_get(a, 0), MANIFEST_BACKUPS_MAX - 1);
	p->pack = (uint32_t)fields_number_of(
	    s, "x", json_array_get(a, 1), MANIFEST_PACKS_MAX);
	p->off = fields_number_of(s, "x", json_array_get(a, 2), max);
	p->stored = fields_number_of(
	    s, "x", json_array_get(a, 3), max - p->off);
	p->skip = (uint32_t)fields_number_of(
	    s, "x", json_array_get(a, 4), UINT32_MAX);
	p->plain_off = fields_number_of(s, "x", json_array_get(a, 5), max);
	p->len = fields_number_of(
	    s, "x", json_array_get(a, 6), max - p->plain_off);
	fields_sum_of(s, "x", json_array_get(a, 7), &p->sum);
	p->crc = (uint32_t)fields_digits_of(s, "x", crc, 8, 16);
	if (p->len == 0 || (p->pack == 0) != (p->stored == 0))
		fields_wrong(s, "x", "a piece of nothing");
}

/* Together, and one behind the other, they must be the file. */
static void
check_pieces(struct fields *s, const struct manifest_entry *e)
{
	uint64_t end = 0;
	uint32_t crc = 0;

	for (size_t i = 0; i < e->n_pieces; i++) {
		const struct manifest_piece *p = &e->pieces[i];

		if (p->plain_off != end) {
			fields_wrong(s, "x", "pieces with a gap between them");
			return;
		}
		end += p->len;
		crc = i == 0 ? p->crc : crc32c_join(crc, p->crc, p->len);
	}
	if (end != e->size)
		fields_wrong(s, "x", "pieces that are not its size");
	else if (crc != e->crc)
		fields_wrong(s, "c", "not that of its pieces");
}

static void
parse_pieces(struct fields *s, struct manifest_entry *e)
{
	const json_t *all = json_object_get(s->json, "x");
	size_t n = json_array_size(all);

	if (all != NULL && !json_is_array(all))
		fields_wrong(s, "x", "not a list");
	if (n > 0) {
		e->pieces = calloc(n, sizeof *e->pieces);
		if (e->pieces == NULL) {
			fields_no_memory(s);
			return;
		}
	}
	for (; !s->failed && e->n_pieces < n; e->n_pieces++)
		parse_piece(s, json_array_get(all, e->n_pieces),
		    &e->pieces[e->n_pieces]);
	if (!s->failed)
		check_pieces(s, e);
}

static void
parse_bad_blocks(struct fields *s, struct manifest_entry *e)
{
	const json_t *all = json_object_get(s->json, "bad");
	size_t n = json_array_size(all);

	if (all == NULL)
		return;
	if (n == 0) {
		fields_wrong(s, "bad", "not a list of blocks");
		return;
	}
	e->bad_blocks = calloc(n, sizeof *e->bad_blocks);
	if (e->bad_blocks == NULL) {
		fields_no_memory(s);
		return;
	}
	for (size_t i = 0; !s->failed && i < n; i++) {
		e->bad_blocks[i] = (uint32_t)fields_number_of(
		    s, "bad", json_array_get(all, i), UINT32_MAX);
		if (i > 0 && e->bad_blocks[i] <= e->bad_blocks[i - 1])
			fields_wrong(s, "bad", "blocks that do not rise");
		e->n_bad_blocks++;
	}
}

static void
take_type(struct fields *s, struct manifest_entry *e)
{
	char t[2];

	fields_text(s, "t", t, sizeof t);
	if (t[0] == 'f')
		e->type = MANIFEST_FILE;
	else if (t[0] == 'd')
		e->type = MANIFEST_DIR;
	else if (t[0] == 'l')
		e->type = MANIFEST_LINK;
	else
		fields_wrong(s, "t", "not a type");
}

static void
parse_entry(struct fields *s, struct manifest_entry *e)
{
	take_type(s, e);
	e->path = fields_find_string(s, "p");
	if (!s->failed && (e->path == NULL || !manifest_path_is_safe(e->path)))
		fields_wrong(s, "p", "not a path below the data directory");
	e->mode = fields_digits(s, "m", 4, 8);
	fields_text(s, "o", e->owner, sizeof e->owner);
	fields_text(s, "g", e->group, sizeof e->group);
	e->uid = fields_u32(s, "u");
	e->gid = fields_u32(s, "gi");
	e->mtime = fields_time(s, "mt");
	e->target = fields_find_string(s, "to");
	if (!s->failed && (e->type == MANIFEST_LINK) != (e->target != NULL))
		fields_wrong(s, "to", "of a link, and of nothing else");
	e->outside = fields_find_string(s, "outside");
	if (!s->failed && e->outside != NULL &&
	    (e->outside[0] != '/' || e->type != MANIFEST_FILE))
		fields_wrong(s, "outside", "not the path of a file");
	if (e->type != MANIFEST_FILE)
		return;
	e->size = fields_number(s, "s", INT64_MAX);
	e->crc = fields_digits(s, "c", 8, 16);
	parse_pieces(s, e);
	parse_bad_blocks(s, e);
}

static void
parse_pack(struct fields *s, struct manifest_pack *p)
{
	p->pack = (uint32_t)fields_number(s, "pack", MANIFEST_PACKS_MAX);
	p->backup = (uint32_t)fields_number(
	    s, "backup", MANIFEST_BACKUPS_MAX - 1);
	p->head = fields_number(s, "head", INT64_MAX);
	p->stored = fields_number(s, "stored", INT64_MAX);
	fields_sum_of(s, "sum", fields_member(s, "sum"), &p->sum);
	if (!s->failed && (p->pack == 0 || p->head > p->stored))
		fields_wrong(s, "pack", "not a pack");
}

static void
parse_end(struct fields *s, struct manifest_end *e)
{
	if (!fields_bool(s, "end"))
		fields_wrong(s, "end", "not true");
	e->counts.files = fields_number(s, "files", INT64_MAX);
	e->counts.dirs = fields_number(s, "dirs", INT64_MAX);
	e->counts.links = fields_number(s, "links", INT64_MAX);
	e->counts.packs = fields_number(s, "packs", INT64_MAX);
	fields_text(s, "sha256", e->sha256, sizeof e->sha256);
}

/* A format of the future is not damage. */
static int
check_format(struct fields *s)
{
	uint64_t format;

	if (json_object_get(s->json, "format") == NULL)
		return 0;
	format = fields_number(s, "format", INT64_MAX);
	if (s->failed || format == MANIFEST_FORMAT)
		return s->failed ? -1 : 0;
	(void)fail_set(s->f, FAIL_CONFIG, s->where->object,
	    "its manifest has format %" PRIu64 ", this program reads %d",
	    format, MANIFEST_FORMAT);
	return fail_hint(s->f, "use a newer version of walvault");
}

static json_t *
load(const char *text, size_t len, const struct manifest_where *where,
    struct fail *f)
{
	json_error_t error;
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);

	if (json_is_object(json))
		return json;
	if (json == NULL && json_error_code(&error) == json_error_out_of_memory)
		(void)fail_set(f, FAIL_INTERNAL, where->object, "no memory");
	else
		(void)fail_set(f, FAIL_DAMAGED, where->object,
		    "damaged manifest: line %" PRIu64 ": not a JSON object",
		    where->line);
	json_decref(json);
	return NULL;
}

static int
parse_as_type(struct fields *s, struct manifest_line *out)
{
	if (json_object_get(s->json, "t") != NULL) {
		out->type = MANIFEST_LINE_ENTRY;
		parse_entry(s, &out->entry);
	} else if (json_object_get(s->json, "pack") != NULL) {
		out->type = MANIFEST_LINE_PACK;
		parse_pack(s, &out->pack);
	} else if (json_object_get(s->json, "end") != NULL) {
		out->type = MANIFEST_LINE_END;
		parse_end(s, &out->end);
	} else {
		out->type = MANIFEST_LINE_HEAD;
		if (check_format(s) != 0)
			return -1;
		(void)fields_u32(s, "format");
		parse_head(s, &out->head);
	}
	return s->failed ? -1 : 0;
}

int
manifest_line_parse(const char *text, size_t len,
    const struct manifest_where *where, struct manifest_line *out,
    struct fail *f)
{
	struct fields s = { .where = where, .f = f };
	int rc;

	*out = (struct manifest_line){ 0 };
	s.json = load(text, len, where, f);
	if (s.json == NULL)
		return -1;
	rc = parse_as_type(&s, out);
	json_decref(s.json);
	return rc;
}

void
manifest_line_clear(struct manifest_line *l)
{
	manifest_head_clear(&l->head);
	manifest_entry_clear(&l->entry);
}

int
manifest_summary_decode(const void *text, size_t len, const char *object,
    struct manifest_summary *s, struct fail *f)
{
	struct manifest_where where = { .object = object, .line = 1 };
	struct fields source = { .where = &where, .f = f };

	*s = (struct manifest_summary){ 0 };
	source.json = load(text, len, &where, f);
	if (source.json == NULL)
		return -1;
	if (check_format(&source) != 0)
		source.failed = true;
	else
		take_summary(&source, s);
	json_decref(source.json);
	return source.failed ? -1 : 0;
}
