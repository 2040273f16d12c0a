/* SPDX-License-Identifier: PostgreSQL */
/*
 * Preloaded into programs under test: a store that does not answer.  While the
 * file $HUNG_STORE exists, opening a repository's marker never returns, as on a
 * hard mount whose server is gone; $HUNG_STORE.reached tells that it happened.
 * With $HUNG_BELOW only that of the store in this directory.  With $HUNG_NAME,
 * a pattern, what lies under such a name cannot be looked at (fstatat), opened
 * (openat), nor can anything get it (linkat); with $HUNG_CALL not the one.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef int openat_fn(int dir, const char *path, int flags, ...);

int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);

static openat_fn *
real_openat(void)
{
	static openat_fn *real;

	/* ISO C has no cast from an object pointer to a function's. */
	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "openat");
	return real;
}

/* Is the directory below the one named? */
static int
is_below(int dir)
{
	const char *below = getenv("HUNG_BELOW");
	char self[64], path[4096];
	ssize_t n;

	if (below == NULL)
		return 1;
	(void)snprintf(self, sizeof self, "/proc/self/fd/%d", dir);
	n = readlink(self, path, sizeof path - 1);
	return n > 0 && (size_t)n >= strlen(below) &&
	    strncmp(path, below, strlen(below)) == 0;
}

static void
hang_if_asked(int dir, const char *path, const char *call)
{
	const char *only = getenv("HUNG_CALL");
	const char *file = getenv("HUNG_STORE");
	const char *name = getenv("HUNG_NAME");
	const char *last = strrchr(path, '/');
	char reached[4096];
	int fd;

	if (file == NULL || access(file, F_OK) != 0 ||
	    (only != NULL && strcmp(only, call) != 0) ||
	    fnmatch(name != NULL ? name : "repository",
	        last != NULL ? last + 1 : path, 0) != 0 ||
	    !is_below(dir))
		return;
	(void)snprintf(reached, sizeof reached, "%s.reached", file);
	fd = real_openat()(AT_FDCWD, reached, O_CREAT | O_WRONLY, 0600);
	if (fd >= 0)
		(void)close(fd);
	for (;;)
		(void)pause();
}

int
fstatat(int dir, const char *path, struct stat *st, int flags)
{
	int (*real)(int, const char *, struct stat *, int);

	*(void **)&real = dlsym(RTLD_NEXT, "fstatat");
	hang_if_asked(dir, path, "fstatat");
	return real(dir, path, st, flags);
}

int
linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	int (*real)(int, const char *, int, const char *, int);

	*(void **)&real = dlsym(RTLD_NEXT, "linkat");
	hang_if_asked(to_dir, to, "linkat");
	return real(from_dir, from, to_dir, to, flags);
}

int
openat(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	hang_if_asked(dir, path, "openat");
	va_start(ap, flags);
	if ((flags & (O_CREAT | O_TMPFILE)) != 0)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return real_openat()(dir, path, flags, mode);
}

int
__openat_2(int dir, const char *path, int flags)
{
	hang_if_asked(dir, path, "openat");
	return real_openat()(dir, path, flags);
}

int
__openat64_2(int dir, const char *path, int flags)
{
	hang_if_asked(dir, path, "openat");
	return real_openat()(dir, path, flags);
}
