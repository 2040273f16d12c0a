/* SPDX-License-Identifier: PostgreSQL */
/*
 * File descriptors, to the end: short reads and writes and EINTR are dealt
 * with here.  Names in failures are the caller's, since a descriptor has none.
 */
#ifndef WALVAULT_UTIL_IO_H
#define WALVAULT_UTIL_IO_H

#include <stddef.h>
#include <sys/types.h>

#include "buf.h"
#include "fail.h"

/* The size of one step of a stream: small enough to stay in the CPU's cache. */
#define IO_CHUNK ((size_t)256 * 1024)

/* Write all of it.  0, or -1 with errno. */
int io_write(int fd, const void *bytes, size_t len);

/* The same at an offset; the descriptor's own position stays. */
int io_pwrite(int fd, const void *bytes, size_t len, off_t off);

/* Read until len bytes or the end.  The number read, or -1 with errno. */
ssize_t io_read(int fd, void *bytes, size_t len);

/* The same at an offset. */
ssize_t io_pread(int fd, void *bytes, size_t len, off_t off);

/*
 * Append a whole file of at most max bytes to b.  dirfd may be AT_FDCWD.
 * 0 done, 1 no such file, -1 failed (a larger file is FAIL_DAMAGED).
 */
int io_read_file(
    int dirfd, const char *path, size_t max, struct buf *b, struct fail *f);

/*
 * The directory n components above a path, textually, "." where the path has
 * no more: symbolic links in it are not followed, as pg_wal may be one.
 */
void io_above(const char *path, int n, char *out, size_t cap);

/* 1 it exists, 0 it does not, -1 the question failed (errno is set). */
int io_exists(const char *path);

#endif
