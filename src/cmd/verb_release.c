/* SPDX-License-Identifier: PostgreSQL */
/* walvault release: end the holds of a backup. */
#include <stdio.h>

#include "backup.h"
#include "verbs.h"

int
verb_release(struct setup *s, struct fail *f)
{
	const char *id = conf_arg(s->conf, 0);
	size_t released = 0;

	if (!backup_is_id(id)) {
		(void)fail_set(f, FAIL_CONFIG, id, "not a backup's id");
		return fail_hint(f, "walvault info shows the backups");
	}
	for (size_t i = 0; i < s->n; i++) {
		struct identity identity;
		int rc;

		if (verb_open(s, i, &identity, f) != 0)
			return -1;
		rc = backup_release(&s->repos[i], id, f);
		if (rc < 0)
			return -1;
		released += rc == 0;
	}
	if (released == 0) {
		(void)fail_set(f, FAIL_ABSENT, id, "it is not held");
		return fail_hint(f, "walvault info shows the backups");
	}
	(void)printf("%s is released\n", id);
	return 0;
}
