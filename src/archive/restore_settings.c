/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a restored server is told: see restore_files.h.  Recovery settings of
 * the old server are dropped, in postgresql.auto.conf by leaving them out, in
 * other files by overriding them there: the server reads that file last.  Only
 * one recovery target may be set, and an empty one takes an earlier one back,
 * so the empty ones come first (PostgreSQL: assign_recovery_target and its
 * like in xlogrecovery.c).
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "label.h"
#include "planfile.h"
#include "restore_files.h"

static const char *const targets[] = { "recovery_target", "recovery_target_lsn",
	"recovery_target_name", "recovery_target_time", "recovery_target_xid" };

/* Of the old server's recovery and archiving, besides "recovery_target...". */
static const char *const dropped[] = { "restore_command", "primary_conninfo",
	"primary_slot_name", "archive_cleanup_command", "recovery_end_command",
	"recovery_min_apply_delay", "promote_trigger_file" };

static const char *const archiving[] = { "archive_mode", "archive_command",
	"archive_library", "archive_timeout" };

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* Does a line of a configuration file set this? */
static bool
sets(const char *line, size_t len, const char *name)
{
	size_t n = strlen(name);

	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	return len > n && strncasecmp(line, name, n) == 0 &&
	    strchr(" \t='", line[n]) != NULL;
}

static bool
is_dropped(const struct restore *r, const char *line, size_t len)
{
	bool keep_archiving = r->args->rejoin || r->args->standby;

	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	if (len > 15 && strncasecmp(line, "recovery_target", 15) == 0)
		return true;
	for (size_t i = 0; i < COUNT(dropped); i++)
		if (sets(line, len, dropped[i]))
			return true;
	for (size_t i = 0; !keep_archiving && i < COUNT(archiving); i++)
		if (sets(line, len, archiving[i]))
			return true;
	return false;
}

static int
add_text(struct buf *b, const char *text)
{
	return buf_append(b, text, strlen(text));
}

/* The lines of a file that are not dropped. */
static int
keep_lines(const struct restore *r, const struct buf *from, struct buf *b)
{
	const char *p = (const char *)from->data, *end = p + from->len;

	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((eol != NULL ? eol : end) - p);

		if (!is_dropped(r, p, len) &&
		    (buf_append(b, p, len) != 0 || add_text(b, "\n") != 0))
			return -1;
		p += len + 1;
	}
	return 0;
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

static int
format_settings(const struct restore *r, struct buf *b)
{
	const struct restore_args *a = r->args;

	if (keep_lines(r, &r->kept[KEPT_SETTINGS], b) != 0 ||
	    add_text(b, RESTORE_BEGINS) != 0 ||
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
	if (!a->standby && !a->rejoin &&
	    add_text(b, "archive_mode = off\n") != 0)
		return -1;
	return add_text(b, RESTORE_ENDS);
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

/* A line of postgresql.conf that would lead the server elsewhere. */
static bool
leads_away(const struct restore *r, const char *line, size_t len)
{
	const struct restore_set *s = r->args->set;

	if (sets(line, len, "data_directory") ||
	    sets(line, len, "external_pid_file"))
		return true;
	if (sets(line, len, "hba_file"))
		return restore_set_find(s, "pg_hba.conf") != NULL;
	return sets(line, len, "ident_file") &&
	    restore_set_find(s, "pg_ident.conf") != NULL;
}

static int
mark_lines(const struct restore *r, const struct buf *from, struct buf *b)
{
	const char *p = (const char *)from->data, *end = p + from->len;

	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((eol != NULL ? eol : end) - p);

		if (leads_away(r, p, len) &&
		    add_text(b, "# left out by pitr-restore: ") != 0)
			return -1;
		if (buf_append(b, p, len) != 0 ||
		    (eol != NULL && add_text(b, "\n") != 0))
			return -1;
		p += len + 1;
	}
	return 0;
}

static int
make_config(struct restore *r, struct fail *f)
{
	struct buf b = { 0 };
	int rc;

	/* A directory without one can be started with pitr-restore --start or
	 * a file of one's own; an empty one does no harm. */
	if (mark_lines(r, &r->kept[KEPT_CONFIG], &b) != 0)
		rc = fail_errno(f, "postgresql.conf", "memory");
	else
		rc = restore_make(r, "postgresql.conf", &b, f);
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

	if (make_auto_conf(r, f) != 0 || make_config(r, f) != 0 ||
	    make_map(r, f) != 0 || make_plan(r, f) != 0 ||
	    make_label(r, f) != 0)
		return -1;
	return restore_make(r,
	    r->args->standby ? "standby.signal" : "recovery.signal", &empty, f);
}
