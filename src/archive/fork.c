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

/* A newer timeline whose history contains the one asked about. */
typedef bool history_fn(void *arg, uint32_t newer, uint64_t switch_lsn);

/*
 * Tell fn of every newer timeline in the directory and of where it leaves tli,
 * until it says true.  A history that cannot be read tells nothing.  0, or -1
 * if the directory cannot be read.
 */
static int
each_switch(const char *dir, uint32_t tli, history_fn *fn, void *arg)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	bool done = false;

	if (d == NULL)
		return -1;
	while (!done && (e = readdir(d)) != NULL) {
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
		done = lsn != LSN_NONE && fn(arg, name.tli, lsn);
	}
	(void)closedir(d);
	return 0;
}

struct fence {
	const struct walname *name;
	const struct control *control;
	uint32_t newest; /* the line that is followed */
	uint64_t switch_lsn;
};

static bool
take_newest(void *arg, uint32_t newer, uint64_t switch_lsn)
{
	struct fence *x = arg;
	const struct control *c = x->control;

	if (c != NULL && c->tli == x->name->tli && c->redo > switch_lsn)
		return false;
	if (newer > x->newest) {
		x->newest = newer;
		x->switch_lsn = switch_lsn;
	}
	return false;
}

int
fork_fences(const char *dir, const struct walname *name, uint32_t segsize,
    const struct control *control, uint32_t *newer)
{
	struct fence x = { .name = name, .control = control };

	*newer = 0;
	if (each_switch(dir, name->tli, take_newest, &x) != 0)
		return -1;
	if (x.newest != 0 &&
	    walname_segno(name, segsize) >= x.switch_lsn / segsize)
		*newer = x.newest;
	return 0;
}

struct end {
	uint64_t segment_start, lsn;
	bool found;
};

/* A switch point at a page's start may be told with or without the page
 * header that follows it. */
static bool
ends(void *arg, uint32_t newer, uint64_t switch_lsn)
{
	struct end *x = arg;

	(void)newer;
	x->found = switch_lsn <= x->segment_start || switch_lsn == x->lsn ||
	    switch_lsn == x->lsn + WALHDR_SHORT ||
	    switch_lsn == x->lsn + WALHDR_LONG;
	return x->found;
}

bool
fork_ends(const char *dir, uint32_t tli, uint64_t segment_start, uint64_t lsn)
{
	struct end x = { .segment_start = segment_start, .lsn = lsn };

	return each_switch(dir, tli, ends, &x) == 0 && x.found;
}
