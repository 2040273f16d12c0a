/* SPDX-License-Identifier: PostgreSQL */
/* Questions to a running server: see conn.h. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "conn.h"
#include "conn_session.h"
#include "io.h"
#include "log.h"
#include "lsn.h"

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

static int
find_server(const char *pgdata, char out[CONN_INFO], struct fail *f)
{
	struct buf b = { 0 };
	char path[PATH_MAX], port[16], host[512];
	int rc;

	(void)snprintf(path, sizeof path, "%.4000s/postmaster.pid", pgdata);
	rc = io_read_file(AT_FDCWD, path, 8192, &b, f);
	if (rc == 1) {
		(void)fail_set(f, FAIL_TRANSIENT, path,
		    "no such file: the server is not running");
		rc = fail_hint(f, "start it, or check pgdata and conninfo");
	}
	if (rc == 0 &&
	    (pidfile_line(&b, PIDFILE_PORT, port, sizeof port) != 0 ||
	        (pidfile_line(&b, PIDFILE_SOCKET, host, sizeof host) != 0 &&
	            pidfile_line(&b, PIDFILE_ADDRESS, host, sizeof host) != 0)))
		rc = fail_set(f, FAIL_TRANSIENT, path,
		    "it does not say where the server listens");
	buf_clear(&b);
	if (rc == 0)
		(void)snprintf(out, CONN_INFO,
		    "host='%s' port='%s' dbname=postgres", host, port);
	return rc;
}

const char *
conn_choose(const char *conninfo, const char *pgdata, char out[CONN_INFO],
    struct fail *f)
{
	if (conninfo != NULL)
		return conninfo;
	if (pgdata != NULL)
		return find_server(pgdata, out, f) == 0 ? out : NULL;
	(void)fail_set(
	    f, FAIL_CONFIG, "conninfo", "neither it nor pgdata is set");
	return NULL;
}

/* What a server says beside its answers is not for its user's eyes. */
static void
notice(void *unused, const char *message)
{
	(void)unused;
	log_debug("server: %.*s", (int)strcspn(message, "\n"), message);
}

struct conn *
conn_connect(const char *const *keys, const char *const *values, struct fail *f)
{
	struct conn *c = calloc(1, sizeof *c);

	if (c == NULL) {
		(void)fail_errno(f, "connection", "memory");
		return NULL;
	}
	c->pg = PQconnectdbParams(keys, values, 1);
	if (PQstatus(c->pg) == CONNECTION_OK) {
		(void)PQsetNoticeProcessor(c->pg, notice, NULL);
		return c;
	}
	(void)fail_set(f, FAIL_TRANSIENT, "PostgreSQL", "%.*s",
	    (int)strcspn(PQerrorMessage(c->pg), "\n"), PQerrorMessage(c->pg));
	conn_close(c);
	return NULL;
}

struct conn *
conn_open(const char *conninfo, const char *pgdata, struct fail *f)
{
	const char *keys[] = { "dbname", "application_name", "connect_timeout",
		"options", NULL };
	const char *values[] = { NULL, "walvault", "10",
		"-c statement_timeout=10000", NULL };
	char made[CONN_INFO];

	values[0] = conn_choose(conninfo, pgdata, made, f);
	return values[0] != NULL ? conn_connect(keys, values, f) : NULL;
}

void
conn_close(struct conn *c)
{
	if (c == NULL)
		return;
	PQfinish(c->pg);
	free(c);
}

/* Why the server has not answered; SQLSTATEs are in PostgreSQL's appendix A. */
static int
refusal(const struct conn *c, const PGresult *r, struct fail *f)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	enum fail_kind kind = FAIL_TRANSIENT;

	if (text == NULL)
		text = PQerrorMessage(c->pg);
	if (state != NULL && strcmp(state, "42501") == 0)
		kind = FAIL_DENIED;
	else if (state != NULL &&
	    (strncmp(state, "22", 2) == 0 || strncmp(state, "42", 2) == 0 ||
	        strcmp(state, "55000") == 0))
		kind = FAIL_CONFIG;
	(void)fail_set(
	    f, kind, "PostgreSQL", "%.*s", (int)strcspn(text, "\n"), text);
	if (PQstatus(c->pg) != CONNECTION_OK)
		return fail_hint(f,
		    "the server's log says why the session ended; try again "
		    "when the server runs");
	text = PQresultErrorField(r, PG_DIAG_MESSAGE_HINT);
	if (kind == FAIL_DENIED)
		return fail_hint(f,
		    "the user must be a superuser, or have the role "
		    "pg_monitor and, for backups, EXECUTE on the functions "
		    "that start and stop them");
	return text != NULL ? fail_hint(f, "%s", text) : -1;
}

static PGresult *
judge(const struct conn *c, PGresult *r, struct fail *f)
{
	if (PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) > 0)
		return r;
	if (PQresultStatus(r) == PGRES_TUPLES_OK)
		(void)fail_set(
		    f, FAIL_INTERNAL, "PostgreSQL", "an answer without rows");
	else
		(void)refusal(c, r, f);
	PQclear(r);
	return NULL;
}

PGresult *
conn_ask(struct conn *c, const char *query, const char *const *params,
    int n_params, struct fail *f)
{
	return judge(c,
	    PQexecParams(c->pg, query, n_params, NULL, params, NULL, NULL, 0),
	    f);
}

PGresult *
conn_answer(struct conn *c, struct fail *f)
{
	PGresult *r = PQgetResult(c->pg), *more;

	while (r != NULL && (more = PQgetResult(c->pg)) != NULL) {
		PQclear(r);
		r = more;
	}
	return judge(c, r, f);
}

void
conn_text(const PGresult *r, int column, char *out, size_t cap)
{
	(void)snprintf(out, cap, "%s", PQgetvalue(r, 0, column));
}

bool
conn_bool(const PGresult *r, int column)
{
	return PQgetvalue(r, 0, column)[0] == 't';
}

uint64_t
conn_u64(const PGresult *r, int column)
{
	return strtoull(PQgetvalue(r, 0, column), NULL, 10);
}

uint64_t
conn_lsn(const PGresult *r, int column)
{
	uint64_t lsn;

	if (lsn_parse(PQgetvalue(r, 0, column), &lsn) != 0)
		return LSN_NONE;
	return lsn;
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
	PGresult *r = conn_ask(c, query, NULL, 0, f);

	if (r == NULL)
		return -1;
	*out = (struct conn_archiver){ 0 };
	out->sysid = conn_u64(r, 0);
	out->tli = (uint32_t)conn_u64(r, 1);
	conn_text(r, 2, out->archive_mode, sizeof out->archive_mode);
	conn_text(r, 3, out->archive_command, sizeof out->archive_command);
	out->in_recovery = conn_bool(r, 4);
	out->archived_count = conn_u64(r, 5);
	out->failed_count = conn_u64(r, 6);
	conn_text(r, 7, out->last_archived, sizeof out->last_archived);
	conn_text(r, 8, out->last_failed, sizeof out->last_failed);
	out->failing = conn_bool(r, 9);
	out->current_lsn = conn_lsn(r, 10);
	PQclear(r);
	return 0;
}
