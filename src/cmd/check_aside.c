/* SPDX-License-Identifier: PostgreSQL */
/* What a check finds about damaged objects that were set aside. */
#include <stdio.h>
#include <string.h>

#include "check_job.h"
#include "exitcode.h"

/*
 * The name in WAL that was set aside under that key, which becomes the key of
 * what should be in its place.  0, or 1: something else.
 */
static int
place_of(const char *key, char was[LAYOUT_KEY_MAX], struct walname *name,
    enum layout_kind *kind)
{
	const char *cut = strstr(key, ".damaged-");

	if (cut == NULL)
		return 1;
	(void)snprintf(was, LAYOUT_KEY_MAX, "%.*s", (int)(cut - key), key);
	*kind = layout_parse_wal(was, name);
	return *kind == LAYOUT_OTHER || *kind == LAYOUT_ASIDE;
}

static bool
is_archived(const struct index *x, const struct walname *name)
{
	const struct index_timeline *t = index_timeline(x, name->tli);
	uint64_t segno = walname_segno(name, x->id.segsize);

	for (size_t i = 0; t != NULL && i < t->segments.n; i++)
		if (t->segments.list[i].segno == segno)
			return true;
	return false;
}

static void
say_segment(struct check *c, const struct walname *name)
{
	const struct index *all = &c->all->index;
	uint64_t segno = walname_segno(name, all->id.segsize);

	if (is_archived(all, name))
		findings_add(&c->found, NAGIOS_WARNING, "set aside",
		    "%s was damaged; another store has it: walvault sync "
		    "brings it",
		    name->text);
	else
		findings_add(&c->found,
		    check_is_covered_any(c->all, name->tli, segno)
		        ? NAGIOS_WARNING
		        : NAGIOS_CRITICAL,
		    "set aside",
		    "%s was damaged and is not archived again: a recovery that "
		    "asks for it ends; walpush it from some server's pg_wal, "
		    "or take a base backup",
		    name->text);
}

/* Histories and the like.  true: it is there again. */
static bool
check_other(struct check *c, const struct repository *r, const char *key)
{
	struct store_info info;
	struct fail f;
	int rc = store_stat(r->store, key, &info, &f);

	if (rc < 0)
		findings_add_fail(&c->found, NAGIOS_WARNING, "set aside", &f);
	if (rc > 0)
		findings_add(&c->found, NAGIOS_WARNING, "set aside",
		    "%s was damaged and is not archived again: %swalpush it "
		    "from some server's pg_wal",
		    strrchr(key, '/') + 1,
		    c->n_joined > 1 ? "walvault sync brings it if another "
		                      "store has it; else "
		                    : "");
	return rc == 0;
}

void
check_aside(struct check *c, const struct index *x)
{
	size_t whole = 0;

	for (size_t i = 0; i < x->aside.n; i++) {
		char was[LAYOUT_KEY_MAX];
		enum layout_kind kind;
		struct walname name;

		if (place_of(x->aside.list[i].key, was, &name, &kind) != 0)
			continue;
		if (kind != LAYOUT_SEGMENT)
			whole += check_other(c, x->repo, was);
		else if (is_archived(x, &name))
			whole++;
		else
			say_segment(c, &name);
	}
	/* What is said of them is of no use any more, but that they are. */
	if (whole > 0)
		findings_add(&c->found, NAGIOS_OK, "set aside",
		    "%zu damaged objects were set aside, and others are in "
		    "their place: nothing needs NAME.damaged-*, to be looked "
		    "into and deleted by hand; walvault expire deletes a "
		    "segment's with the segment",
		    whole);
}
