/* SPDX-License-Identifier: PostgreSQL */
/* Where PostgreSQL's programs are, of the right version: restore_job.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io.h"
#include "restore_job.h"

/* The first line of what a program prints.  0, 1 it cannot be run, -1. */
static int
first_line(const char *path, const char *option, char *out, size_t cap)
{
	int pipes[2], status;
	ssize_t n;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (null >= 0 && dup2(null, 0) >= 0 && dup2(null, 2) >= 0 &&
		    dup2(pipes[1], 1) >= 0)
			(void)execlp(path, path, option, (char *)NULL);
		_exit(127);
	}
	(void)close(pipes[1]);
	n = pid > 0 ? io_read(pipes[0], out, cap - 1) : -1;
	(void)close(pipes[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	if (n < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return 1;
	out[n] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return 0;
}

/* The major version of a directory's postgres; 0: there is none. */
static int
major_in(const char *dir)
{
	char path[PATH_MAX], line[256];
	const char *p;

	(void)snprintf(path, sizeof path, "%.4000s/postgres", dir);
	if (access(path, X_OK) != 0 ||
	    first_line(path, "--version", line, sizeof line) != 0)
		return 0;
	p = strstr(line, "(PostgreSQL) ");
	return p != NULL ? atoi(p + 13) : 0;
}

static bool
take(struct restore_job *j, const char *dir)
{
	if (major_in(dir) != j->plan.backup.info.major)
		return false;
	(void)snprintf(
	    j->server.bindir, sizeof j->server.bindir, "%.4000s", dir);
	return true;
}

static bool
search_path(struct restore_job *j)
{
	const char *p = getenv("PATH");

	while (p != NULL && *p != '\0') {
		char dir[PATH_MAX];
		size_t len = strcspn(p, ":");

		(void)snprintf(dir, sizeof dir, "%.*s",
		    len < sizeof dir ? (int)len : 0, p);
		if (dir[0] == '/' && take(j, dir))
			return true;
		p += len + (p[len] == ':');
	}
	return false;
}

int
restore_find_server(struct restore_job *j, struct fail *f)
{
	static const char *const usual[] = { "/usr/lib/postgresql/%d/bin",
		"/usr/pgsql-%d/bin", "/opt/postgresql-%d/bin" };
	const char *given = conf_text(j->setup.conf, OPT_BINDIR, NULL);
	int major = j->plan.backup.info.major, found;
	char dir[PATH_MAX];

	if (given != NULL) {
		if (take(j, given))
			return 0;
		found = major_in(given);
		if (found == 0)
			return fail_set(f, FAIL_CONFIG, given,
			    "no PostgreSQL server is there");
		return fail_set(f, FAIL_CONFIG, given,
		    "PostgreSQL %d is there, the backup needs %d", found,
		    major);
	}
	if (first_line("pg_config", "--bindir", dir, sizeof dir) == 0 &&
	    take(j, dir))
		return 0;
	for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
		char number[16];

		(void)snprintf(number, sizeof number, "%d", major);
		(void)snprintf(dir, sizeof dir, "%.*s%s%s",
		    (int)strcspn(usual[i], "%"), usual[i], number,
		    strstr(usual[i], "%d") + 2);
		if (take(j, dir))
			return 0;
	}
	if (search_path(j))
		return 0;
	(void)fail_set(f, FAIL_CONFIG, "--start",
	    "no PostgreSQL %d was found on this host", major);
	return fail_hint(f, "--bindir DIR, where postgres is");
}
