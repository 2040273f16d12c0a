/* SPDX-License-Identifier: PostgreSQL */
/* Whose new files are: see owner.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"
#include "owner.h"

int
owner_inherit(int fd, int dir)
{
	struct stat file, above;

	if (geteuid() != 0)
		return 0;
	if (fstat(fd, &file) != 0 || fstat(dir, &above) != 0)
		return -1;
	/* Where all files have one owner, nothing can be changed. */
	if (file.st_uid == above.st_uid && file.st_gid == above.st_gid)
		return 0;
	return fchown(fd, above.st_uid, above.st_gid);
}

/* Close fd; errno stays. */
static int
close_with(int fd, int rc)
{
	int error = errno;

	(void)close(fd);
	errno = error;
	return rc;
}

static int
open_above(int at, const char *path)
{
	char above[PATH_MAX];

	io_above(path, 1, above, sizeof above);
	return openat(at, above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int
owner_inherit_above(int fd, const char *path)
{
	int dir;

	if (geteuid() != 0)
		return 0;
	dir = open_above(AT_FDCWD, path);
	if (dir < 0)
		return -1;
	return close_with(dir, owner_inherit(fd, dir));
}

/* Make a directory in dir, and give it away. */
static int
make_inherited(int dir, const char *name, mode_t mode)
{
	int fd;

	if (mkdirat(dir, name, mode) != 0)
		return -1;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	return close_with(fd, owner_inherit(fd, dir));
}

/* Under another name first, so that nobody finds it before it is theirs. */
static int
make_aside(int dir, const char *name, mode_t mode)
{
	char temp[64];
	uint32_t random = 0;
	int rc, error;

	if (getrandom(&random, sizeof random, 0) != sizeof random)
		return -1;
	(void)snprintf(
	    temp, sizeof temp, ".walvault-%ld-%08x", (long)getpid(), random);
	rc = make_inherited(dir, temp, mode);
	if (rc == 0)
		rc = renameat2(dir, temp, dir, name, RENAME_NOREPLACE);
	error = errno;
	/* Where nothing can be renamed without replacement (NFS). */
	if (rc != 0)
		(void)unlinkat(dir, temp, AT_REMOVEDIR);
	if (rc != 0 && (error == EINVAL || error == ENOSYS))
		return make_inherited(dir, name, mode);
	errno = error;
	return rc;
}

int
owner_mkdir(int at, const char *path, mode_t mode)
{
	const char *slash = strrchr(path, '/');
	struct stat above;
	int dir, rc;

	if (geteuid() != 0)
		return mkdirat(at, path, mode);
	dir = open_above(at, path);
	if (dir < 0)
		return -1;
	rc = fstat(dir, &above);
	if (rc == 0 && above.st_uid == 0 && above.st_gid == getegid())
		rc = mkdirat(at, path, mode);
	else if (rc == 0)
		rc = make_aside(dir, slash != NULL ? slash + 1 : path, mode);
	return close_with(dir, rc);
}

bool
owner_is_root_above(const char *path)
{
	char above[PATH_MAX];
	struct stat st;

	io_above(path, 1, above, sizeof above);
	return geteuid() == 0 && stat(above, &st) == 0 && st.st_uid == 0;
}
