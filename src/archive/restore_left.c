/* SPDX-License-Identifier: PostgreSQL */
/*
 * What an earlier recovery left in postgresql.auto.conf: see restore_files.h.
 * The comments around pitr-restore's settings do not survive ALTER SYSTEM, so
 * they are known by the company they keep: nobody but a restore sets all of
 * the recovery targets, most of them to nothing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "io.h"
#include "planfile.h"
#include "restore_files.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* Of the old server's recovery, besides "recovery_target...". */
static const char *const dropped[] = { "restore_command", "primary_conninfo",
	"primary_slot_name", "archive_cleanup_command", "recovery_end_command",
	"recovery_min_apply_delay", "promote_trigger_file" };

static const char *const archiving[] = { "archive_mode", "archive_command",
	"archive_library", "archive_timeout" };

/*
 * Of an earlier restore, where it left its targets.  They are set anew, to what
 * the WAL needs, so nothing is lost but what nobody chose; NULL: any value.
 */
static const struct {
	const char *name, *value;
} ours[] = {
	{ "max_connections", NULL },
	{ "max_worker_processes", NULL },
	{ "max_wal_senders", NULL },
	{ "max_prepared_transactions", NULL },
	{ "max_locks_per_transaction", NULL },
	{ "hot_standby", "on" },
	{ "allow_in_place_tablespaces", "on" },
	{ "max_logical_replication_workers", "0" },
	{ "synchronous_standby_names", "" },
};

/* The next line of a text; false at its end. */
static bool
next_line(const char **p, const char *end, const char **line, size_t *len)
{
	const char *eol;

	if (*p >= end)
		return false;
	eol = memchr(*p, '\n', (size_t)(end - *p));
	*line = *p;
	*len = (size_t)((eol != NULL ? eol : end) - *p);
	*p += *len + 1;
	return true;
}

/* Has a restore left its settings there? */
static bool
has_ours(const struct buf *b)
{
	static const char *const targets[] = { "recovery_target_lsn",
		"recovery_target_name", "recovery_target_time",
		"recovery_target_xid" };
	const char *p = (const char *)b->data, *end = p + b->len, *line;
	bool seen[COUNT(targets)] = { false };
	size_t len, n = 0;
	struct confline l;

	while (next_line(&p, end, &line, &len)) {
		if (!confline_parse(line, len, &l))
			continue;
		for (size_t i = 0; i < COUNT(targets); i++)
			if (!seen[i] && confline_sets(&l, targets[i])) {
				seen[i] = true;
				n++;
			}
	}
	return n == COUNT(targets);
}

static bool
is_ours(const struct confline *l)
{
	for (size_t i = 0; i < COUNT(ours); i++)
		if (confline_sets(l, ours[i].name))
			return ours[i].value == NULL ||
			    strcmp(ours[i].value, l->value) == 0;
	return false;
}

static bool
is_dropped(const struct restore *r, const struct confline *l, bool left)
{
	bool keep_archiving = r->args->rejoin || r->args->standby;

	if (strncasecmp(l->name, "recovery_target", 15) == 0 ||
	    restore_leads_away(r, l) || (left && is_ours(l)))
		return true;
	for (size_t i = 0; i < COUNT(dropped); i++)
		if (confline_sets(l, dropped[i]))
			return true;
	for (size_t i = 0; !keep_archiving && i < COUNT(archiving); i++)
		if (confline_sets(l, archiving[i]))
			return true;
	return false;
}

int
restore_keep_settings(
    const struct restore *r, const struct buf *from, struct buf *b)
{
	const char *p = (const char *)from->data, *end = p + from->len, *line;
	bool left = has_ours(from);
	size_t len;
	struct confline l;

	while (next_line(&p, end, &line, &len)) {
		if (confline_parse(line, len, &l)
		        ? is_dropped(r, &l, left)
		        : memmem(line, len, "pitr-restore", 12) != NULL)
			continue;
		if (buf_append(b, line, len) != 0 ||
		    buf_append(b, "\n", 1) != 0)
			return -1;
	}
	return 0;
}

static bool
is_there(const char *pgdata, const char *name)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "%.4000s/%s", pgdata, name);
	return io_exists(path) == 1;
}

int
restore_settings_left(const char *pgdata, struct fail *f)
{
	struct buf b = { 0 };
	char path[PATH_MAX];
	int rc;

	if (is_there(pgdata, "recovery.signal") ||
	    is_there(pgdata, "standby.signal"))
		return 0;
	(void)snprintf(
	    path, sizeof path, "%.4000s/%s", pgdata, PLANFILE_SETTINGS);
	rc = io_read_file(AT_FDCWD, path, RESTORE_SETTINGS_MAX, &b, f);
	if (rc == 0)
		rc = has_ours(&b) ? 1 : 0;
	else if (rc == 1)
		rc = 0;
	buf_clear(&b);
	return rc;
}
