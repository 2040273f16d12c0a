/* SPDX-License-Identifier: PostgreSQL */
/* Reading and writing to the end: see io.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"

/* At the descriptor's own position, or at one that the caller names. */
static int
write_all(int fd, const uint8_t *p, size_t len, const off_t *at)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = at != NULL
		    ? pwrite(fd, p + done, len - done, *at + (off_t)done)
		    : write(fd, p + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = ENOSPC;
		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

int
io_write(int fd, const void *bytes, size_t len)
{
	return write_all(fd, bytes, len, NULL);
}

int
io_pwrite(int fd, const void *bytes, size_t len, off_t off)
{
	return write_all(fd, bytes, len, &off);
}

static ssize_t
read_all(int fd, uint8_t *p, size_t len, const off_t *at)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = at != NULL
		    ? pread(fd, p + got, len - got, *at + (off_t)got)
		    : read(fd, p + got, len - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

ssize_t
io_read(int fd, void *bytes, size_t len)
{
	return read_all(fd, bytes, len, NULL);
}

ssize_t
io_pread(int fd, void *bytes, size_t len, off_t off)
{
	return read_all(fd, bytes, len, &off);
}

/* At most max bytes from fd; one more is a failure. */
static int
read_whole(int fd, const char *path, size_t max, struct buf *b, struct fail *f)
{
	size_t start = b->len;
	ssize_t n;

	do {
		if (buf_reserve(b, b->len + 4096) != 0)
			return fail_errno(f, path, "read");
		n = io_read(fd, b->data + b->len, 4096);
		if (n < 0)
			return fail_errno(f, path, "read");
		b->len += (size_t)n;
		if (b->len - start > max)
			return fail_set(f, FAIL_DAMAGED, path,
			    "larger than the %zu bytes it may have", max);
	} while (n == 4096);
	return 0;
}

int
io_read_file(
    int dirfd, const char *path, size_t max, struct buf *b, struct fail *f)
{
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 1;
	if (fd < 0)
		return fail_errno(f, path, "open");
	rc = read_whole(fd, path, max, b, f);
	if (close(fd) != 0 && rc == 0)
		rc = fail_errno(f, path, "close");
	return rc;
}

int
io_exists(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0)
		return 1;
	return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
}

void
io_above(const char *path, int n, char *out, size_t cap)
{
	(void)snprintf(out, cap, "%s", path);
	while (n-- > 0) {
		char *slash = strrchr(out, '/');

		if (slash == NULL) {
			(void)snprintf(out, cap, ".");
			return;
		}
		*slash = '\0';
	}
	if (out[0] == '\0')
		(void)snprintf(out, cap, "/");
}
