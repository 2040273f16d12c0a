/* SPDX-License-Identifier: PostgreSQL */
/*
 * basebackup: a physical backup of a running cluster.  The work itself is in
 * archive/basebackup.c; here are options, signals, and what people see.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "basebackup.h"
#include "exitcode.h"
#include "log.h"
#include "meter.h"
#include "process.h"
#include "report_backup.h"
#include "setup.h"

static const char usage[] = "basebackup [option ...]";
static const char about[] =
    "Make a base backup of the running cluster in pgdata.\n"
    "Exit status: 0 complete; 1 failed, nothing published unless the last "
    "record says\nwhere; 2 complete, but pages with wrong checksums were "
    "found; "
    "3 usage or\nconfiguration.";

/* How long what is under way may take to end, once asked to. */
#define STOP_MS    2000
#define PUBLISH_MS 30000

struct job {
	struct setup setup;
	struct meter meter;
	char annotations[sizeof((struct manifest_summary *)0)->annotations];
	/* Shared with the thread that waits for signals. */
	atomic_bool stop, done;
	atomic_int phase;
	bool left_behind; /* a thread hangs in a store */
};

static void
pause_ms(long ms)
{
	struct timespec ts = { .tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&ts, NULL);
}

static void
stop_signals(sigset_t *set)
{
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGINT);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGHUP);
	(void)sigaddset(set, SIGQUIT);
}

/*
 * Waits for a signal that asks us to end.  What cannot be interrupted, such
 * as the server's checkpoint, ends with the process: packs have no names
 * until they are finished, and the server notices that its client is gone.
 */
static void *
wait_signals(void *arg)
{
	struct job *job = arg;
	int64_t patience = STOP_MS;
	sigset_t set;
	int signo;

	stop_signals(&set);
	if (sigwait(&set, &signo) != 0)
		return NULL;
	log_warning("stopping: signal %d (%s)", signo, strsignal(signo));
	if (atomic_load(&job->phase) == BASEBACKUP_PUBLISHING)
		patience = PUBLISH_MS;
	atomic_store(&job->stop, true);
	for (; patience > 0; patience -= 10) {
		if (atomic_load(&job->done))
			return NULL;
		pause_ms(10);
	}
	log_error("backup: stopped by signal %d%s", signo,
	    atomic_load(&job->phase) == BASEBACKUP_PUBLISHING
	        ? "; it may be there (hint: walvault info shows whether it is)"
	        : "");
	_exit(EXIT_PROBLEM);
}

static int
watch_signals(struct job *job, struct fail *f)
{
	pthread_t thread;
	sigset_t set;

	stop_signals(&set);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	errno = pthread_create(&thread, NULL, wait_signals, job);
	if (errno != 0)
		return fail_errno(f, "backup", "start a thread");
	(void)pthread_detach(thread);
	return 0;
}

/* Control characters would break the lines they are written into. */
static int
check_text(const char *option, const char *text, size_t max, struct fail *f)
{
	for (const char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ')
			return fail_set(f, FAIL_CONFIG, option,
			    "it must not contain control characters");
	if (strlen(text) > max)
		return fail_set(
		    f, FAIL_CONFIG, option, "it is longer than %zu bytes", max);
	return 0;
}

static int
take_annotations(struct job *job, struct fail *f)
{
	const struct conf *c = job->setup.conf;
	const char *text;
	size_t len = 0;

	for (size_t i = 0; (text = conf_repeated(c, OPT_ANNOTATE, i)) != NULL;
	     i++) {
		size_t room = sizeof job->annotations - len;

		if (check_text("--annotate", text, SIZE_MAX, f) != 0)
			return -1;
		if (text[0] == '=' || strchr(text, '=') == NULL)
			return fail_set(f, FAIL_CONFIG, "--annotate",
			    "'%s' is not KEY=VALUE", text);
		if (strlen(text) + 2 > room)
			return fail_set(f, FAIL_CONFIG, "--annotate",
			    "'%.40s' makes all of them, one to a line, longer "
			    "than the %zu bytes they may have together",
			    text, sizeof job->annotations - 1);
		len += (size_t)snprintf(
		    job->annotations + len, room, "%s\n", text);
	}
	return 0;
}

static int
check_options(struct job *job, struct fail *f)
{
	const struct conf *c = job->setup.conf;
	const char *label = conf_text(c, OPT_LABEL, NULL);

	if (conf_n_args(c) > 0)
		return fail_set(f, FAIL_CONFIG, conf_arg(c, 0),
		    "not an option: usage: %s", usage);
	if (label != NULL &&
	    check_text("--label", label,
	        sizeof((struct manifest_summary *)0)->label - 1, f) != 0)
		return -1;
	if (take_annotations(job, f) != 0)
		return -1;
	if (conf_text(c, OPT_PGDATA, NULL) != NULL)
		return 0;
	(void)fail_set(f, FAIL_CONFIG, "pgdata", "is not set");
	return fail_hint(
	    f, "set pgdata, or give --pgdata, the cluster's data directory");
}

static void
progress(void *arg, enum basebackup_phase phase, uint64_t done, uint64_t total)
{
	struct job *job = arg;

	atomic_store(&job->phase, (int)phase);
	meter_show(&job->meter, phase == BASEBACKUP_COPYING ? "copying" : NULL,
	    done, total);
}

/* 0, or -1 */
static int
backup(struct job *job, struct basebackup_result *out, struct fail *f)
{
	const struct conf *c = job->setup.conf;
	struct store_args stores[CONF_STORES_MAX];
	struct basebackup_args args = {
		.repos = job->setup.repos,
		.n_repos = job->setup.n,
		.stores = stores,
		.required = conf_n_required(c),
		.max_lag_ms = (int64_t)conf_number(c, OPT_MAX_LAG),
		.pgdata = conf_text(c, OPT_PGDATA, NULL),
		.conninfo = conf_text(c, OPT_CONNINFO, NULL),
		.state_dir = conf_text(c, OPT_STATE_DIR, NULL),
		.spool_dir = conf_text(c, OPT_SPOOL_DIR, NULL),
		.label = conf_text(c, OPT_LABEL, NULL),
		.annotations = job->annotations,
		.fast = conf_number(c, OPT_FAST) != 0,
		.jobs = (unsigned)conf_number(c, OPT_JOBS),
		.codec = { CODEC_LZ4, (int)conf_number(c, OPT_COMPRESS_LEVEL) },
		.wait_lock_ms = (int64_t)conf_number(c, OPT_WAIT_LOCK),
		.archive_wait_ms = (int64_t)conf_number(c, OPT_ARCHIVE_WAIT),
		.stop = &job->stop,
		.progress = progress,
		.arg = job,
	};

	for (size_t i = 0; i < job->setup.n; i++)
		setup_store_args(&job->setup, i, &stores[i]);
	return basebackup_run(&args, out, f);
}

/* Tell the result: the exit status. */
static int
report(struct job *job, const struct basebackup_result *r)
{
	int rc = r->summary.bad_pages > 0 ? EXIT_BAD_PAGES : EXIT_FINE;

	report_backup_log(r);
	report_backup_print(r, conf_cluster(job->setup.conf),
	    conf_number(job->setup.conf, OPT_JSON) != 0);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return rc;
	log_error("standard output: cannot write; the backup is complete");
	return rc;
}

static int
run(struct job *job, struct fail *f)
{
	struct basebackup_result result = { .n_bad = 0 };
	int rc;

	if (check_options(job, f) != 0 || setup_stores(&job->setup, f) != 0 ||
	    watch_signals(job, f) != 0)
		return -1;
	meter_begin(&job->meter);
	rc = backup(job, &result, f);
	job->left_behind = result.left_behind;
	atomic_store(&job->done, true);
	meter_end(&job->meter);
	if (rc == 0) {
		rc = report(job, &result);
	} else if (result.summary.id[0] != '\0') {
		/* It had begun: nothing about the usage was wrong. */
		report_backup_failure(&result, f);
		rc = EXIT_PROBLEM;
	}
	basebackup_result_clear(&result);
	return rc;
}

int
main(int argc, char **argv)
{
	/* Static: the thread that waits for signals outlives main's frame. */
	static struct job job;
	struct fail f = { .kind = FAIL_NONE };
	int rc;

	process_begin();
	log_setup("basebackup", LOG_INFO, false);
	if (setup_help(CMD_BASEBACKUP, usage, about, argc, argv) != 0)
		return EXIT_FINE;
	rc = setup_conf(&job.setup, CMD_BASEBACKUP, argc - 1, argv + 1, &f);
	if (rc == 0)
		rc = run(&job, &f);
	if (rc < 0) {
		log_fail(LOG_ERROR, "no backup", &f);
		rc = exitcode_walvault(&f);
	}
	/* What hangs still uses what would be freed, here and by exit. */
	if (job.left_behind)
		_exit(rc);
	setup_clear(&job.setup);
	return rc;
}
