/* SPDX-License-Identifier: PostgreSQL */
/* What a check has found, and how bad it is: Nagios's words and codes. */
#ifndef WALVAULT_CMD_FINDINGS_H
#define WALVAULT_CMD_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "fail.h"

struct finding {
	int level; /* NAGIOS_... */
	char *subject, *text;
	char *store; /* its name; NULL: not of one store */
};

struct findings {
	struct finding *list;
	size_t n;
	const char *store; /* what is added from now on is about this one */
	bool several;      /* stores: text names them */
};

/*
 * Remember one; what was said before is not said again.  Without memory the
 * level is raised all the same.
 */
void findings_add(struct findings *x, int level, const char *subject,
    const char *fmt, ...) FAIL_PRINTF(4, 5);

/* The same from a failure. */
void findings_add_fail(
    struct findings *x, int level, const char *subject, const struct fail *f);

/* Print all, as text or JSON, and give the worst level. */
int findings_report(const struct findings *x, const char *cluster, int json);

void findings_clear(struct findings *x);

#endif
