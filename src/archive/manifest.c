/* SPDX-License-Identifier: PostgreSQL */
/* What manifests are made of: see manifest.h. */
#include <stdlib.h>
#include <string.h>

#include "manifest.h"
#include "manifest_line.h"

void
manifest_head_clear(struct manifest_head *h)
{
	buf_clear(&h->label_file);
	buf_clear(&h->tablespace_map);
	free(h->backups);
	h->backups = NULL;
	h->n_backups = 0;
}

void
manifest_entry_clear(struct manifest_entry *e)
{
	free(e->path);
	free(e->target);
	free(e->outside);
	free(e->pieces);
	free(e->bad_blocks);
	*e = (struct manifest_entry){ 0 };
}

bool
manifest_path_is_safe(const char *path)
{
	const char *p = path;

	if (strlen(path) > MANIFEST_PATH_MAX)
		return false;
	for (;;) {
		size_t len = strcspn(p, "/");

		if (len == 0 || (len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		if (p[len] == '\0')
			return true;
		p += len + 1;
	}
}

int
manifest_count(struct manifest_counts *c, const struct manifest_entry *e)
{
	switch (e->type) {
	case MANIFEST_FILE:
		c->files++;
		c->bytes += e->size;
		c->bad += e->n_bad_blocks;
		return c->bytes <= INT64_MAX ? 0 : -1;
	case MANIFEST_DIR:
		c->dirs++;
		return 0;
	case MANIFEST_LINK:
		c->links++;
		return 0;
	}
	return -1;
}

const char *
manifest_counts_differ(
    const struct manifest_counts *c, const struct manifest_summary *s)
{
	if (c->files != s->files)
		return "number of files";
	if (c->bytes != s->bytes)
		return "number of bytes";
	if (c->stored != s->stored)
		return "number of stored bytes";
	if (c->bad != s->bad_pages)
		return "number of bad pages";
	return NULL;
}

/* Where a pack's pieces end; the place is made if it is not there. */
static uint64_t *
pack_end(struct manifest_packs *p, uint32_t backup, uint32_t pack)
{
	struct manifest_pack_ends *of;

	if (backup >= p->n) {
		of = reallocarray(p->backup, backup + 1u, sizeof *of);
		if (of == NULL)
			return NULL;
		memset(of + p->n, 0, (backup + 1 - p->n) * sizeof *of);
		p->backup = of;
		p->n = backup + 1;
	}
	of = &p->backup[backup];
	if (pack >= of->n) {
		size_t n = pack + pack / 2 + 16;
		uint64_t *more = reallocarray(of->end, n, sizeof *more);

		if (more == NULL)
			return NULL;
		memset(more + of->n, 0, (n - of->n) * sizeof *more);
		of->end = more;
		of->n = n;
	}
	return &of->end[pack];
}

int
manifest_packs_add(struct manifest_packs *p, const struct manifest_piece *piece)
{
	uint64_t *end;

	if (piece->pack == 0)
		return 0;
	end = pack_end(p, piece->backup, piece->pack);
	if (end == NULL)
		return -1;
	if (*end == 0)
		p->missing++;
	if (*end < piece->off + piece->stored)
		*end = piece->off + piece->stored;
	return 0;
}

int
manifest_packs_take(struct manifest_packs *p, const struct manifest_pack *pack)
{
	uint64_t *end;

	if (pack->backup >= p->n || pack->pack >= p->backup[pack->backup].n)
		return 0;
	end = &p->backup[pack->backup].end[pack->pack];
	if (*end == 0)
		return 0;
	p->missing--;
	return *end < pack->stored - pack->head ? 0 : -1;
}

bool
manifest_packs_all(const struct manifest_packs *p)
{
	return p->missing == 0;
}

void
manifest_packs_clear(struct manifest_packs *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->backup[i].end);
	free(p->backup);
	*p = (struct manifest_packs){ 0 };
}
