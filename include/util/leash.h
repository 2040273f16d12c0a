/* SPDX-License-Identifier: PostgreSQL */
/*
 * A command that does not outlive the process that has started it, however
 * that ends: also by SIGKILL, which nobody can catch.  A process of its group
 * waits for that end and then kills the group.
 *
 * (A parent-death signal will not do: it comes when the *thread* that has
 * forked ends, and reaches the command alone, not what that has started.)
 */
#ifndef WALVAULT_UTIL_LEASH_H
#define WALVAULT_UTIL_LEASH_H

#include <sys/types.h>

struct leash {
	pid_t pid;   /* the command's */
	pid_t guard; /* who waits; the leader of their group */
	int tie;     /* closed by the kernel when we end */
};

/*
 * Run argv[0], a path, in a group of its own.  fd are its standard input,
 * output and error, -1: ours.  All other descriptors are to be close-on-exec.
 * 0 or an error number.  Whoever has started it waits for pid, and then, or
 * instead of it, calls one of those below.
 */
int leash_start(
    struct leash *l, char *const *argv, char *const *env, const int fd[3]);

/* The command has ended and was waited for: what it left running may stay. */
void leash_release(struct leash *l);

/* Kill it with all its group, and wait for it: its status. */
int leash_kill(struct leash *l);

#endif
