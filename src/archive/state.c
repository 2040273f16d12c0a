/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is remembered on this host: see state.h.
 *
 *	STATE/STORE-CLUSTER/seen	the repository id last seen there
 *	STATE/STORE-CLUSTER/behind	what it missed: behind.h
 *	STATE/STORE-CLUSTER/ID/SYSID.GEN/TLI.history
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"
#include "owner.h"
#include "state.h"
#include "timeline.h"
#include "walname.h"

static void
store_dir(const char *state_dir, const struct repository *r, char out[PATH_MAX])
{
	(void)snprintf(out, PATH_MAX, "%s/%016" PRIx64 "-%s", state_dir,
	    r->store->id, r->layout.cluster);
}

/* Cut below cap bytes is as good as absent: the file will not be found. */
static void
history_dir(const char *state_dir, const struct repository *r, const char *id,
    char out[PATH_MAX])
{
	char base[PATH_MAX];

	store_dir(state_dir, r, base);
	(void)snprintf(out, PATH_MAX, "%.3000s/%s", base, id);
}

static void
system_dir(const char *above, const struct repository *r, char out[PATH_MAX])
{
	(void)snprintf(out, PATH_MAX, "%.3500s/%" PRIu64 ".%" PRIu32, above,
	    r->layout.sysid, r->layout.generation);
}

static void
file_in(const char *dir, const char *name, char out[PATH_MAX])
{
	(void)snprintf(out, PATH_MAX, "%.3900s/%s", dir, name);
}

/* Whole or not at all; durability does not matter for a cache. */
static int
write_file(const char *path, const void *bytes, size_t len)
{
	char temp[PATH_MAX];
	int fd, rc;

	(void)snprintf(temp, sizeof temp, "%.4000s.%ld", path, (long)getpid());
	fd = open(
	    temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	rc = owner_inherit_above(fd, temp);
	if (rc == 0)
		rc = io_write(fd, bytes, len);
	if (close(fd) != 0)
		rc = -1;
	if (rc == 0)
		rc = rename(temp, path);
	if (rc != 0)
		(void)unlink(temp);
	return rc;
}

/* The repository id last seen in this store. */
static int
read_id(const char *path, char id[REPOSITORY_ID])
{
	struct buf b = { 0 };
	struct fail f;
	int rc = io_read_file(AT_FDCWD, path, REPOSITORY_ID, &b, &f);

	if (rc == 0 && b.len != REPOSITORY_ID - 1)
		rc = 1;
	if (rc == 0) {
		memcpy(id, b.data, b.len);
		id[b.len] = '\0';
		if (strspn(id, "0123456789abcdef") != b.len)
			rc = 1;
	}
	buf_clear(&b);
	return rc;
}

int
state_seen(
    const char *state_dir, const struct repository *r, char id[REPOSITORY_ID])
{
	char dir[PATH_MAX], path[PATH_MAX];

	store_dir(state_dir, r, dir);
	file_in(dir, "seen", path);
	return read_id(path, id) == 0 ? 0 : 1;
}

void
state_make_dir(const char *state_dir)
{
	if (!owner_is_root_above(state_dir))
		(void)owner_mkdir(AT_FDCWD, state_dir, 0700);
}

/* Remember r->id.  Most often that is what is there.  0 or -1. */
static int
see(const char *state_dir, const struct repository *r)
{
	char dir[PATH_MAX], path[PATH_MAX], id[REPOSITORY_ID] = "";

	store_dir(state_dir, r, dir);
	file_in(dir, "seen", path);
	if (read_id(path, id) == 0 && strcmp(id, r->id) == 0)
		return 0;
	state_make_dir(state_dir);
	(void)owner_mkdir(AT_FDCWD, dir, 0700);
	return write_file(path, r->id, strlen(r->id));
}

void
state_see(const char *state_dir, const struct repository *r)
{
	(void)see(state_dir, r);
}

/* The path of a file, its directories made.  0 or -1. */
static int
make_path(const char *state_dir, const struct repository *r, const char *name,
    char out[PATH_MAX])
{
	char dir[PATH_MAX], sub[PATH_MAX];

	if (see(state_dir, r) != 0)
		return -1;
	history_dir(state_dir, r, r->id, dir);
	(void)owner_mkdir(AT_FDCWD, dir, 0700);
	system_dir(dir, r, sub);
	(void)owner_mkdir(AT_FDCWD, sub, 0700);
	file_in(sub, name, out);
	return 0;
}

void
state_save_history(const char *state_dir, const struct repository *r,
    uint32_t tli, const void *bytes, size_t len)
{
	char path[PATH_MAX];
	struct walname name;

	walname_history(tli, &name);
	if (make_path(state_dir, r, name.text, path) == 0 &&
	    io_exists(path) == 0)
		(void)write_file(path, bytes, len);
}

void
state_save(const char *state_dir, const struct repository *r, const char *name,
    const void *bytes, size_t len)
{
	char path[PATH_MAX];

	if (make_path(state_dir, r, name, path) == 0)
		(void)write_file(path, bytes, len);
}

int
state_load(const char *state_dir, const struct repository *r, const char *name,
    size_t max, struct buf *b)
{
	char dir[PATH_MAX], sub[PATH_MAX], path[PATH_MAX];
	struct fail f;

	history_dir(state_dir, r, r->id, dir);
	system_dir(dir, r, sub);
	file_in(sub, name, path);
	return io_read_file(AT_FDCWD, path, max, b, &f) == 0 ? 0 : 1;
}

int
state_load_history(const char *state_dir, const struct repository *r,
    uint32_t tli, struct buf *b)
{
	char dir[PATH_MAX], sub[PATH_MAX], path[PATH_MAX];
	char id[REPOSITORY_ID];
	struct walname name;
	struct fail f;

	if (state_seen(state_dir, r, id) != 0)
		return 1;
	walname_history(tli, &name);
	history_dir(state_dir, r, id, dir);
	system_dir(dir, r, sub);
	file_in(sub, name.text, path);
	return io_read_file(AT_FDCWD, path, TIMELINE_FILE_MAX, b, &f) == 0 ? 0
	                                                                   : 1;
}

static void
path_of_store(const char *state_dir, const struct repository *r,
    const char *name, char out[PATH_MAX])
{
	char dir[PATH_MAX];

	store_dir(state_dir, r, dir);
	file_in(dir, name, out);
}

void
state_save_of_store(const char *state_dir, const struct repository *r,
    const char *name, const void *bytes, size_t len)
{
	char path[PATH_MAX], dir[PATH_MAX];

	state_make_dir(state_dir);
	store_dir(state_dir, r, dir);
	(void)owner_mkdir(AT_FDCWD, dir, 0700);
	file_in(dir, name, path);
	(void)write_file(path, bytes, len);
}

int
state_load_of_store(const char *state_dir, const struct repository *r,
    const char *name, size_t max, struct buf *b)
{
	char path[PATH_MAX];
	struct fail f;

	path_of_store(state_dir, r, name, path);
	return io_read_file(AT_FDCWD, path, max, b, &f) == 0 ? 0 : 1;
}

void
state_forget_of_store(
    const char *state_dir, const struct repository *r, const char *name)
{
	char path[PATH_MAX];

	path_of_store(state_dir, r, name, path);
	(void)unlink(path);
}

int
state_lock_of_store(const char *state_dir, const struct repository *r,
    const char *name, int *fd)
{
	char path[PATH_MAX], dir[PATH_MAX];

	state_make_dir(state_dir);
	store_dir(state_dir, r, dir);
	(void)owner_mkdir(AT_FDCWD, dir, 0700);
	file_in(dir, name, path);
	*fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (*fd < 0)
		return 0;
	(void)owner_inherit_above(*fd, path);
	if (flock(*fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return 0;
	(void)close(*fd);
	*fd = -1;
	return 1;
}
