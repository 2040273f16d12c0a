/* SPDX-License-Identifier: PostgreSQL */
/* A manifest in memory: see restore_set.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup.h"
#include "backup_whole.h"
#include "object.h"
#include "restore_set.h"

/* Texts are kept together: there may be a million of them. */
#define BLOCK_SIZE ((size_t)256 * 1024)

struct restore_block {
	struct restore_block *next;
	size_t used, cap;
	char bytes[];
};

/* A piece and its file, until they are in order. */
struct restore_found {
	size_t file;
	struct manifest_piece p;
};

static const char *
keep_text(struct restore_set *s, const char *text)
{
	size_t len = strlen(text) + 1;
	struct restore_block *b = s->blocks;

	if (b == NULL || b->cap - b->used < len) {
		size_t cap = len > BLOCK_SIZE ? len : BLOCK_SIZE;

		b = malloc(sizeof *b + cap);
		if (b == NULL)
			return NULL;
		*b = (struct restore_block){ .next = s->blocks, .cap = cap };
		s->blocks = b;
	}
	memcpy(b->bytes + b->used, text, len);
	b->used += len;
	return b->bytes + b->used - len;
}

/* Room for one more of size bytes each.  The list, or NULL. */
static void *
grow(void *list, size_t n, size_t *cap, size_t size)
{
	size_t more = *cap == 0 ? 256 : *cap * 2;

	if (n < *cap)
		return list;
	list = reallocarray(list, more, size);
	if (list != NULL)
		*cap = more;
	return list;
}

/* A manifest names few owners, so they are looked for from the end. */
static int
keep_owner(
    struct restore_set *s, const struct manifest_entry *e, uint32_t *place)
{
	struct restore_owner *more;

	for (size_t i = s->n_owners; i > 0; i--)
		if (strcmp(s->owners[i - 1].user, e->owner) == 0 &&
		    strcmp(s->owners[i - 1].group, e->group) == 0) {
			*place = (uint32_t)(i - 1);
			return 0;
		}
	more = reallocarray(s->owners, s->n_owners + 1, sizeof *more);
	if (more == NULL)
		return -1;
	s->owners = more;
	(void)snprintf(
	    more[s->n_owners].user, sizeof more->user, "%s", e->owner);
	(void)snprintf(
	    more[s->n_owners].group, sizeof more->group, "%s", e->group);
	*place = (uint32_t)s->n_owners++;
	return 0;
}

static int
wrong(const char *path, const char *why, struct fail *f)
{
	return fail_set(
	    f, FAIL_DAMAGED, path, "the manifest contradicts itself: %s", why);
}

static bool
is_safe_path(const char *path)
{
	for (const char *p = path;; p++) {
		size_t len = strcspn(p, "/");

		if (len == 0 || (len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += len;
		if (*p == '\0')
			return true;
	}
}

/* Do the pieces cover the file, and give its checksum? */
static int
check_pieces(const struct manifest_entry *e, bool *holes, struct fail *f)
{
	uint64_t at = 0;
	uint32_t crc = 0;

	for (size_t i = 0; i < e->n_pieces; i++) {
		const struct manifest_piece *p = &e->pieces[i];

		if (p->plain_off != at || p->len == 0 || p->len > e->size - at)
			return wrong(e->path, "its pieces do not cover it", f);
		crc = i == 0 ? p->crc : crc32c_join(crc, p->crc, p->len);
		at += p->len;
		*holes = *holes || p->pack == 0;
	}
	if (at != e->size)
		return wrong(e->path, "its pieces do not cover it", f);
	if (crc != e->crc)
		return wrong(e->path, "its checksum is not its pieces'", f);
	return 0;
}

static int
keep_pieces(
    struct restore_set *s, const struct manifest_entry *e, struct fail *f)
{
	for (size_t i = 0; i < e->n_pieces; i++) {
		struct restore_found *more;

		if (e->pieces[i].pack == 0)
			continue;
		more = grow(s->found, s->n_pieces, &s->cap_found, sizeof *more);
		if (more == NULL)
			return fail_errno(f, e->path, "memory");
		s->found = more;
		more[s->n_pieces++] = (struct restore_found){ s->n_files,
			e->pieces[i] };
	}
	return 0;
}

static int
on_entry(void *arg, const struct manifest_entry *e, struct fail *f)
{
	struct restore_set *s = arg;
	struct restore_file x = { .type = e->type,
		.size = e->size,
		.mtime = e->mtime,
		.mode = e->mode & 07777,
		.uid = e->uid,
		.gid = e->gid,
		.crc = e->crc };
	struct restore_file *more;

	if (!is_safe_path(e->path))
		return wrong(e->path, "not a path below a data directory", f);
	if (e->type == MANIFEST_FILE && check_pieces(e, &x.holes, f) != 0)
		return -1;
	more = grow(s->files, s->n_files, &s->cap_files, sizeof *more);
	if (more != NULL)
		s->files = more;
	x.path = keep_text(s, e->path);
	x.target = e->target != NULL ? keep_text(s, e->target) : "";
	x.outside = e->outside != NULL ? keep_text(s, e->outside) : NULL;
	if (more == NULL || x.path == NULL || x.target == NULL ||
	    (e->outside != NULL && x.outside == NULL) ||
	    keep_owner(s, e, &x.owner) != 0)
		return fail_errno(f, e->path, "memory");
	if (keep_pieces(s, e, f) != 0)
		return -1;
	s->files[s->n_files++] = x;
	return 0;
}

static int
on_pack(void *arg, const struct manifest_pack *p, struct fail *f)
{
	struct restore_set *s = arg;
	struct manifest_pack *more = reallocarray(
	    s->packs, s->n_packs + 1, sizeof *more);

	if (more == NULL)
		return fail_errno(f, "packs", "memory");
	s->packs = more;
	more[s->n_packs++] = *p;
	return 0;
}

static int
copy_buf(const struct buf *from, struct buf *to)
{
	*to = (struct buf){ 0 };
	return buf_append(to, from->data, from->len);
}

static int
on_head(void *arg, const struct manifest_head *h, struct fail *f)
{
	struct restore_set *s = arg;

	s->head = *h;
	s->head.label_file = s->head.tablespace_map = (struct buf){ 0 };
	s->head.backups = calloc(h->n_backups + 1, sizeof *h->backups);
	if (s->head.backups == NULL ||
	    copy_buf(&h->label_file, &s->head.label_file) != 0 ||
	    copy_buf(&h->tablespace_map, &s->head.tablespace_map) != 0)
		return fail_errno(f, h->s.id, "memory");
	memcpy(s->head.backups, h->backups, h->n_backups * sizeof *h->backups);
	return 0;
}

static int
compare_packs(const void *a, const void *b)
{
	const struct manifest_pack *x = a, *y = b;

	if (x->backup != y->backup)
		return x->backup < y->backup ? -1 : 1;
	return x->pack < y->pack ? -1 : x->pack > y->pack;
}

static int
compare_pieces(const void *a, const void *b)
{
	const struct manifest_piece *x = &((const struct restore_found *)a)->p;
	const struct manifest_piece *y = &((const struct restore_found *)b)->p;

	if (x->backup != y->backup)
		return x->backup < y->backup ? -1 : 1;
	if (x->pack != y->pack)
		return x->pack < y->pack ? -1 : 1;
	return x->off < y->off ? -1 : x->off > y->off;
}

const struct manifest_pack *
restore_set_pack(const struct restore_set *s, const struct manifest_piece *p)
{
	struct manifest_pack key = { .backup = p->backup, .pack = p->pack };

	return s->n_packs == 0 ? NULL
	                       : bsearch(&key, s->packs, s->n_packs,
	                             sizeof *s->packs, compare_packs);
}

static int
order_pieces(struct restore_set *s)
{
	s->pieces = calloc(s->n_pieces + 1, sizeof *s->pieces);
	s->piece_files = calloc(s->n_pieces + 1, sizeof *s->piece_files);
	if (s->pieces == NULL || s->piece_files == NULL)
		return -1;
	if (s->n_pieces > 1)
		qsort(s->found, s->n_pieces, sizeof *s->found, compare_pieces);
	for (size_t i = 0; i < s->n_pieces; i++) {
		s->pieces[i] = s->found[i].p;
		s->piece_files[i] = s->found[i].file;
	}
	free(s->found);
	s->found = NULL;
	return 0;
}

/* Into their orders; every piece must lie in a pack that is listed. */
static int
settle(struct restore_set *s, struct fail *f)
{
	if (s->n_packs > 1)
		qsort(s->packs, s->n_packs, sizeof *s->packs, compare_packs);
	if (order_pieces(s) != 0)
		return fail_errno(f, "pieces", "memory");
	for (size_t i = 0; i < s->n_packs; i++)
		if (s->packs[i].backup >= s->head.n_backups)
			return wrong("packs", "of a backup not named", f);
	for (size_t i = 0; i < s->n_pieces; i++) {
		const struct manifest_piece *p = &s->pieces[i];
		const struct manifest_pack *k = restore_set_pack(s, p);
		const char *path = s->files[s->piece_files[i]].path;

		if (k == NULL)
			return wrong(path, "its pack is not listed", f);
		if (k->head > k->stored || p->off > k->stored - k->head ||
		    p->stored > k->stored - k->head - p->off)
			return wrong(path, "a piece lies outside its pack", f);
		if (i > 0 && s->pieces[i - 1].backup == p->backup &&
		    s->pieces[i - 1].pack == p->pack &&
		    s->pieces[i - 1].off + s->pieces[i - 1].stored > p->off)
			return wrong(path, "pieces overlap in their pack", f);
	}
	return 0;
}

int
restore_set_load(struct repository *r, const char *backup,
    struct restore_set *out, struct fail *f)
{
	struct manifest_events events = {
		.head = on_head, .entry = on_entry, .pack = on_pack, .arg = out
	};
	struct object_seen seen;
	char key[LAYOUT_KEY_MAX], object[1024];
	int rc;

	*out = (struct restore_set){ 0 };
	backup_key(&r->layout, backup, "manifest", key);
	store_object_name(r->store, key, object, sizeof object);
	rc = object_read_whole(r->store, &r->layout, key,
	    manifest_reader_new(object, &events), &seen, f);
	if (rc == 1)
		rc = fail_set(
		    f, FAIL_ABSENT, object, "the manifest has vanished");
	if (rc == 0)
		rc = settle(out, f);
	if (rc != 0)
		restore_set_clear(out);
	return rc;
}

void
restore_set_clear(struct restore_set *s)
{
	while (s->blocks != NULL) {
		struct restore_block *next = s->blocks->next;

		free(s->blocks);
		s->blocks = next;
	}
	manifest_head_clear(&s->head);
	free(s->files);
	free(s->found);
	free(s->pieces);
	free(s->piece_files);
	free(s->packs);
	free(s->owners);
	*s = (struct restore_set){ 0 };
}

static int
compare_path(const void *key, const void *file)
{
	return strcmp(key, ((const struct restore_file *)file)->path);
}

const struct restore_file *
restore_set_find(const struct restore_set *s, const char *path)
{
	return s->n_files == 0 ? NULL
	                       : bsearch(path, s->files, s->n_files,
	                             sizeof *s->files, compare_path);
}

uint32_t
restore_tablespace_of(const char *path, const char **rest)
{
	static const char dir[] = "pg_tblspc/";
	unsigned long oid;
	char *end;

	if (strncmp(path, dir, sizeof dir - 1) != 0 ||
	    path[sizeof dir - 1] < '0' || path[sizeof dir - 1] > '9')
		return 0;
	oid = strtoul(path + sizeof dir - 1, &end, 10);
	if (oid > UINT32_MAX || (*end != '\0' && *end != '/'))
		return 0;
	*rest = *end == '/' ? end + 1 : end;
	return (uint32_t)oid;
}

bool
restore_has_in_place(const struct restore_set *s)
{
	for (size_t i = 0; i < s->n_files; i++) {
		const char *rest;

		if (s->files[i].type == MANIFEST_DIR &&
		    restore_tablespace_of(s->files[i].path, &rest) != 0 &&
		    *rest == '\0')
			return true;
	}
	return false;
}

/* 0 it is there as the manifest says, 1 it is not (f says why), -1. */
static int
check_pack(struct repository *r, const char *backup,
    const struct manifest_pack *p, struct fail *f)
{
	char key[LAYOUT_KEY_MAX], object[1024];
	uint64_t size;
	int rc = backup_find_pack(r, backup, p, &size, f);

	if (rc < 0)
		return f->kind == FAIL_DAMAGED ? 1 : -1;
	backup_pack_key(&r->layout, backup, p->pack, key);
	store_object_name(r->store, key, object, sizeof object);
	if (rc == 1)
		(void)fail_set(f, FAIL_DAMAGED, object,
		    "its pack-%06" PRIu32 " is not there", p->pack);
	if (rc == 2)
		(void)fail_set(f, FAIL_DAMAGED, object,
		    "its pack-%06" PRIu32 " has %" PRIu64
		    " bytes, the manifest says %" PRIu64,
		    p->pack, size, p->stored);
	return rc != 0;
}

int
restore_set_check_packs(struct repository *r, const struct restore_set *s,
    size_t *gap, struct fail *f)
{
	for (size_t i = 0; i < s->n_packs; i++) {
		const struct manifest_pack *p = &s->packs[i];
		int rc = check_pack(r, s->head.backups[p->backup], p, f);

		if (rc == 0)
			continue;
		*gap = rc > 0 ? i : s->n_packs;
		return -1;
	}
	return 0;
}
