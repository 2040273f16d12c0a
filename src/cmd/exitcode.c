/* SPDX-License-Identifier: PostgreSQL */
/* What programs answer: see exitcode.h. */
#include "exitcode.h"

int
exitcode_push(const struct fail *f)
{
	switch (f->kind) {
	case FAIL_NONE:
		return PUSH_DONE;
	case FAIL_REFUSED:
		return PUSH_REFUSED;
	case FAIL_CONFIG:
		return PUSH_USAGE;
	default:
		return PUSH_AGAIN;
	}
}

int
exitcode_walvault(const struct fail *f)
{
	return f->kind == FAIL_CONFIG ? EXIT_USAGE : EXIT_PROBLEM;
}
