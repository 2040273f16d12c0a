/* SPDX-License-Identifier: PostgreSQL */
/* One run of pitr-restore: what was asked, what was found, what was done. */
#ifndef WALVAULT_CMD_RESTORE_JOB_H
#define WALVAULT_CMD_RESTORE_JOB_H

#include "backup.h"
#include "index.h"
#include "meter.h"
#include "plan.h"
#include "restore.h"
#include "setup.h"

#define RESTORE_WARNINGS 16
#define RESTORE_MAPS     256

/* The server's command may have 1023 bytes (MAXPGPATH) up to PostgreSQL 15. */
#define RESTORE_COMMAND 1023

/* How a started server ended its recovery. */
struct restore_server {
	bool started, running, standby;
	unsigned starts;
	int64_t pid;
	char bindir[PATH_MAX];
	char socket_dir[64]; /* "" once the server has stopped */
	char log[PATH_MAX];
	uint32_t new_tli;  /* promoted to; 0: not */
	uint64_t stop_lsn; /* where it says it stopped; 0: it did not say */
	bool has_last;
	int64_t last_xact; /* the last transaction's time, as it says */
};

/* What keeps expire from what is needed; held: the note is in the store. */
struct restore_lease {
	struct backup_lease note[CONF_STORES_MAX];
	bool wanted[CONF_STORES_MAX]; /* the store has the backup */
	bool held[CONF_STORES_MAX];   /* in which stores */
	int64_t written_ms;           /* monotonic */
};

struct restore_job {
	struct setup setup;
	struct meter meter;
	/* What was asked: */
	struct plan_target target;
	const char *target_text; /* "" for latest and immediate */
	const char *dest;        /* NULL: only a plan is wanted */
	char dest_path[PATH_MAX];
	enum restore_action action;
	bool plan_only, json, start, standby, rejoin;
	struct restore_map maps[RESTORE_MAPS];
	size_t n_maps;
	/* What was found: */
	struct store *merged;   /* of several stores, or NULL */
	struct repository repo; /* all stores, read as one */
	struct identity id;
	struct store *worker_stores[64];
	struct repository workers[64];
	size_t n_workers;
	/* As they were when the way was planned: each store, and all as one. */
	struct repository views[CONF_STORES_MAX], listed;
	struct store *view;
	struct index index;
	struct backup_list backups;
	struct plan plan;
	struct restore_set set;
	struct restore_places places;
	bool has_index, has_backups, has_plan, has_set, has_places;
	bool no_room; /* the plan cannot be carried out there */
	char restore_command[RESTORE_COMMAND + 1];
	char warnings[RESTORE_WARNINGS][256];
	size_t n_warnings;
	/* What was done: */
	struct restore_lease lease;
	bool restored;
	struct restore_result result;
	struct restore_server server;
};

/* What a recovering server needs as high as the old one had it. */
#define RESTORE_LIMITS 5
const char *restore_limit_name(size_t i);
uint32_t *restore_limit(struct control_details *d, size_t i);

/* Take the options apart.  0, or -1 FAIL_CONFIG. */
int restore_options(struct restore_job *j, struct fail *f);

/* Find the repository and the system in it; open the workers' stores. */
int restore_open_repository(struct restore_job *j, struct fail *f);

/*
 * Plan, with a backup whose manifest can be read and whose packs are there.
 * Those that are not whole are marked as damaged in j->backups.  0 (see
 * j->plan.reachable; if so, j->set is loaded), or -1.
 */
int restore_choose(struct restore_job *j, struct fail *f);

/*
 * If the plan's backup turned out to be damaged while it was restored: have the
 * hint of *f say which other one leads to the same moment.  The plan is another
 * one then.  Always -1.
 */
int restore_name_other(struct restore_job *j, struct fail *f);

/* Compose the server's restore_command. */
int restore_compose_command(struct restore_job *j, struct fail *f);

void
restore_warn(struct restore_job *j, const char *fmt, ...) FAIL_PRINTF(2, 3);

/*
 * Protect the plan's backup and WAL, and look then whether they are still
 * there.  0 (with a warning if the store cannot be written), or -1
 * (FAIL_ABSENT: they are not).
 */
int restore_lease_begin(struct restore_job *j, struct fail *f);

/* Called often; writes a new note when it is time. */
void restore_lease_refresh(struct restore_job *j);

/* Is what is still needed there?  0, or -1 (FAIL_ABSENT: it is not). */
int restore_lease_check(struct restore_job *j, struct fail *f);

/* The recovery goes on without us: all its time from now on. */
void restore_lease_leave(struct restore_job *j);

/* Nothing is needed any more. */
void restore_lease_end(struct restore_job *j);

/* Until when expire keeps what is needed (INT64_MIN: it does not). */
int64_t restore_lease_until(const struct restore_job *j);

/* Compare the backup's home with this host. */
void restore_compare_hosts(struct restore_job *j);

/* The words for targets and actions. */
const char *restore_type_name(enum plan_type type);
const char *restore_action_name(enum restore_action action);

/* Print the plan as JSON, also one that has no way. */
void restore_print_json(const struct restore_job *j);

/* Print the plan, or what was done of it, on standard output. */
void restore_report(const struct restore_job *j);

/* Log why the target cannot be reached, and what can. */
void restore_report_unreachable(const struct restore_job *j);

/* Where a server's programs are: fill j->server.bindir.  0 or -1. */
int restore_find_server(struct restore_job *j, struct fail *f);

/*
 * Start the server, wait until its recovery has ended, compare that with the
 * plan.  0, or -1 (the server has been stopped, its log shown).
 */
int restore_start(struct restore_job *j, struct fail *f);

/* Stop it, if it runs, and wait until it has ended. */
void restore_stop_server(struct restore_job *j);

#endif
