/* SPDX-License-Identifier: PostgreSQL */
/* stub to be replaced */
#include "verbs.h"

int
verb_check(struct setup *s, struct fail *f)
{
	(void)s;
	return fail_set(f, FAIL_INTERNAL, "check", "not there yet");
}
