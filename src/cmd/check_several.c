/* SPDX-License-Identifier: PostgreSQL */
/* Does one store lack what the others have?  see check_job.h. */
#include <stdio.h>
#include <string.h>

#include "check_job.h"
#include "exitcode.h"

/* The segment that the server was last told is archived: is it there? */
static void
look_for_last(struct check *c, size_t i)
{
	const struct repository *r = &c->setup->repos[i];
	struct check_store *x = c->store[i];
	struct store_info info;
	struct walname name;
	struct fail f;
	char key[LAYOUT_KEY_MAX];
	int rc;

	if (!x->opened || !c->has_server || c->server.in_recovery ||
	    c->server.sysid != r->layout.sysid ||
	    walname_parse(c->server.last_archived, &name) != 0 ||
	    name.kind == WALNAME_PARTIAL)
		return;
	layout_wal(&r->layout, &name, NULL, key);
	rc = store_stat(r->store, key, &info, &f);
	if (rc < 0)
		findings_add_fail(&c->found, NAGIOS_CRITICAL, "store", &f);
	x->lacks_last = rc == 1;
	if (rc == 1 && c->setup->n == 1)
		findings_add(&c->found, NAGIOS_CRITICAL, "archived WAL",
		    "the server believes that %s is archived, but it is not in "
		    "%s: was archive_command another one?",
		    name.text, r->store->url);
}

size_t
check_one_place(const struct check *c, size_t i, struct fail *f)
{
	const struct repository *r = c->setup->repos;

	for (size_t k = 0; k < c->setup->n; k++) {
		struct fail other;
		size_t first = k < i ? k : i, second = k < i ? i : k;

		if (k != i && c->store[i]->opened && c->store[k]->opened &&
		    repository_same(&r[first], &r[second], &other) == 0 &&
		    repository_copies(&r[first], &r[second], f) != 0)
			return k;
	}
	return i;
}

/* It must be where it is required; what the others lack is lag. */
static void
check_archived(struct check *c)
{
	size_t lack = 0, has, required = conf_n_required(c->setup->conf);

	for (size_t i = 0; i < c->setup->n; i++)
		lack += c->store[i]->opened && c->store[i]->lacks_last;
	if (lack == 0)
		return;
	has = c->n_opened - lack;
	if (has >= required)
		findings_add(&c->found, NAGIOS_OK, "archived WAL",
		    "%s, the last that the server archived, is in %zu of %zu "
		    "stores, and required is %zu; walvault sync brings it to "
		    "the others",
		    c->server.last_archived, has, c->n_opened, required);
	else
		findings_add(&c->found,
		    c->n_opened == c->setup->n ? NAGIOS_CRITICAL
		                               : NAGIOS_WARNING,
		    "archived WAL",
		    "the server believes that %s is archived, but it is in %zu "
		    "of %zu stores, and %zu are required",
		    c->server.last_archived, has, c->n_opened, required);
}

/* What is in stores of different repositories cannot be read as one. */
static void
check_same(struct check *c)
{
	const struct repository *first = NULL;

	for (size_t i = 0; i < c->setup->n; i++) {
		const struct repository *r = &c->setup->repos[i];

		if (!c->store[i]->opened)
			continue;
		if (first == NULL)
			first = r;
		if (strcmp(r->id, first->id) == 0)
			continue;
		findings_add(&c->found, NAGIOS_CRITICAL, "repositories",
		    "%s and %s are different repositories: no backup and no "
		    "sync goes into both; make one of them anew, empty, by "
		    "walvault init with all stores",
		    first->store->url, r->store->url);
	}
}

/* What is in one directory with two names is there once. */
static void
check_names(struct check *c)
{
	for (size_t i = 0; i < c->setup->n; i++) {
		struct fail f;
		size_t k = check_one_place(c, i, &f);

		if (k < i)
			findings_add_fail(
			    &c->found, NAGIOS_CRITICAL, "repositories", &f);
	}
}

void
check_several(struct check *c)
{
	for (size_t i = 0; i < c->setup->n; i++) {
		c->found.store = c->setup->stores[i]->name;
		look_for_last(c, i);
	}
	c->found.store = NULL;
	if (c->setup->n < 2)
		return;
	check_lag(c);
	check_archived(c);
	check_same(c);
	check_names(c);
}
