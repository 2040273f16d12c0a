/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a restored server is told: see restore_files.h.  Recovery settings of
 * the old server are dropped, in postgresql.auto.conf by leaving them out, in
 * other files by overriding them there: the server reads that file last.  Only
 * one recovery target may be set, and an empty one takes an earlier one back,
 * so the empty ones come first (PostgreSQL: assign_recovery_target and its
 * like in xlogrecovery.c).
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "label.h"
#include "log.h"
#include "planfile.h"
#include "restore_files.h"

static const char *const targets[] = { "recovery_target", "recovery_target_lsn",
	"recovery_target_name", "recovery_target_time", "recovery_target_xid" };

#define COUNT(list) (sizeof(list) / sizeof *(list))

static int
add_text(struct buf *b, const char *text)
{
	return buf_append(b, text, strlen(text));
}

/* NAME = 'value', quoted as the server unquotes it. */
static int
set_text(struct buf *b, const char *name, const char *value)
{
	if (add_text(b, name) != 0 || add_text(b, " = '") != 0)
		return -1;
	for (const char *p = value; *p != '\0'; p++) {
		if ((*p == '\'' || *p == '\\') && buf_append(b, p, 1) != 0)
			return -1;
		if (buf_append(b, p, 1) != 0)
			return -1;
	}
	return add_text(b, "'\n");
}

static int
set_number(struct buf *b, const char *name, uint32_t value)
{
	char line[96];

	(void)snprintf(line, sizeof line, "%s = %u\n", name, value);
	return add_text(b, line);
}

static const char *
action_name(enum restore_action action)
{
	switch (action) {
	case RESTORE_PROMOTE:
		return "promote";
	case RESTORE_SHUTDOWN:
		return "shutdown";
	case RESTORE_PAUSE:
		break;
	}
	return "pause";
}

static int
set_target(const struct restore *r, struct buf *b)
{
	const struct plan *p = r->args->plan;
	char setting[PLANFILE_SETTING], tli[16];

	for (size_t i = 0; i < COUNT(targets); i++)
		if (set_text(b, targets[i], "") != 0)
			return -1;
	(void)snprintf(tli, sizeof tli, "%u", p->tli);
	if (r->args->standby)
		return set_text(b, "recovery_target_timeline",
		    p->target.line == PLAN_NUMBER ? tli : "latest");
	planfile_setting(p, setting);
	if (add_text(b, setting) != 0 || add_text(b, "\n") != 0 ||
	    set_text(b, "recovery_target_timeline", tli) != 0 ||
	    set_text(
	        b, "recovery_target_action", action_name(r->args->action)) != 0)
		return -1;
	return add_text(b,
	    p->inclusive ? "recovery_target_inclusive = on\n"
	                 : "recovery_target_inclusive = off\n");
}

/* The server refuses to replay with less than the old one had. */
static int
set_limits(const struct restore *r, struct buf *b)
{
	const struct control_details *d = &r->result->details;

	if (set_number(b, "max_connections", d->max_connections) != 0 ||
	    set_number(b, "max_worker_processes", d->max_worker_processes) !=
	        0 ||
	    set_number(b, "max_wal_senders", d->max_wal_senders) != 0 ||
	    set_number(b, "max_prepared_transactions", d->max_prepared_xacts) !=
	        0)
		return -1;
	return set_number(
	    b, "max_locks_per_transaction", d->max_locks_per_xact);
}

static const char begins[] = RESTORE_BEGINS
    "  Remove them once recovery has ended.\n";
static const char ends[] = "# End of pitr-restore's settings.\n";

/*
 * What keeps a copy from doing the original's work.  It stays behind when the
 * others are removed: a subscription of the copy would take over the slot of
 * the original's, whatever timeline it is on.
 */
static const char copy[] =
    "# Since pitr-restore: this copy must not archive where the original does, "
    "nor\n# take over its subscriptions, nor wait for its standbys.\n"
    "archive_mode = off\n"
    "max_logical_replication_workers = 0\n"
    "synchronous_standby_names = ''\n";

static int
format_settings(const struct restore *r, struct buf *b)
{
	const struct restore_args *a = r->args;

	if (restore_keep_settings(r, &r->kept[KEPT_SETTINGS], b) != 0 ||
	    add_text(b, begins) != 0 ||
	    set_text(b, "restore_command", a->restore_command) != 0 ||
	    set_text(b, "recovery_end_command", "") != 0 ||
	    set_text(b, "archive_cleanup_command", "") != 0 ||
	    set_target(r, b) != 0 || set_limits(r, b) != 0)
		return -1;
	if (!a->standby &&
	    (set_text(b, "primary_conninfo", "") != 0 ||
	        set_text(b, "primary_slot_name", "") != 0 ||
	        set_number(b, "recovery_min_apply_delay", 0) != 0))
		return -1;
	/* Only a hot standby can pause. */
	if (!a->standby && a->action == RESTORE_PAUSE &&
	    add_text(b, "hot_standby = on\n") != 0)
		return -1;
	if (restore_has_in_place(a->set) &&
	    add_text(b, "allow_in_place_tablespaces = on\n") != 0)
		return -1;
	if (add_text(b, ends) != 0)
		return -1;
	return a->standby || a->rejoin ? 0 : add_text(b, copy);
}

static int
make_auto_conf(struct restore *r, struct fail *f)
{
	struct buf b = { 0 };
	int rc = format_settings(r, &b) == 0
	    ? restore_make(r, PLANFILE_SETTINGS, &b, f)
	    : fail_errno(f, PLANFILE_SETTINGS, "memory");

	buf_clear(&b);
	return rc;
}

/* In one step. */
static int
replace_file(const char *path, const struct buf *b, struct fail *f)
{
	char temp[PATH_MAX];
	int fd, rc;

	(void)snprintf(temp, sizeof temp, "%.4080s.walvault", path);
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_errno(f, temp, "create");
	rc = io_write(fd, b->data, b->len);
	if (rc == 0)
		rc = fsync(fd);
	if (close(fd) != 0 || rc != 0 || rename(temp, path) != 0)
		return fail_errno(f, path, "write");
	return 0;
}

int
restore_raise_limit(
    const char *dest, const char *name, uint32_t value, struct fail *f)
{
	struct buf b = { 0 }, new = { 0 };
	char path[PATH_MAX];
	uint8_t *at;
	int rc;

	(void)snprintf(
	    path, sizeof path, "%.4000s/%s", dest, PLANFILE_SETTINGS);
	rc = io_read_file(AT_FDCWD, path, RESTORE_SETTINGS_MAX, &b, f);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	at = memmem(b.data, b.len, ends, sizeof ends - 1);
	if (at != NULL) {
		size_t head = (size_t)(at - b.data);

		rc = buf_append(&new, b.data, head) == 0 &&
		        set_number(&new, name, value) == 0 &&
		        buf_append(&new, at, b.len - head) == 0
		    ? replace_file(path, &new, f)
		    : fail_errno(f, path, "memory");
	}
	buf_clear(&new);
	buf_clear(&b);
	return rc;
}

int
restore_forget_settings(const char *dest, struct fail *f)
{
	struct buf b = { 0 };
	char path[PATH_MAX];
	uint8_t *from, *to;
	int rc;

	(void)snprintf(
	    path, sizeof path, "%.4000s/%s", dest, PLANFILE_SETTINGS);
	rc = io_read_file(AT_FDCWD, path, RESTORE_SETTINGS_MAX, &b, f);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	from = memmem(b.data, b.len, begins, sizeof begins - 1);
	to = memmem(b.data, b.len, ends, sizeof ends - 1);
	if (from != NULL && to != NULL && from < to) {
		size_t head = (size_t)(from - b.data);
		size_t tail = b.len - (size_t)(to - b.data) - (sizeof ends - 1);

		memmove(from, to + sizeof ends - 1, tail);
		b.len = head + tail;
		rc = replace_file(path, &b, f);
	}
	buf_clear(&b);
	return rc;
}

/* Where the tablespaces are now, for the server to make its links by. */
static int
make_map(struct restore *r, struct fail *f)
{
	const struct restore_args *a = r->args;
	struct tablespace_map m = { 0 };
	struct tablespace list[1];
	struct buf b = { 0 };
	int rc = 0;

	for (size_t i = 1; rc == 0 && i < a->places->n; i++) {
		list[0] = (struct tablespace){ a->places->list[i].oid,
			a->places->list[i].path };
		m = (struct tablespace_map){ list, 1 };
		rc = tablespace_map_format(&m, a->set->head.s.major, &b);
	}
	if (rc != 0)
		rc = fail_errno(f, "tablespace_map", "memory");
	else if (b.len > 0)
		rc = restore_make(r, "tablespace_map", &b, f);
	buf_clear(&b);
	return rc;
}

static int
make_plan(struct restore *r, struct fail *f)
{
	struct buf b = { 0 };
	int rc = 0;

	/* A standby follows the archive wherever it goes. */
	if (r->args->standby)
		return 0;
	if (planfile_format(r->args->plan, &b) != 0)
		rc = fail_errno(f, PLANFILE_NAME, "memory");
	else
		rc = restore_make(r, PLANFILE_NAME, &b, f);
	buf_clear(&b);
	return rc;
}

static int
make_label(struct restore *r, struct fail *f)
{
	const struct manifest_summary *s = &r->args->set->head.s;
	const struct buf *text = &r->args->set->head.label_file;
	struct label label;

	if (label_parse(text, &label, f) != 0)
		return -1;
	if (label.start_lsn != s->start_lsn)
		return fail_set(f, FAIL_DAMAGED, "backup_label",
		    "it is not of backup %s", s->id);
	return restore_make(r, "backup_label", text, f);
}

int
restore_make_settings(struct restore *r, struct fail *f)
{
	static const struct buf empty;

	if (make_auto_conf(r, f) != 0 || restore_make_config(r, f) != 0 ||
	    make_map(r, f) != 0 || make_plan(r, f) != 0 ||
	    make_label(r, f) != 0)
		return -1;
	return restore_make(r,
	    r->args->standby ? "standby.signal" : "recovery.signal", &empty, f);
}
