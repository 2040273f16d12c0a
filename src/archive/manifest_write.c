/* SPDX-License-Identifier: PostgreSQL */
/*
 * Writing a manifest: see manifest.h.  What the reader would refuse is not
 * written: it would be found out when somebody needs the backup.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "hash.h"
#include "json.h"
#include "lsn.h"
#include "manifest.h"
#include "manifest_line.h"

/* Years that have four digits: a file's time may be anything. */
#define TIME_MIN (INT64_C(-63082281600) * 1000000) /* 0001-01-01 */
#define TIME_MAX (INT64_C(252455615999) * 1000000) /* 9999-12-31 */

enum section { AT_HEAD, IN_ENTRIES, IN_PACKS, AT_END };

struct manifest_writer {
	struct stream *next;
	struct json json;
	struct sha256 *sha;
	enum section section;
	struct manifest_counts counts;
	struct manifest_summary summary;
	struct manifest_packs packs;
	char path[MANIFEST_PATH_MAX + 1]; /* of the entry before */
	uint32_t backup, pack;            /* of the pack before */
};

struct manifest_writer *
manifest_writer_new(struct stream *next)
{
	struct manifest_writer *w;

	if (next == NULL)
		return NULL;
	w = calloc(1, sizeof *w);
	if (w == NULL) {
		stream_free(next);
		return NULL;
	}
	w->next = next;
	w->sha = sha256_new();
	if (w->sha == NULL) {
		manifest_writer_free(w);
		return NULL;
	}
	return w;
}

void
manifest_writer_free(struct manifest_writer *w)
{
	if (w == NULL)
		return;
	stream_free(w->next);
	sha256_free(w->sha);
	manifest_packs_clear(&w->packs);
	buf_clear(&w->json.text);
	free(w);
}

static int
refuse(const char *object, const char *why, struct fail *f)
{
	return fail_set(
	    f, FAIL_INTERNAL, object, "cannot be in a manifest: %s", why);
}

/* The line that was made is complete. */
static int
end_line(struct manifest_writer *w, struct fail *f)
{
	struct buf *text = &w->json.text;
	int rc;

	if (w->json.failed || buf_append(text, "\n", 1) != 0)
		return fail_errno(f, "manifest", "memory");
	sha256_update(w->sha, text->data, text->len);
	rc = stream_write(w->next, text->data, text->len, f);
	text->len = 0;
	w->json.comma = false;
	return rc;
}

/* Bytes as text, or, under the name with an 'x' behind it, in hexadecimal. */
static void
put_bytes(struct json *j, const char *name, const void *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = bytes;
	char hex_name[32];
	char *text = malloc(2 * len + 1);

	if (text == NULL) {
		j->failed = true;
		return;
	}
	if (json_is_utf8(bytes, len)) {
		if (len > 0)
			memcpy(text, bytes, len);
		text[len] = '\0';
	} else {
		for (size_t i = 0; i < len; i++) {
			text[2 * i] = digits[p[i] >> 4];
			text[2 * i + 1] = digits[p[i] & 15];
		}
		text[2 * len] = '\0';
		(void)snprintf(hex_name, sizeof hex_name, "%sx", name);
		name = hex_name;
	}
	json_string(j, name, text);
	free(text);
}

static void
put_lsn(struct json *j, const char *name, uint64_t lsn)
{
	char text[LSN_TEXT];

	lsn_format(lsn, text);
	json_string(j, name, text);
}

static void
put_time(struct json *j, const char *name, int64_t time)
{
	char text[CLOCK_TEXT];

	clock_format(time < TIME_MIN ? TIME_MIN
	        : time > TIME_MAX    ? TIME_MAX
	                             : time,
	    text);
	json_string(j, name, text);
}

static void
put_count(struct json *j, const char *name, uint64_t v)
{
	json_int(j, name, (int64_t)v);
}

static void
put_sum(struct json *j, const char *name, const struct sum128 *sum)
{
	char text[SUM128_TEXT];

	sum128_format(sum, text);
	json_string(j, name, text);
}

static void
put_crc(struct json *j, const char *name, uint32_t crc)
{
	char text[16];

	(void)snprintf(text, sizeof text, "%08" PRIx32, crc);
	json_string(j, name, text);
}

/* "key=value" lines as an object.  0, or -1: not of that form. */
static int
put_annotations(struct json *j, const char *lines)
{
	char line[sizeof((struct manifest_summary *)0)->annotations];

	json_object(j, "annotations");
	while (*lines != '\0') {
		size_t len = strcspn(lines, "\n");
		char *value;

		if (lines[len] == '\0' || len >= sizeof line)
			return -1;
		memcpy(line, lines, len);
		line[len] = '\0';
		value = strchr(line, '=');
		if (value == NULL || value == line)
			return -1;
		*value++ = '\0';
		json_string(j, line, value);
		lines += len + 1;
	}
	json_end_object(j);
	return 0;
}

/* The members of a summary; the head has the same.  0, or -1. */
static int
put_summary(struct json *j, const struct manifest_summary *s)
{
	char sysid[24];

	(void)snprintf(sysid, sizeof sysid, "%" PRIu64, s->sysid);
	json_int(j, "format", MANIFEST_FORMAT);
	json_string(j, "id", s->id);
	json_string(j, "type", s->type);
	json_string(j, "sysid", sysid);
	json_int(j, "generation", s->generation);
	json_int(j, "major", s->major);
	json_int(j, "version_num", s->version_num);
	json_int(j, "segsize", s->segsize);
	json_int(j, "blcksz", s->blcksz);
	put_lsn(j, "start_lsn", s->start_lsn);
	json_int(j, "start_tli", s->start_tli);
	put_lsn(j, "stop_lsn", s->stop_lsn);
	json_int(j, "stop_tli", s->stop_tli);
	put_time(j, "start_time", s->start_time);
	put_time(j, "stop_time", s->stop_time);
	json_bool(j, "from_standby", s->from_standby);
	json_bool(j, "checksums", s->checksums);
	put_count(j, "bad_pages", s->bad_pages);
	put_count(j, "files", s->files);
	put_count(j, "bytes", s->bytes);
	put_count(j, "stored", s->stored);
	json_string(j, "label", s->label);
	json_string(j, "host", s->host);
	return put_annotations(j, s->annotations);
}

static void
put_head(struct json *j, const struct manifest_head *h)
{
	json_int(j, "control_version", h->control_version);
	json_int(j, "catalog_version", h->catalog_version);
	json_string(j, "arch", h->arch);
	json_string(j, "libc", h->libc);
	json_string(j, "icu", h->icu);
	json_string(j, "locale", h->locale);
	json_string(j, "preload", h->preload);
	json_object(j, "settings");
	json_int(j, "max_connections", h->max_connections);
	json_int(j, "max_worker_processes", h->max_worker_processes);
	json_int(j, "max_wal_senders", h->max_wal_senders);
	json_int(j, "max_prepared_xacts", h->max_prepared_xacts);
	json_int(j, "max_locks_per_xact", h->max_locks_per_xact);
	json_end_object(j);
	put_bytes(j, "backup_label", h->label_file.data, h->label_file.len);
	put_bytes(
	    j, "tablespace_map", h->tablespace_map.data, h->tablespace_map.len);
	json_array(j, "backups");
	for (size_t i = 0; i < h->n_backups; i++)
		json_string(j, NULL, h->backups[i]);
	json_end_array(j);
}

/* What was made must be what will be read. */
static int
read_back(struct manifest_writer *w, const char *what, struct fail *f)
{
	struct manifest_where where = { .object = what };
	struct manifest_line line;
	int rc;

	if (w->json.failed)
		return fail_errno(f, what, "memory");
	rc = manifest_line_parse((const char *)w->json.text.data,
	    w->json.text.len, &where, &line, f);
	manifest_line_clear(&line);
	return rc;
}

int
manifest_write_head(
    struct manifest_writer *w, const struct manifest_head *h, struct fail *f)
{
	struct json *j = &w->json;

	if (w->section != AT_HEAD)
		return refuse("manifest", "a second head", f);
	w->section = IN_ENTRIES;
	w->summary = h->s;
	json_object(j, NULL);
	json_string(j, "walvault", "manifest");
	if (put_summary(j, &h->s) != 0)
		return refuse("annotations", "not key=value", f);
	put_head(j, h);
	json_end_object(j);
	if (read_back(w, "manifest", f) != 0)
		return -1;
	return end_line(w, f);
}

static void
put_piece(struct json *j, const struct manifest_piece *p)
{
	json_array(j, NULL);
	json_int(j, NULL, p->backup);
	json_int(j, NULL, p->pack);
	put_count(j, NULL, p->off);
	put_count(j, NULL, p->stored);
	json_int(j, NULL, p->skip);
	put_count(j, NULL, p->plain_off);
	put_count(j, NULL, p->len);
	put_sum(j, NULL, &p->sum);
	put_crc(j, NULL, p->crc);
	json_end_array(j);
}

static void
put_file(struct json *j, const struct manifest_entry *e)
{
	put_crc(j, "c", e->crc);
	if (e->n_pieces > 0) {
		json_array(j, "x");
		for (size_t i = 0; i < e->n_pieces; i++)
			put_piece(j, &e->pieces[i]);
		json_end_array(j);
	}
	if (e->n_bad_blocks > 0) {
		json_array(j, "bad");
		for (size_t i = 0; i < e->n_bad_blocks; i++)
			json_int(j, NULL, e->bad_blocks[i]);
		json_end_array(j);
	}
}

static void
put_entry(struct json *j, const struct manifest_entry *e)
{
	static const char *const types[] = { "f", "d", "l" };
	char mode[16];

	(void)snprintf(mode, sizeof mode, "%04" PRIo32, e->mode & 07777);
	json_object(j, NULL);
	json_string(j, "t", types[e->type]);
	put_bytes(j, "p", e->path, strlen(e->path));
	if (e->type == MANIFEST_FILE)
		put_count(j, "s", e->size);
	json_string(j, "m", mode);
	json_string(j, "o", e->owner);
	json_string(j, "g", e->group);
	json_int(j, "u", e->uid);
	json_int(j, "gi", e->gid);
	put_time(j, "mt", e->mtime);
	if (e->type == MANIFEST_FILE)
		put_file(j, e);
	if (e->target != NULL)
		put_bytes(j, "to", e->target, strlen(e->target));
	if (e->outside != NULL)
		put_bytes(j, "outside", e->outside, strlen(e->outside));
	json_end_object(j);
}

/* Pieces must cover the file. */
static const char *
wrong_pieces(const struct manifest_entry *e)
{
	uint64_t end = 0;

	for (size_t i = 0; i < e->n_pieces; i++) {
		if (e->pieces[i].plain_off != end || e->pieces[i].len == 0)
			return "pieces with a gap between them";
		end += e->pieces[i].len;
	}
	return end == e->size ? NULL : "pieces that are not its size";
}

int
manifest_write_entry(
    struct manifest_writer *w, const struct manifest_entry *e, struct fail *f)
{
	const char *why = NULL;

	if (w->section != IN_ENTRIES)
		return refuse(e->path, "an entry in the wrong place", f);
	if (!manifest_path_is_safe(e->path))
		return refuse(e->path, "such a path", f);
	if (strcmp(w->path, e->path) >= 0)
		return refuse(e->path, "paths that do not rise", f);
	if ((e->type == MANIFEST_LINK) != (e->target != NULL))
		return refuse(e->path, "a target of a file or directory", f);
	if (e->type == MANIFEST_FILE)
		why = wrong_pieces(e);
	if (why == NULL && manifest_count(&w->counts, e) != 0)
		why = "so many bytes";
	if (why != NULL)
		return refuse(e->path, why, f);
	for (size_t i = 0; i < e->n_pieces; i++)
		if (manifest_packs_add(&w->packs, &e->pieces[i]) != 0)
			return fail_errno(f, e->path, "memory");
	(void)snprintf(w->path, sizeof w->path, "%s", e->path);
	put_entry(&w->json, e);
	return end_line(w, f);
}

int
manifest_write_pack(
    struct manifest_writer *w, const struct manifest_pack *p, struct fail *f)
{
	struct json *j = &w->json;

	if (w->section != IN_ENTRIES && w->section != IN_PACKS)
		return refuse("pack", "a pack in the wrong place", f);
	w->section = IN_PACKS;
	if (p->backup < w->backup ||
	    (p->backup == w->backup && p->pack <= w->pack))
		return refuse("pack", "packs that do not rise", f);
	if (manifest_packs_take(&w->packs, p) != 0)
		return refuse("pack", "a pack smaller than its pieces", f);
	w->backup = p->backup;
	w->pack = p->pack;
	w->counts.packs++;
	if (p->backup == 0)
		w->counts.stored += p->stored;
	json_object(j, NULL);
	json_int(j, "pack", p->pack);
	json_int(j, "backup", p->backup);
	put_count(j, "head", p->head);
	put_count(j, "stored", p->stored);
	put_sum(j, "sum", &p->sum);
	json_end_object(j);
	return end_line(w, f);
}

int
manifest_write_end(struct manifest_writer *w, struct fail *f)
{
	const char *differs = manifest_counts_differ(&w->counts, &w->summary);
	struct json *j = &w->json;
	char sha[SHA256_TEXT];
	int rc;

	if (w->section != IN_ENTRIES && w->section != IN_PACKS)
		return refuse("manifest", "an end in the wrong place", f);
	if (!manifest_packs_all(&w->packs))
		return refuse("manifest", "a piece in a pack of no line", f);
	if (differs != NULL)
		return fail_set(f, FAIL_INTERNAL, "manifest",
		    "its head has a wrong %s", differs);
	w->section = AT_END;
	sha256_text(w->sha, sha);
	json_object(j, NULL);
	json_bool(j, "end", true);
	put_count(j, "files", w->counts.files);
	put_count(j, "dirs", w->counts.dirs);
	put_count(j, "links", w->counts.links);
	put_count(j, "packs", w->counts.packs);
	json_string(j, "sha256", sha);
	json_end_object(j);
	if (end_line(w, f) != 0)
		return -1;
	rc = stream_finish(w->next, f);
	if (rc != 1)
		return rc;
	return fail_set(
	    f, FAIL_REFUSED, w->summary.id, "it has a manifest already");
}

int
manifest_summary_encode(const struct manifest_summary *s, struct buf *b)
{
	struct json j = { 0 };
	int rc;

	json_object(&j, NULL);
	rc = put_summary(&j, s);
	json_end_object(&j);
	if (j.failed)
		rc = -1;
	else if (rc != 0)
		rc = 1;
	else
		rc = buf_append(b, j.text.data, j.text.len);
	buf_clear(&j.text);
	return rc;
}
