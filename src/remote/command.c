/* SPDX-License-Identifier: PostgreSQL */
/* Running a user's command: see command.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "leash.h"

/* Its output into a pipe.  The pipe or -1. */
static int
start(const char *command, struct leash *l)
{
	char sh[] = "/bin/sh", dash_c[] = "-c", *text = strdup(command);
	char *argv[] = { sh, dash_c, text, NULL };
	int fd[2], error;

	if (text == NULL || pipe2(fd, O_CLOEXEC) != 0) {
		free(text);
		return -1;
	}
	error = leash_start(l, argv, environ, (const int[]){ -1, fd[1], -1 });
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
	struct leash leash;
	int fd = start(command, &leash), status = 0, rc;

	if (fd < 0)
		return fail_errno(f, what, "cannot be started");
	rc = collect(fd, end, max, out);
	if (rc != 0) {
		(void)fail_errno(f, what, "no answer");
		f->kind = FAIL_TRANSIENT;
		(void)leash_kill(&leash);
	}
	(void)close(fd);
	if (rc != 0)
		return -1;
	/* One that closed its output may still run. */
	while (waitpid(leash.pid, &status, WNOHANG) == 0) {
		if (deadline_left(end) == 0) {
			(void)leash_kill(&leash);
			return fail_set(f, FAIL_TRANSIENT, what,
			    "it printed, but did not end in time");
		}
		(void)poll(NULL, 0, 1);
	}
	leash_release(&leash);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	(void)fail_set(f, FAIL_DENIED, what, "it ended with status %d",
	    WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return fail_hint(f, "run it by hand, as the user that runs PostgreSQL");
}
