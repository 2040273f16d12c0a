/* SPDX-License-Identifier: PostgreSQL */
/* Marker and identity, remembered: see known.h. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "known.h"
#include "note.h"
#include "state.h"

#define HOUR (INT64_C(3600) * 1000000)

#define NAME "identity"

static bool
is_remembered(const struct repository *r, const char *state_dir)
{
	return r->store->far && state_dir != NULL;
}

/* A note of this system that is not older than an hour.  0, or 1. */
static int
load(const struct repository *r, const char *state_dir, const char *name,
    struct buf *b)
{
	uint64_t seen;
	int64_t now = clock_now();
	struct fail f;

	if (!is_remembered(r, state_dir) ||
	    state_load(state_dir, r, name, NOTE_MAX, b) != 0 ||
	    note_check(b, name, &f) != 0 ||
	    note_get_number(b, "seen", &seen, name, &f) != 0)
		return 1;
	return (int64_t)seen <= now && now - (int64_t)seen < HOUR ? 0 : 1;
}

static void
save(const struct repository *r, const char *state_dir, const char *name,
    struct buf *b)
{
	if (note_add_number(b, "seen", (uint64_t)clock_now()) == 0 &&
	    note_seal(b) == 0)
		state_save(state_dir, r, name, b->data, b->len);
}

static int
recall(struct repository *r, const char *state_dir, struct identity *out)
{
	struct buf b = { 0 };
	struct repository seen = *r;
	uint64_t major, segsize;
	struct fail f;
	int rc = 1;

	if (state_seen(state_dir, r, seen.id) == 0)
		rc = load(&seen, state_dir, NAME, &b);
	if (rc == 0 &&
	    (note_get_number(&b, "major", &major, NAME, &f) != 0 ||
	        note_get_number(&b, "segsize", &segsize, NAME, &f) != 0 ||
	        !walname_segsize_ok(segsize)))
		rc = 1;
	if (rc == 0) {
		memcpy(r->id, seen.id, sizeof r->id);
		r->segsize = (uint32_t)segsize;
		*out = (struct identity){ .sysid = r->layout.sysid,
			.generation = r->layout.generation,
			.major = (int)major,
			.segsize = (uint32_t)segsize };
	}
	buf_clear(&b);
	return rc;
}

static void
remember(const struct repository *r, const char *state_dir,
    const struct identity *id)
{
	struct buf b = { 0 };

	if (note_add_number(&b, "major", (uint64_t)id->major) == 0 &&
	    note_add_number(&b, "segsize", id->segsize) == 0)
		save(r, state_dir, NAME, &b);
	buf_clear(&b);
}

void
known_see(const struct repository *r, const char *state_dir)
{
	if (state_dir != NULL)
		state_see(state_dir, r);
}

int
known_same(const struct repository *silent, const char *state_dir,
    const struct repository *r, struct fail *f)
{
	struct repository past = *r;

	past.store = silent->store;
	if (state_dir == NULL || state_seen(state_dir, &past, past.id) != 0)
		return 1;
	if (repository_same(&past, r, f) == 0)
		return 0;
	return fail_add(f,
	    "store %s has not answered, but by what this host remembers of it",
	    silent->store->name);
}

int
known_require(struct repository *r, const char *state_dir, struct identity *out,
    struct fail *f)
{
	if (is_remembered(r, state_dir) && recall(r, state_dir, out) == 0)
		return 1;
	if ((r->id[0] == '\0' && repository_open(r, f) != 0) ||
	    repository_require(r, out, f) != 0)
		return -1;
	known_see(r, state_dir);
	if (is_remembered(r, state_dir))
		remember(r, state_dir, out);
	return 0;
}

void
known_forget(const struct repository *r, const char *state_dir)
{
	if (!is_remembered(r, state_dir))
		return;
	state_save(state_dir, r, NAME, "", 0);
	state_save(state_dir, r, KNOWN_NEWEST, "", 0);
}

bool
known_is(const struct repository *r, const char *state_dir, const char *what)
{
	struct buf b = { 0 };
	bool known = load(r, state_dir, what, &b) == 0;

	buf_clear(&b);
	return known;
}

void
known_remember(
    const struct repository *r, const char *state_dir, const char *what)
{
	struct buf b = { 0 };

	if (is_remembered(r, state_dir))
		save(r, state_dir, what, &b);
	buf_clear(&b);
}
