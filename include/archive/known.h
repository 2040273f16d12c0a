/* SPDX-License-Identifier: PostgreSQL */
/*
 * Marker and identity, remembered.  In a bucket each question is a request, and
 * a push or a fetch would ask three for every one that moves a file.  What was
 * seen is remembered in state_dir for an hour.  A directory is asked every
 * time: it looks empty the moment its disk is unmounted.  What is remembered
 * proves nothing absent.
 */
#ifndef WALVAULT_ARCHIVE_KNOWN_H
#define WALVAULT_ARCHIVE_KNOWN_H

#include <stdbool.h>

#include "repository.h"

/*
 * Open a repository whose layout is complete, and require its identity
 * (repository_open, repository_require), from memory if need be.  0 it was
 * asked, 1 remembered, -1.
 */
int known_require(struct repository *r, const char *state_dir,
    struct identity *out, struct fail *f);

/*
 * Which repository an opened one's store holds is remembered, without end and
 * of directories, too: for known_same.  state_dir may be NULL.
 */
void known_see(const struct repository *r, const char *state_dir);

/*
 * r's store has answered, and another one is silent: did that one hold the same
 * repository when it last answered?  0, 1 nothing is remembered of it, -1
 * FAIL_CONFIG.  Threads may be at work in silent.
 */
int known_same(const struct repository *silent, const char *state_dir,
    const struct repository *r, struct fail *f);

/* Nothing is remembered of this system any more: it is being made. */
void known_forget(const struct repository *r, const char *state_dir);

/* No newer generation of the system is there. */
#define KNOWN_NEWEST "newest"

/* Something about an opened repository's system that holds for an hour. */
bool
known_is(const struct repository *r, const char *state_dir, const char *what);
void known_remember(
    const struct repository *r, const char *state_dir, const char *what);

#endif
