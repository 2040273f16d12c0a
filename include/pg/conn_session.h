/* SPDX-License-Identifier: PostgreSQL */
/* What the files of conn share.  For src/pg/conn*.c alone: see conn.h. */
#ifndef WALVAULT_PG_CONN_SESSION_H
#define WALVAULT_PG_CONN_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "conn.h"
#include "fail.h"

/* libpq's PGconn and PGresult, by their tags. */
struct pg_conn;
struct pg_result;

struct conn {
	struct pg_conn *pg;
};

/* Connect with libpq's keys and values; NULL on failure. */
struct conn *conn_connect(
    const char *const *keys, const char *const *values, struct fail *f);

#define CONN_INFO 1024

/*
 * What to connect with: conninfo, or where it is NULL the server that runs in
 * pgdata, as a text made in out.  NULL on failure.
 */
const char *conn_choose(const char *conninfo, const char *pgdata,
    char out[CONN_INFO], struct fail *f);

/*
 * Ask; params are texts, as many as the query's $n.  The result has at least
 * one row; the caller PQclears it.  NULL on failure (FAIL_DENIED, FAIL_CONFIG
 * for what the server refuses, FAIL_TRANSIENT for the rest).
 */
struct pg_result *conn_ask(struct conn *c, const char *query,
    const char *const *params, int n_params, struct fail *f);

/* The answer to what was sent: the same of it. */
struct pg_result *conn_answer(struct conn *c, struct fail *f);

/* The first row's columns.  NULL is an empty text, false, 0, LSN_NONE. */
void conn_text(const struct pg_result *r, int column, char *out, size_t cap);
bool conn_bool(const struct pg_result *r, int column);
uint64_t conn_u64(const struct pg_result *r, int column);
uint64_t conn_lsn(const struct pg_result *r, int column);

#endif
