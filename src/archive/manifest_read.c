/* SPDX-License-Identifier: PostgreSQL */
/*
 * Reading a manifest: see manifest.h.  Lines are taken one by one; what must
 * hold between them (their order, counts and sums, that every pack which a
 * piece lies in is there) is checked here.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "manifest.h"
#include "manifest_line.h"

/* A line of so many bytes would be a file of terabytes in pieces. */
#define LINE_MAX_LEN ((size_t)256 * 1024 * 1024)

enum section { AT_HEAD, IN_ENTRIES, IN_PACKS, AT_END };

struct reader {
	struct stream stream;
	struct manifest_where where;
	struct manifest_events events;
	struct buf pending; /* a line that has not ended */
	struct sha256 *sha; /* of the lines before */
	enum section section;
	struct manifest_counts counts;
	struct manifest_summary summary;
	size_t n_backups;
	struct manifest_packs packs;
	char path[MANIFEST_PATH_MAX + 1]; /* of the entry before */
	uint32_t backup, pack;            /* of the pack before */
};

static int
damaged(const struct reader *r, struct fail *f, const char *why)
{
	return fail_set(f, FAIL_DAMAGED, r->where.object,
	    "damaged manifest: line %" PRIu64 ": %s", r->where.line, why);
}

static int
take_head(struct reader *r, const struct manifest_head *h, struct fail *f)
{
	if (r->section != AT_HEAD)
		return damaged(r, f, "a second head");
	r->section = IN_ENTRIES;
	r->summary = h->s;
	r->n_backups = h->n_backups;
	return r->events.head != NULL ? r->events.head(r->events.arg, h, f) : 0;
}

static int
take_entry(struct reader *r, const struct manifest_entry *e, struct fail *f)
{
	if (r->section != IN_ENTRIES)
		return damaged(r, f, "an entry in the wrong place");
	if (strcmp(r->path, e->path) >= 0)
		return damaged(r, f, "paths that do not rise");
	(void)snprintf(r->path, sizeof r->path, "%s", e->path);
	for (size_t i = 0; i < e->n_pieces; i++) {
		const struct manifest_piece *p = &e->pieces[i];

		if (p->backup >= r->n_backups)
			return damaged(r, f, "a piece of an unknown backup");
		if (manifest_packs_add(&r->packs, p) != 0)
			return fail_errno(f, r->where.object, "memory");
	}
	if (manifest_count(&r->counts, e) != 0)
		return damaged(r, f, "more bytes than there are");
	return r->events.entry != NULL ? r->events.entry(r->events.arg, e, f)
	                               : 0;
}

static int
take_pack(struct reader *r, const struct manifest_pack *p, struct fail *f)
{
	if (r->section != IN_ENTRIES && r->section != IN_PACKS)
		return damaged(r, f, "a pack in the wrong place");
	r->section = IN_PACKS;
	if (p->backup >= r->n_backups)
		return damaged(r, f, "a pack of an unknown backup");
	if (p->backup < r->backup ||
	    (p->backup == r->backup && p->pack <= r->pack))
		return damaged(r, f, "packs that do not rise");
	r->backup = p->backup;
	r->pack = p->pack;
	if (manifest_packs_take(&r->packs, p) != 0)
		return damaged(r, f, "a pack smaller than its pieces");
	r->counts.packs++;
	if (p->backup == 0)
		r->counts.stored += p->stored;
	if (r->counts.stored > INT64_MAX)
		return damaged(r, f, "more bytes than there are");
	return r->events.pack != NULL ? r->events.pack(r->events.arg, p, f) : 0;
}

static int
take_end(struct reader *r, const struct manifest_end *e, struct fail *f)
{
	const struct manifest_counts *c = &r->counts;
	const char *differs = manifest_counts_differ(c, &r->summary);
	char sha[SHA256_TEXT], why[64];

	if (r->section != IN_ENTRIES && r->section != IN_PACKS)
		return damaged(r, f, "an end in the wrong place");
	r->section = AT_END;
	sha256_text(r->sha, sha);
	if (strcmp(sha, e->sha256) != 0)
		return damaged(r, f, "wrong SHA-256 of the lines before it");
	if (c->files != e->counts.files || c->dirs != e->counts.dirs ||
	    c->links != e->counts.links || c->packs != e->counts.packs)
		return damaged(r, f, "wrong counts");
	if (!manifest_packs_all(&r->packs))
		return damaged(r, f, "a piece lies in a pack that is missing");
	if (differs == NULL)
		return 0;
	(void)snprintf(why, sizeof why, "the head has a wrong %s", differs);
	return damaged(r, f, why);
}

static int
take_parsed(struct reader *r, const struct manifest_line *line, struct fail *f)
{
	switch (line->type) {
	case MANIFEST_LINE_HEAD:
		return take_head(r, &line->head, f);
	case MANIFEST_LINE_ENTRY:
		return take_entry(r, &line->entry, f);
	case MANIFEST_LINE_PACK:
		return take_pack(r, &line->pack, f);
	case MANIFEST_LINE_END:
		break;
	}
	return take_end(r, &line->end, f);
}

/* One line with its newline. */
static int
take_line(struct reader *r, const char *text, size_t len, struct fail *f)
{
	struct manifest_line line;
	int rc;

	r->where.line++;
	if (r->section == AT_END)
		return damaged(r, f, "it is behind the end");
	rc = manifest_line_parse(text, len, &r->where, &line, f);
	if (rc == 0)
		rc = take_parsed(r, &line, f);
	manifest_line_clear(&line);
	sha256_update(r->sha, text, len);
	return rc;
}

static int
reader_write(
    struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct reader *r = (struct reader *)stream;
	const char *p = bytes, *newline;

	while ((newline = memchr(p, '\n', len)) != NULL) {
		size_t n = (size_t)(newline + 1 - p);
		int rc;

		if (r->pending.len == 0) {
			rc = take_line(r, p, n, f);
		} else if (buf_append(&r->pending, p, n) != 0) {
			rc = fail_errno(f, r->where.object, "memory");
		} else {
			rc = take_line(r, (const char *)r->pending.data,
			    r->pending.len, f);
			r->pending.len = 0;
		}
		if (rc != 0)
			return -1;
		p += n;
		len -= n;
	}
	if (len > LINE_MAX_LEN - r->pending.len)
		return damaged(r, f, "too long");
	if (buf_append(&r->pending, p, len) != 0)
		return fail_errno(f, r->where.object, "memory");
	return 0;
}

static int
reader_finish(struct stream *stream, struct fail *f)
{
	struct reader *r = (struct reader *)stream;

	if (r->section == AT_END && r->pending.len == 0)
		return 0;
	return damaged(
	    r, f, r->section == AT_END ? "bytes behind the end" : "cut off");
}

static void
reader_free(struct stream *stream)
{
	struct reader *r = (struct reader *)stream;

	sha256_free(r->sha);
	buf_clear(&r->pending);
	manifest_packs_clear(&r->packs);
	free(r);
}

static const struct stream_ops reader_ops = {
	.write = reader_write,
	.finish = reader_finish,
	.free = reader_free,
};

struct stream *
manifest_reader_new(const char *object, const struct manifest_events *events)
{
	struct reader *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->stream.ops = &reader_ops;
	r->where.object = object;
	r->events = *events;
	r->sha = sha256_new();
	if (r->sha == NULL) {
		free(r);
		return NULL;
	}
	return &r->stream;
}
