/* SPDX-License-Identifier: PostgreSQL */
/* Files that hold keys and the like: see secret.h. */
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"
#include "secret.h"

/* The user that runs this, by name if there is one. */
static void
own_name(char *out, size_t cap)
{
	struct passwd pw, *found = NULL;
	char room[4096];

	if (getpwuid_r(geteuid(), &pw, room, sizeof room, &found) == 0 &&
	    found != NULL)
		(void)snprintf(out, cap, "%s", pw.pw_name);
	else
		(void)snprintf(out, cap, "%ld", (long)geteuid());
}

int
secret_read(const char *option, const char *path, size_t max, struct buf *b,
    struct fail *f)
{
	int rc = io_read_file(AT_FDCWD, path, max, b, f);
	char user[64];

	if (rc == 1) {
		(void)fail_set(f, FAIL_CONFIG, path, "no such file");
		return fail_hint(f, "%s names it: is the path right?", option);
	}
	if (rc < 0 && f->kind == FAIL_DENIED) {
		own_name(user, sizeof user);
		return fail_hint(f,
		    "%s names it, and the user %s, who runs this, must be able "
		    "to read it: chown %s %s, chmod 600 %s, and look at the "
		    "directories above it",
		    option, user, user, path, path);
	}
	return rc;
}

bool
secret_is_exposed(const char *path, mode_t *mode)
{
	struct stat st;
	mode_t others = S_IRWXG | S_IRWXO;

	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	if (st.st_uid == 0)
		others &= ~(mode_t)S_IRGRP;
	*mode = st.st_mode & 07777;
	return (st.st_mode & others) != 0;
}
