/* SPDX-License-Identifier: PostgreSQL */
/* Temporary files that no one else sees: they have no name. */
#ifndef WALVAULT_UTIL_TEMPFILE_H
#define WALVAULT_UTIL_TEMPFILE_H

/*
 * Where they are made: dir, or TMPDIR where dir is NULL, if that is an absolute
 * path, else /var/tmp.  Neither is copied.
 */
const char *tempfile_dir(const char *dir);

/*
 * An empty file in dir, to read and write, gone when it is closed; also where
 * O_TMPFILE is not known (NFS).  Its descriptor, or -1 with errno.
 */
int tempfile_open(const char *dir);

#endif
