/* SPDX-License-Identifier: PostgreSQL */
/* Can the stores be reached, and written?  see check_job.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_job.h"
#include "clock.h"
#include "exitcode.h"
#include "merged.h"
#include "rules.h"
#include "several.h"
#include "snapshot.h"
#include "verbs.h"

/* One is begun and abandoned: nothing remains. */
static int
begin_probe(struct repository *r, struct fail *f)
{
	struct store_attrs attrs = { 0 };
	char key[LAYOUT_KEY_MAX];
	struct stream *probe;
	int rc;

	(void)snprintf(key, sizeof key, "%s/probe", r->layout.cluster);
	probe = store_put(r->store, key, &attrs, f);
	rc = probe != NULL ? stream_write(probe, "probe", 5, f) : -1;
	stream_free(probe);
	return rc;
}

/* What is there: 0 or -1. */
static int
look(struct check_place *p, const struct identity *id, struct fail *f)
{
	if (index_load(&p->listed, id, &p->index, f) != 0)
		return -1;
	if (backup_list_load(&p->listed, &p->backups, f) == 0)
		return 0;
	index_clear(&p->index);
	return -1;
}

/* May be called in a thread of its own: all it touches is this store's. */
static void
open_store(const struct check *c, size_t i, struct check_store *x)
{
	struct repository *r = &c->setup->repos[i];
	struct retain_rules rules;
	struct identity id;
	int rc;

	behind_load(
	    conf_text(c->setup->conf, OPT_STATE_DIR, NULL), r, &x->behind);
	if (verb_open(c->setup, i, &id, &x->fail) != 0)
		return;
	snapshot_system(r, &x->place.listed);
	if (look(&x->place, &id, &x->fail) != 0) {
		snapshot_end(&x->place.listed);
		return;
	}
	rules_of_store(c->setup->conf, i, &rules);
	x->place.keep_wal = rules.wal != 0;
	x->place.store = r->store->name;
	x->opened = true;
	rc = store_probe(r->store, &x->refusal);
	if (rc == 1)
		rc = begin_probe(r, &x->refusal);
	x->writable = rc == 0;
}

/* The first that is open; the others are read as one with it. */
static struct check_store *
first_opened(struct check *c)
{
	for (size_t i = 0; i < c->setup->n; i++)
		if (c->store[i]->opened)
			return c->store[i];
	return NULL;
}

/* Which of them can be read as one?  What is not among them may have more. */
static size_t
join(struct check *c, struct store **stores)
{
	struct check_store *first = first_opened(c);
	size_t n = 0, len = 0;

	for (size_t i = 0; i < c->setup->n; i++) {
		struct check_store *x = c->store[i];
		struct fail differ;

		x->joined = x->opened &&
		    repository_same(
		        &first->place.listed, &x->place.listed, &differ) == 0;
		if (x->joined)
			stores[n++] = x->place.listed.store;
		else if (len < sizeof c->silent)
			len += (size_t)snprintf(c->silent + len,
			    sizeof c->silent - len, "%s%s", len > 0 ? ", " : "",
			    c->setup->stores[i]->name);
	}
	return n;
}

static int
merge_backups(struct check *c, struct fail *f)
{
	for (size_t i = 0; i < c->setup->n; i++) {
		struct backup_list copy;

		if (!c->store[i]->joined)
			continue;
		if (backup_list_copy(&c->store[i]->place.backups, &copy) != 0 ||
		    backup_list_merge(&c->merged.backups, &copy) != 0)
			return fail_errno(f, "backups", "memory");
		c->merged.keep_wal |= c->store[i]->place.keep_wal;
	}
	return 0;
}

static int
read_as_one(struct check *c, struct fail *f)
{
	struct store *stores[CONF_STORES_MAX];
	struct check_store *first = first_opened(c);
	struct check_place *all = &c->merged;

	c->n_joined = join(c, stores);
	if (c->n_joined == 1) {
		c->all = &first->place;
		return 0;
	}
	c->merged_store = merged_new(stores, c->n_joined, f);
	if (c->merged_store == NULL)
		return -1;
	all->listed = first->place.listed;
	all->listed.store = c->merged_store;
	if (index_load(&all->listed, &first->place.index.id, &all->index, f) !=
	    0)
		return -1;
	c->all = all;
	return merge_backups(c, f);
}

static int
open_aside(const void *arg, struct repository *r, struct fail *f)
{
	struct check *c = *(struct check *const *)arg;
	size_t i = (size_t)(r - c->setup->repos);

	(void)f;
	open_store(c, i, &c->seen[i]);
	return 0;
}

/*
 * One that hangs must not keep a monitor from the truth about the others: it
 * has half the time, which leaves the other half for them.
 */
static void
open_several(struct check *c)
{
	const struct setup *s = c->setup;
	int64_t left = deadline_left(s->deadline);
	struct several all = { .repos = c->setup->repos,
		.n = s->n,
		.required = s->n,
		.deadline = deadline_in(left / 2) };
	const struct several_task task = { .run = open_aside, .arg = &c->self };

	several_do(&all, &task);
	c->quiet = several_is_quiet(&all);
	for (size_t i = 0; i < s->n; i++) {
		if (all.store[i].word == SEVERAL_DONE)
			continue;
		c->store[i] = &c->silents[i];
		c->store[i]->fail = all.store[i].fail;
		behind_load(conf_text(s->conf, OPT_STATE_DIR, NULL),
		    &s->repos[i], &c->store[i]->behind);
		if (all.store[i].word == SEVERAL_SILENT) {
			(void)fail_set(&c->store[i]->fail, FAIL_TRANSIENT,
			    s->stores[i]->url,
			    "it did not answer within half of the time that "
			    "check has");
			(void)fail_hint(&c->store[i]->fail,
			    "a longer --timeout tells a slow one from one that "
			    "hangs");
		}
	}
}

void
check_open(struct check *c)
{
	struct fail f;

	c->self = c;
	c->quiet = true;
	for (size_t i = 0; i < c->setup->n; i++)
		c->store[i] = &c->seen[i];
	if (c->setup->n > 1)
		open_several(c);
	else
		open_store(c, 0, c->store[0]);
	for (size_t i = 0; i < c->setup->n; i++)
		c->n_opened += c->store[i]->opened;
	if (c->n_opened > 0 && read_as_one(c, &f) != 0)
		findings_add_fail(
		    &c->found, NAGIOS_CRITICAL, "archived WAL", &f);
}

static void
close_place(struct check_place *p)
{
	index_clear(&p->index);
	backup_list_clear(&p->backups);
}

void
check_close(struct check *c)
{
	close_place(&c->merged);
	store_free(c->merged_store);
	for (size_t i = 0; i < c->setup->n; i++)
		if (c->store[i]->opened) {
			close_place(&c->store[i]->place);
			snapshot_end(&c->store[i]->place.listed);
		}
}

/* -- what is said about it -- */

/* Stores that take what is archived. */
static size_t
count_working(const struct check *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->setup->n; i++)
		n += c->store[i]->writable &&
		    (c->setup->n == 1 || c->store[i]->behind.failures == 0);
	return n;
}

/* What a store that fails means for archiving. */
static int
grade_outage(const struct check *c, char *meaning, size_t cap)
{
	size_t n = count_working(c), required = conf_n_required(c->setup->conf);

	meaning[0] = '\0';
	if (c->setup->n == 1)
		return NAGIOS_CRITICAL;
	if (n >= required) {
		(void)snprintf(meaning, cap,
		    "; %zu of %zu stores work, which is enough: required is "
		    "%zu",
		    n, c->setup->n, required);
		return NAGIOS_WARNING;
	}
	(void)snprintf(meaning, cap,
	    "; %zu of %zu stores work, and required is %zu: archiving stops", n,
	    c->setup->n, required);
	return NAGIOS_CRITICAL;
}

static void
say_fails(struct check *c, const struct fail *f)
{
	char meaning[128];
	int level = grade_outage(c, meaning, sizeof meaning);

	findings_add(&c->found, level, "store", "%s: %s%s%s%s%s", f->object,
	    f->cause, f->hint[0] != '\0' ? " (hint: " : "", f->hint,
	    f->hint[0] != '\0' ? ")" : "", meaning);
}

/* What walpush has met; it may be over, and the next push finds that out. */
static void
say_remembered(struct check *c, const struct behind *b, const char *url)
{
	char since[CLOCK_TEXT], until[CLOCK_TEXT], meaning[128];
	int level = grade_outage(c, meaning, sizeof meaning);

	clock_format(b->since, since);
	clock_format(b->until, until);
	findings_add(&c->found, level, "store",
	    "%s: walpush fails there since %s (%llu times): %s; it is asked "
	    "again after %s%s",
	    url, since, (unsigned long long)b->failures, b->cause, until,
	    meaning);
}

void
check_stores(struct check *c)
{
	for (size_t i = 0; i < c->setup->n; i++) {
		const struct check_store *x = c->store[i];
		const struct repository *r = &c->setup->repos[i];

		c->found.store = r->store->name;
		if (!x->opened)
			say_fails(c, &x->fail);
		else if (!x->writable)
			say_fails(c, &x->refusal);
		else
			findings_add(&c->found, NAGIOS_OK, "store",
			    "%s: repository %s, writable", r->store->url,
			    r->id);
		if (c->setup->n > 1 && x->behind.failures > 0)
			say_remembered(c, &x->behind, r->store->url);
		if (x->opened && c->has_server &&
		    c->server.sysid != x->place.index.id.sysid)
			findings_add(&c->found, NAGIOS_CRITICAL, "server",
			    "its system identifier is %llu, the repository was "
			    "asked about %llu",
			    (unsigned long long)c->server.sysid,
			    (unsigned long long)x->place.index.id.sysid);
	}
	c->found.store = NULL;
}

void
check_remembered(const struct setup *s, char *out, size_t cap)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < s->n && len < cap; i++) {
		struct behind b;

		behind_load(
		    conf_text(s->conf, OPT_STATE_DIR, NULL), &s->repos[i], &b);
		if (b.failures > 0)
			len += (size_t)snprintf(out + len, cap - len,
			    "; store %s: %s", s->repos[i].store->name, b.cause);
	}
}
