/* SPDX-License-Identifier: PostgreSQL */
/*
 * backup_manifest of what is there now, so that pg_verifybackup can check it
 * before it is started: some files are not what they were when the backup was
 * made.
 */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"
#include "pgmanifest.h"
#include "restore_files.h"
#include "sum.h"

static bool
is_made(const struct restore *r, const char *path)
{
	for (size_t i = 0; i < r->n_made; i++)
		if (strcmp(r->made[i].path, path) == 0)
			return true;
	return false;
}

static int
add_files(const struct restore *r, const struct buf *control,
    struct pgmanifest *m, struct fail *f)
{
	const struct restore_set *s = r->args->set;
	int64_t now = clock_now();

	for (size_t i = 0; i < s->n_files; i++) {
		const struct restore_file *x = &s->files[i];

		if (r->from_packs[i] && !is_made(r, x->path) &&
		    pgmanifest_file(m, x->path, x->size, x->mtime, x->crc, f) !=
		        0)
			return -1;
	}
	for (size_t i = 0; i < r->n_made; i++)
		if (pgmanifest_file(m, r->made[i].path, r->made[i].size, now,
		        r->made[i].crc, f) != 0)
			return -1;
	return pgmanifest_file(m, "global/pg_control", control->len, now,
	    crc32c(0xFFFFFFFF, control->data, control->len) ^ 0xFFFFFFFF, f);
}

/* The WAL from start to stop, the newest timeline first, as the server has
 * it. */
static size_t
find_ranges(const struct restore *r, struct pgmanifest_range *list)
{
	const struct manifest_summary *s = &r->args->set->head.s;
	const struct timeline *t = &r->args->plan->history;
	uint64_t end = s->stop_lsn;
	uint32_t tli = s->stop_tli;
	size_t n = 0;

	for (size_t i = t->n; i > 0 && tli != s->start_tli; i--) {
		const struct timeline_entry *e = &t->ancestors[i - 1];

		if (e->tli >= tli)
			continue;
		list[n++] = (struct pgmanifest_range){ tli, e->switch_lsn,
			end };
		end = e->switch_lsn;
		tli = e->tli;
	}
	list[n++] = (struct pgmanifest_range){ tli, s->start_lsn, end };
	return n;
}

static int
write_manifest(const struct restore *r, const struct buf *control,
    struct stream *out, struct fail *f)
{
	const struct manifest_summary *s = &r->args->set->head.s;
	struct pgmanifest_range *ranges = calloc(
	    r->args->plan->history.n + 1, sizeof *ranges);
	struct pgmanifest *m;
	int rc = -1;

	if (ranges == NULL)
		return fail_errno(f, "backup_manifest", "memory");
	m = pgmanifest_begin(out, s->major, s->sysid, f);
	if (m != NULL && add_files(r, control, m, f) == 0)
		rc = pgmanifest_end(m, ranges, find_ranges(r, ranges), f);
	pgmanifest_free(m);
	free(ranges);
	return rc;
}

int
restore_make_manifest(
    struct restore *r, const struct buf *control, struct fail *f)
{
	struct mem m;
	int rc;

	mem_init(&m);
	rc = write_manifest(r, control, &m.stream, f);
	if (rc == 0)
		rc = restore_make(r, "backup_manifest", &m.bytes, f);
	buf_clear(&m.bytes);
	return rc;
}
