/* SPDX-License-Identifier: PostgreSQL */
/* Commands that end when we do: see leash.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "leash.h"

/*
 * posix_spawn, and not fork: it copies no page tables of a process with a
 * hundred MiB, and may be called beside other threads.  group 0: a new one.
 */
static int
spawn(pid_t *pid, char *const *argv, char *const *env, const int fd[3],
    pid_t group)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int error;

	(void)posix_spawn_file_actions_init(&actions);
	for (int i = 0; i < 3; i++)
		if (fd[i] >= 0)
			(void)posix_spawn_file_actions_adddup2(
			    &actions, fd[i], i);
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
	(void)posix_spawnattr_setpgroup(&attributes, group);
	error = posix_spawn(pid, argv[0], &actions, &attributes, argv, env);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attributes);
	return error;
}

static int
wait_for(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/*
 * It reads until the end, which comes when the last copy of tie is closed: a
 * command that is being spawned has one until it is a member of the group.
 */
static int
start_guard(struct leash *l)
{
	char sh[] = "/bin/sh", c[] = "-c", script[] = "read x; kill -9 0";
	char *argv[] = { sh, c, script, NULL }, *env[] = { NULL };
	int pair[2], null = open("/dev/null", O_RDWR | O_CLOEXEC), error;

	if (null < 0)
		return errno;
	if (pipe2(pair, O_CLOEXEC) != 0) {
		error = errno;
		(void)close(null);
		return error;
	}
	error = spawn(
	    &l->guard, argv, env, (const int[]){ pair[0], null, null }, 0);
	(void)close(pair[0]);
	(void)close(null);
	l->tie = pair[1];
	if (error != 0)
		(void)close(l->tie);
	return error;
}

int
leash_start(
    struct leash *l, char *const *argv, char *const *env, const int fd[3])
{
	int error = start_guard(l);

	if (error != 0)
		return error;
	error = spawn(&l->pid, argv, env, fd, l->guard);
	if (error != 0)
		leash_release(l);
	return error;
}

void
leash_release(struct leash *l)
{
	(void)kill(l->guard, SIGKILL);
	(void)wait_for(l->guard);
	(void)close(l->tie);
}

int
leash_kill(struct leash *l)
{
	int status;

	(void)kill(-l->guard, SIGKILL);
	status = wait_for(l->pid);
	(void)wait_for(l->guard);
	(void)close(l->tie);
	return status;
}
