/* SPDX-License-Identifier: PostgreSQL */
/*
 * What must hold before a base backup begins: see basebackup_job.h.  Each
 * refusal says what to do, because the person who reads it is setting things
 * up.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "basebackup_job.h"
#include "log.h"
#include "owner.h"
#include "state.h"
#include "units.h"

#define LOCK_POLL_MS 100

/* The data directory: readable, of a known version, of this repository. */
static int
check_directory(struct basebackup *b, struct fail *f)
{
	const struct basebackup_args *a = b->args;
	int major;

	if (control_read_whole(a->pgdata, &b->control_file, &b->control,
	        &b->details, f) != 0) {
		if (f->kind == FAIL_DENIED)
			(void)fail_hint(f,
			    "run basebackup as the user that runs the server");
		return -1;
	}
	if (control_major(a->pgdata, &major, f) != 0)
		return -1;
	if (b->control.sysid != b->identity.sysid)
		return fail_set(f, FAIL_REFUSED, a->pgdata,
		    "its system identifier is %" PRIu64 ", not %" PRIu64,
		    b->control.sysid, b->identity.sysid);
	if (major == b->identity.major &&
	    b->control.segsize == b->identity.segsize)
		return 0;
	(void)fail_set(f, FAIL_REFUSED, a->pgdata,
	    "PostgreSQL %d with segments of %u bytes; the repository was made "
	    "for PostgreSQL %d with %u",
	    major, b->control.segsize, b->identity.major, b->identity.segsize);
	return fail_hint(f,
	    "begin a new history of this cluster: walvault "
	    "init --new-generation");
}

/* Is the server that answers the one whose files are here? */
static int
check_same(const struct basebackup *b, struct fail *f)
{
	const struct conn_server *s = &b->server;
	const char *pgdata = b->args->pgdata;
	struct stat here, there;

	if (s->sysid != b->control.sysid) {
		(void)fail_set(f, FAIL_REFUSED, "PostgreSQL",
		    "the server's system identifier is %" PRIu64
		    ", that of %s is %" PRIu64,
		    s->sysid, pgdata, b->control.sysid);
		return fail_hint(f, "check conninfo and pgdata");
	}
	if (s->version_num / 10000 != (uint32_t)b->identity.major)
		return fail_set(f, FAIL_REFUSED, "PostgreSQL",
		    "the server is version %u, the data directory of %d",
		    s->version_num / 10000, b->identity.major);
	if (s->data_directory[0] == '\0')
		return 0;
	if (stat(pgdata, &here) != 0)
		return fail_errno(f, pgdata, "stat");
	/* What is not there, or not ours to see, is another one. */
	if (stat(s->data_directory, &there) != 0) {
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			return fail_errno(f, s->data_directory, "stat");
	} else if (here.st_dev == there.st_dev && here.st_ino == there.st_ino) {
		return 0;
	}
	(void)fail_set(f, FAIL_REFUSED, "PostgreSQL",
	    "the server's data directory is %s, not %s", s->data_directory,
	    pgdata);
	return fail_hint(f,
	    "another copy of the cluster answered: check "
	    "conninfo and pgdata");
}

static int
check_archiving(const struct basebackup *b, struct fail *f)
{
	const struct conn_server *s = &b->server;

	/* A standby's own settings say nothing about the primary's. */
	if (s->in_recovery)
		return 0;
	if (strcmp(s->archive_mode, "off") == 0) {
		(void)fail_set(f, FAIL_REFUSED, "PostgreSQL",
		    "archive_mode is off: a backup without WAL is of no use");
		return fail_hint(f,
		    "set archive_mode = on and archive_command "
		    "= 'walpush %%p', and restart the server");
	}
	if (s->archive_command[0] != '\0')
		return 0;
	(void)fail_set(f, FAIL_REFUSED, "PostgreSQL",
	    "archive_command is empty: a backup without WAL is of no use");
	return fail_hint(
	    f, "set archive_command = 'walpush %%p' and reload the server");
}

static int
check_server(const struct basebackup *b, struct fail *f)
{
	const struct conn_server *s = &b->server;

	if (check_same(b, f) != 0)
		return -1;
	if (!s->wal_level_ok) {
		(void)fail_set(f, FAIL_REFUSED, "PostgreSQL",
		    "wal_level is minimal: its WAL cannot make a backup "
		    "consistent");
		return fail_hint(
		    f, "set wal_level = replica and restart the server");
	}
	if (!s->may_backup) {
		(void)fail_set(f, FAIL_DENIED, "PostgreSQL",
		    "the user may not start a backup");
		return fail_hint(f,
		    "as a superuser: GRANT EXECUTE ON FUNCTION %s TO the "
		    "user, who also needs the roles pg_monitor and "
		    "pg_read_all_settings",
		    s->version_num >= 150000
		        ? "pg_backup_start, pg_backup_stop"
		        : "pg_start_backup(text, boolean, boolean), "
		          "pg_stop_backup(boolean, boolean)");
	}
	return check_archiving(b, f);
}

int
basebackup_check(struct basebackup *b, struct fail *f)
{
	const struct basebackup_args *a = b->args;

	if (check_directory(b, f) != 0)
		return -1;
	b->conn = conn_open_backup(a->conninfo, a->pgdata, f);
	if (b->conn == NULL || conn_server(b->conn, &b->server, f) != 0)
		return -1;
	return check_server(b, f);
}

/* 0 locked, 1 someone else has it, -1 with errno. */
static int
try_lock(int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK || errno == EINTR ? 1 : -1;
}

static int
is_running(const struct basebackup *b, const char *path, struct fail *f)
{
	char waited[UNITS_TEXT];

	units_format((uint64_t)b->args->wait_lock_ms, UNITS_MS, waited);
	(void)fail_set(f, FAIL_TRANSIENT, path,
	    "another backup of this cluster is running%s%s",
	    b->args->wait_lock_ms > 0 ? "; waited " : "",
	    b->args->wait_lock_ms > 0 ? waited : "");
	return fail_hint(f, "--wait-lock waits for it to end");
}

/* 0, 1 the file cannot be locked (errno), -1. */
static int
wait_lock(struct basebackup *b, int fd, const char *path, struct deadline d,
    struct fail *f)
{
	struct timespec pause = { .tv_nsec = LOCK_POLL_MS * 1000000L };
	bool told = false;
	int rc;

	while ((rc = try_lock(fd)) == 1) {
		if (deadline_left(d) == 0)
			return is_running(b, path, f);
		if (!told)
			log_info("waiting: another backup of this cluster is "
			         "running");
		told = true;
		if (basebackup_tick(b, f) != 0)
			return -1;
		(void)nanosleep(&pause, NULL);
	}
	return rc == 0 ? 0 : 1;
}

/*
 * A file in state_dir: one lock for all copies of the cluster on this host, a
 * standby too.  But not every backup has the same state_dir.
 */
static int
lock_state(struct basebackup *b, struct deadline d, struct fail *f)
{
	const struct repository *r = &b->repo;
	char path[PATH_MAX];
	int rc = 1;

	state_make_dir(b->args->state_dir);
	(void)snprintf(path, sizeof path, "%.3000s/backup-%s-%" PRIu64 ".lock",
	    b->args->state_dir, r->id, r->layout.sysid);
	b->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (b->lock >= 0) {
		(void)owner_inherit_above(b->lock, path);
		rc = wait_lock(b, b->lock, path, d, f);
	}
	if (rc == 1)
		log_warning("backup: %s: %s: going on without a lock there; a "
		            "backup of a standby on this host is not noticed",
		    path, strerror(errno));
	return rc < 0 ? -1 : 0;
}

/* What all who copy this directory open, whatever they may write to. */
static int
lock_data(struct basebackup *b, struct deadline d, struct fail *f)
{
	char path[PATH_MAX];
	int rc = 1;

	(void)snprintf(
	    path, sizeof path, "%.4000s/global/pg_control", b->args->pgdata);
	b->data_lock = open(path, O_RDONLY | O_CLOEXEC);
	if (b->data_lock >= 0)
		rc = wait_lock(b, b->data_lock, path, d, f);
	if (rc == 1)
		log_warning("backup: %s: %s: going on without a lock there; a "
		            "second backup of it is not noticed",
		    path, strerror(errno));
	return rc < 0 ? -1 : 0;
}

int
basebackup_lock(struct basebackup *b, struct fail *f)
{
	struct deadline d = deadline_in(b->args->wait_lock_ms);

	if (lock_state(b, d, f) != 0 || lock_data(b, d, f) != 0)
		return -1;
	return basebackup_look_at_others(b, f);
}
