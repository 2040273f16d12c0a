/* SPDX-License-Identifier: PostgreSQL */
/* Questions to a running server.  The only user of libpq. */
#ifndef WALVAULT_PG_CONN_H
#define WALVAULT_PG_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "fail.h"

struct conn;

/*
 * conninfo as libpq takes it; NULL: the server of pgdata, by its
 * postmaster.pid.  NULL on failure (FAIL_CONFIG: no way to reach one is known;
 * FAIL_TRANSIENT: it does not answer).
 */
struct conn *
conn_open(const char *conninfo, const char *pgdata, struct fail *f);
void conn_close(struct conn *c);

/* What archiving looks like from the server. */
struct conn_archiver {
	uint64_t sysid;
	uint32_t tli; /* of the last checkpoint */
	char archive_mode[16];
	char archive_command[1024]; /* or the archive library's name */
	bool in_recovery;
	uint64_t archived_count, failed_count;
	char last_archived[64], last_failed[64];
	bool failing; /* the last failure is newer than the last success */
	uint64_t current_lsn;
};

/* Fill *out.  0 or -1. */
int conn_archiver(struct conn *c, struct conn_archiver *out, struct fail *f);

#endif
