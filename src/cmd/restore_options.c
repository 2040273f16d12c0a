/* SPDX-License-Identifier: PostgreSQL */
/* What pitr-restore is asked to do, and where it finds it: restore_job.h. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "lsn.h"
#include "restore_job.h"
#include "units.h"

static const struct {
	enum option_id option;
	enum plan_type type;
} targets[] = {
	{ OPT_TO_LATEST, PLAN_LATEST },
	{ OPT_TO_TIME, PLAN_TIME },
	{ OPT_TO_LSN, PLAN_LSN },
	{ OPT_TO_XID, PLAN_XID },
	{ OPT_TO_NAME, PLAN_NAME },
	{ OPT_IMMEDIATE, PLAN_IMMEDIATE },
};

static bool
is_given(const struct conf *c, enum option_id id)
{
	const char *text = conf_text(c, id, NULL);

	if (text == NULL)
		return false;
	return option_of(id)->type != OPTION_FLAG || conf_number(c, id) != 0;
}

static int
parse_value(struct restore_job *j, struct fail *f)
{
	const struct conf *c = j->setup.conf;
	struct plan_target *t = &j->target;
	const char *why;

	t->name = j->target_text;
	if (t->type == PLAN_XID)
		t->xid = conf_number(c, OPT_TO_XID);
	if (t->type == PLAN_LSN && lsn_parse(j->target_text, &t->lsn) != 0)
		return fail_set(f, FAIL_CONFIG, "--to-lsn", "%s: not an LSN",
		    j->target_text);
	if (t->type != PLAN_TIME ||
	    clock_parse(j->target_text, conf_number(c, OPT_UTC) != 0, &t->time,
	        &why) == 0)
		return 0;
	(void)fail_set(
	    f, FAIL_CONFIG, "--to-time", "%s: %s", j->target_text, why);
	return fail_hint(
	    f, "'2026-11-20 14:05:00+01', or with --utc '2026-11-20 13:05:00'");
}

static int
parse_target(struct restore_job *j, struct fail *f)
{
	const struct conf *c = j->setup.conf;
	int n = 0;

	j->target_text = "";
	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
		if (!is_given(c, targets[i].option))
			continue;
		j->target.type = targets[i].type;
		if (option_of(targets[i].option)->type != OPTION_FLAG)
			j->target_text = conf_text(c, targets[i].option, NULL);
		n++;
	}
	if (n > 1)
		return fail_set(f, FAIL_CONFIG, "target",
		    "give one of --to-latest, --to-time, --to-lsn, --to-xid, "
		    "--to-name, --immediate");
	j->target.exclusive = is_given(c, OPT_EXCLUSIVE);
	if (j->target.exclusive &&
	    (j->target.type == PLAN_LATEST || j->target.type == PLAN_NAME ||
	        j->target.type == PLAN_IMMEDIATE))
		return fail_set(f, FAIL_CONFIG, "--exclusive",
		    "recovery stops behind such a target, never before it");
	return parse_value(j, f);
}

static int
parse_timeline(struct restore_job *j, struct fail *f)
{
	const char *text = conf_text(j->setup.conf, OPT_TIMELINE, NULL), *why;
	uint64_t v = 0;

	if (text == NULL)
		return 0;
	if (strcmp(text, "latest") == 0) {
		j->target.line = PLAN_NEWEST;
		return 0;
	}
	if (strcmp(text, "current") == 0) {
		j->target.line = PLAN_CURRENT;
		return 0;
	}
	if (units_parse(text, UNITS_COUNT, &v, &why) != 0 || v == 0 ||
	    v > UINT32_MAX)
		return fail_set(f, FAIL_CONFIG, "--timeline",
		    "%s: must be a timeline's number (decimal), latest or "
		    "current",
		    text);
	j->target.line = PLAN_NUMBER;
	j->target.tli = (uint32_t)v;
	return 0;
}

/* OLD=NEW; an old path may contain '=', a new one begins behind "=/". */
static int
parse_map(struct restore_job *j, const char *text, struct fail *f)
{
	const char *cut = strstr(text, "=/");
	char *old;

	if (cut == NULL || cut == text)
		return fail_set(f, FAIL_CONFIG, "--tablespace",
		    "%s: must be OLD=/new/place, OLD being its path or OID",
		    text);
	if (j->n_maps == RESTORE_MAPS)
		return fail_set(f, FAIL_CONFIG, "--tablespace",
		    "more than %d of them", RESTORE_MAPS);
	old = strndup(text, (size_t)(cut - text));
	if (old == NULL)
		return fail_errno(f, "--tablespace", "memory");
	j->maps[j->n_maps++] = (struct restore_map){ old, cut + 1 };
	return 0;
}

static int
parse_action(struct restore_job *j, struct fail *f)
{
	static const enum restore_action actions[] = { RESTORE_PAUSE,
		RESTORE_PROMOTE, RESTORE_SHUTDOWN };
	const struct conf *c = j->setup.conf;
	bool given = conf_text(c, OPT_ACTION, NULL) != NULL;

	j->action = j->target.type == PLAN_LATEST ? RESTORE_PROMOTE
	                                          : RESTORE_PAUSE;
	if (given)
		j->action = actions[conf_number(c, OPT_ACTION)];
	j->standby = is_given(c, OPT_STANDBY);
	j->rejoin = is_given(c, OPT_REJOIN_ARCHIVE);
	if (j->standby && (j->target.type != PLAN_LATEST || given))
		return fail_set(f, FAIL_CONFIG, "--standby",
		    "a standby has no target: it follows the archive");
	if (j->rejoin && j->start) {
		(void)fail_set(f, FAIL_CONFIG, "--rejoin-archive",
		    "--start runs the server on a configuration of its own, "
		    "which does not archive");
		return fail_hint(
		    f, "leave --start out, and start the server yourself");
	}
	return 0;
}

static int
parse_dest(struct restore_job *j, struct fail *f)
{
	const struct conf *c = j->setup.conf;
	const char *dest = conf_arg(c, 0);
	char cwd[PATH_MAX];

	if (conf_n_args(c) > 1 || (dest == NULL && !j->plan_only)) {
		(void)fail_set(f, FAIL_CONFIG, "pitr-restore",
		    "needs one argument, the new data directory; %zu given",
		    conf_n_args(c));
		return fail_hint(f, "pitr-restore --plan needs none");
	}
	if (dest == NULL)
		return 0;
	if (dest[0] == '/')
		(void)snprintf(j->dest_path, sizeof j->dest_path, "%s", dest);
	else if (getcwd(cwd, sizeof cwd) == NULL)
		return fail_errno(f, dest, "current directory");
	else
		(void)snprintf(j->dest_path, sizeof j->dest_path,
		    "%.2000s/%.2000s", cwd, dest);
	j->dest = j->dest_path;
	return 0;
}

int
restore_options(struct restore_job *j, struct fail *f)
{
	const struct conf *c = j->setup.conf;
	const char *text;

	j->plan_only = is_given(c, OPT_PLAN);
	j->json = is_given(c, OPT_JSON);
	j->start = is_given(c, OPT_START);
	j->target.backup = conf_text(c, OPT_BACKUP, NULL);
	if (parse_target(j, f) != 0 || parse_timeline(j, f) != 0 ||
	    parse_action(j, f) != 0 || parse_dest(j, f) != 0)
		return -1;
	for (size_t i = 0; (text = conf_repeated(c, OPT_TABLESPACE, i)) != NULL;
	     i++)
		if (parse_map(j, text, f) != 0)
			return -1;
	if (j->start && !j->plan_only && geteuid() == 0) {
		(void)fail_set(f, FAIL_CONFIG, "--start",
		    "PostgreSQL does not run as root");
		return fail_hint(
		    f, "run pitr-restore as the user that will run the server");
	}
	return 0;
}
