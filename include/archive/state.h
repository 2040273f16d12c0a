/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is remembered on this host, in state_dir.  A cache only: every call may
 * fail without a word, and nothing is lost when the directory is deleted.
 * Entries are keyed by the store's URL and the repository's id.
 */
#ifndef WALVAULT_ARCHIVE_STATE_H
#define WALVAULT_ARCHIVE_STATE_H

#include "buf.h"
#include "repository.h"

/*
 * Make state_dir if it is missing; not as root where it would be root's, as
 * whoever archives could not use it.
 */
void state_make_dir(const char *state_dir);

/* The repository id last seen in r's store.  0, or 1 if none is remembered. */
int state_seen(
    const char *state_dir, const struct repository *r, char id[REPOSITORY_ID]);

/* It is r->id, as its store has just said. */
void state_see(const char *state_dir, const struct repository *r);

/*
 * Timeline history files that a store has answered with: immutable, and asked
 * for at the moment when a wrong answer makes a server choose a timeline that
 * is taken.
 */
void state_save_history(const char *state_dir, const struct repository *r,
    uint32_t tli, const void *bytes, size_t len);

/*
 * Any other file that is remembered about an opened repository's system; an
 * older one of that name is replaced.
 */
void state_save(const char *state_dir, const struct repository *r,
    const char *name, const void *bytes, size_t len);

/* Append it to b, at most max bytes.  0, or 1 if there is none. */
int state_load(const char *state_dir, const struct repository *r,
    const char *name, size_t max, struct buf *b);

/*
 * What is remembered of a store that cannot be opened, because it is down: by
 * its URL alone.
 */
void state_save_of_store(const char *state_dir, const struct repository *r,
    const char *name, const void *bytes, size_t len);
int state_load_of_store(const char *state_dir, const struct repository *r,
    const char *name, size_t max, struct buf *b);
void state_forget_of_store(
    const char *state_dir, const struct repository *r, const char *name);

/*
 * Keep others on this host from the same work until *fd is closed: 0, 1
 * somebody else is at it.  Where no lock can be had, *fd is -1 and it is 0.
 */
int state_lock_of_store(const char *state_dir, const struct repository *r,
    const char *name, int *fd);

/*
 * Append a remembered history to b; r need not have been opened (it serves
 * while the store is down).  0, or 1 if none is remembered.
 */
int state_load_history(const char *state_dir, const struct repository *r,
    uint32_t tli, struct buf *b);

#endif
