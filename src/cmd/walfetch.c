/* SPDX-License-Identifier: PostgreSQL */
/*
 * walfetch NAME DEST: PostgreSQL's restore_command.  In recovery the server
 * takes "no such file" as the end of the WAL and promotes, so that answer is
 * given only when it is proven; everything else stops the server.  The way of
 * the file is in archive/fetch.c.
 */
#include <stdio.h>
#include <string.h>

#include "exitcode.h"
#include "fetch.h"
#include "io.h"
#include "log.h"
#include "process.h"
#include "setup.h"

static const char usage[] = "walfetch [option ...] NAME DEST";
static const char about[] =
    "Bring one WAL file back: restore_command = 'walfetch %f %p'.\n"
    "Exit status: 0 in place, verified; 1 proven absent (on a standby also: "
    "not now);\n"
    "200 anything else, so that recovery stops instead of ending early.";

/* How long it may take to answer from this host's memory. */
#define MEMORY_MS 2000

/* How long one store may say nothing before the next is asked, too. */
#define PATIENCE_MS 2000

struct job {
	struct setup setup;
	struct several several;
	struct fetch_args args; /* threads may outlive whoever asks */
	enum fetch_mode mode;
	const char *name, *dest;
	int64_t timeout;
};

/* Before any configuration is read: it decides what an error means. */
static enum fetch_mode
mode_of_directory(void)
{
	if (io_exists("standby.signal") == 1)
		return FETCH_STANDBY;
	if (io_exists("recovery.signal") == 1)
		return FETCH_RECOVERY;
	return io_exists("global/pg_control") == 1 ? FETCH_PROMOTED
	                                           : FETCH_OTHER;
}

static int
failure_code(enum fetch_mode mode)
{
	return mode == FETCH_STANDBY ? FETCH_ABSENT : FETCH_STOP;
}

/* Open the stores and put the options together.  0 or -1. */
static int
prepare(struct job *job, struct fetch_args *args, struct fail *f)
{
	struct conf *c = job->setup.conf;
	const char *sysid = conf_text(c, OPT_SYSID, NULL), *origin;

	(void)conf_text(c, OPT_GENERATION, &origin);

	*args = (struct fetch_args){
		.repos = job->setup.repos,
		.generation = (uint32_t)conf_number(c, OPT_GENERATION),
		.generation_given = strcmp(origin, "default") != 0,
		.sysid = sysid != NULL ? conf_number(c, OPT_SYSID) : 0,
		.pgdata = conf_text(c, OPT_PGDATA, NULL),
		.state_dir = conf_text(c, OPT_STATE_DIR, NULL),
		.mode = job->mode,
		.allow_damaged = conf_number(c, OPT_ALLOW_DAMAGED) != 0,
		.deadline = setup_deadline(job->timeout),
	};
	job->setup.deadline = args->deadline;
	if (setup_stores(&job->setup, f) != 0)
		return -1;
	args->n_repos = job->setup.n;
	return 0;
}

/* One store needs none of this. */
static void
begin_several(struct job *job)
{
	if (job->setup.n < 2)
		return;
	job->several = (struct several){
		.repos = job->setup.repos,
		.n = job->setup.n,
		.required = 1,
		.grace_ms = job->timeout / 4 < PATIENCE_MS ? job->timeout / 4
		                                           : PATIENCE_MS,
		.deadline = job->setup.deadline,
		.state_dir = job->args.state_dir,
	};
	several_begin(&job->several);
	job->args.several = &job->several;
}

/* Only recovery to a target has a plan: 0 (also without one) or -1. */
static int
read_plan(struct job *job, struct fetch_args *args, struct fail *f)
{
	int rc = 1;

	if (job->mode == FETCH_RECOVERY)
		rc = planfile_read(".", &args->plan, f);
	args->has_plan = rc == 0;
	return rc < 0 ? -1 : 0;
}

static int
fetch(struct job *job, struct fail *f)
{
	struct fetch_args *args = &job->args;
	int rc;

	if (prepare(job, args, f) != 0 || read_plan(job, args, f) != 0)
		return -1;
	begin_several(job);
	rc = fetch_file(args, job->name, job->dest, f);
	if (args->several != NULL)
		several_end(args->several);
	if (args->has_plan)
		planfile_clear(&args->plan);
	return rc;
}

/* What the worker would have done had the store failed instead of hung. */
static int
work_remembered(void *arg)
{
	struct job *job = arg;
	struct fetch_args args;
	struct fail f;
	int rc = prepare(job, &args, &f);

	if (rc == 0)
		rc = fetch_remembered(&args, job->name, job->dest, &f);
	setup_clear(&job->setup);
	return rc == 0 ? FETCH_DONE : FETCH_STOP;
}

static int
work(void *arg)
{
	struct job *job = arg;
	struct fail f = { .kind = FAIL_NONE };
	int64_t begin = clock_monotonic_ms();
	int rc = fetch(job, &f);

	if (rc == 0) {
		log_info("fetched: %s: ms=%lld", job->name,
		    (long long)(clock_monotonic_ms() - begin));
	} else if (rc == 1) {
		log_info("absent: %s: %s", job->name,
		    f.kind == FAIL_ABSENT ? f.cause : "no store has it");
		rc = FETCH_ABSENT;
	} else {
		log_fail(LOG_ERROR, "not fetched", &f);
		rc = failure_code(job->mode);
	}
	/* A thread that hangs in a store keeps this process from ending. */
	if (!several_is_quiet(&job->several))
		process_answer(rc);
	setup_clear(&job->setup);
	return rc;
}

static int
supervise(struct job *job)
{
	struct process_result r = process_supervise(job->timeout, work, job);
	char why[256];

	if (r.end == PROCESS_EXITED &&
	    (r.value == FETCH_DONE || r.value == FETCH_ABSENT ||
	        r.value == FETCH_STOP))
		return r.value;
	process_describe(&r, job->timeout, why, sizeof why);
	if (r.end == PROCESS_TIMEOUT) {
		struct process_result memory = process_supervise(
		    MEMORY_MS, work_remembered, job);

		if (memory.end == PROCESS_EXITED && memory.value == FETCH_DONE)
			return FETCH_DONE;
	}
	if (r.end == PROCESS_EXITED)
		(void)snprintf(
		    why, sizeof why, "its worker ended with %d", r.value);
	log_error("not fetched: %s: %s; nothing was changed", job->name, why);
	return failure_code(job->mode);
}

static int
start(struct job *job, int argc, char **argv, struct fail *f)
{
	struct setup *s = &job->setup;

	if (setup_conf(s, CMD_WALFETCH, argc - 1, argv + 1, f) != 0)
		return -1;
	if (conf_n_args(s->conf) != 2) {
		(void)fail_set(f, FAIL_CONFIG, usage,
		    "needs a name and a destination, %zu arguments given",
		    conf_n_args(s->conf));
		return fail_hint(f, "restore_command = 'walfetch %%f %%p'");
	}
	job->name = conf_arg(s->conf, 0);
	job->dest = conf_arg(s->conf, 1);
	job->timeout = (int64_t)conf_number(s->conf,
	    job->mode == FETCH_STANDBY ? OPT_STANDBY_TIMEOUT : OPT_TIMEOUT);
	return 0;
}

int
main(int argc, char **argv)
{
	struct job job = { 0 };
	struct fail f = { .kind = FAIL_NONE };
	int rc;

	process_begin();
	log_setup("walfetch", LOG_INFO, false);
	if (setup_help(CMD_WALFETCH, usage, about, argc, argv) != 0)
		return FETCH_DONE;
	job.mode = mode_of_directory();
	if (start(&job, argc, argv, &f) == 0) {
		rc = supervise(&job);
	} else {
		log_fail(LOG_ERROR, "not fetched", &f);
		rc = failure_code(job.mode);
	}
	setup_clear(&job.setup);
	return rc;
}
