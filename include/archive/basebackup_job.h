/* SPDX-License-Identifier: PostgreSQL */
/* A base backup on its way; shared by the files basebackup*.c. */
#ifndef WALVAULT_ARCHIVE_BASEBACKUP_JOB_H
#define WALVAULT_ARCHIVE_BASEBACKUP_JOB_H

#include "basebackup.h"
#include "clock.h"
#include "conn.h"
#include "control.h"
#include "copy.h"
#include "label.h"
#include "mirror.h"
#include "several.h"
#include "timeline.h"

struct basebackup {
	const struct basebackup_args *args;
	struct basebackup_result *result;
	struct identity identity;  /* of the cluster */
	struct mirror *mirror;     /* which of the stores are in */
	struct repository repo;    /* puts into all of them */
	struct manifest_head head; /* what is known of the manifest */
	char id[BACKUP_ID];
	struct backup_begin begin;
	int lock, data_lock; /* descriptors, or -1 */
	/* The newest backup here, to guess what this one will need; or 0. */
	uint64_t last_bytes, last_stored;
	struct conn *conn;
	struct conn_server server;
	struct control control;
	struct control_details details;
	struct buf control_file; /* as read behind all other files */
	uint64_t start_lsn;
	struct conn_stop stop;
	struct timeline line; /* from the start to the stop */
	struct source *source;
	struct source_list list;
	struct copy_progress progress;
	struct copy_result copied;
	enum basebackup_phase phase;
	int64_t alive_ms; /* when the session was last asked */
	bool started;     /* pg_backup_start, and no pg_backup_stop yet */
	/* Stores that others have found down, until they answer. */
	bool down[STORES_MAX];
	size_t n_proven; /* stores that have WAL of the server */
	/* Stores that may have the manifest, also if it has failed. */
	bool may_have[STORES_MAX];
	bool left_behind; /* a thread has not come back from a store */
};

/*
 * To be called now and then: is all well?  Tells of progress, notices a stop
 * and a lost session.  0 or -1.
 */
int basebackup_tick(struct basebackup *b, struct fail *f);

/* Open the repositories that answer.  0 or -1. */
int basebackup_open(struct basebackup *b, struct fail *f);

/* Everything that can be known to be wrong before anything is done; opens the
 * session.  0 or -1. */
int basebackup_check(struct basebackup *b, struct fail *f);

/* No other backup of this cluster runs on this host.  0 or -1. */
int basebackup_lock(struct basebackup *b, struct fail *f);

/*
 * Each of these asks all stores (basebackup_step.h): are other backups being
 * made; write the note b->begin; is there room for what is listed; is the
 * backup not being deleted.  0 or -1.
 */
int basebackup_look_at_others(struct basebackup *b, struct fail *f);
int basebackup_put_begin(struct basebackup *b, struct fail *f);
int basebackup_check_space(struct basebackup *b, struct fail *f);
int basebackup_check_kept(struct basebackup *b, struct fail *f);

/* Those that have it get their index renewed (heads.h). */
void basebackup_renew_heads(struct basebackup *b);

/* Wait until the server is seen to archive.  0 or -1. */
int basebackup_prove_archiving(struct basebackup *b, struct fail *f);

/*
 * Wait until all WAL from start to stop is in the repository, and verify it;
 * fills line.  0 or -1.
 */
int basebackup_wait_wal(struct basebackup *b, struct fail *f);

/*
 * The last pack: backup_label, tablespace_map, backup_manifest, pg_control.
 * Fills counts in head.  0 or -1.
 */
int basebackup_last_pack(struct basebackup *b, struct fail *f);

/* The manifest: from now on the backup exists.  0; -1: see may_have. */
int basebackup_publish(struct basebackup *b, struct fail *f);

#endif
