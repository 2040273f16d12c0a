/* SPDX-License-Identifier: PostgreSQL */
/*
 * A mirror's put (mirror.h) on its way; shared by the files mirror*.c.
 *
 *	writer --copy--> ring of chunks --+--> lane: thread, put of store 0
 *	                                  +--> lane: thread, put of store 1
 *
 * All lanes read the same chunks; a chunk's place is used again when the
 * slowest has taken it.
 */
#ifndef WALVAULT_ARCHIVE_MIRROR_PUT_H
#define WALVAULT_ARCHIVE_MIRROR_PUT_H

#include <pthread.h>

#include "mirror.h"

/* Chunks of a queue: 8 MiB for all lanes of one put. */
#define MIRROR_SLOTS 32

enum mirror_state { LANE_NONE, LANE_RUNS, LANE_ENDED };

struct mirror_lane {
	struct mirror_put *put;
	struct store *store;
	struct stream *out;
	enum mirror_state state;
	uint64_t taken;       /* chunks */
	bool busy;            /* in a call, with the chunk's bytes */
	bool stop;            /* asked to end */
	bool whole;           /* it has all, and finishes the object */
	bool late;            /* held the writer up when it last looked */
	uint64_t seen;        /* taken, when it last took something */
	int64_t seen_ms;      /* ... which was then */
	int rc;               /* of finish, or -1 */
	uint8_t *held;        /* a chunk that a call keeps; NULL: none */
	struct store *orphan; /* its store, if it was left behind */
	struct fail fail;
};

struct mirror_chunk {
	uint8_t *bytes; /* IO_CHUNK */
	size_t len;
};

struct mirror_put {
	struct stream stream;
	struct mirror_store *to;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t users; /* lanes that run, and the writer */
	char key[STORE_KEY_MAX];
	struct store_attrs attrs;
	struct mirror_chunk ring[MIRROR_SLOTS];
	uint64_t written; /* chunks */
	bool end;         /* nothing more will come */
	size_t n;
	struct mirror_lane lanes[];
};

/* What mirror_open gives. */
struct mirror_store {
	struct store store;
	struct mirror *mirror;
	struct store **stores;
	size_t n;
	int64_t *held_ms; /* how long each has held this thread up */
	bool *told;       /* that it does, and is waited for */
	bool *behind;     /* its store is that of a lane left behind */
	bool *may_have;   /* of the last object: mirror_may_have */
};

/* -- the writer's side (mirror_wait.c), under the lock -- */

/* Does the writer still count on a lane? */
bool mirror_counts(struct mirror_put *p, size_t i);

void mirror_wait_a_little(struct mirror_put *p);

/* Wait until no lane holds the writer up.  0 or -1. */
int mirror_wait_for_all(struct mirror_put *p, struct fail *f);

/* -- the lanes' side -- */

/* The thread of a lane (arg), which is one of the users of its put. */
void *mirror_lane_run(void *arg);

/* Under the lock, which it gives up: one user less, the last frees the put. */
void mirror_unuse(struct mirror_put *p);

const struct mirror_args *mirror_args_of(const struct mirror *m);
void mirror_leave_behind(struct mirror *m);

/*
 * A store that puts into these (NULL: left out already), which it owns from
 * then on, and the array too.  NULL: they are still the caller's.
 */
struct store *
mirror_put_store(struct mirror *m, struct store **stores, struct fail *f);

#endif
