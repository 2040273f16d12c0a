/* SPDX-License-Identifier: PostgreSQL */
/* walvault VERB: everything that the server does not call itself. */
#include <stdio.h>
#include <string.h>

#include "check_job.h"
#include "control.h"
#include "exitcode.h"
#include "log.h"
#include "process.h"
#include "verbs.h"

static const struct verb verbs[] = {
	{ "init", CMD_INIT, "init [option ...]",
	    "Make a repository for a cluster: its marker and the identity of "
	    "the data\ndirectory at hand. Safe to repeat.",
	    0, 0, verb_init },
	{ "info", CMD_INFO, "info [option ...]",
	    "Show what is archived: backups, timelines, ranges, gaps, times, "
	    "sizes.",
	    0, 0, verb_info },
	{ "check", CMD_CHECK, "check [option ...]",
	    "Check configuration, stores, archiving and the archived WAL.\n"
	    "Exit status: 0 OK, 1 warning, 2 critical, 3 unknown (as Nagios "
	    "has it).",
	    0, 0, verb_check },
	{ "find", CMD_FIND,
	    "find --time|--lsn|--xid|--name WHAT, or --latest [option ...]",
	    "Where in the WAL is a moment, and which transactions end before "
	    "and after it.",
	    0, 0, verb_find },
	{ "ls", CMD_LS, "ls [option ...] [PREFIX]",
	    "List the repository's objects.", 0, 1, verb_ls },
	{ "cat", CMD_CAT, "cat [option ...] OBJECT",
	    "Write an object's plain bytes to standard output, once they are "
	    "verified.\nOBJECT is a key as ls shows it, or the name of a WAL "
	    "file,\nor of a backup (its manifest).",
	    1, 1, verb_cat },
	{ "expire", CMD_EXPIRE, "expire [option ...]",
	    "Delete backups and WAL that no rule keeps; --dry-run says why.", 0,
	    0, verb_expire },
	{ "hold", CMD_HOLD, "hold [option ...] ID",
	    "Keep a backup whatever the rules say.", 1, 1, verb_hold },
	{ "release", CMD_RELEASE, "release [option ...] ID",
	    "End the holds of a backup.", 1, 1, verb_release },
	{ "verify", CMD_VERIFY, "verify [option ...] [ID]",
	    "Read backups and WAL back and check every checksum.\n"
	    "Exit status: 0 all is well, 1 something was found.",
	    0, 1, verb_verify },
	{ "rescue", CMD_RESCUE, "rescue [option ...] PGDATA",
	    "Archive what a dead cluster's pg_wal still has and the stores "
	    "lack.",
	    1, 1, verb_rescue },
	{ "sync", CMD_SYNC, "sync [option ...]",
	    "Bring to each store what it lacks and another has.\n"
	    "Exit status: 0 nothing is lacking any more, 1 something is, 2 "
	    "another sync is\nrunning.",
	    0, 0, verb_sync },
	{ "repair", CMD_REPAIR, "repair [option ...] [OBJECT ...]",
	    "Put good copies from other stores in the place of damaged objects."
	    "\nOBJECT is a key as ls shows it, or the name of a WAL file, or "
	    "of "
	    "a backup\n(its manifest); without any, all is verified.\n"
	    "Exit status: 0 all is whole now, 1 something is not.",
	    0, 1000, verb_repair },
	{ "config", CMD_CONFIG, "config [option ...]",
	    "Show every option, its value, and where that comes from.", 0, 0,
	    verb_config },
};

#define N_VERBS (sizeof verbs / sizeof *verbs)

static void
print_verbs(FILE *out)
{
	(void)fprintf(out, "usage: walvault VERB [option ...]\n\n");
	for (size_t i = 0; i < N_VERBS; i++)
		(void)fprintf(out, "  %-8s %.*s\n", verbs[i].name,
		    (int)strcspn(verbs[i].about, "\n"), verbs[i].about);
	(void)fprintf(
	    out, "\n'walvault VERB --help' shows a verb's options.\n");
}

static const struct verb *
find_verb(const char *name)
{
	for (size_t i = 0; i < N_VERBS; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* Everything before the verb itself.  0 or -1. */
static int
prepare(const struct verb *v, struct setup *s, int argc, char **argv,
    struct fail *f)
{
	size_t n;

	if (setup_conf(s, v->command, argc - 2, argv + 2, f) != 0)
		return -1;
	n = conf_n_args(s->conf);
	if (n < v->min_args || n > v->max_args)
		return fail_set(f, FAIL_CONFIG, v->name,
		    "%zu arguments given: usage: walvault %s", n, v->usage);
	if (v->command == CMD_CHECK)
		s->deadline = setup_deadline(
		    (int64_t)conf_number(s->conf, OPT_TIMEOUT));
	return setup_stores(s, f) == 0 ? setup_places(s, f) : -1;
}

int
verb_open(struct setup *s, size_t i, struct identity *id, struct fail *f)
{
	struct repository *r = &s->repos[i];
	const char *pgdata = conf_text(s->conf, OPT_PGDATA, NULL);
	struct control c;
	int rc;

	if (repository_open(r, f) != 0)
		return -1;
	r->layout.sysid = 0;
	if (conf_text(s->conf, OPT_SYSID, NULL) != NULL) {
		r->layout.sysid = conf_number(s->conf, OPT_SYSID);
	} else if (pgdata != NULL) {
		rc = control_read(pgdata, &c, f);
		if (rc < 0)
			return -1;
		if (rc == 0)
			r->layout.sysid = c.sysid;
	}
	if (r->layout.sysid == 0 && repository_only_system(r, f) != 0)
		return -1;
	return repository_require(r, id, f);
}

struct job {
	const struct verb *verb;
	struct setup setup;
};

/* Run the verb to its end: the exit status. */
static int
work(void *arg)
{
	struct job *job = arg;
	struct fail f = { .kind = FAIL_NONE };
	int rc = job->verb->run(&job->setup, &f);

	if (rc < 0) {
		log_fail(LOG_ERROR, job->verb->name, &f);
		rc = exitcode_walvault(&f);
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		log_error("standard output: cannot write");
		rc = EXIT_PROBLEM;
	}
	return rc;
}

/* A monitor must get its answer, also from a store that hangs. */
static int
supervise(struct job *job)
{
	int64_t timeout = (int64_t)conf_number(job->setup.conf, OPT_TIMEOUT);
	struct process_result r = process_supervise(timeout, work, job);
	char why[256], known[1024];

	if (r.end == PROCESS_EXITED)
		return r.value;
	process_describe(&r, timeout, why, sizeof why);
	check_remembered(&job->setup, known, sizeof known);
	(void)printf("WALVAULT CRITICAL - %s: check did not come to its end: "
	             "%s%s\n",
	    conf_cluster(job->setup.conf), why, known);
	return NAGIOS_CRITICAL;
}

int
main(int argc, char **argv)
{
	const struct verb *v = argc > 1 ? find_verb(argv[1]) : NULL;
	struct job job = { .verb = v };
	struct fail f = { .kind = FAIL_NONE };
	char usage[128];
	int rc;

	process_begin();
	log_setup("walvault", LOG_INFO, false);
	if (v == NULL) {
		static const char none[] = "walvault VERB";

		if (argc > 1 && strcmp(argv[1], "--help") == 0) {
			print_verbs(stdout);
			return EXIT_FINE;
		}
		if (setup_help(CMD_CONFIG, none, "", argc, argv) != 0)
			return EXIT_FINE;
		if (argc > 1)
			log_error("%s: no such verb", argv[1]);
		print_verbs(stderr);
		return EXIT_USAGE;
	}
	(void)snprintf(usage, sizeof usage, "walvault %s", v->usage);
	if (setup_help(v->command, usage, v->about, argc - 1, argv + 1) != 0)
		return EXIT_FINE;
	rc = prepare(v, &job.setup, argc, argv, &f);
	if (rc != 0) {
		log_fail(LOG_ERROR, v->name, &f);
		rc = v->command == CMD_CHECK ? NAGIOS_UNKNOWN
		                             : exitcode_walvault(&f);
	} else {
		rc = v->command == CMD_CHECK ? supervise(&job) : work(&job);
	}
	setup_clear(&job.setup);
	return rc;
}
