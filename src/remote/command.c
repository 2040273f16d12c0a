/* SPDX-License-Identifier: PostgreSQL */
/* Running a user's command: see command.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"

/* Its output into a pipe, itself into a group of its own.  The pipe or -1. */
static int
start(const char *command, pid_t *pid)
{
	char sh[] = "sh", dash_c[] = "-c", *text = strdup(command);
	char *argv[] = { sh, dash_c, text, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int fd[2], error;

	if (text == NULL || pipe2(fd, O_CLOEXEC) != 0) {
		free(text);
		return -1;
	}
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, fd[1], 1);
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
	error = posix_spawn(
	    pid, "/bin/sh", &actions, &attributes, argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attributes);
	free(text);
	(void)close(fd[1]);
	if (error == 0)
		return fd[0];
	(void)close(fd[0]);
	errno = error;
	return -1;
}

/* All it prints.  0, or -1 with errno (ETIMEDOUT, EFBIG). */
static int
collect(int fd, struct deadline end, size_t max, struct buf *out)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		char bytes[4096];
		ssize_t n;
		int rc = poll(&p, 1, (int)deadline_left(end));

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc == 0)
			errno = ETIMEDOUT;
		if (rc <= 0)
			return -1;
		n = read(fd, bytes, sizeof bytes);
		if (n == 0)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0 && out->len + (size_t)n > max) {
			errno = EFBIG;
			n = -1;
		}
		if (n < 0 || buf_append(out, bytes, (size_t)n) != 0)
			return -1;
		explicit_bzero(bytes, sizeof bytes);
	}
}

int
command_run(const char *what, const char *command, struct deadline end,
    size_t max, struct buf *out, struct fail *f)
{
	pid_t pid;
	int fd = start(command, &pid), status = 0, rc;

	if (fd < 0)
		return fail_errno(f, what, "cannot be started");
	rc = collect(fd, end, max, out);
	if (rc != 0) {
		(void)fail_errno(f, what, "no answer");
		f->kind = FAIL_TRANSIENT;
		(void)kill(-pid, SIGKILL);
	}
	(void)close(fd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (rc != 0)
		return -1;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	(void)fail_set(f, FAIL_DENIED, what, "it ended with status %d",
	    WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return fail_hint(f, "run it by hand, as the user that runs PostgreSQL");
}
