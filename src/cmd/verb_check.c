/* SPDX-License-Identifier: PostgreSQL */
/*
 * walvault check: is archiving working, and is what is archived of use?  Each
 * part adds its findings; none stops the others.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "check_backup.h"
#include "check_several.h"
#include "clock.h"
#include "conn.h"
#include "control.h"
#include "exitcode.h"
#include "findings.h"
#include "line.h"
#include "restore.h"
#include "snapshot.h"
#include "units.h"
#include "verbs.h"

struct check {
	struct setup *setup;
	struct findings found;
	bool has_server;
	struct conn_archiver server;
	struct check_seen seen[CONF_STORES_MAX];
};

/* One is begun and abandoned: nothing remains. */
static int
begin_probe(struct repository *r, struct fail *f)
{
	struct store_attrs attrs = { 0 };
	char key[LAYOUT_KEY_MAX];
	struct stream *probe;
	int rc;

	(void)snprintf(key, sizeof key, "%s/probe", r->layout.cluster);
	probe = store_put(r->store, key, &attrs, f);
	rc = probe != NULL ? stream_write(probe, "probe", 5, f) : -1;
	stream_free(probe);
	return rc;
}

/* Can objects be written? */
static void
check_writable(struct check *c, size_t i)
{
	struct repository *r = &c->setup->repos[i];
	struct fail f;
	int rc = store_probe(r->store, &f);

	if (rc == 1)
		rc = begin_probe(r, &f);
	if (rc != 0)
		findings_add_fail(&c->found, NAGIOS_CRITICAL, "store", &f);
	else
		findings_add(&c->found, NAGIOS_OK, "store",
		    "%s: repository %s, writable", r->store->url, r->id);
}

static void
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

static void
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
static void
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
static void
check_second_writer(struct check *c, const struct index *x)
{
	const struct conn_archiver *s = &c->server;
	const struct index_timeline *t;
	const struct index_object *last;

	if (!c->has_server || s->in_recovery || s->sysid != x->id.sysid)
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

/* What the server was told is archived must be here, or in enough stores. */
static void
check_last_archived(struct check *c, size_t i)
{
	const struct repository *r = &c->setup->repos[i];
	struct store_info info;
	struct walname name;
	struct fail f;
	char key[LAYOUT_KEY_MAX];
	int rc;

	if (!c->has_server || c->server.in_recovery ||
	    c->server.sysid != r->layout.sysid ||
	    walname_parse(c->server.last_archived, &name) != 0 ||
	    name.kind == WALNAME_PARTIAL)
		return;
	layout_wal(&r->layout, &name, NULL, key);
	rc = store_stat(r->store, key, &info, &f);
	if (rc < 0)
		findings_add_fail(&c->found, NAGIOS_CRITICAL, "store", &f);
	c->seen[i].lacks_last = rc == 1;
	if (rc == 1 && c->setup->n == 1)
		findings_add(&c->found, NAGIOS_CRITICAL, "archived WAL",
		    "the server believes that %s is archived, but it is not in "
		    "%s: was archive_command another one?",
		    name.text, r->store->url);
}

static void
check_line(struct check *c, const struct backup_list *b, const struct line *l)
{
	size_t problems = 0, given_up = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct line_segment *s = &l->segment[i];
		int level = check_hole(
		    c->setup->conf, b, l, s->segno + s->damaged);

		/* Damage is told, whatever was given up. */
		if (s->damaged)
			findings_add(&c->found,
			    level == NAGIOS_OK ? NAGIOS_WARNING : level,
			    "damage", "%s: %s: no recovery leads through it%s",
			    s->name.text, s->damage,
			    level == NAGIOS_CRITICAL ? "; take a base backup"
			                             : "");
		problems += s->damaged;
		if (i == 0 || s->run == l->segment[i - 1].run)
			continue;
		if (s->broken == NULL && level == NAGIOS_OK) {
			given_up++;
			continue;
		}
		problems++;
		if (s->broken != NULL && !s->damaged &&
		    !l->segment[i - 1].damaged)
			findings_add(&c->found, NAGIOS_CRITICAL, "two writers",
			    "%s does not follow %s: %s; another server "
			    "archives here, or the history was rewritten",
			    s->name.text, l->segment[i - 1].name.text,
			    s->broken);
		else if (s->broken == NULL)
			findings_add(&c->found, level, "gap",
			    "%llu segments are missing between %s and %s: no "
			    "recovery leads across%s",
			    (unsigned long long)(s->segno -
			        l->segment[i - 1].segno - 1),
			    l->segment[i - 1].name.text, s->name.text,
			    level == NAGIOS_CRITICAL ? "; take a base backup"
			                             : "");
	}
	if (problems == 0 && l->n > 0)
		findings_add(&c->found, NAGIOS_OK, "archived WAL",
		    "timeline %u: %zu segments, %s to %s, without a gap%s",
		    l->history.tli, l->n, l->segment[0].name.text,
		    l->segment[l->n - 1].name.text,
		    given_up > 0 ? " but those that keep_wal left" : "");
}

/* Every line that ends in a timeline of its own. */
static void
check_lines(struct check *c, const struct backup_list *b, const struct index *x)
{
	for (size_t i = 0; i < x->n; i++) {
		struct line l;
		struct fail f;

		if (x->timelines[i].segments.n > 0 &&
		    !index_is_leaf(x, &x->timelines[i]))
			continue;
		if (line_load(x, x->timelines[i].tli, &l, &f) != 0) {
			findings_add_fail(
			    &c->found, NAGIOS_CRITICAL, "archived WAL", &f);
			continue;
		}
		check_line(c, b, &l);
		line_clear(&l);
	}
	if (x->n == 0)
		findings_add(
		    &c->found, NAGIOS_WARNING, "archived WAL", "none yet");
	check_aside(&c->found, b, x);
	if (x->aside.n > 0)
		findings_add(&c->found, NAGIOS_WARNING, "set aside",
		    "%zu damaged objects were set aside", x->aside.n);
}

static void
check_store(struct check *c, size_t i)
{
	struct repository *r = &c->setup->repos[i];
	struct check_seen *seen = &c->seen[i];
	const struct index *x = &seen->index;
	struct identity id;
	struct backup_list backups;
	struct fail f;

	if (verb_open(c->setup, i, &id, &seen->fail) != 0)
		return;
	snapshot_system(r, &seen->listed);
	if (index_load(&seen->listed, &id, &seen->index, &seen->fail) != 0) {
		snapshot_end(&seen->listed);
		return;
	}
	seen->opened = true;
	if (backup_list_load(&seen->listed, &backups, &f) != 0) {
		findings_add_fail(&c->found, NAGIOS_CRITICAL, "backups", &f);
		backups = (struct backup_list){ 0 };
	} else {
		check_backups(&c->found, c->setup->conf, &backups, x);
	}
	seen->needed = check_needed(&backups);
	check_writable(c, i);
	if (c->has_server && c->server.sysid != id.sysid)
		findings_add(&c->found, NAGIOS_CRITICAL, "server",
		    "its system identifier is %llu, the repository was asked "
		    "about %llu",
		    (unsigned long long)c->server.sysid,
		    (unsigned long long)id.sysid);
	check_lines(c, &backups, x);
	check_last_archived(c, i);
	check_second_writer(c, x);
	backup_list_clear(&backups);
}

int
verb_check(struct setup *s, struct fail *f)
{
	struct check c = { .setup = s };
	int rc;

	(void)f;
	check_server(&c);
	check_waiting(&c);
	check_left(&c);
	for (size_t i = 0; i < s->n; i++)
		check_store(&c, i);
	check_several(
	    &c.found, s, c.seen, c.has_server ? c.server.last_archived : "");
	for (size_t i = 0; i < s->n; i++)
		if (c.seen[i].opened) {
			index_clear(&c.seen[i].index);
			snapshot_end(&c.seen[i].listed);
		}
	rc = findings_report(&c.found, conf_cluster(s->conf),
	    conf_number(s->conf, OPT_JSON) != 0);
	findings_clear(&c.found);
	return rc;
}
