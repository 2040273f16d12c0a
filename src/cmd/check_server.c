/* SPDX-License-Identifier: PostgreSQL */
/* What a check finds about the server and its files: see check_job.h. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "check_job.h"
#include "clock.h"
#include "exitcode.h"
#include "restore.h"
#include "units.h"

void
check_server(struct check *c)
{
	struct conf *conf = c->setup->conf;
	struct conn_archiver *s = &c->server;
	struct fail f;
	struct conn *conn;
	int rc;

	if (conf_number(conf, OPT_NO_SERVER) != 0)
		return;
	conn = conn_open(conf_text(conf, OPT_CONNINFO, NULL),
	    conf_text(conf, OPT_PGDATA, NULL), &f);
	rc = conn != NULL ? conn_archiver(conn, s, &f) : -1;
	conn_close(conn);
	if (rc != 0) {
		findings_add_fail(
		    &c->found, NAGIOS_WARNING, "server not asked", &f);
		return;
	}
	c->has_server = true;
	if (strcmp(s->archive_mode, "off") == 0)
		findings_add(&c->found, NAGIOS_CRITICAL, "archive_mode",
		    "is off: no WAL is archived");
	else if (s->in_recovery && strcmp(s->archive_mode, "always") != 0)
		findings_add(&c->found, NAGIOS_OK, "archive_mode",
		    "a standby with archive_mode = %s does not archive",
		    s->archive_mode);
	else if (strstr(s->archive_command, "walpush") == NULL &&
	    strstr(s->archive_command, "walvault") == NULL)
		findings_add(&c->found, NAGIOS_WARNING, "archive_command",
		    "does not call walpush: %s", s->archive_command);
	else if (s->failing)
		findings_add(&c->found, NAGIOS_CRITICAL, "archiving",
		    "fails: last failed %s, last archived %s, %llu failures; "
		    "the reason is in the server's log",
		    s->last_failed,
		    s->last_archived[0] != '\0' ? s->last_archived : "none",
		    (unsigned long long)s->failed_count);
	else
		findings_add(&c->found, NAGIOS_OK, "archiving",
		    "last archived %s, %llu archived, %llu failures",
		    s->last_archived[0] != '\0' ? s->last_archived : "none",
		    (unsigned long long)s->archived_count,
		    (unsigned long long)s->failed_count);
}

struct waiting {
	uint64_t count;
	int64_t oldest; /* mtime; INT64_MAX if there is none */
};

/* The .ready files: what the server still waits to have archived. */
static int
count_waiting(const char *pgdata, struct waiting *w, struct fail *f)
{
	char path[PATH_MAX];
	DIR *dir;
	struct dirent *d;
	struct stat st;

	*w = (struct waiting){ .oldest = INT64_MAX };
	(void)snprintf(
	    path, sizeof path, "%.4000s/pg_wal/archive_status", pgdata);
	dir = opendir(path);
	if (dir == NULL)
		return fail_errno(f, path, "read");
	while ((d = readdir(dir)) != NULL) {
		size_t len = strlen(d->d_name);
		int64_t mtime;

		if (len < 7 || strcmp(d->d_name + len - 6, ".ready") != 0 ||
		    fstatat(dirfd(dir), d->d_name, &st, 0) != 0)
			continue;
		mtime = ((int64_t)st.st_mtim.tv_sec - CLOCK_PG_EPOCH_UNIX) *
		    1000000;
		w->count++;
		if (mtime < w->oldest)
			w->oldest = mtime;
	}
	(void)closedir(dir);
	return 0;
}

/* The worse of two thresholds that a value reaches. */
static int
grade(const struct conf *c, uint64_t value, enum option_id warning,
    enum option_id critical)
{
	if (value >= conf_number(c, critical))
		return NAGIOS_CRITICAL;
	return value >= conf_number(c, warning) ? NAGIOS_WARNING : NAGIOS_OK;
}

void
check_waiting(struct check *c)
{
	struct conf *conf = c->setup->conf;
	const char *pgdata = conf_text(conf, OPT_PGDATA, NULL);
	struct waiting w;
	struct fail f;
	char age[UNITS_TEXT];
	int64_t age_ms = 0;
	int level;

	if (pgdata == NULL)
		return;
	if (count_waiting(pgdata, &w, &f) != 0) {
		findings_add_fail(
		    &c->found, NAGIOS_WARNING, "waiting files", &f);
		return;
	}
	/* A clock that went back makes no file old. */
	if (w.count > 0 && clock_now() > w.oldest)
		age_ms = (clock_now() - w.oldest) / 1000;
	level = grade(conf, w.count, OPT_READY_WARNING, OPT_READY_CRITICAL);
	if (level != NAGIOS_CRITICAL && age_ms > 0) {
		int by_age = grade(conf, (uint64_t)age_ms,
		    OPT_ARCHIVE_AGE_WARNING, OPT_ARCHIVE_AGE_CRITICAL);

		level = by_age > level ? by_age : level;
	}
	units_format((uint64_t)age_ms / 1000 * 1000, UNITS_MS, age);
	findings_add(&c->found, level, "waiting files",
	    "%llu WAL files wait to be archived, the oldest for %s",
	    (unsigned long long)w.count, age);
}

/* What a restore left behind is inherited by every backup and standby. */
void
check_left(struct check *c)
{
	const char *pgdata = conf_text(c->setup->conf, OPT_PGDATA, NULL);
	struct fail f;
	int rc;

	if (pgdata == NULL)
		return;
	rc = restore_settings_left(pgdata, &f);
	if (rc < 0)
		findings_add_fail(
		    &c->found, NAGIOS_WARNING, "recovery settings", &f);
	if (rc == 1)
		findings_add(&c->found, NAGIOS_WARNING, "recovery settings",
		    "pitr-restore's are still in %s/postgresql.auto.conf, "
		    "though recovery has ended: they pin max_connections and "
		    "others, and a standby would stop at their target; remove "
		    "them (pitr-restore(1), \"Once recovery has ended\")",
		    pgdata);
}

/* Ask the server again, for an answer newer than the listing. */
static bool
ask_again(struct check *c)
{
	struct conf *conf = c->setup->conf;
	struct fail f;
	struct conn *conn = conn_open(conf_text(conf, OPT_CONNINFO, NULL),
	    conf_text(conf, OPT_PGDATA, NULL), &f);
	bool ok = conn != NULL && conn_archiver(conn, &c->server, &f) == 0;

	conn_close(conn);
	return ok;
}

/*
 * A server's own position tells of a second writer: nobody else can be ahead
 * of a primary on its own timeline.
 */
void
check_second_writer(struct check *c)
{
	const struct conn_archiver *s = &c->server;
	const struct index *x = c->all != NULL ? &c->all->index : NULL;
	const struct index_timeline *t;
	const struct index_object *last;

	if (!c->has_server || s->in_recovery || x == NULL ||
	    s->sysid != x->id.sysid)
		return;
	t = index_timeline(x, s->tli);
	if (t == NULL || t->segments.n == 0)
		return;
	last = &t->segments.list[t->segments.n - 1];
	if (last->segno <= s->current_lsn / x->id.segsize || !ask_again(c) ||
	    last->segno <= s->current_lsn / x->id.segsize)
		return;
	findings_add(&c->found, NAGIOS_CRITICAL, "two writers",
	    "%s is archived, but this server has not written that far: "
	    "another server archives timeline %u here, or this one was "
	    "rolled back",
	    last->name.text, s->tli);
}
