/* SPDX-License-Identifier: PostgreSQL */
/* Where the parts of a backup go: see restore.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "restore.h"

/* What a file takes on a disk, roughly. */
#define DISK_BLOCK ((uint64_t)4096)

/* pg_wal holds some segments while they are replayed. */
#define WAL_SEGMENTS 4

static struct restore_place *
add_place(struct restore_places *p, uint32_t oid)
{
	struct restore_place *more = reallocarray(
	    p->list, p->n + 1, sizeof *more);

	if (more == NULL)
		return NULL;
	p->list = more;
	more[p->n] = (struct restore_place){ .oid = oid };
	return &more[p->n++];
}

static struct restore_place *
place_of(const struct restore_places *p, uint32_t oid)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->list[i].oid == oid)
			return &p->list[i];
	return NULL;
}

static int
set_path(struct restore_place *p, const char *path, struct fail *f)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (path[0] != '/')
		return fail_set(f, FAIL_CONFIG, path,
		    "a tablespace's place must be an absolute path");
	if (len >= sizeof p->path || strpbrk(path, "\n\r") != NULL)
		return fail_set(f, FAIL_CONFIG, path,
		    "not a path that a tablespace can have");
	memcpy(p->path, path, len);
	p->path[len] = '\0';
	return 0;
}

/* --tablespace names it by its old path or its OID. */
static bool
is_meant(const struct restore_map *m, const struct restore_place *p)
{
	char oid[16];

	(void)snprintf(oid, sizeof oid, "%" PRIu32, p->oid);
	return strcmp(m->old, p->old) == 0 || strcmp(m->old, oid) == 0;
}

static int
map_tablespace(
    struct restore_place *p, const struct restore_where *w, struct fail *f)
{
	char path[PATH_MAX], object[64];

	for (size_t i = 0; i < w->n_map; i++)
		if (is_meant(&w->map[i], p))
			return set_path(p, w->map[i].to, f);
	if (w->tablespace_dir != NULL) {
		(void)snprintf(path, sizeof path, "%.4000s/%" PRIu32,
		    w->tablespace_dir, p->oid);
		return set_path(p, path, f);
	}
	if (w->dest == NULL)
		return 0;
	(void)snprintf(object, sizeof object, "tablespace %" PRIu32, p->oid);
	(void)fail_set(f, FAIL_CONFIG, object,
	    "it was in %.300s, and nothing says where it goes now", p->old);
	return fail_hint(f,
	    "--tablespace %" PRIu32 "=/new/place, or --tablespace-dir DIR for "
	    "all of them; to restore it where it was: --tablespace "
	    "%.120s=%.120s",
	    p->oid, p->old, p->old);
}

static int
check_map(const struct restore_places *p, const struct restore_where *w,
    struct fail *f)
{
	for (size_t i = 0; i < w->n_map; i++) {
		bool used = false;

		for (size_t k = 1; k < p->n && !used; k++)
			used = is_meant(&w->map[i], &p->list[k]);
		if (!used)
			return fail_set(f, FAIL_CONFIG, "--tablespace",
			    "%s: the backup has no such tablespace",
			    w->map[i].old);
	}
	return 0;
}

/* Links in pg_tblspc are the tablespaces that lie elsewhere. */
static int
find_tablespaces(const struct restore_set *s, const struct restore_where *w,
    struct restore_places *out, struct fail *f)
{
	for (size_t i = 0; i < s->n_files; i++) {
		const struct restore_file *x = &s->files[i];
		const char *rest;
		uint32_t oid = restore_tablespace_of(x->path, &rest);
		struct restore_place *p;

		if (oid == 0 || x->type != MANIFEST_LINK || *rest != '\0')
			continue;
		p = add_place(out, oid);
		if (p == NULL)
			return fail_errno(f, x->path, "memory");
		(void)snprintf(p->old, sizeof p->old, "%.4000s", x->target);
		if (map_tablespace(p, w, f) != 0)
			return -1;
	}
	return 0;
}

static void
count_bytes(const struct restore_set *s, struct restore_places *out)
{
	for (size_t i = 0; i < s->n_files; i++) {
		const struct restore_file *x = &s->files[i];
		const char *rest;
		struct restore_place *p = place_of(
		    out, restore_tablespace_of(x->path, &rest));

		/* One in place belongs to the data directory. */
		if (p == NULL)
			p = &out->list[0];
		p->files++;
		p->bytes += DISK_BLOCK;
		if (x->type == MANIFEST_FILE)
			p->bytes += (x->size + DISK_BLOCK - 1) / DISK_BLOCK *
			    DISK_BLOCK;
	}
	out->list[0].bytes += WAL_SEGMENTS * (uint64_t)s->head.s.segsize;
}

int
restore_places(const struct restore_set *s, const struct restore_where *w,
    struct restore_places *out, struct fail *f)
{
	struct restore_place *top;

	*out = (struct restore_places){ .n = 0 };
	top = add_place(out, 0);
	if (top == NULL)
		return fail_errno(f, "places", "memory");
	if ((w->dest != NULL && set_path(top, w->dest, f) != 0) ||
	    find_tablespaces(s, w, out, f) != 0 || check_map(out, w, f) != 0) {
		restore_places_clear(out);
		return -1;
	}
	count_bytes(s, out);
	return 0;
}

void
restore_places_clear(struct restore_places *p)
{
	free(p->list);
	*p = (struct restore_places){ .n = 0 };
}
