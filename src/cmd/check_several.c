/* SPDX-License-Identifier: PostgreSQL */
/* Does one store lack what the others have?  see check_job.h. */
#include <stdio.h>
#include <string.h>

#include "check_job.h"
#include "exitcode.h"

/* From where on must a store have what others have? */
static uint64_t
needed_from(const struct backup_list *backups)
{
	uint64_t newest = 0;

	for (size_t i = 0; i < backups->n; i++)
		if (backups->list[i].state == BACKUP_COMPLETE &&
		    backups->list[i].info.start_lsn > newest)
			newest = backups->list[i].info.start_lsn;
	return newest;
}

static bool
has_segment(const struct index_timeline *t, uint64_t segno)
{
	size_t low = 0, high = t != NULL ? t->segments.n : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->segments.list[middle].segno < segno)
			low = middle + 1;
		else
			high = middle;
	}
	return t != NULL && low < t->segments.n &&
	    t->segments.list[low].segno == segno;
}

struct lag {
	uint64_t n;
	const struct index_object *first; /* that was archived */
};

/* Count what all have and this store lacks, though it belongs there. */
static void
count_lag(struct lag *lag, const struct check_place *p, const struct index *all)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct index_timeline *t = &all->timelines[i];
		const struct index_timeline *own = index_timeline(
		    &p->index, t->tli);
		uint64_t from = needed_from(&p->backups) / all->id.segsize;

		if (own != NULL && own->segments.n > 0 &&
		    from < own->segments.list[0].segno)
			from = own->segments.list[0].segno;
		for (size_t j = 0; j < t->segments.n; j++) {
			const struct index_object *o = &t->segments.list[j];

			if (o->segno < from || has_segment(own, o->segno))
				continue;
			if (lag->n++ == 0 || o->mtime < lag->first->mtime)
				lag->first = o;
		}
	}
}

static void
check_lag(struct check *c, const struct check_place *p)
{
	const struct conf *conf = c->setup->conf;
	struct lag lag = { 0 };
	int level = NAGIOS_OK;

	count_lag(&lag, p, &c->all->index);
	if (lag.n == 0) {
		findings_add(&c->found, NAGIOS_OK, "lag",
		    "it has what the other stores have");
		return;
	}
	if (lag.n >= conf_number(conf, OPT_READY_WARNING))
		level = NAGIOS_WARNING;
	if (lag.n >= conf_number(conf, OPT_READY_CRITICAL))
		level = NAGIOS_CRITICAL;
	findings_add(&c->found, level, "lag",
	    "it lacks %llu segments that another store has, the first of them "
	    "%s; walvault sync brings them",
	    (unsigned long long)lag.n, lag.first->name.text);
}

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

/* It must be where it is required. */
static void
check_archived(struct check *c)
{
	size_t lack = 0, required = conf_n_required(c->setup->conf);

	for (size_t i = 0; i < c->setup->n; i++)
		lack += c->store[i]->opened && c->store[i]->lacks_last;
	if (lack == 0)
		return;
	findings_add(&c->found,
	    c->n_opened - lack < required && c->n_opened == c->setup->n
	        ? NAGIOS_CRITICAL
	        : NAGIOS_WARNING,
	    "archived WAL",
	    "the server believes that %s is archived, but it is in %zu of "
	    "%zu stores, and %zu are required",
	    c->server.last_archived, c->n_opened - lack, c->n_opened, required);
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

void
check_several(struct check *c)
{
	for (size_t i = 0; i < c->setup->n; i++) {
		c->found.store = c->setup->stores[i]->name;
		look_for_last(c, i);
		if (c->n_joined > 1 && c->store[i]->joined)
			check_lag(c, &c->store[i]->place);
	}
	c->found.store = NULL;
	if (c->setup->n < 2)
		return;
	check_archived(c);
	check_same(c);
}
