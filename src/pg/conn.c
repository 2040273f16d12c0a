/* SPDX-License-Identifier: PostgreSQL */
/* Questions to a running server: see conn.h. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "conn.h"
#include "io.h"
#include "lsn.h"

struct conn {
	PGconn *pg;
};

/* The lines of postmaster.pid: pid, data directory, start, port, socket
 * directory, listen address (PostgreSQL: utils/pidfile.h). */
#define PIDFILE_PORT    3
#define PIDFILE_SOCKET  4
#define PIDFILE_ADDRESS 5

static int
pidfile_line(const struct buf *b, int n, char *out, size_t cap)
{
	const char *p = (const char *)b->data, *end = p + b->len;

	for (; p < end; n--) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((eol != NULL ? eol : end) - p);

		if (n == 0 && len < cap) {
			memcpy(out, p, len);
			out[len] = '\0';
			return len > 0 ? 0 : -1;
		}
		p = eol != NULL ? eol + 1 : end;
	}
	return -1;
}

/* How to reach the server that runs in pgdata. */
static int
conninfo_of(const char *pgdata, char *out, size_t cap, struct fail *f)
{
	struct buf b = { 0 };
	char path[PATH_MAX], port[16], host[512];
	int rc;

	(void)snprintf(path, sizeof path, "%.4000s/postmaster.pid", pgdata);
	rc = io_read_file(AT_FDCWD, path, 8192, &b, f);
	if (rc == 1)
		rc = fail_set(f, FAIL_TRANSIENT, path,
		    "no such file: the server is not running");
	if (rc == 0 &&
	    (pidfile_line(&b, PIDFILE_PORT, port, sizeof port) != 0 ||
	        (pidfile_line(&b, PIDFILE_SOCKET, host, sizeof host) != 0 &&
	            pidfile_line(&b, PIDFILE_ADDRESS, host, sizeof host) != 0)))
		rc = fail_set(f, FAIL_TRANSIENT, path,
		    "it does not say where the server listens");
	buf_clear(&b);
	if (rc == 0)
		(void)snprintf(out, cap, "host='%s' port='%s' dbname=postgres",
		    host, port);
	return rc;
}

struct conn *
conn_open(const char *conninfo, const char *pgdata, struct fail *f)
{
	const char *keys[] = { "dbname", "application_name", "connect_timeout",
		"options", NULL };
	const char *values[] = { NULL, "walvault", "10",
		"-c statement_timeout=10000", NULL };
	char made[1024];
	struct conn *c;

	if (conninfo == NULL && pgdata == NULL) {
		(void)fail_set(
		    f, FAIL_CONFIG, "conninfo", "neither it nor pgdata is set");
		return NULL;
	}
	if (conninfo == NULL && conninfo_of(pgdata, made, sizeof made, f) != 0)
		return NULL;
	values[0] = conninfo != NULL ? conninfo : made;
	c = calloc(1, sizeof *c);
	if (c == NULL) {
		(void)fail_errno(f, "connection", "memory");
		return NULL;
	}
	c->pg = PQconnectdbParams(keys, values, 1);
	if (PQstatus(c->pg) == CONNECTION_OK)
		return c;
	(void)fail_set(f, FAIL_TRANSIENT, "PostgreSQL", "%.*s",
	    (int)strcspn(PQerrorMessage(c->pg), "\n"), PQerrorMessage(c->pg));
	conn_close(c);
	return NULL;
}

void
conn_close(struct conn *c)
{
	if (c == NULL)
		return;
	PQfinish(c->pg);
	free(c);
}

static void
copy(char *out, size_t cap, const PGresult *r, int column)
{
	(void)snprintf(out, cap, "%s", PQgetvalue(r, 0, column));
}

int
conn_archiver(struct conn *c, struct conn_archiver *out, struct fail *f)
{
	static const char query[] =
	    "SELECT system_identifier, timeline_id, "
	    "current_setting('archive_mode'), "
	    "coalesce(nullif(current_setting('archive_library', true), ''), "
	    "current_setting('archive_command')), pg_is_in_recovery(), "
	    "archived_count, failed_count, coalesce(last_archived_wal, ''), "
	    "coalesce(last_failed_wal, ''), coalesce(last_failed_time > "
	    "coalesce(last_archived_time, '-infinity'), false), "
	    "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() "
	    "ELSE pg_current_wal_lsn() END "
	    "FROM pg_control_system(), pg_control_checkpoint(), "
	    "pg_stat_archiver";
	PGresult *r = PQexec(c->pg, query);

	if (PQresultStatus(r) != PGRES_TUPLES_OK || PQntuples(r) != 1) {
		(void)fail_set(f, FAIL_DENIED, "PostgreSQL", "%.*s",
		    (int)strcspn(PQerrorMessage(c->pg), "\n"),
		    PQerrorMessage(c->pg));
		PQclear(r);
		return fail_hint(
		    f, "the user needs the role pg_monitor, or is a superuser");
	}
	*out = (struct conn_archiver){ 0 };
	out->sysid = strtoull(PQgetvalue(r, 0, 0), NULL, 10);
	out->tli = (uint32_t)strtoul(PQgetvalue(r, 0, 1), NULL, 10);
	copy(out->archive_mode, sizeof out->archive_mode, r, 2);
	copy(out->archive_command, sizeof out->archive_command, r, 3);
	out->in_recovery = PQgetvalue(r, 0, 4)[0] == 't';
	out->archived_count = strtoull(PQgetvalue(r, 0, 5), NULL, 10);
	out->failed_count = strtoull(PQgetvalue(r, 0, 6), NULL, 10);
	copy(out->last_archived, sizeof out->last_archived, r, 7);
	copy(out->last_failed, sizeof out->last_failed, r, 8);
	out->failing = PQgetvalue(r, 0, 9)[0] == 't';
	if (lsn_parse(PQgetvalue(r, 0, 10), &out->current_lsn) != 0)
		out->current_lsn = LSN_NONE;
	PQclear(r);
	return 0;
}
