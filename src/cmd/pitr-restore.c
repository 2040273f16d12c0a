/* SPDX-License-Identifier: PostgreSQL */
/*
 * pitr-restore DEST: a cluster as it was at some moment, in a new data
 * directory.  First the plan, from the repository alone; nothing is touched
 * before it is known that there is a way.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "exitcode.h"
#include "log.h"
#include "lsn.h"
#include "merged.h"
#include "process.h"
#include "restore_job.h"
#include "snapshot.h"

static const char usage[] = "pitr-restore [option ...] DEST";
static const char about[] =
    "Bring a cluster back, as it was at some moment, into the new data "
    "directory DEST.\n"
    "Exit status: 0 done; 1 failed; 2 the target cannot be reached (the "
    "nearest moments\nthat can are named); 3 usage or configuration.";

/* All stores as they are now, each for itself and as one. */
static int
list_all(struct restore_job *j, struct fail *f)
{
	struct store *stores[CONF_STORES_MAX] = { NULL };

	for (size_t i = 0; i < j->setup.n; i++) {
		snapshot_system(&j->setup.repos[i], &j->views[i]);
		stores[i] = j->views[i].store;
	}
	j->listed = j->repo;
	j->listed.store = stores[0];
	if (j->setup.n == 1)
		return 0;
	j->view = merged_new(stores, j->setup.n, f);
	j->listed.store = j->view;
	return j->view != NULL ? 0 : -1;
}

/* What is there, and the way through it. */
static int
make_plan(struct restore_job *j, struct fail *f)
{
	if (list_all(j, f) != 0 ||
	    index_load(&j->listed, &j->id, &j->index, f) != 0)
		return -1;
	j->has_index = true;
	for (size_t i = 0; i < j->setup.n; i++) {
		struct backup_list l;

		if (backup_list_load(&j->views[i], &l, f) != 0)
			return -1;
		if (backup_list_merge(&j->backups, &l) != 0)
			return fail_errno(f, "backups", "memory");
		j->has_backups = true;
	}
	return restore_choose(j, f);
}

/* What cannot be read may have been the better choice. */
static void
warn_of_damage(struct restore_job *j)
{
	for (size_t i = 0; i < j->backups.n; i++) {
		const struct backup *b = &j->backups.list[i];

		if (b->state == BACKUP_DAMAGED)
			restore_warn(j,
			    "backup %s is damaged and is not used: %s", b->id,
			    b->why);
	}
}

static void
log_warnings(const struct restore_job *j)
{
	for (size_t i = 0; i < j->n_warnings; i++)
		log_warning("restore: %s", j->warnings[i]);
}

static int
find_places(struct restore_job *j, struct fail *f)
{
	struct restore_where where = { .dest = j->dest,
		.map = j->maps,
		.n_map = j->n_maps,
		.tablespace_dir = conf_text(
		    j->setup.conf, OPT_TABLESPACE_DIR, NULL) };

	if (restore_places(&j->set, &where, &j->places, f) != 0)
		return -1;
	j->has_places = true;
	if (j->dest == NULL)
		return 0;
	return restore_check_places(&j->places, f);
}

/* Recovery knows no other place for it, whatever lives there now. */
static int
check_new_tablespaces(struct restore_job *j, struct fail *f)
{
	const struct waltablespace *t = &j->plan.tablespace;
	char lsn[LSN_TEXT];

	if (t->lsn == LSN_NONE ||
	    conf_number(j->setup.conf, OPT_NEW_TABLESPACES) != 0)
		return 0;
	lsn_format(t->lsn, lsn);
	if (j->plan_only) {
		restore_warn(j,
		    "the WAL creates a tablespace at %s (at %s): recovery "
		    "makes it there, over what is there now; it wants "
		    "--new-tablespaces",
		    t->path, lsn);
		return 0;
	}
	(void)fail_set(f, FAIL_CONFIG, t->path,
	    "the WAL creates a tablespace there (at %s), and recovery would "
	    "make it there, over what is there now",
	    lsn);
	return fail_hint(f,
	    "if no living server has files there, make the directory, and add "
	    "--new-tablespaces; or stop before it: --to-lsn %s --exclusive; "
	    "or begin with a later backup",
	    lsn);
}

/* A plan knows what the stores know that were asked. */
static void
warn_of_left_out(struct restore_job *j)
{
	char names[160];

	conf_left_out(j->setup.conf, names, sizeof names);
	if (names[0] != '\0')
		restore_warn(j,
		    "left out: %s: backups and WAL that are nowhere else are "
		    "not known here, so the end may be later than this plan's",
		    names);
}

/* Everything that can be known before anything is touched. */
static int
prepare(struct restore_job *j, struct fail *f)
{
	if (find_places(j, f) != 0 || restore_compose_command(j, f) != 0)
		return -1;
	if (check_new_tablespaces(j, f) != 0)
		return -1;
	restore_compare_hosts(j);
	warn_of_left_out(j);
	warn_of_damage(j);
	if (j->dest == NULL)
		return 0;
	if (j->start && restore_find_server(j, f) != 0)
		return -1;
	if (!j->plan_only)
		return restore_check_room(&j->places, f);
	if (restore_check_room(&j->places, f) != 0) {
		restore_warn(j, "%s: %s", f->object, f->cause);
		j->no_room = true;
	}
	return 0;
}

static void
show_progress(void *arg, const struct restore_progress *p)
{
	struct restore_job *j = arg;

	meter_show(&j->meter, "restoring", p->done, p->total);
	restore_lease_refresh(j);
}

/* What is left of a restore that did not end. */
static int
tell_unfinished(const struct restore_job *j, struct fail *f)
{
	char places[400] = "";
	size_t n = 0;

	if (!j->result.begun)
		return -1;
	for (size_t i = 0; i < j->places.n && n < sizeof places; i++)
		n += (size_t)snprintf(places + n, sizeof places - n, " %s",
		    j->places.list[i].path);
	(void)fail_add(f, "%s is not complete and cannot be started", j->dest);
	if (f->hint[0] != '\0')
		return -1;
	if (n >= sizeof places)
		return fail_hint(f,
		    "empty it and all tablespaces' places, "
		    "then type the same again");
	return fail_hint(f,
	    "empty it, then type the same again: find%s -mindepth 1 -delete",
	    places);
}

static int
carry_out(struct restore_job *j, struct fail *f)
{
	struct restore_args args = { .repos = j->workers,
		.n_repos = j->n_workers,
		.plan = &j->plan,
		.set = &j->set,
		.places = &j->places,
		.restore_command = j->restore_command,
		.action = j->action,
		.standby = j->standby,
		.rejoin = j->rejoin,
		.progress = show_progress,
		.arg = j,
		.stopped = process_stopped };
	int64_t begin = clock_monotonic_ms();
	int rc;

	process_catch_stop();
	meter_begin(&j->meter);
	rc = restore_run(&args, &j->result, f);
	meter_end(&j->meter);
	if (rc != 0) {
		(void)restore_name_other(j, f);
		return tell_unfinished(j, f);
	}
	j->restored = true;
	log_info("restored: %s: backup=%s files=%llu bytes=%llu ms=%lld",
	    j->dest, j->plan.backup.id, (unsigned long long)j->result.files,
	    (unsigned long long)j->result.bytes,
	    (long long)(clock_monotonic_ms() - begin));
	return 0;
}

/* Under its lease: expire leaves alone what is needed here. */
static int
restore_all(struct restore_job *j, struct fail *f)
{
	int rc = carry_out(j, f);

	/* Deletions that were under way when the lease was written are over. */
	if (rc == 0)
		rc = restore_lease_check(j, f);
	if (rc != 0) {
		restore_lease_end(j);
		return -1;
	}
	if (j->start)
		rc = restore_start(j, f);
	/* A standby goes on; so may a server that somebody starts once more. */
	if (j->start && rc == 0 && !j->standby)
		restore_lease_end(j);
	else
		restore_lease_leave(j);
	return rc;
}

static int
run(struct restore_job *j, struct fail *f)
{
	if (restore_options(j, f) != 0 || setup_stores(&j->setup, f) != 0 ||
	    restore_open_repository(j, f) != 0 || make_plan(j, f) != 0)
		return -1;
	if (!j->plan.reachable) {
		warn_of_left_out(j);
		warn_of_damage(j);
		log_warnings(j);
		restore_report_unreachable(j);
		return EXIT_UNREACHABLE;
	}
	if (prepare(j, f) != 0)
		return -1;
	if (!j->plan_only) {
		if (restore_lease_begin(j, f) != 0)
			return -1;
		log_warnings(j);
		if (restore_all(j, f) != 0)
			return -1;
	}
	restore_report(j);
	return EXIT_FINE;
}

static void
job_clear(struct restore_job *j)
{
	if (j->has_places)
		restore_places_clear(&j->places);
	if (j->has_set)
		restore_set_clear(&j->set);
	if (j->has_plan)
		plan_clear(&j->plan);
	if (j->has_backups)
		backup_list_clear(&j->backups);
	if (j->has_index)
		index_clear(&j->index);
	store_free(j->view);
	for (size_t i = 0; i < CONF_STORES_MAX; i++)
		snapshot_end(&j->views[i]);
	for (size_t i = 0; i < j->n_workers; i++)
		store_free(j->worker_stores[i]);
	store_free(j->merged);
	for (size_t i = 0; i < j->n_maps; i++)
		free(j->maps[i].old);
	setup_clear(&j->setup);
}

int
main(int argc, char **argv)
{
	static struct restore_job job;
	struct fail f = { .kind = FAIL_NONE };
	int rc;

	process_begin();
	/* A file that may not grow is an error like any other. */
	(void)signal(SIGXFSZ, SIG_IGN);
	log_setup("pitr-restore", LOG_INFO, false);
	if (setup_help(CMD_PITR_RESTORE, usage, about, argc, argv) != 0)
		return EXIT_FINE;
	rc = setup_conf(&job.setup, CMD_PITR_RESTORE, argc - 1, argv + 1, &f);
	if (rc == 0)
		rc = run(&job, &f);
	if (rc < 0) {
		log_fail(LOG_ERROR, "not restored", &f);
		rc = exitcode_walvault(&f);
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		log_error("standard output: cannot write");
		rc = rc == EXIT_FINE ? EXIT_PROBLEM : rc;
	}
	job_clear(&job);
	return rc;
}
