/* SPDX-License-Identifier: PostgreSQL */
/*
 * What base backups and restores ask of a server: see conn.h.  PostgreSQL's
 * documentation, "Making a Base Backup Using the Low Level API".
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "conn.h"
#include "conn_session.h"
#include "lsn.h"

/* pg_backup_start and _stop were pg_start_backup and pg_stop_backup. */
#define VERSION_NEW_NAMES 150000

/* pg_hba_file_rules and pg_ident_file_mappings name the files. */
#define VERSION_HBA_FILES 160000

/* How often someone who waits for an answer is asked. */
#define TICK_MS 100

/* A moment as microseconds from 2000, as in clock.h. */
#define MICROSECONDS(moment)                \
	"round(extract(epoch FROM (" moment \
	") - timestamptz '2000-01-01 00:00:00+00') * 1000000)::bigint"

static bool
has_new_names(const struct conn *c)
{
	return PQserverVersion(c->pg) >= VERSION_NEW_NAMES;
}

/*
 * Whatever the role's or the database's settings are.  Not all of these exist
 * in every version.
 */
static int
remove_limits(struct conn *c, struct fail *f)
{
	PGresult *r = conn_ask(c,
	    "SELECT count(set_config(name, '0', false)), "
	    "set_config('search_path', 'pg_catalog', false) "
	    "FROM pg_catalog.pg_settings WHERE name IN ('statement_timeout', "
	    "'lock_timeout', 'idle_session_timeout', 'transaction_timeout', "
	    "'idle_in_transaction_session_timeout')",
	    NULL, 0, f);

	PQclear(r);
	return r != NULL ? 0 : -1;
}

struct conn *
conn_open_backup(const char *conninfo, const char *pgdata, struct fail *f)
{
	/*
	 * What stands before dbname can be given otherwise in the conninfo.
	 * SQL_ASCII: names and labels come as the bytes they are.
	 */
	static const char *const keys[] = { "keepalives", "keepalives_idle",
		"keepalives_interval", "keepalives_count", "connect_timeout",
		"dbname", "application_name", "client_encoding", NULL };
	const char *values[] = { "1", "60", "10", "6", "10", NULL, "walvault",
		"SQL_ASCII", NULL };
	char made[CONN_INFO];
	struct conn *c;

	values[5] = conn_choose(conninfo, pgdata, made, f);
	if (values[5] == NULL)
		return NULL;
	c = conn_connect(keys, values, f);
	if (c != NULL && remove_limits(c, f) != 0) {
		conn_close(c);
		return NULL;
	}
	return c;
}

/* First of all, as the other questions need what it asks for. */
static int
ask_rights(struct conn *c, struct conn_server *out, struct fail *f)
{
	const char *query = has_new_names(c)
	    ? "SELECT has_function_privilege("
	      "'pg_backup_start(text, boolean)', 'EXECUTE') AND "
	      "has_function_privilege('pg_backup_stop(boolean)', 'EXECUTE')"
	    : "SELECT has_function_privilege("
	      "'pg_start_backup(text, boolean, boolean)', 'EXECUTE') AND "
	      "has_function_privilege("
	      "'pg_stop_backup(boolean, boolean)', 'EXECUTE')";
	PGresult *r = conn_ask(c, query, NULL, 0, f);

	if (r == NULL)
		return -1;
	out->may_backup = conn_bool(r, 0);
	PQclear(r);
	return 0;
}

static int
ask_settings(struct conn *c, struct conn_server *out, struct fail *f)
{
	PGresult *r = conn_ask(c,
	    "SELECT current_setting('data_directory'), "
	    "current_setting('config_file'), current_setting('hba_file'), "
	    "current_setting('ident_file'), current_setting('archive_mode'), "
	    "coalesce(nullif(current_setting('archive_library', true), ''), "
	    "current_setting('archive_command')), "
	    "current_setting('shared_preload_libraries'), "
	    "current_setting('wal_level') IN ('replica', 'logical'), "
	    "current_setting('full_page_writes')::boolean",
	    NULL, 0, f);

	if (r == NULL)
		return -1;
	conn_text(r, 0, out->data_directory, sizeof out->data_directory);
	conn_text(r, 1, out->config_file, sizeof out->config_file);
	conn_text(r, 2, out->hba_file, sizeof out->hba_file);
	conn_text(r, 3, out->ident_file, sizeof out->ident_file);
	conn_text(r, 4, out->archive_mode, sizeof out->archive_mode);
	conn_text(r, 5, out->archive_command, sizeof out->archive_command);
	conn_text(r, 6, out->preload, sizeof out->preload);
	out->wal_level_ok = conn_bool(r, 7);
	out->full_page_writes = conn_bool(r, 8);
	PQclear(r);
	return 0;
}

static int
ask_state(struct conn *c, struct conn_server *out, struct fail *f)
{
	PGresult *r = conn_ask(c,
	    "SELECT system_identifier, pg_is_in_recovery(), redo_lsn, "
	    "timeline_id, CASE WHEN pg_is_in_recovery() "
	    "THEN pg_last_wal_replay_lsn() "
	    "ELSE pg_current_wal_insert_lsn() END, " MICROSECONDS(
	        "clock_timestamp()") " FROM pg_control_system(), "
	                             "pg_control_checkpoint()",
	    NULL, 0, f);

	if (r == NULL)
		return -1;
	out->sysid = conn_u64(r, 0);
	out->in_recovery = conn_bool(r, 1);
	out->checkpoint_redo = conn_lsn(r, 2);
	out->checkpoint_tli = (uint32_t)conn_u64(r, 3);
	out->current_lsn = conn_lsn(r, 4);
	out->now = strtoll(PQgetvalue(r, 0, 5), NULL, 10);
	PQclear(r);
	return 0;
}

/*
 * Which rules text is sorted by.  datlocprovider came with 15; the version of
 * ICU's root collation stands for the library's.
 */
static int
ask_locale(struct conn *c, struct conn_server *out, struct fail *f)
{
	PGresult *r = conn_ask(c,
	    "SELECT datcollate || '/' || datctype || '/' || CASE "
	    "to_jsonb(d)->>'datlocprovider' WHEN 'i' THEN 'icu' "
	    "WHEN 'b' THEN 'builtin' ELSE 'libc' END, "
	    "(SELECT max(pg_collation_actual_version(oid)) FROM pg_collation "
	    "WHERE collname = 'und-x-icu' AND collprovider = 'i') "
	    "FROM pg_database d WHERE datname = current_database()",
	    NULL, 0, f);

	if (r == NULL)
		return -1;
	conn_text(r, 0, out->locale, sizeof out->locale);
	conn_text(r, 1, out->icu, sizeof out->icu);
	PQclear(r);
	return 0;
}

/* Is the relation there, and may it be read? */
static bool
may_read(struct conn *c, const char *view)
{
	struct fail ignored;
	PGresult *r = conn_ask(c,
	    "SELECT has_table_privilege(to_regclass($1), 'SELECT')", &view, 1,
	    &ignored);
	bool yes = r != NULL && conn_bool(r, 0);

	PQclear(r);
	return yes;
}

static int
append_column(const PGresult *r, int column, struct buf *b)
{
	return buf_append(
	    b, PQgetvalue(r, 0, column), (size_t)PQgetlength(r, 0, column));
}

/*
 * The files that settings in force come from, and where it may be read (by a
 * superuser) those whose lines are all overridden, too.
 */
static int
ask_included(struct conn *c, struct buf *b, struct fail *f)
{
	static const struct {
		const char *view, *column;
	} sources[] = { { "pg_file_settings", "sourcefile" },
		{ "pg_hba_file_rules", "file_name" },
		{ "pg_ident_file_mappings", "file_name" } };
	char query[1024] = "SELECT coalesce(string_agg(file || E'\\n', ''), '')"
	                   " FROM (SELECT sourcefile FROM pg_settings";
	PGresult *r;
	int rc = 0;

	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
		size_t len = strlen(query);

		if ((i > 0 && PQserverVersion(c->pg) < VERSION_HBA_FILES) ||
		    !may_read(c, sources[i].view))
			continue;
		(void)snprintf(query + len, sizeof query - len,
		    " UNION SELECT %s FROM %s", sources[i].column,
		    sources[i].view);
	}
	(void)snprintf(query + strlen(query), sizeof query - strlen(query),
	    ") AS s(file) WHERE position(E'\\n' IN file) = 0");
	r = conn_ask(c, query, NULL, 0, f);
	if (r == NULL)
		return -1;
	if (append_column(r, 0, b) != 0)
		rc = fail_errno(f, "PostgreSQL", "memory");
	PQclear(r);
	return rc;
}

int
conn_server(struct conn *c, struct conn_server *out, struct fail *f)
{
	*out = (struct conn_server){ 0 };
	out->version_num = (uint32_t)PQserverVersion(c->pg);
	if (ask_rights(c, out, f) == 0 && ask_settings(c, out, f) == 0 &&
	    ask_state(c, out, f) == 0 && ask_locale(c, out, f) == 0 &&
	    ask_included(c, &out->included, f) == 0)
		return 0;
	buf_clear(&out->included);
	return -1;
}

int
conn_server_state(struct conn *c, struct conn_server *out, struct fail *f)
{
	return ask_state(c, out, f);
}

/* Have the server end what it does for us: else its session would go on. */
static void
cancel(struct conn *c)
{
	PGcancel *request = PQgetCancel(c->pg);
	char text[256];

	if (request != NULL)
		(void)PQcancel(request, text, sizeof text);
	PQfreeCancel(request);
}

/* Until the answer to what was sent is there.  0 or -1. */
static int
wait_answer(struct conn *c, const struct conn_wait *wait, struct fail *f)
{
	while (PQisBusy(c->pg)) {
		struct pollfd p = { .fd = PQsocket(c->pg), .events = POLLIN };

		if (wait->tick(wait->arg, f) != 0) {
			cancel(c);
			return -1;
		}
		(void)poll(&p, 1, TICK_MS);
		/* What went wrong is in the answer. */
		if (PQconsumeInput(c->pg) == 0)
			return 0;
	}
	return 0;
}

int
conn_backup_start(struct conn *c, const char *label, bool fast,
    const struct conn_wait *wait, uint64_t *start_lsn, struct fail *f)
{
	const char *params[] = { label, fast ? "true" : "false" };
	const char *query = has_new_names(c)
	    ? "SELECT pg_backup_start($1, $2)"
	    : "SELECT pg_start_backup($1, $2, false)";
	PGresult *r;

	if (PQsendQueryParams(c->pg, query, 2, NULL, params, NULL, NULL, 0) !=
	        0 &&
	    wait_answer(c, wait, f) != 0)
		return -1;
	r = conn_answer(c, f);
	if (r == NULL)
		return -1;
	*start_lsn = conn_lsn(r, 0);
	PQclear(r);
	return 0;
}

int
conn_backup_stop(struct conn *c, struct conn_stop *out, struct fail *f)
{
	static const char columns[] = "SELECT lsn, labelfile, spcmapfile, "
	                              "pg_is_in_recovery(), " MICROSECONDS(
	                                  "clock_timestamp()") " FROM %s";
	char query[256];
	PGresult *r;
	int rc = 0;

	*out = (struct conn_stop){ 0 };
	(void)snprintf(query, sizeof query, columns,
	    has_new_names(c) ? "pg_backup_stop(false)"
	                     : "pg_stop_backup(false, false)");
	r = conn_ask(c, query, NULL, 0, f);
	if (r == NULL)
		return -1;
	out->stop_lsn = conn_lsn(r, 0);
	out->in_recovery = conn_bool(r, 3);
	out->now = strtoll(PQgetvalue(r, 0, 4), NULL, 10);
	if (append_column(r, 1, &out->label_file) != 0 ||
	    append_column(r, 2, &out->tablespace_map) != 0) {
		rc = fail_errno(f, "PostgreSQL", "memory");
		buf_clear(&out->label_file);
	}
	PQclear(r);
	return rc;
}

int
conn_alive(struct conn *c, struct fail *f)
{
	PGresult *r = conn_ask(c, "SELECT 1", NULL, 0, f);

	PQclear(r);
	return r != NULL ? 0 : -1;
}

int
conn_switch_wal(struct conn *c, struct fail *f)
{
	PGresult *r = conn_ask(c, "SELECT pg_switch_wal()", NULL, 0, f);

	PQclear(r);
	return r != NULL ? 0 : -1;
}

/*
 * In recovery the timeline is what pg_control knows, which may lag behind;
 * afterwards it is the one that is written.
 */
int
conn_recovery(struct conn *c, struct conn_recovery *out, struct fail *f)
{
	PGresult *r = conn_ask(c,
	    "SELECT pg_is_in_recovery(), CASE WHEN pg_is_in_recovery() "
	    "THEN pg_is_wal_replay_paused() END, "
	    "pg_last_wal_replay_lsn(), " MICROSECONDS(
	        "pg_last_xact_replay_timestamp()") ", CASE WHEN "
	                                           "pg_is_in_recovery() "
	                                           "THEN greatest(timeline_id, "
	                                           "min_recovery_end_timeline) "
	                                           "END, "
	                                           "CASE WHEN NOT "
	                                           "pg_is_in_recovery() "
	                                           "THEN "
	                                           "left(pg_walfile_name(pg_"
	                                           "current_wal_lsn()), 8) END "
	                                           "FROM "
	                                           "pg_control_checkpoint(), "
	                                           "pg_control_recovery()",
	    NULL, 0, f);

	if (r == NULL)
		return -1;
	*out = (struct conn_recovery){
		.in_recovery = conn_bool(r, 0),
		.paused = conn_bool(r, 1),
		.replayed = conn_lsn(r, 2),
		.last_xact = PQgetisnull(r, 0, 3)
		    ? INT64_MIN
		    : strtoll(PQgetvalue(r, 0, 3), NULL, 10),
	};
	out->tli = out->in_recovery
	    ? (uint32_t)conn_u64(r, 4)
	    : (uint32_t)strtoul(PQgetvalue(r, 0, 5), NULL, 16);
	PQclear(r);
	return 0;
}
