/* SPDX-License-Identifier: PostgreSQL */
/*
 * walvault check in parts, by what is checked.  Each adds its findings; none
 * stops the others.
 *
 * Several stores are looked at twice: all of them as one, because what any of
 * them has is not lost and a restore finds it; and each for itself, because
 * what it lacks or has damaged can be brought from another.  So a finding
 * about all may be critical, where the same in one store is a warning.
 */
#ifndef WALVAULT_CMD_CHECK_JOB_H
#define WALVAULT_CMD_CHECK_JOB_H

#include "backup.h"
#include "behind.h"
#include "conn.h"
#include "findings.h"
#include "line.h"
#include "retain.h"
#include "setup.h"

/* What a restore could use: of one store, or of all. */
struct check_place {
	const char *store; /* its name; NULL: all */
	struct repository listed;
	struct index index;
	struct backup_list backups;
	bool keep_wal; /* a rule gives up WAL behind old backups */
};

/* One store. */
struct check_store {
	bool opened;
	struct fail fail; /* why not */
	struct check_place place;
	bool writable;
	struct fail refusal;  /* why not */
	struct behind behind; /* what walpush remembers of it */
	bool joined;          /* it is part of all */
	bool lacks_last;      /* the segment last archived is not there */
};

struct check {
	struct setup *setup;
	struct findings found;
	bool has_server;
	struct conn_archiver server;
	/*
	 * One that does not answer in time is left to the thread that waits
	 * for it, for ever perhaps; what is said of it is in silents.
	 */
	struct check_store *store[CONF_STORES_MAX];
	struct check_store seen[CONF_STORES_MAX], silents[CONF_STORES_MAX];
	struct check *self;
	bool quiet; /* no thread is left behind */
	size_t n_opened, n_joined;
	/* All that could be read as one: merged, or a store's; or NULL. */
	const struct check_place *all;
	struct check_place merged;
	struct store *merged_store;
	char silent[256]; /* names of stores that are no part of it, or "" */
};

/* -- check_server.c: the server and its files -- */

void check_server(struct check *c);
void check_waiting(struct check *c);
void check_left(struct check *c);

/* Is WAL archived that this server has not written? */
void check_second_writer(struct check *c);

/* -- check_store.c: can the stores be reached and written? -- */

/*
 * Open all, side by side, look at what is there, and read it as one;
 * check_close ends it.  Unless all is quiet then, neither c nor its setup may
 * be freed.
 */
void check_open(struct check *c);
void check_close(struct check *c);

/*
 * Stores that cannot be reached or written, and those that walpush remembers
 * as failing: critical if fewer are left than are required.
 */
void check_stores(struct check *c);

/* "; store NAME: CAUSE" of all that are remembered as failing. */
void check_remembered(const struct setup *s, char *out, size_t cap);

/* -- check_backup.c: base backups -- */

void check_backups(struct check *c);

/* Does a complete backup begin behind segment segno of that line? */
bool check_is_covered(
    const struct check_place *p, const struct line *l, uint64_t segno);

/* Of segment segno of a timeline: on any line that leads through it. */
bool
check_is_covered_any(const struct check_place *p, uint32_t tli, uint64_t segno);

/* -- check_wal.c: gaps and damage -- */

void check_wal(struct check *c);

/*
 * "" of one store; of several, that no store has it (whole), and which of them
 * could not be asked.
 */
void
check_nowhere(const struct check *c, const char *what, char *out, size_t cap);

/* What is to be done about what no store has. */
const char *check_remedy(const struct check *c);

/* -- check_aside.c: damaged objects that were set aside, of one store -- */

void check_aside(struct check *c, const struct index *x);

/* -- check_content.c: do stores hold the same under one name? -- */

/* The lines of one timeline, lines[i] that of store i (n = 0: none). */
void check_content_lines(struct check *c, const struct line *lines);

/* All that are no segments. */
void check_content_rest(struct check *c);

/* -- check_several.c: does one store lack what others have? -- */

void check_several(struct check *c);

/*
 * Another store that is the same directory as store i, with a failure that
 * says so; i if there is none.
 */
size_t check_one_place(const struct check *c, size_t i, struct fail *f);

/* -- check_lag.c: what a sync would bring to each -- */

void check_lag(struct check *c);

#endif
