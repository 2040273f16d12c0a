/* SPDX-License-Identifier: PostgreSQL */
/*
 * walpush PATH: PostgreSQL's archive_command.  Exits 0 only when the file is
 * durable in every store that is required.  The way of the file is in
 * archive/push.c.
 */
#include <stdio.h>

#include "background.h"
#include "exitcode.h"
#include "log.h"
#include "process.h"
#include "push.h"
#include "push_several.h"
#include "setup.h"

static const char usage[] = "walpush [option ...] PATH";
static const char about[] =
    "Archive one WAL file: archive_command = 'walpush %p'.\n"
    "Exit status: 0 archived and durable; 1 not archived, worth trying again;\n"
    "2 refused: other content under that name, another cluster's WAL;\n"
    "3 usage or configuration.";

struct job {
	struct setup setup;
	struct several several;
	const char *path;
};

static int
report(const char *path, const struct fail *f)
{
	log_fail(LOG_ERROR, "not archived", f);
	log_debug("path=%s kind=%s", path, fail_kind_name(f->kind));
	return exitcode_push(f);
}

/* One store needs none of this. */
static struct several *
begin_several(struct job *job)
{
	struct conf *c = job->setup.conf;

	if (job->setup.n < 2)
		return NULL;
	job->several = (struct several){
		.repos = job->setup.repos,
		.n = job->setup.n,
		.required = conf_n_required(c),
		.grace_ms = (int64_t)conf_number(c, OPT_GRACE),
		.deadline = job->setup.deadline,
		.state_dir = conf_text(c, OPT_STATE_DIR, NULL),
	};
	several_begin(&job->several);
	return &job->several;
}

/* What stores lack is brought to them by another program, one for them all. */
static void
end_several(struct job *job, bool archived)
{
	struct several *s = &job->several;
	char list[4096];
	size_t len = 0;

	push_several_end(s, archived);
	for (size_t i = 0; i < s->n && len < sizeof list; i++)
		if (s->store[i].wants_sync)
			len += (size_t)snprintf(list + len, sizeof list - len,
			    "%s%s", len > 0 ? "," : "",
			    s->repos[i].store->name);
	if (len > 0 && len < sizeof list)
		background_sync(job->setup.conf, list);
}

static int
work(void *arg)
{
	struct job *job = arg;
	struct conf *c = job->setup.conf;
	struct fail f = { .kind = FAIL_NONE };
	struct push_args args = {
		.repos = job->setup.repos,
		.generation = (uint32_t)conf_number(c, OPT_GENERATION),
		.pgdata = conf_text(c, OPT_PGDATA, NULL),
		.refuse_damaged = conf_number(c, OPT_ON_DAMAGE) == 1,
		.compress_level = (int)conf_number(c, OPT_COMPRESS_LEVEL),
		.spool_dir = conf_text(c, OPT_SPOOL_DIR, NULL),
		.state_dir = conf_text(c, OPT_STATE_DIR, NULL),
	};
	int rc;

	job->setup.deadline = setup_deadline(
	    (int64_t)conf_number(c, OPT_TIMEOUT));
	rc = setup_stores(&job->setup, &f);
	args.n_repos = job->setup.n;
	if (rc == 0) {
		args.several = begin_several(job);
		rc = push_file(&args, job->path, &f);
	}
	if (args.several != NULL)
		end_several(job, rc == 0);
	if (rc != 0)
		rc = report(job->path, &f);
	/* A thread that hangs in a store keeps this process from ending. */
	if (args.several != NULL && !several_is_quiet(args.several))
		process_answer(rc);
	setup_clear(&job->setup);
	return rc;
}

static int
supervise(struct job *job, int64_t timeout)
{
	struct process_result r = process_supervise(timeout, work, job);
	char why[256];

	if (r.end == PROCESS_EXITED && r.value >= PUSH_DONE &&
	    r.value <= PUSH_USAGE)
		return r.value;
	process_describe(&r, timeout, why, sizeof why);
	log_error(
	    "not archived: %s: %s; the server will try again", job->path, why);
	return PUSH_AGAIN;
}

int
main(int argc, char **argv)
{
	struct job job = { 0 };
	struct fail f = { .kind = FAIL_NONE };
	int rc;

	process_begin();
	log_setup("walpush", LOG_INFO, false);
	if (setup_help(CMD_WALPUSH, usage, about, argc, argv) != 0)
		return PUSH_DONE;
	rc = setup_conf(&job.setup, CMD_WALPUSH, argc - 1, argv + 1, &f);
	if (rc == 0 && conf_n_args(job.setup.conf) != 1) {
		rc = fail_set(&f, FAIL_CONFIG, usage,
		    "needs exactly one path, %zu given",
		    conf_n_args(job.setup.conf));
		(void)fail_hint(&f, "archive_command = 'walpush %%p'");
	}
	if (rc != 0) {
		log_fail(LOG_ERROR, "not archived", &f);
		rc = exitcode_push(&f);
	} else {
		job.path = conf_arg(job.setup.conf, 0);
		rc = supervise(
		    &job, (int64_t)conf_number(job.setup.conf, OPT_TIMEOUT));
	}
	setup_clear(&job.setup);
	return rc;
}
