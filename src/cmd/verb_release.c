/* SPDX-License-Identifier: PostgreSQL */
/* walvault release: end the holds of a backup. */
#include <stdio.h>

#include "backup.h"
#include "eachstore.h"
#include "verbs.h"

static int
release_in(const struct eachstore *e, struct repository *r, const char *prefix,
    struct fail *f)
{
	int rc = backup_release(r, e->id, f);

	if (rc == 0)
		(void)printf("%s%s is released\n", prefix, e->id);
	if (rc == 1) {
		(void)fail_set(f, FAIL_ABSENT, e->id, "it is not held");
		(void)fail_hint(f, "walvault info shows the backups");
	}
	return rc;
}

int
verb_release(struct setup *s, struct fail *f)
{
	const struct eachstore e = {
		.verb = "release", .id = conf_arg(s->conf, 0), .run = release_in
	};

	if (!backup_is_id(e.id)) {
		(void)fail_set(f, FAIL_CONFIG, e.id, "not a backup's id");
		return fail_hint(f, "walvault info shows the backups");
	}
	return eachstore_do(s, &e, f);
}
