/* SPDX-License-Identifier: PostgreSQL */
/* The order in which a data directory is made: see restore.h. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "io.h"
#include "log.h"
#include "restore_files.h"

#define CONTROL_FILE "global/pg_control"
#define CONTROL_TEMP "global/pg_control.walvault"

static const char *const kept_paths[KEPT_COUNT] = {
	[KEPT_CONTROL] = CONTROL_FILE,
	[KEPT_SETTINGS] = "postgresql.auto.conf",
};

/* Written here from what else is known, whatever the backup holds. */
static const char *const replaced_paths[] = { "backup_label", "tablespace_map",
	"backup_manifest", "recovery.signal", "standby.signal", "walvault.plan",
	"postmaster.pid", "postmaster.opts" };

static void
leave_out(struct restore *r, const struct restore_file *x)
{
	if (x != NULL)
		r->from_packs[x - r->args->set->files] = false;
}

/* Which files are written as they are, and which are kept in memory. */
static int
sort_files(struct restore *r, struct fail *f)
{
	const struct restore_set *s = r->args->set;

	r->from_packs = calloc(s->n_files + 1, sizeof *r->from_packs);
	if (r->from_packs == NULL)
		return fail_errno(f, "files", "memory");
	for (size_t i = 0; i < s->n_files; i++)
		r->from_packs[i] = s->files[i].type == MANIFEST_FILE;
	for (int i = 0; i < KEPT_COUNT; i++) {
		const struct restore_file *x = restore_set_find(
		    s, kept_paths[i]);

		if (x == NULL || x->type != MANIFEST_FILE)
			continue;
		leave_out(r, x);
		r->has_kept[i] = true;
		r->kept_file[i] = (size_t)(x - s->files);
	}
	for (size_t i = 0; i < sizeof replaced_paths / sizeof *replaced_paths;
	     i++)
		leave_out(r, restore_set_find(s, replaced_paths[i]));
	return r->has_kept[KEPT_CONTROL]
	    ? 0
	    : fail_set(
	          f, FAIL_DAMAGED, s->head.s.id, "it has no " CONTROL_FILE);
}

/* By name where this host knows the name, else by number. */
static int
find_owners(struct restore *r, struct fail *f)
{
	const struct restore_set *s = r->args->set;

	if (geteuid() != 0 || s->n_owners == 0)
		return 0;
	r->ids = calloc(s->n_owners, sizeof *r->ids);
	if (r->ids == NULL)
		return fail_errno(f, "owners", "memory");
	for (size_t i = 0; i < s->n_files; i++) {
		r->ids[s->files[i].owner] =
		    (struct restore_ids){ s->files[i].uid, s->files[i].gid };
	}
	for (size_t i = 0; i < s->n_owners; i++) {
		const struct passwd *u = getpwnam(s->owners[i].user);
		const struct group *g = getgrnam(s->owners[i].group);

		if (u != NULL)
			r->ids[i].uid = u->pw_uid;
		if (g != NULL)
			r->ids[i].gid = g->gr_gid;
	}
	return 0;
}

/* The data directory itself; its group may read it if it could before. */
static int
open_dest(struct restore *r, struct fail *f)
{
	const char *dest = r->args->places->list[0].path;
	const struct restore_file *version = restore_set_find(
	    r->args->set, "PG_VERSION");
	bool group = version != NULL && (version->mode & 0040) != 0;

	r->dir_mode = group ? 0750 : 0700;
	r->file_mode = group ? 0640 : 0600;
	r->owner = version != NULL ? version->owner : 0;
	if (restore_make_path(dest, r->dir_mode, f) != 0)
		return -1;
	r->dir = r->place[0] = restore_claim_place(
	    &r->args->places->list[0], f);
	if (r->dir < 0)
		return -1;
	if (r->ids != NULL &&
	    fchown(r->dir, r->ids[r->owner].uid, r->ids[r->owner].gid) != 0)
		return fail_errno(f, dest, "change the owner");
	if (fchmod(r->dir, r->dir_mode) != 0)
		return fail_errno(f, dest, "change the mode");
	r->result->begun = true;
	return 0;
}

/* What pg_control says must fit the plan; it is made to point nowhere. */
static int
prepare_control(struct restore *r, struct fail *f)
{
	struct buf *b = &r->kept[KEPT_CONTROL];
	struct restore_result *out = r->result;

	if (control_decode(b->data, b->len, &out->control, &out->details,
	        CONTROL_FILE, f) != 0)
		return -1;
	if (out->control.sysid != r->args->plan->index->repo->layout.sysid)
		return fail_set(f, FAIL_DAMAGED, CONTROL_FILE,
		    "it is another cluster's: system identifier %" PRIu64,
		    out->control.sysid);
	if (control_invalidate(b->data, b->len) == 1)
		log_warning("restore: %s: of an unknown version: left as it "
		            "is; do not remove backup_label",
		    CONTROL_FILE);
	return 0;
}

static int
sync_path(const struct restore *r, const char *path, int flags, struct fail *f)
{
	int fd = openat(r->dir, path, O_RDONLY | O_CLOEXEC | flags), rc;

	if (fd < 0)
		return restore_failed(r, path, "open", f);
	rc = fsync(fd);
	(void)close(fd);
	return rc == 0 ? 0 : restore_failed(r, path, "fsync", f);
}

/* One by one. */
static int
sync_each(const struct restore *r, struct fail *f)
{
	const struct restore_set *s = r->args->set;

	for (size_t i = 0; i < s->n_files; i++) {
		bool is_dir = s->files[i].type != MANIFEST_FILE;

		if ((is_dir || r->from_packs[i]) &&
		    sync_path(r, s->files[i].path, 0, f) != 0)
			return -1;
	}
	for (size_t i = 0; i < r->n_made; i++)
		if (sync_path(r, r->made[i].path, 0, f) != 0)
			return -1;
	if (sync_path(r, "pg_wal", O_DIRECTORY, f) != 0)
		return -1;
	return sync_path(r, ".", O_DIRECTORY, f);
}

/* Since Linux 5.8 syncfs tells of writes that failed. */
static bool
syncfs_tells(void)
{
	struct utsname u;
	int major = 0, minor = 0;

	return uname(&u) == 0 &&
	    sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
	    (major > 5 || (major == 5 && minor >= 8));
}

/* Everything that was written, and the directory entries, are on the disk. */
static int
sync_all(struct restore *r, struct fail *f)
{
	const struct restore_places *p = r->args->places;

	if (!syncfs_tells())
		return sync_each(r, f);
	for (size_t i = 0; i < p->n; i++)
		if (syncfs(r->place[i]) != 0)
			return fail_errno(f, p->list[i].path, "syncfs");
	return 0;
}

/* The moment from which on the directory can be started. */
static int
publish_control(struct restore *r, struct fail *f)
{
	const struct buf *b = &r->kept[KEPT_CONTROL];
	struct restore_file file = r->args->set->files[r->kept_file[0]];
	int fd;

	file.path = CONTROL_TEMP;
	fd = restore_open(r, &file, O_WRONLY | O_CREAT | O_EXCL, f);
	if (fd < 0)
		return -1;
	if (io_write(fd, b->data, b->len) != 0 || fsync(fd) != 0) {
		(void)restore_failed(r, CONTROL_FILE, "write", f);
		(void)close(fd);
		return -1;
	}
	if (close(fd) != 0)
		return restore_failed(r, CONTROL_FILE, "close", f);
	if (renameat(r->dir, CONTROL_TEMP, r->dir, CONTROL_FILE) != 0)
		return restore_failed(r, CONTROL_FILE, "rename", f);
	return sync_path(r, "global", O_DIRECTORY, f);
}

int
restore_go_on(const struct restore *r, struct fail *f)
{
	const struct restore_args *a = r->args;
	int signo = a->stopped != NULL ? a->stopped() : 0;

	if (signo == 0)
		return 0;
	return fail_set(f, FAIL_TRANSIENT, a->places->list[0].path,
	    "stopped by signal %d", signo);
}

static int
fill(struct restore *r, struct fail *f)
{
	if (restore_make_tree(r, f) != 0 || restore_unpack(r, f) != 0 ||
	    prepare_control(r, f) != 0 || restore_make_settings(r, f) != 0 ||
	    restore_place_wal(r, f) != 0 ||
	    restore_make_manifest(r, &r->kept[KEPT_CONTROL], f) != 0 ||
	    restore_go_on(r, f) != 0 || sync_all(r, f) != 0 ||
	    restore_go_on(r, f) != 0)
		return -1;
	return publish_control(r, f);
}

static void
restore_clear(struct restore *r)
{
	for (size_t i = 0; r->place != NULL && i < r->args->places->n; i++)
		if (r->place[i] >= 0)
			(void)close(r->place[i]);
	for (int i = 0; i < KEPT_COUNT; i++)
		buf_clear(&r->kept[i]);
	free(r->place);
	free(r->from_packs);
	free(r->made);
	free(r->ids);
}

int
restore_run(
    const struct restore_args *args, struct restore_result *out, struct fail *f)
{
	struct restore r = { .args = args, .result = out, .dir = -1 };
	int rc;

	*out = (struct restore_result){ .files = args->set->n_files };
	r.place = calloc(args->places->n, sizeof *r.place);
	if (r.place == NULL)
		return fail_errno(f, "places", "memory");
	for (size_t i = 0; i < args->places->n; i++)
		r.place[i] = -1;
	rc = sort_files(&r, f);
	if (rc == 0)
		rc = find_owners(&r, f);
	if (rc == 0)
		rc = open_dest(&r, f);
	if (rc == 0)
		rc = fill(&r, f);
	restore_clear(&r);
	return rc;
}
