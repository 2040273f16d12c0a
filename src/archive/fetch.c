/* SPDX-License-Identifier: PostgreSQL */
/*
 * The way of a WAL file back from a store:
 *
 *	store -> open, decompress, verify -> nameless file -> destination
 *
 * Everything is known to be right before the destination exists.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "fetch.h"
#include "fetch_memory.h"
#include "fetch_place.h"
#include "fork.h"
#include "io.h"
#include "known.h"
#include "log.h"
#include "mem.h"
#include "object.h"
#include "state.h"

#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS   5000

struct fetch {
	const struct fetch_args *args;
	struct fetch_place to;
	bool has_control;
	struct control control;
	bool two_repositories; /* the stores hold different ones */
};

/* A history file: small, must parse, and worth remembering. */
static int
get_history(
    struct fetch *x, struct repository *r, const char *key, struct fail *f)
{
	struct mem m;
	struct object_seen seen;
	struct timeline t;
	int rc;

	mem_init(&m);
	rc = object_read(r->store, &r->layout, key, &m.stream, &seen, f);
	if (rc == 0) {
		rc = timeline_parse(
		    m.bytes.data, m.bytes.len, x->to.name.tli, key, &t, f);
		if (rc == 0)
			timeline_clear(&t);
	}
	if (rc == 0)
		rc = fetch_place_bytes(&x->to, &m.bytes, f);
	/* Of several, not before they are known to be one repository. */
	if (rc == 0 && x->args->several == NULL)
		state_save_history(x->args->state_dir, r, x->to.name.tli,
		    m.bytes.data, m.bytes.len);
	buf_clear(&m.bytes);
	return rc;
}

static int
get_file(struct fetch *x, struct repository *r, const char *key, struct fail *f)
{
	struct object_seen seen;
	struct stream *out = fetch_place_new(&x->to, &seen, f);

	if (out == NULL)
		return -1;
	return object_read(r->store, &r->layout, key, out, &seen, f);
}

/* Never the old timeline's segment where the new one's must be. */
static int
check_fork(struct fetch *x, uint32_t segsize, struct fail *f)
{
	uint32_t newer;

	if (x->to.name.kind != WALNAME_SEGMENT)
		return 0;
	if (fork_fences(x->to.pg_wal, &x->to.name, segsize,
	        x->has_control ? &x->control : NULL, &newer) != 0)
		return fail_errno(
		    f, x->to.pg_wal, "look for timeline histories");
	if (newer == 0)
		return 0;
	(void)fail_set(f, FAIL_REFUSED, x->to.name.text,
	    "timeline %u has left timeline %u before the end of this segment: "
	    "replaying it would mix two histories",
	    newer, x->to.name.tli);
	return fail_hint(f,
	    "the segment of timeline %u is not archived (yet). If timeline %u "
	    "is not to be followed, remove its history file from pg_wal",
	    newer, newer);
}

/* Where nobody said which history is meant, there must be only one. */
static int
check_generation(const struct fetch *x, const struct repository *r,
    bool remembered, struct fail *f)
{
	struct repository next = *r;
	struct identity id;
	int rc;

	if (x->args->generation_given)
		return 0;
	next.layout.generation++;
	if (remembered && known_is(r, x->args->state_dir, KNOWN_NEWEST))
		return 0;
	rc = repository_identity(&next, &id, f);
	if (rc == 1)
		known_remember(r, x->args->state_dir, KNOWN_NEWEST);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	(void)fail_set(f, FAIL_CONFIG, r->store->url,
	    "system identifier %" PRIu64 " has a newer generation (%" PRIu32
	    ") here, and none was asked for",
	    id.sysid, id.generation);
	return fail_hint(f,
	    "set generation in the configuration, or give "
	    "--generation NUMBER");
}

/*
 * "None" holds only if this is the repository, as the store itself says: a
 * directory looks empty the moment its disk is unmounted.  1 or -1.
 */
static int
prove_absence(
    struct fetch *x, struct repository *r, bool remembered, struct fail *f)
{
	struct identity id;

	if (repository_open(r, f) != 0)
		return -1;
	known_see(r, x->args->state_dir);
	if (repository_require(r, &id, f) != 0 ||
	    (remembered && check_generation(x, r, false, f) != 0))
		return -1;
	return 1;
}

/* The repository and the system in it.  0, 1 from memory, -1. */
static int
open_system(
    struct fetch *x, struct repository *r, struct identity *id, struct fail *f)
{
	r->layout.sysid = x->to.sysid;
	r->layout.generation = x->args->generation;
	/* It is asked anew for each fetch, and each time that one is tried. */
	r->id[0] = '\0';
	if (r->layout.sysid == 0 &&
	    (repository_open(r, f) != 0 || repository_only_system(r, f) != 0))
		return -1;
	x->to.sysid = r->layout.sysid;
	return known_require(r, x->args->state_dir, id, f);
}

/* Ask one store.  0, 1 it has none, -1. */
static int
get_from(struct fetch *x, struct repository *r, struct fail *f)
{
	struct identity id;
	char key[LAYOUT_KEY_MAX];
	int rc = open_system(x, r, &id, f);
	bool remembered = rc == 1;

	if (rc < 0 || check_generation(x, r, remembered, f) != 0 ||
	    check_fork(x, id.segsize, f) != 0)
		return -1;
	layout_wal(&r->layout, &x->to.name, NULL, key);
	rc = x->to.name.kind == WALNAME_HISTORY ? get_history(x, r, key, f)
	                                        : get_file(x, r, key, f);
	return rc == 1 ? prove_absence(x, r, remembered, f) : rc;
}

/* What failed to verify may have been a bad read. */
static int
get_from_twice(struct fetch *x, struct repository *r, struct fail *f)
{
	int rc = get_from(x, r, f);

	return rc < 0 && f->kind == FAIL_DAMAGED ? get_from(x, r, f) : rc;
}

/* In a thread of several: with a fetch of its own. */
static int
run_get(const void *arg, struct repository *r, struct fail *f)
{
	struct fetch x = *(const struct fetch *)arg;

	return get_from_twice(&x, r, f);
}

/* What failed is told, also if another store has made it good. */
static void
tell_failed(const struct several *s, const char *name, const char *what,
    const struct fail *told)
{
	for (size_t i = 0; i < s->n; i++) {
		struct fail f = s->store[i].fail;

		if ((s->store[i].word != SEVERAL_FAILED &&
		        s->store[i].word != SEVERAL_SILENT) ||
		    (told != NULL && strcmp(told->object, f.object) == 0 &&
		        strcmp(told->cause, f.cause) == 0))
			continue;
		if (f.kind == FAIL_DAMAGED && told == NULL)
			(void)fail_hint(&f,
			    "walvault repair %s puts a good copy in its place",
			    name);
		log_fail(LOG_WARNING, what, &f);
	}
}

/* Where pg_control did not tell whose WAL it is, the stores did. */
static void
learn_system(struct fetch *x)
{
	const struct several *s = x->args->several;

	for (size_t i = 0; i < s->n && x->to.sysid == 0; i++)
		if (!s->store[i].busy)
			x->to.sysid = s->repos[i].layout.sysid;
}

/*
 * What one store lacks may be had from another only if they are copies of one
 * repository: two histories must not be mixed.  rc is what they have said
 * together; it, or -1 and nothing is at the destination.
 */
static int
require_one_repository(struct fetch *x, int rc, struct fail *f)
{
	const struct several *s = x->args->several;
	const struct repository *first = NULL;

	x->two_repositories = false;
	for (size_t i = 0; rc >= 0 && !x->two_repositories && i < s->n; i++) {
		if (s->store[i].word != SEVERAL_DONE &&
		    s->store[i].word != SEVERAL_NO)
			continue;
		if (first == NULL)
			first = &s->repos[i];
		x->two_repositories = several_is_known(s, i, f) != 0 ||
		    repository_same(first, &s->repos[i], f) != 0;
	}
	if (x->two_repositories && rc == 0)
		(void)unlink(x->to.dest);
	return x->two_repositories ? -1 : rc;
}

/*
 * Absent is what all stores say; any other failure outweighs it.  The threads
 * may outlive the caller, so what they share is a copy.
 */
static int
get_from_several(struct fetch *x, struct fail *f)
{
	struct fetch *shared = malloc(sizeof *shared);
	struct several_task task = { run_get, shared, free };
	int rc;

	if (shared == NULL)
		return fail_errno(f, x->to.name.text, "memory");
	*shared = *x;
	rc = several_ask(x->args->several, &task, f);
	learn_system(x);
	rc = require_one_repository(x, rc, f);
	if (rc == 0)
		fetch_memory_keep(x->args, &x->to);
	if (rc == 0)
		tell_failed(x->args->several, x->to.name.text,
		    "fetched from another store", NULL);
	else if (rc < 0)
		tell_failed(x->args->several, x->to.name.text, "fetch", f);
	return rc;
}

static int
get_from_any(struct fetch *x, struct fail *f)
{
	return x->args->several != NULL
	    ? get_from_several(x, f)
	    : get_from_twice(x, &x->args->repos[0], f);
}

static bool
worth_trying_again(const struct fail *f)
{
	return f->kind == FAIL_TRANSIENT || f->kind == FAIL_SPACE;
}

static int
get_until_deadline(struct fetch *x, struct fail *f)
{
	int64_t wait = BACKOFF_FIRST_MS;

	for (;;) {
		int rc = get_from_any(x, f);
		struct timespec ts;

		if (rc >= 0 || !worth_trying_again(f) ||
		    deadline_left(x->args->deadline) < wait)
			return rc;
		log_fail(LOG_WARNING, "fetch, trying again", f);
		ts.tv_sec = wait / 1000;
		ts.tv_nsec = wait % 1000 * 1000000;
		(void)nanosleep(&ts, NULL);
		wait = wait * 2 < BACKOFF_MAX_MS ? wait * 2 : BACKOFF_MAX_MS;
	}
}

/*
 * After promotion the server asks for its own line's histories once more.  It
 * has them in pg_wal; an outage at that moment must not stop it.
 */
static int
get_from_pg_wal(struct fetch *x, struct fail *f)
{
	struct buf b = { 0 };
	struct timeline t;
	char path[PATH_MAX];
	int rc = 1;

	if (snprintf(path, sizeof path, "%.4000s/%s", x->to.pg_wal,
	        x->to.name.text) < (int)sizeof path &&
	    io_read_file(AT_FDCWD, path, TIMELINE_FILE_MAX, &b, f) == 0 &&
	    timeline_parse(b.data, b.len, x->to.name.tli, path, &t, f) == 0) {
		timeline_clear(&t);
		rc = fetch_place_bytes(&x->to, &b, f);
	}
	buf_clear(&b);
	return rc;
}

/* Whose WAL is asked for?  Only the system identifier must be right: the
 * rest of pg_control may be torn at this moment. */
static int
find_cluster(struct fetch *x, struct fail *f)
{
	int rc;

	x->to.sysid = x->args->sysid;
	if (x->to.sysid != 0)
		return 0;
	rc = control_find(x->to.dest, x->args->pgdata, &x->control, f);
	if (rc == 0) {
		x->to.sysid = x->control.sysid;
		x->has_control = x->control.crc_ok;
	}
	return rc < 0 ? -1 : 0;
}

/* Take the arguments apart.  0 or -1. */
static int
fetch_init(struct fetch *x, const char *name, struct fail *f)
{
	if (walname_parse(name, &x->to.name) != 0 ||
	    x->to.name.kind == WALNAME_PARTIAL) {
		(void)fail_set(f, FAIL_CONFIG, name,
		    "not the name of a file that can be fetched");
		return fail_hint(f, "a .partial is read by: walvault cat");
	}
	if (strlen(x->to.dest) >= sizeof x->to.pg_wal - WALNAME_TEXT)
		return fail_set(
		    f, FAIL_CONFIG, x->to.dest, "the path is too long");
	io_above(x->to.dest, 1, x->to.pg_wal, sizeof x->to.pg_wal);
	return 0;
}

int
fetch_remembered(const struct fetch_args *args, const char *name,
    const char *dest, struct fail *f)
{
	struct fetch x = { .args = args,
		.to = { .dest = dest, .allow_damaged = args->allow_damaged } };

	if (fetch_init(&x, name, f) != 0 || x.to.name.kind != WALNAME_HISTORY ||
	    find_cluster(&x, f) != 0)
		return -1;
	return fetch_memory_get(x.args, &x.to);
}

static int
not_by_plan(const struct fetch *x, struct fail *f)
{
	(void)fail_set(f, FAIL_ABSENT, x->to.name.text,
	    "the plan of this recovery needs it, and no store has it any more");
	return fail_hint(f, "see what can be reached: pitr-restore --plan");
}

/* By the usual rules, but what the plan has seen is never absent. */
static int
fetch_by_plan(struct fetch *x, struct fail *f)
{
	const struct planfile *p = &x->args->plan;
	enum planfile_word word = PLANFILE_SILENT;
	int rc;

	if (x->args->has_plan) {
		if (x->to.sysid != 0 && x->to.sysid != p->sysid)
			return fail_set(f, FAIL_CONFIG, PLANFILE_NAME,
			    "the plan is for another cluster: system "
			    "identifier %" PRIu64,
			    p->sysid);
		word = planfile_ask(p, &x->to.name);
	}
	if (word == PLANFILE_ABSENT) {
		(void)fail_set(f, FAIL_ABSENT, x->to.name.text,
		    "it lies behind the end of the plan (%s)", PLANFILE_NAME);
		return 1;
	}
	rc = get_until_deadline(x, f);
	return rc == 1 && word == PLANFILE_MUST ? not_by_plan(x, f) : rc;
}

int
fetch_file(const struct fetch_args *args, const char *name, const char *dest,
    struct fail *f)
{
	struct fetch x = { .args = args,
		.to = { .dest = dest, .allow_damaged = args->allow_damaged } };
	int rc;

	if (fetch_init(&x, name, f) != 0)
		return -1;
	if (x.to.name.kind == WALNAME_HISTORY) {
		/* The first timeline has no history, in no repository. */
		if (x.to.name.tli == 1)
			return 1;
		if (args->mode == FETCH_PROMOTED) {
			rc = get_from_pg_wal(&x, f);
			if (rc <= 0)
				return rc;
		}
	}
	if (find_cluster(&x, f) != 0)
		return -1;
	rc = fetch_by_plan(&x, f);
	if (rc < 0 && x.to.name.kind == WALNAME_HISTORY &&
	    f->kind != FAIL_DAMAGED && !x.two_repositories &&
	    fetch_memory_get(x.args, &x.to) == 0)
		return 0;
	return rc;
}
