/* SPDX-License-Identifier: PostgreSQL */
/*
 * Makes library calls fail on purpose.  The program's first lines name what is
 * wrapped (see the Makefile); it must be at least what stands here:
 *
 *	malloc calloc realloc reallocarray aligned_alloc open openat write
 *	pwrite pread read fsync sync_file_range linkat renameat2 mkdirat
 *	unlinkat fstatat
 *
 * A failure loop lets the 1st, the 2nd, ... of these calls fail until the run
 * succeeds.  They may be made by several threads.
 */
#ifndef WALVAULT_TESTS_FAULTS_H
#define WALVAULT_TESTS_FAULTS_H

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>

#include "support.h"

enum fault_kind {
	FAULT_MEMORY,
	FAULT_FILES,
};

static struct {
	bool armed;
	enum fault_kind kind;
	unsigned at;                /* the call that fails */
	_Atomic unsigned count;     /* calls so far */
	int error;                  /* of files; memory is always ENOMEM */
	const char *_Atomic failed; /* its name, NULL if none has failed yet */
	unsigned named;             /* links and renames that succeeded */
	unsigned files; /* forced to disk before the first of these */
	unsigned dirs;  /* and directories behind it */

	bool no_tmpfile;   /* as NFS: no nameless files */
	bool no_noreplace; /* as old kernels: no flags of renameat2 */
	bool no_hurry;     /* no sync_file_range; error says why not */
	unsigned not_hurried;
	bool trickle; /* one byte at a time, and interruptions */
	unsigned trickled;
} faults;

static inline bool
fault_here(enum fault_kind kind, const char *name)
{
	if (!faults.armed || kind != faults.kind || ++faults.count != faults.at)
		return false;
	faults.failed = name;
	errno = kind == FAULT_MEMORY ? ENOMEM : faults.error;
	return true;
}

#define FAULT_ALLOCATOR(name, params, args)                                  \
	void *__real_##name params;                                          \
	void *__wrap_##name params;                                          \
	void *__wrap_##name params                                           \
	{                                                                    \
		return fault_here(FAULT_MEMORY, #name) ? NULL                \
		                                       : __real_##name args; \
	}

FAULT_ALLOCATOR(malloc, (size_t n), (n))
FAULT_ALLOCATOR(calloc, (size_t n, size_t size), (n, size))
FAULT_ALLOCATOR(realloc, (void *p, size_t n), (p, n))
FAULT_ALLOCATOR(reallocarray, (void *p, size_t n, size_t size), (p, n, size))
FAULT_ALLOCATOR(aligned_alloc, (size_t to, size_t n), (to, n))

#define FAULT_CALL(name, params, args)                                      \
	int __real_##name params;                                           \
	int __wrap_##name params;                                           \
	int __wrap_##name params                                            \
	{                                                                   \
		return fault_here(FAULT_FILES, #name) ? -1                  \
		                                      : __real_##name args; \
	}

FAULT_CALL(mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode))
FAULT_CALL(unlinkat, (int dir, const char *path, int flags), (dir, path, flags))
FAULT_CALL(fstatat, (int dir, const char *path, struct stat *st, int flags),
    (dir, path, st, flags))

int __real_sync_file_range(int fd, off_t off, off_t len, unsigned flags);
int __wrap_sync_file_range(int fd, off_t off, off_t len, unsigned flags);

int
__wrap_sync_file_range(int fd, off_t off, off_t len, unsigned flags)
{
	if (faults.armed && faults.no_hurry) {
		faults.not_hurried++;
		errno = faults.error;
		return -1;
	}
	return fault_here(FAULT_FILES, "sync_file_range")
	    ? -1
	    : __real_sync_file_range(fd, off, len, flags);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int
__wrap_fsync(int fd)
{
	struct stat st;

	if (fault_here(FAULT_FILES, "fsync"))
		return -1;
	if (faults.armed && fstat(fd, &st) == 0) {
		faults.files += S_ISREG(st.st_mode) && faults.named == 0;
		faults.dirs += S_ISDIR(st.st_mode) && faults.named > 0;
	}
	return __real_fsync(fd);
}

int __real_renameat2(
    int a, const char *from, int b, const char *to, unsigned flags);
int __wrap_renameat2(
    int a, const char *from, int b, const char *to, unsigned flags);

int
__wrap_renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
	if (faults.armed && faults.no_noreplace && flags != 0) {
		errno = EINVAL;
		return -1;
	}
	if (fault_here(FAULT_FILES, "renameat2") ||
	    __real_renameat2(a, from, b, to, flags) != 0)
		return -1;
	faults.named++;
	return 0;
}

int __real_linkat(int a, const char *from, int b, const char *to, int flags);
int __wrap_linkat(int a, const char *from, int b, const char *to, int flags);

int
__wrap_linkat(int a, const char *from, int b, const char *to, int flags)
{
	if (fault_here(FAULT_FILES, "linkat") ||
	    __real_linkat(a, from, b, to, flags) != 0)
		return -1;
	faults.named++;
	return 0;
}

/* Every third call is interrupted, the others move one to three bytes. */
static inline bool
fault_trickle(size_t *len)
{
	if (!faults.armed || !faults.trickle)
		return false;
	if (++faults.trickled % 3 == 0) {
		errno = EINTR;
		return true;
	}
	if (*len > faults.trickled % 3)
		*len = faults.trickled % 3;
	return false;
}

ssize_t __real_write(int fd, const void *p, size_t len);
ssize_t __wrap_write(int fd, const void *p, size_t len);

ssize_t
__wrap_write(int fd, const void *p, size_t len)
{
	if (fd > STDERR_FILENO &&
	    (fault_here(FAULT_FILES, "write") || fault_trickle(&len)))
		return -1;
	return __real_write(fd, p, len);
}

ssize_t __real_pwrite(int fd, const void *p, size_t len, off_t off);
ssize_t __wrap_pwrite(int fd, const void *p, size_t len, off_t off);

ssize_t
__wrap_pwrite(int fd, const void *p, size_t len, off_t off)
{
	if (fault_here(FAULT_FILES, "pwrite") || fault_trickle(&len))
		return -1;
	return __real_pwrite(fd, p, len, off);
}

ssize_t __real_read(int fd, void *p, size_t len);
ssize_t __wrap_read(int fd, void *p, size_t len);

ssize_t
__wrap_read(int fd, void *p, size_t len)
{
	if (fault_here(FAULT_FILES, "read") || fault_trickle(&len))
		return -1;
	return __real_read(fd, p, len);
}

ssize_t __real_pread(int fd, void *p, size_t len, off_t off);
ssize_t __wrap_pread(int fd, void *p, size_t len, off_t off);

ssize_t
__wrap_pread(int fd, void *p, size_t len, off_t off)
{
	if (fault_here(FAULT_FILES, "pread") || fault_trickle(&len))
		return -1;
	return __real_pread(fd, p, len, off);
}

static inline bool
fault_open(const char *name, int flags)
{
	if (faults.armed && faults.no_tmpfile &&
	    (flags & O_TMPFILE) == O_TMPFILE) {
		errno = EOPNOTSUPP;
		return true;
	}
	return fault_here(FAULT_FILES, name);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

int
__wrap_open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return fault_open("open", flags) ? -1 : __real_open(path, flags, mode);
}

int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);

int
__wrap_openat(int dir, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return fault_open("openat", flags)
	    ? -1
	    : __real_openat(dir, path, flags, mode);
}

/* Descriptors that are open now. */
static inline UNUSED unsigned
open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	require(dir != NULL);
	while (readdir(dir) != NULL)
		n++;
	(void)closedir(dir);
	return n;
}

/*
 * What is tried.  run is the step under test, between the faults: it must not
 * assert (the test's own library allocates too) but give the library's answer.
 * after looks at what is left; failed names the call that failed, or is NULL.
 */
struct attempt {
	int (*run)(void *arg, struct fail *f);
	void (*after)(void *arg, int rc, const char *failed);
	void *arg;
	bool tolerant; /* may succeed although a call failed */
};

/* Returns how many runs failed. */
static inline UNUSED unsigned
failure_loop(const struct attempt *a, enum fault_kind kind, int error)
{
	unsigned before = open_descriptors(), n = 0;

	for (;;) {
		struct fail f = { 0 };
		int rc;

		faults.kind = kind;
		faults.error = error;
		faults.at = ++n;
		faults.count = 0;
		faults.failed = NULL;
		faults.named = faults.files = faults.dirs = 0;
		faults.armed = true;
		rc = a->run(a->arg, &f);
		faults.armed = false;
		require(open_descriptors() == before);
		if (faults.failed != NULL && !a->tolerant) {
			if (rc != -1 || f.kind == FAIL_NONE ||
			    f.cause[0] == '\0')
				ck_abort_msg("%s failed (call %u): answer %d, "
				             "kind %s, cause '%s'",
				    faults.failed, n, rc,
				    fail_kind_name(f.kind), f.cause);
			if (kind == FAULT_MEMORY)
				if (f.kind != FAIL_INTERNAL)
					ck_abort_msg("%s failed (call %u): "
					             "kind %s, cause '%s'",
					    faults.failed, n,
					    fail_kind_name(f.kind), f.cause);
		}
		if (a->after != NULL)
			a->after(a->arg, rc, faults.failed);
		if (faults.failed == NULL) {
			if (rc != 0)
				ck_abort_msg("without a fault: %s", f.cause);
			return n - 1;
		}
	}
}

#endif
