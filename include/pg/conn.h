/* SPDX-License-Identifier: PostgreSQL */
/* Questions to a running server.  The only user of libpq. */
#ifndef WALVAULT_PG_CONN_H
#define WALVAULT_PG_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
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

/* What a base backup must know of the server before it begins. */
struct conn_server {
	uint64_t sysid;
	uint32_t version_num;
	bool in_recovery;
	bool may_backup;   /* may call pg_backup_start */
	bool wal_level_ok; /* replica or logical */
	bool full_page_writes;
	char data_directory[1024], config_file[1024], hba_file[1024],
	    ident_file[1024];
	char archive_mode[16];
	char archive_command[1024];
	char preload[1024];
	char icu[64], locale[128];
	uint64_t checkpoint_redo; /* pg_control_checkpoint() */
	uint32_t checkpoint_tli;
	uint64_t current_lsn; /* insert position, or replayed on a standby */
	int64_t now;          /* clock_timestamp() */
	struct buf included;  /* sourcefile of all settings, '\n' behind each */
};

/*
 * For a backup: no time-outs, keepalives on.  The session must stay open from
 * start to stop.
 */
struct conn *
conn_open_backup(const char *conninfo, const char *pgdata, struct fail *f);

/* out->included is the caller's to clear.  0 or -1. */
int conn_server(struct conn *c, struct conn_server *out, struct fail *f);

/* Ask again what moves: in_recovery, checkpoint, position, time.  0 or -1. */
int conn_server_state(struct conn *c, struct conn_server *out, struct fail *f);

/* Called while an answer is awaited; -1 (a failure) ends that. */
struct conn_wait {
	int (*tick)(void *arg, struct fail *f);
	void *arg;
};

/*
 * pg_backup_start (pg_start_backup up to 14, never exclusive).  If tick fails
 * the server is asked to end its checkpoint's wait.  0 or -1.
 */
int conn_backup_start(struct conn *c, const char *label, bool fast,
    const struct conn_wait *wait, uint64_t *start_lsn, struct fail *f);

struct conn_stop {
	uint64_t stop_lsn;
	struct buf label_file, tablespace_map; /* byte for byte */
	int64_t now; /* clock_timestamp() behind the stop */
	bool in_recovery;
};

/* Does not wait for archiving.  0 (the caller clears the buffers) or -1. */
int conn_backup_stop(struct conn *c, struct conn_stop *out, struct fail *f);

/* Is the session still there?  Asks the server.  0 or -1. */
int conn_alive(struct conn *c, struct fail *f);

/* pg_switch_wal(), on a primary.  0 or -1. */
int conn_switch_wal(struct conn *c, struct fail *f);

/*
 * Where recovery stands.  replayed is 0 before anything was; paused,
 * in_recovery; last_xact is pg_last_xact_replay_timestamp or INT64_MIN.
 */
struct conn_recovery {
	bool in_recovery, paused;
	uint64_t replayed;
	int64_t last_xact;
	uint32_t tli;
};
int conn_recovery(struct conn *c, struct conn_recovery *out, struct fail *f);

#endif
