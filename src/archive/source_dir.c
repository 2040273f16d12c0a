/* SPDX-License-Identifier: PostgreSQL */
/*
 * A data directory as a source: see source.h.  What is left out follows
 * PostgreSQL's own base backup (backup/basebackup.c), with one difference:
 * links to directories are followed, because people move parts of a cluster
 * to other disks that way.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "datafile.h"
#include "io.h"
#include "source_walk.h"

/* A file made so shortly before it was opened may have got its init fork only
 * after its directory was read. */
#define YOUNG_S 10

int64_t
source_time(const struct timespec *t)
{
	return ((int64_t)t->tv_sec - CLOCK_PG_EPOCH_UNIX) * 1000000 +
	    t->tv_nsec / 1000;
}

void
source_full_path(const struct source_dir *s, const char *path, char *out)
{
	(void)snprintf(out, PATH_MAX, "%.2000s%s%.2000s", s->args.pgdata,
	    path[0] != '\0' ? "/" : "", path);
}

int
source_failed(const struct source_dir *s, const char *path, const char *what,
    struct fail *f)
{
	char full[PATH_MAX];

	source_full_path(s, path, full);
	(void)fail_errno(f, full, what);
	if (f->kind == FAIL_DENIED)
		(void)fail_hint(f,
		    "run basebackup as the user that runs the "
		    "server");
	return -1;
}

/* A user's name, or number. */
static void
user_name(uid_t uid, char *out, size_t cap)
{
	const struct passwd *pw = getpwuid(uid);

	if (pw != NULL)
		(void)snprintf(out, cap, "%s", pw->pw_name);
	else
		(void)snprintf(out, cap, "%lu", (unsigned long)uid);
}

int
source_foreign(const struct source_dir *s, const char *path,
    const struct stat *st, struct fail *f)
{
	char full[PATH_MAX], whose[64], owner[64];

	source_full_path(s, path, full);
	user_name(st->st_uid, whose, sizeof whose);
	user_name(s->owner, owner, sizeof owner);
	(void)fail_set(f, FAIL_DENIED, full,
	    "it belongs to user %s and cannot be read", whose);
	return fail_hint(f,
	    "without it the backup is of no use; as root: chown %s %.400s",
	    owner, full);
}

/*
 * An unlogged relation's main fork is rebuilt from its init fork, which may
 * have appeared since the directory was read.
 */
static bool
is_unlogged_now(struct source_dir *s, const char *path, const struct stat *st)
{
	struct datafile_relation r;
	char init[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (st->st_ctim.tv_sec + YOUNG_S < s->listed ||
	    !datafile_relation(path, &r) || strcmp(r.fork, "init") == 0 ||
	    slash == NULL)
		return false;
	(void)snprintf(init, sizeof init, "%.*s/%s_init", (int)(slash - path),
	    path, r.node);
	return faccessat(s->fd, init, F_OK, 0) == 0;
}

static int
dir_open(struct source *source, const struct source_entry *e,
    struct source_file *file, struct fail *f)
{
	struct source_dir *s = (struct source_dir *)source;
	const char *path = e->outside != NULL ? e->outside : e->path;
	struct stat st;
	int fd = openat(s->fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT ? 1 : source_failed(s, path, "open", f);
	if (fstat(fd, &st) != 0) {
		(void)source_failed(s, path, "stat", f);
		(void)close(fd);
		return -1;
	}
	if (!S_ISREG(st.st_mode) || is_unlogged_now(s, path, &st)) {
		(void)close(fd);
		return 1;
	}
	*file = (struct source_file){ .fd = fd,
		.size = (uint64_t)st.st_size,
		.mtime = source_time(&st.st_mtim) };
	return 0;
}

static int
dir_read(struct source *source, struct source_file *file, void *bytes,
    size_t len, uint64_t off, size_t *got)
{
	ssize_t n = io_pread(file->fd, bytes, len, (off_t)off);

	(void)source;
	*got = n > 0 ? (size_t)n : 0;
	return n < 0 ? -1 : 0;
}

static void
dir_will_need(
    struct source *source, struct source_file *file, uint64_t off, uint64_t len)
{
	(void)source;
	(void)posix_fadvise(
	    file->fd, (off_t)off, (off_t)len, POSIX_FADV_WILLNEED);
}

static void
dir_close(struct source *source, struct source_file *file)
{
	(void)source;
	(void)close(file->fd);
}

static int
dir_list(struct source *source, struct source_list *out, struct fail *f)
{
	struct source_dir *s = (struct source_dir *)source;
	int rc = source_walk(s, out, f);

	if (rc == 0)
		rc = source_outside(s, out, f);
	s->listed = time(NULL);
	if (rc != 0)
		source_list_clear(out);
	return rc;
}

static void
dir_free(struct source *source)
{
	struct source_dir *s = (struct source_dir *)source;

	(void)close(s->fd);
	free(s);
}

static const struct source_ops dir_ops = {
	.list = dir_list,
	.open = dir_open,
	.read = dir_read,
	.will_need = dir_will_need,
	.close = dir_close,
	.free = dir_free,
};

struct source *
source_dir_new(const struct source_dir_args *args, struct fail *f)
{
	struct source_dir *s = calloc(1, sizeof *s);
	struct stat st;

	if (s == NULL) {
		(void)fail_errno(f, args->pgdata, "memory");
		return NULL;
	}
	s->source.ops = &dir_ops;
	s->args = *args;
	s->fd = open(args->pgdata, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st) != 0) {
		(void)source_failed(s, "", "open", f);
		if (s->fd >= 0)
			(void)close(s->fd);
		free(s);
		return NULL;
	}
	s->owner = st.st_uid;
	return &s->source;
}
