/* SPDX-License-Identifier: PostgreSQL */
/* walvault repair: good copies in the place of damaged objects. */
#include <stdio.h>
#include <string.h>

#include "backup.h"
#include "clock.h"
#include "exitcode.h"
#include "log.h"
#include "repair.h"
#include "rules.h"
#include "verbs.h"
#include "verify.h"

struct job {
	struct setup *setup;
	struct carry_pace pace;
	bool opened[CONF_STORES_MAX];
	struct identity id[CONF_STORES_MAX];
	size_t repaired, failed;
	const struct repository *to; /* now */
};

static void
told(void *arg, const char *key, const struct repository *from)
{
	struct job *j = arg;

	(void)printf("%s: %s: %s from %s\n", j->to->store->name, key,
	    conf_number(j->setup->conf, OPT_DRY_RUN) != 0 ? "can be repaired"
	                                                  : "repaired",
	    from->store->name);
	j->repaired++;
}

/* "SYSTEM/backup/ID/NAME": the name; NULL: it is something else. */
static const char *
name_in_backup(const struct layout *l, const char *key, char id[BACKUP_ID])
{
	char prefix[LAYOUT_KEY_MAX];
	size_t len;

	backup_prefix(l, prefix);
	if (strncmp(key, prefix, strlen(prefix)) != 0)
		return NULL;
	key += strlen(prefix);
	len = strcspn(key, "/");
	if (len >= BACKUP_ID || key[len] == '\0')
		return NULL;
	memcpy(id, key, len);
	id[len] = '\0';
	return backup_is_id(id) ? key + len + 1 : NULL;
}

/* A manifest stands for its backup.  0 or -1. */
static int
repair_one(
    struct job *j, const struct repair *r, const char *key, struct fail *f)
{
	const struct repository *source = NULL;
	enum repair_word word;
	char id[BACKUP_ID];
	const char *name = name_in_backup(&r->to->layout, key, id);

	if (name != NULL && strcmp(name, "manifest") == 0)
		return repair_backup(r, id, f);
	/* No piece of what is not there. */
	if (name != NULL && backup_require(r->to, id, f) != 0)
		return -1;
	if (repair_object(r, key, &word, &source, f) != 0)
		return -1;
	if (word == REPAIR_NO_COPY)
		return fail_hint(f, REPAIR_NO_COPY_HINT);
	if (word == REPAIR_DONE)
		told(j, key, source);
	return 0;
}

static void
repair_key(struct job *j, size_t i, const char *key)
{
	const struct conf *c = j->setup->conf;
	struct repository *from[CONF_STORES_MAX];
	struct repair r = { .to = &j->setup->repos[i],
		.from = from,
		.pace = &j->pace,
		.dry_run = conf_number(c, OPT_DRY_RUN) != 0,
		.done = told,
		.done_arg = j };
	struct fail f = { .kind = FAIL_NONE };
	size_t before = j->repaired;

	for (size_t k = 0; k < j->setup->n; k++)
		if (k != i && j->opened[k] &&
		    verb_is_named(
		        conf_text(c, OPT_FROM, NULL), j->setup->stores[k]))
			from[r.n_from++] = &j->setup->repos[k];
	j->to = r.to;
	if (repair_one(j, &r, key, &f) == 0) {
		if (j->repaired == before)
			(void)printf("%s: %s: whole\n", r.to->store->name, key);
		return;
	}
	(void)setup_name_store(j->setup, i, &f);
	log_fail(LOG_ERROR, "not repaired", &f);
	j->failed++;
}

/* The key that a finding is about; what has none is told as it is. */
static void
repair_finding(struct job *j, size_t i, const struct verify_finding *x)
{
	const char *object = x->object;
	char key[LAYOUT_KEY_MAX];
	struct fail f;

	if (strchr(object, '/') != NULL) {
		repair_key(j, i, object);
		return;
	}
	/* "FIRST - LAST" are missing: what is not there is not damaged. */
	if (strstr(object, " - ") != NULL) {
		log_error("not repaired: store %s: %s: %s (hint: walvault sync "
		          "brings what another store has)",
		    j->setup->stores[i]->name, object, x->text);
		j->failed++;
		return;
	}
	if (verb_key_of(j->setup, i, object, key, &f) == 0 &&
	    strchr(key, '/') != NULL &&
	    (backup_is_id(object) || strlen(object) >= 16)) {
		repair_key(j, i, key);
		return;
	}
	log_error("not repaired: store %s: %s: %s", j->setup->stores[i]->name,
	    object, x->text);
	j->failed++;
}

/* Whatever verifying finds in a store. */
static int
repair_store(struct job *j, size_t i, struct fail *f)
{
	const struct conf *c = j->setup->conf;
	struct verify_args args = {
		.jobs = (unsigned)conf_number(c, OPT_JOBS),
		.wal = conf_number(c, OPT_WAL) != 0,
		.sample = 100,
		.state_dir = conf_text(c, OPT_STATE_DIR, NULL),
		.clock = clock_now(),
	};
	struct store_args store;
	struct verify_report r;
	int rc;

	setup_store_args(j->setup, i, &store);
	rules_of_store(c, i, &args.rules);
	args.store = &store;
	rc = verify(&j->setup->repos[i], &j->id[i], &args, &r, f);
	for (size_t k = 0; rc == 0 && k < r.n; k++)
		repair_finding(j, i, &r.list[k]);
	verify_clear(&r);
	return rc;
}

static void
repair_given(struct job *j, size_t i)
{
	for (size_t k = 0; k < conf_n_args(j->setup->conf); k++) {
		char key[LAYOUT_KEY_MAX];
		struct fail f;

		if (verb_key_of(j->setup, i, conf_arg(j->setup->conf, k), key,
		        &f) == 0) {
			repair_key(j, i, key);
			continue;
		}
		log_fail(LOG_ERROR, "not repaired", &f);
		j->failed++;
	}
}

static void
open_all(struct job *j)
{
	for (size_t i = 0; i < j->setup->n; i++) {
		struct fail f;

		j->opened[i] = verb_open(j->setup, i, &j->id[i], &f) == 0;
		if (j->opened[i])
			continue;
		(void)setup_name_store(j->setup, i, &f);
		log_fail(LOG_ERROR, "repair", &f);
		j->failed++;
	}
}

int
verb_repair(struct setup *s, struct fail *f)
{
	struct job j = { .setup = s };

	if (verb_check_list(s, OPT_FROM, f) != 0 ||
	    verb_check_list(s, OPT_TO, f) != 0)
		return -1;
	if (s->n < 2) {
		(void)fail_set(f, FAIL_CONFIG, "--store",
		    "a good copy is in another store, and there is only one");
		return fail_hint(f,
		    "damaged WAL that pg_wal still has: walvault verify --wal "
		    "--set-aside, then walpush");
	}
	j.pace.max_rate = conf_number(s->conf, OPT_MAX_RATE);
	open_all(&j);
	for (size_t i = 0; i < s->n; i++) {
		if (!j.opened[i] ||
		    !verb_is_named(
		        conf_text(s->conf, OPT_TO, NULL), s->stores[i]))
			continue;
		if (conf_n_args(s->conf) > 0) {
			repair_given(&j, i);
		} else if (repair_store(&j, i, f) != 0) {
			log_fail(LOG_ERROR, "repair", f);
			j.failed++;
		}
	}
	(void)printf("%zu objects %s, %zu failures\n", j.repaired,
	    conf_number(s->conf, OPT_DRY_RUN) != 0 ? "can be repaired"
	                                           : "repaired",
	    j.failed);
	return j.failed == 0 ? EXIT_FINE : EXIT_PROBLEM;
}
