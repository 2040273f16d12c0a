/* SPDX-License-Identifier: PostgreSQL */
/* A directory tree as a list of keys, in the order of the keys. */
#ifndef WALVAULT_STORE_FILE_TREE_H
#define WALVAULT_STORE_FILE_TREE_H

#include <sys/stat.h>

#include "store.h"

struct file_tree {
	const char *url;   /* for messages */
	bool shallow;      /* directories are named, not entered */
	const char *after; /* only keys behind this one; NULL: all */
	store_list_fn *fn;
	void *arg;
};

/*
 * List the directory fd, which is consumed; prefix is its key, empty or with
 * a '/' at the end.  Links, special files and names that begin with '.' are
 * left out.  0, what fn returned, or -1.
 */
int file_tree_list(
    const struct file_tree *t, int fd, const char *prefix, struct fail *f);

/* A file's size and time. */
void file_tree_info(const struct stat *st, struct store_info *info);

#endif
