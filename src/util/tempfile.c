/* SPDX-License-Identifier: PostgreSQL */
/* Temporary files that no one else sees: see tempfile.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tempfile.h"

const char *
tempfile_dir(const char *dir)
{
	if (dir == NULL)
		dir = getenv("TMPDIR");
	return dir != NULL && dir[0] == '/' ? dir : "/var/tmp";
}

int
tempfile_open(const char *dir)
{
	char path[4096];
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd;
	if (snprintf(path, sizeof path, "%s/walvault-XXXXXX", dir) >=
	    (int)sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		(void)unlink(path);
	return fd;
}
