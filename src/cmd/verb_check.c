/* SPDX-License-Identifier: PostgreSQL */
/* walvault check: is archiving working, and is what is archived of use? */
#include <stdlib.h>

#include "check_job.h"
#include "exitcode.h"
#include "log.h"
#include "verbs.h"

int
verb_check(struct setup *s, struct fail *f)
{
	struct check *c = calloc(1, sizeof *c);
	int rc;

	if (c == NULL) {
		(void)fail_errno(f, "check", "memory");
		log_fail(LOG_ERROR, "check", f);
		return NAGIOS_UNKNOWN;
	}
	c->setup = s;
	c->found.several = s->n > 1;
	check_server(c);
	check_waiting(c);
	check_left(c);
	check_open(c);
	check_backups(c);
	check_stores(c);
	check_wal(c);
	check_several(c);
	check_second_writer(c);
	check_close(c);
	rc = findings_report(&c->found, conf_cluster(s->conf),
	    conf_number(s->conf, OPT_JSON) != 0);
	findings_clear(&c->found);
	if (c->quiet)
		free(c);
	return rc;
}
