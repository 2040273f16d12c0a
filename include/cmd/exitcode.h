/* SPDX-License-Identifier: PostgreSQL */
/*
 * What programs answer.  PostgreSQL reads walpush's and walfetch's exit codes
 * as decisions, so all of them are made here.
 */
#ifndef WALVAULT_CMD_EXITCODE_H
#define WALVAULT_CMD_EXITCODE_H

#include "fail.h"

/* walpush: below 126, so that the server counts and repeats the failure. */
enum {
	PUSH_DONE = 0,
	PUSH_AGAIN = 1,
	PUSH_REFUSED = 2,
	PUSH_USAGE = 3,
};

/*
 * walfetch.  In recovery the server takes every code from 1 to 125 as "the
 * WAL ends here" and promotes; above 125 it stops.  A standby asks again, and
 * would shut down on a code above 125.
 */
enum {
	FETCH_DONE = 0,
	FETCH_ABSENT = 1,
	FETCH_STOP = 200,
};

/* walvault, and Nagios for its check. */
enum {
	EXIT_FINE = 0,
	EXIT_PROBLEM = 1,
	EXIT_USAGE = 3,
	NAGIOS_OK = 0,
	NAGIOS_WARNING = 1,
	NAGIOS_CRITICAL = 2,
	NAGIOS_UNKNOWN = 3,
};

/* walvault sync: another one is at it. */
enum {
	EXIT_BUSY = 2,
};

/* basebackup: the backup exists, with damaged pages in it. */
enum {
	EXIT_BAD_PAGES = 2,
};

/* pitr-restore: there is no way to the target. */
enum {
	EXIT_UNREACHABLE = 2,
};

int exitcode_push(const struct fail *f);
int exitcode_walvault(const struct fail *f);

#endif
