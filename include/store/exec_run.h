/* SPDX-License-Identifier: PostgreSQL */
/*
 * One run of the command of an exec: store.  What it is given and what its
 * exit status means is in walvault-exec(7).
 */
#ifndef WALVAULT_STORE_EXEC_RUN_H
#define WALVAULT_STORE_EXEC_RUN_H

#include "buf.h"
#include "store.h"

/* Statuses of a command.  No program ends with these by accident. */
#define EXEC_ABSENT 110
#define EXEC_EXISTS 111

struct exec_store {
	struct store store;
	const char *command;  /* in store's URL, behind "exec:" */
	char spool_dir[1024]; /* empty: as tempfile_dir says */
	bool single_writer;
	int64_t command_ms;       /* for one run */
	struct deadline deadline; /* of the program; at_ms 0: none */
};

struct exec_run {
	struct exec_store *s;
	const char *verb;
	const char *args[4]; /* NULL behind the last */
	const char *key;     /* for failures */
	int input;           /* its standard input, or -1: nothing */
	uint64_t size;       /* of that */
	const char *kind;    /* "wal", or NULL */
	struct stream *out;  /* takes what it prints, if that is not NULL */
	struct buf printed;  /* else that; the caller's to clear */
};

/*
 * Run it to its end; it and all that it started is killed when its time is
 * over.  0, the status that is expected as a "no" (EXEC_ABSENT,
 * EXEC_EXISTS), or -1.
 */
int exec_run(struct exec_run *r, int expected, struct fail *f);

#endif
