/* SPDX-License-Identifier: PostgreSQL */
/* Damaged objects and good copies of them: see repair.h. */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "object.h"
#include "repair.h"

/* What failed to verify may have been a bad read.  0 whole, 1 none, -1. */
static int
read_back(struct repository *r, const char *key, struct fail *f)
{
	struct object_seen *seen = calloc(1, sizeof *seen);
	int rc;

	if (seen == NULL)
		return fail_errno(f, key, "memory");
	rc = object_read(r->store, &r->layout, key, NULL, seen, f);
	if (rc < 0 && f->kind == FAIL_DAMAGED)
		rc = object_read(r->store, &r->layout, key, NULL, seen, f);
	free(seen);
	return rc;
}

/* As far as the damaged one still says what it was: is it the same? */
static bool
is_other(struct repository *a, struct repository *b, const char *key)
{
	struct object_header one, two;
	struct fail f;

	return object_read_header(a->store, &a->layout, key, &one, &f) == 0 &&
	    object_read_header(b->store, &b->layout, key, &two, &f) == 0 &&
	    one.has_plain && two.has_plain &&
	    !digest_same(&one.plain, &two.plain);
}

/* From one store.  0 done, 1 it has no good copy. */
static int
bring(const struct repair *r, struct repository *from, const char *key,
    const char *aside)
{
	struct carry c = { from, r->to, r->pace, aside };
	struct store_info info;
	struct fail f;
	int rc = store_stat(from->store, key, &info, &f);

	if (rc == 1)
		return 1;
	if (rc == 0 && strcmp(from->id, r->to->id) != 0)
		rc = fail_set(&f, FAIL_REFUSED, from->store->url,
		    "it holds another repository");
	if (rc == 0 && aside != NULL && is_other(from, r->to, key))
		rc = fail_set(&f, FAIL_REFUSED, key,
		    "%s holds other content under this name",
		    from->store->name);
	if (rc == 0)
		rc = r->dry_run ? read_back(from, key, &f)
		                : carry_object(&c, key, info.size, &f);
	if (rc == 1 && !r->dry_run)
		rc = fail_set(&f, FAIL_TRANSIENT, key,
		    "it changed while it was repaired");
	if (rc != 0)
		log_fail(LOG_WARNING, "no good copy", &f);
	return rc != 0;
}

int
repair_object(const struct repair *r, const char *key, enum repair_word *word,
    const struct repository **from, struct fail *f)
{
	char aside[LAYOUT_KEY_MAX];
	int rc = read_back(r->to, key, f);

	*word = REPAIR_WHOLE;
	if (rc == 0)
		return 0;
	if (rc < 0 && f->kind != FAIL_DAMAGED)
		return -1;
	layout_aside(key, aside);
	for (size_t i = 0; i < r->n_from; i++) {
		if (bring(r, r->from[i], key, rc < 0 ? aside : NULL) != 0)
			continue;
		*word = REPAIR_DONE;
		*from = r->from[i];
		return 0;
	}
	*word = REPAIR_NO_COPY;
	if (rc == 1)
		(void)fail_set(f, FAIL_ABSENT, key, "no such object");
	return 0;
}
