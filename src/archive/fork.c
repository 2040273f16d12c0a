/* SPDX-License-Identifier: PostgreSQL */
/* Forks of timelines: see fork.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "fork.h"
#include "io.h"
#include "lsn.h"
#include "walhdr.h"

int
fork_read_history(
    const char *dir, uint32_t tli, struct timeline *t, struct fail *f)
{
	struct walname name;
	struct buf b = { 0 };
	char path[4200];
	int rc;

	walname_history(tli, &name);
	(void)snprintf(path, sizeof path, "%s/%s", dir, name.text);
	rc = io_read_file(AT_FDCWD, path, TIMELINE_FILE_MAX, &b, f);
	if (rc == 0)
		rc = timeline_parse(b.data, b.len, tli, path, t, f);
	buf_clear(&b);
	return rc;
}

/* Where a history in the directory leaves tli; UINT64_MAX ends the search. */
typedef bool switch_fn(void *arg, uint64_t switch_lsn);

/*
 * Ask fn about every newer timeline's switch point.  The timeline for which
 * it says yes, or 0.  A history that cannot be read tells nothing.
 */
static uint32_t
find_switch(const char *dir, uint32_t tli, switch_fn *fn, void *arg)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	uint32_t found = 0;

	while (d != NULL && found == 0 && (e = readdir(d)) != NULL) {
		struct walname name;
		struct timeline t;
		struct fail f;
		uint64_t lsn;

		if (walname_parse(e->d_name, &name) != 0 ||
		    name.kind != WALNAME_HISTORY || name.tli <= tli ||
		    fork_read_history(dir, name.tli, &t, &f) != 0)
			continue;
		lsn = timeline_switch(&t, tli);
		timeline_clear(&t);
		if (lsn != LSN_NONE && fn(arg, lsn))
			found = name.tli;
	}
	if (d != NULL)
		(void)closedir(d);
	return found;
}

struct fence {
	const struct walname *name;
	uint32_t segsize;
	const struct control *control;
};

static bool
fences(void *arg, uint64_t switch_lsn)
{
	const struct fence *x = arg;

	if (x->control != NULL && x->control->tli == x->name->tli &&
	    x->control->redo > switch_lsn)
		return false;
	return walname_segno(x->name, x->segsize) >= switch_lsn / x->segsize;
}

uint32_t
fork_fences(const char *dir, const struct walname *name, uint32_t segsize,
    const struct control *control)
{
	struct fence x = { name, segsize, control };

	return find_switch(dir, name->tli, fences, &x);
}

struct end {
	uint64_t segment_start, lsn;
};

/* A switch point at a page's start may be told with or without the page
 * header that follows it. */
static bool
ends(void *arg, uint64_t switch_lsn)
{
	const struct end *x = arg;

	return switch_lsn <= x->segment_start || switch_lsn == x->lsn ||
	    switch_lsn == x->lsn + WALHDR_SHORT ||
	    switch_lsn == x->lsn + WALHDR_LONG;
}

bool
fork_ends(const char *dir, uint32_t tli, uint64_t segment_start, uint64_t lsn)
{
	struct end x = { segment_start, lsn };

	return find_switch(dir, tli, ends, &x) != 0;
}
