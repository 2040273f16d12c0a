/* SPDX-License-Identifier: PostgreSQL */
/* Does one store lack what a sync would bring?  see check_job.h. */
#include <stdio.h>
#include <stdlib.h>

#include "check_job.h"
#include "clock.h"
#include "exitcode.h"
#include "rules.h"
#include "sync_lack.h"

/* The stores that could be read, and which they are. */
struct places {
	struct sync_place list[CONF_STORES_MAX];
	size_t store[CONF_STORES_MAX];
	size_t n;
	bool all; /* no other store may have more */
};

static void
load(struct check *c, struct places *p)
{
	struct carry_pace pace = { 0 };

	p->all = c->silent[0] == '\0';
	for (size_t i = 0; i < c->setup->n; i++) {
		struct check_place *x = &c->store[i]->place;
		struct sync_place *out = &p->list[p->n];
		struct fail f = { .kind = FAIL_NONE };

		if (!c->store[i]->joined)
			continue;
		if (sync_place_load(&x->listed, &x->index.id, &pace, out, &f) !=
		    0) {
			c->found.store = x->store;
			findings_add_fail(&c->found, NAGIOS_WARNING, "lag", &f);
			c->found.store = NULL;
			p->all = false;
			continue;
		}
		out->number = (unsigned)i;
		rules_of_store(c->setup->conf, i, &out->rules);
		p->store[p->n++] = i;
	}
}

/* A store that is only slower is graded by how much would be lost. */
static int
grade_wal(const struct conf *conf, const struct sync_lack *l)
{
	size_t recent = l->wal - l->old;

	if (recent >= conf_number(conf, OPT_READY_CRITICAL))
		return NAGIOS_CRITICAL;
	return l->old > 0 || recent >= conf_number(conf, OPT_READY_WARNING)
	    ? NAGIOS_WARNING
	    : NAGIOS_OK;
}

static void
say_lack(struct check *c, const struct sync_lack *l)
{
	char old[128] = "";

	if (l->backups > 0)
		findings_add(&c->found, NAGIOS_WARNING, "lag",
		    "it lacks %zu backup%s that another store has, the newest "
		    "of them %s; walvault sync brings them",
		    l->backups, l->backups > 1 ? "s" : "", l->newest);
	if (l->wal == 0)
		return;
	if (l->old > 0)
		(void)snprintf(old, sizeof old,
		    " (%zu of them before what it has, or needed by its "
		    "backups)",
		    l->old);
	findings_add(&c->found, grade_wal(c->setup->conf, l), "lag",
	    "it lacks %zu %s that another store has, the first of them %s%s; "
	    "walvault sync brings them",
	    l->wal, l->segments == l->wal ? "segments" : "WAL files",
	    l->first.text, old);
}

static void
check_lag_of(struct check *c, struct places *p, size_t k)
{
	struct sync_args args = { .clock = clock_now(),
		.dry_run = true,
		.coming_us = (int64_t)conf_number(c->setup->conf, OPT_MAX_LAG) *
		    1000 };
	struct sync_lack lack;
	struct fail f;

	/* It would be compared with itself. */
	if (check_one_place(c, p->store[k], &f) != p->store[k])
		return;
	c->found.store = c->setup->stores[p->store[k]]->name;
	if (sync_lacks(p->list, p->n, k, &args, &lack, &f) != 0)
		findings_add_fail(&c->found, NAGIOS_WARNING, "lag", &f);
	else if (lack.backups > 0 || lack.wal > 0)
		say_lack(c, &lack);
	else
		findings_add(&c->found, NAGIOS_OK, "lag",
		    "it has what the other stores%s have%s",
		    p->all ? "" : " that could be read",
		    lack.coming ? ", but backups that may come by themselves"
		                : "");
	c->found.store = NULL;
}

void
check_lag(struct check *c)
{
	struct places *p;

	if (c->n_joined < 2)
		return;
	p = calloc(1, sizeof *p);
	if (p == NULL)
		return;
	load(c, p);
	for (size_t k = 0; k < p->n && p->n > 1; k++)
		check_lag_of(c, p, k);
	for (size_t k = 0; k < p->n; k++)
		sync_place_clear(&p->list[k]);
	free(p);
}
