/* SPDX-License-Identifier: PostgreSQL */
/*
 * What root makes in another user's directory belongs to that user: one
 * command run as root must not shut the cluster's user out of what is its.
 * For everybody but root these do no more than their names say.
 */
#ifndef WALVAULT_UTIL_OWNER_H
#define WALVAULT_UTIL_OWNER_H

#include <stdbool.h>
#include <sys/types.h>

/* Give the new file fd to the owner of the directory dir.  0, or -1 errno. */
int owner_inherit(int fd, int dir);

/* The same, of the directory that path lies in. */
int owner_inherit_above(int fd, const char *path);

/*
 * mkdirat(2).  The directory appears with its owner, not before it has it.
 * 0, or -1 with errno (EEXIST: it is there).
 */
int owner_mkdir(int at, const char *path, mode_t mode);

/* Would what we make at path be root's alone? */
bool owner_is_root_above(const char *path);

#endif
