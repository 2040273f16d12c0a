/* SPDX-License-Identifier: PostgreSQL */
/*
 * One thing done in several stores, each in a thread of its own, because any
 * of them may fail, be slow, or never answer.  What a store did not do in this
 * run, and that it failed in others, is remembered on this host (behind.h).
 *
 * A thread that hangs in a store cannot be ended; it is left behind, and its
 * store is not used again in this run.  Whoever has left one behind
 * (several_is_quiet) may free neither stores nor repositories, but exits.
 */
#ifndef WALVAULT_ARCHIVE_SEVERAL_H
#define WALVAULT_ARCHIVE_SEVERAL_H

#include "behind.h"
#include "clock.h"
#include "repository.h"
#include "stores.h"

enum several_word {
	SEVERAL_DONE,
	SEVERAL_NO,     /* the documented "no" */
	SEVERAL_FAILED, /* why is in fail */
	SEVERAL_SILENT, /* not waited for any longer; fail says so */
	SEVERAL_LEFT,   /* not asked; fail says why */
};

struct several_store {
	struct behind behind; /* as it was when the run began */
	enum several_word word;
	struct fail fail;
	uint64_t missed;  /* files, counted by the caller */
	bool wants_sync;  /* set by the caller */
	bool busy;        /* a thread has not come back from it */
	bool answered;    /* at least once in this run */
	bool failed;      /* at least once in this run; silence until the end of
	                   * the deadline is a failure */
	bool slow;        /* the others were done, and it was still at it */
	struct fail last; /* why it failed or was slow, the last time */
};

struct several {
	struct repository *repos; /* not opened, one per store */
	size_t n;
	size_t required; /* stores in which it must be done */
	int64_t grace_ms;
	struct deadline deadline;
	const char *state_dir; /* or NULL */
	struct several_store store[STORES_MAX];
};

/* Fill what is remembered; all else in s is set already. */
void several_begin(struct several *s);

struct several_task {
	/*
	 * In a thread of its own: 0 done, 1 the "no", -1.  arg is shared and
	 * not changed.
	 */
	int (*run)(const void *arg, struct repository *r, struct fail *f);
	void *arg;
	void (*free_arg)(void *arg); /* when the last thread is done with it */
};

/*
 * Do it side by side, until the required number of stores has it done and all
 * others have had grace_ms more, or none is left that could do it.  A store
 * remembered as down, or as slow for several times in a row, is asked only if
 * the others do not suffice.  Each store's word is in s->store.
 */
void several_do(struct several *s, const struct several_task *t);

/*
 * Ask one store after another, those remembered as down or slow last, until one
 * has it done; a store that says nothing for grace_ms does not keep the next
 * from being asked.  0 done, 1 all said no, -1 (f: one that may heal rather
 * than another).
 */
int
several_ask(struct several *s, const struct several_task *t, struct fail *f);

/* What store i has done does not count, for this reason: it has failed. */
void several_take_back(struct several *s, size_t i, const struct fail *why);

/*
 * Store i has answered, and perhaps none of those before it has: does it hold
 * the repository that the first of them held that is remembered?  0 (also if
 * nothing is remembered), or -1 FAIL_CONFIG.
 */
int several_is_known(const struct several *s, size_t i, struct fail *f);

/* How many stores gave this word the last time. */
size_t several_count(const struct several *s, enum several_word word);

/* Has every thread come back? */
bool several_is_quiet(const struct several *s);

/* Remember what this run has seen of the stores. */
void several_end(struct several *s);

#endif
