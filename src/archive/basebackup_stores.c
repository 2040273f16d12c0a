/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a base backup asks of each store, but for packs, WAL and the manifest:
 * see basebackup_job.h.  Any of them may fail, or never answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "basebackup_step.h"
#include "behind.h"
#include "heads.h"
#include "known.h"
#include "log.h"
#include "units.h"

#define RUNNING_US (INT64_C(5) * 60 * 1000000)

/* Without a backup to judge by: no cluster is known to shrink more. */
#define SHRINK_MAX 50

/* What a store has said. */
struct answer {
	struct identity id;
	uint64_t last_bytes, last_stored;
	bool deleting;
};

/* What the threads of a step share. */
struct asking {
	const struct repository *first; /* the others follow */
	const char *state_dir;
	uint64_t sysid;
	uint64_t bytes; /* of all files */
	uint64_t last_bytes, last_stored;
	struct backup_begin begin;
	struct answer *answers; /* one per store, its thread's own */
};

static struct answer *
answer_of(const struct asking *a, const struct repository *r)
{
	return &a->answers[r - a->first];
}

static void
free_asking(void *arg)
{
	struct asking *a = arg;

	free(a->answers);
	free(a);
}

/* Fill the step's argument, and do it. */
static int
ask_all(struct basebackup *b, struct basebackup_step *step, struct fail *f)
{
	struct asking *a = calloc(1, sizeof *a);

	if (a == NULL)
		return fail_errno(f, "backup", "memory");
	*a = (struct asking){ .first = b->args->repos,
		.state_dir = b->args->state_dir,
		.sysid = b->control.sysid,
		.bytes = b->list.bytes,
		.last_bytes = b->last_bytes,
		.last_stored = b->last_stored,
		.begin = b->begin,
		.answers = calloc(b->args->n_repos, sizeof *a->answers) };
	if (a->answers == NULL) {
		free(a);
		return fail_errno(f, "backup", "memory");
	}
	step->task.arg = a;
	step->task.free_arg = free_asking;
	return basebackup_do(b, step, f);
}

/* -- opening -- */

static int
run_open(const void *arg, struct repository *r, struct fail *f)
{
	const struct asking *a = arg;

	r->layout.sysid = a->sysid;
	if (repository_open(r, f) != 0)
		return -1;
	known_see(r, a->state_dir);
	return repository_require(r, &answer_of(a, r)->id, f);
}

/* The first to be taken: those before it are silent, or have failed. */
static int
same_as_silent(const struct basebackup *b, size_t i, struct fail *f)
{
	const struct basebackup_args *a = b->args;
	int rc = 1;

	for (size_t k = 0; k < i && rc == 1; k++)
		rc = known_same(&a->repos[k], a->state_dir, &a->repos[i], f);
	return rc < 0 ? -1 : 0;
}

/* All must be one repository: an object names the one it belongs to. */
static int
take_open(struct basebackup *b, const void *arg, size_t i, struct fail *f)
{
	const struct asking *a = arg;
	const struct repository *r = &b->args->repos[i];
	const struct identity *id = &a->answers[i].id;

	b->down[i] = false;
	if (b->repo.id[0] == '\0') {
		if (same_as_silent(b, i, f) != 0)
			return -1;
		b->repo = *r;
		b->identity = *id;
		return 0;
	}
	if (repository_copies(&b->repo, r, f) != 0)
		return -1;
	if (id->segsize == b->identity.segsize &&
	    id->major == b->identity.major)
		return 0;
	return fail_set(f, FAIL_CONFIG, r->store->url,
	    "it knows the cluster as PostgreSQL %d with segments of %u bytes, "
	    "store %s as %d with %u",
	    id->major, id->segsize, b->repo.store->name, b->identity.major,
	    b->identity.segsize);
}

/* Stores that have just failed for others are not counted on. */
static void
look_who_is_down(struct basebackup *b)
{
	const struct basebackup_args *a = b->args;
	int64_t now = clock_now();

	for (size_t i = 0; i < a->n_repos; i++) {
		struct behind behind;

		behind_load(a->state_dir, &a->repos[i], &behind);
		b->down[i] = a->required < a->n_repos &&
		    behind_is_down(&behind, now);
		if (b->down[i])
			log_info("store %s: not waited for if the others are "
			         "enough, because it failed: %s",
			    a->stores[i].name, behind.cause);
	}
}

int
basebackup_open(struct basebackup *b, struct fail *f)
{
	const struct basebackup_args *a = b->args;
	struct basebackup_step step = { .what = "opening the repository",
		.task.run = run_open,
		.take = take_open };
	int rc = control_read(a->pgdata, &b->control, f);

	if (rc == 1)
		return fail_set(f, FAIL_CONFIG, a->pgdata,
		    "no global/pg_control: not a data directory");
	if (rc < 0)
		return -1;
	b->mirror = mirror_new(&(struct mirror_args){ .stores = a->stores,
	    .n = a->n_repos,
	    .required = a->required,
	    .patience_ms = a->max_lag_ms,
	    .stuck_ms = a->max_lag_ms });
	if (b->mirror == NULL)
		return fail_errno(f, "backup", "memory");
	look_who_is_down(b);
	rc = ask_all(b, &step, f);
	b->repo.store = rc == 0 ? mirror_open(b->mirror, f) : NULL;
	return b->repo.store != NULL ? 0 : -1;
}

/* -- other backups -- */

/*
 * Another host cannot be locked out, but it can be seen.  The last backup
 * tells how well this cluster compresses.
 */
static int
run_look(const void *arg, struct repository *r, struct fail *f)
{
	struct answer *answer = answer_of(arg, r);
	struct backup_list all;
	char host[128] = "";

	if (backup_list_load(r, &all, f) != 0)
		return -1;
	(void)gethostname(host, sizeof host - 1);
	for (size_t i = 0; i < all.n; i++) {
		const struct backup *x = &all.list[i];

		if (x->state == BACKUP_COMPLETE) {
			answer->last_bytes = x->info.bytes;
			answer->last_stored = x->info.stored;
		}
		if (x->state != BACKUP_UNFINISHED || !x->has_begin ||
		    strcmp(x->begin.host, host) == 0 ||
		    clock_now() - x->newest > RUNNING_US)
			continue;
		log_warning("backup: %s seems to be running on host %s", x->id,
		    x->begin.host);
	}
	backup_list_clear(&all);
	return 0;
}

static int
take_look(struct basebackup *b, const void *arg, size_t i, struct fail *f)
{
	const struct answer *answer = &((const struct asking *)arg)->answers[i];

	(void)f;
	if (answer->last_bytes > 0) {
		b->last_bytes = answer->last_bytes;
		b->last_stored = answer->last_stored;
	}
	return 0;
}

int
basebackup_look_at_others(struct basebackup *b, struct fail *f)
{
	struct basebackup_step step = { .what = "looking for other backups",
		.task.run = run_look,
		.take = take_look };

	return ask_all(b, &step, f);
}

/* -- the note that a backup has begun -- */

static int
run_begin(const void *arg, struct repository *r, struct fail *f)
{
	const struct asking *a = arg;

	return backup_write_begin(r, &a->begin, f) == 0 ? 0 : -1;
}

int
basebackup_put_begin(struct basebackup *b, struct fail *f)
{
	struct basebackup_step step = {
		.what = "being told that a backup begins", .task.run = run_begin
	};

	return ask_all(b, &step, f);
}

/* -- room -- */

static int
run_space(const void *arg, struct repository *r, struct fail *f)
{
	const struct asking *a = arg;
	struct store *s = r->store;
	uint64_t room, need = a->bytes / SHRINK_MAX;
	char has[UNITS_TEXT], wants[UNITS_TEXT];
	int rc = store_space(s, &room, f);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (a->last_bytes > 0)
		need = (uint64_t)((double)a->bytes * (double)a->last_stored /
		    (double)a->last_bytes);
	if (room >= need)
		return 0;
	units_format_bytes(room, has);
	units_format_bytes(need, wants);
	(void)fail_set(f, FAIL_SPACE, s->url,
	    "%s are free, this backup needs about %s", has, wants);
	return fail_hint(f, "walvault expire deletes what no rule keeps");
}

int
basebackup_check_space(struct basebackup *b, struct fail *f)
{
	struct basebackup_step step = { .what = "being asked for its free room",
		.task.run = run_space };

	return ask_all(b, &step, f);
}

/* -- at the end -- */

/* Did someone delete it while it was finished? */
static int
run_kept(const void *arg, struct repository *r, struct fail *f)
{
	const struct asking *a = arg;
	int rc = backup_is_deleting(r, a->begin.id, f);

	answer_of(a, r)->deleting = rc == 1;
	return rc < 0 ? -1 : 0;
}

static int
take_kept(struct basebackup *b, const void *arg, size_t i, struct fail *f)
{
	const struct asking *a = arg;

	if (!a->answers[i].deleting)
		return 0;
	b->may_have[i] = false;
	return fail_set(f, FAIL_REFUSED, b->id,
	    "expire took it for broken off and is deleting it");
}

int
basebackup_check_kept(struct basebackup *b, struct fail *f)
{
	struct basebackup_step step = {
		.what = "being asked whether the backup is still there",
		.task.run = run_kept,
		.take = take_kept,
		.published = true
	};

	return ask_all(b, &step, f);
}

static int
run_renew(const void *arg, struct repository *r, struct fail *f)
{
	(void)arg;
	(void)f;
	heads_renew(r, false);
	return 0;
}

void
basebackup_renew_heads(struct basebackup *b)
{
	struct basebackup_step step = {
		.what = "bringing its index up to date; it is only slower "
		        "without",
		.task.run = run_renew,
		.published = true
	};
	struct fail f;

	(void)ask_all(b, &step, &f);
}
