/* SPDX-License-Identifier: PostgreSQL */
/* Stores that failed or missed files: see behind.h. */
#include <stdio.h>
#include <string.h>

#include "behind.h"
#include "clock.h"
#include "note.h"
#include "state.h"

#define FILE_NAME "behind"

static void
load(const struct buf *b, struct behind *out)
{
	uint64_t since, failed, until, synced;
	struct behind x = { 0 };
	struct fail f;

	if (note_check(b, FILE_NAME, &f) == 0 &&
	    note_get_number(b, "failures", &x.failures, FILE_NAME, &f) == 0 &&
	    note_get_number(b, "slow", &x.slow, FILE_NAME, &f) == 0 &&
	    note_get_number(b, "since", &since, FILE_NAME, &f) == 0 &&
	    note_get_number(b, "failed", &failed, FILE_NAME, &f) == 0 &&
	    note_get_number(b, "until", &until, FILE_NAME, &f) == 0 &&
	    note_get_number(b, "missed", &x.missed, FILE_NAME, &f) == 0 &&
	    note_get_number(b, "synced", &synced, FILE_NAME, &f) == 0 &&
	    note_get(b, "cause", x.cause, sizeof x.cause, FILE_NAME, &f) == 0) {
		x.since = (int64_t)since;
		x.failed = (int64_t)failed;
		x.until = (int64_t)until;
		x.synced = (int64_t)synced;
		*out = x;
	}
}

void
behind_load(
    const char *state_dir, const struct repository *r, struct behind *out)
{
	struct buf b = { 0 };

	*out = (struct behind){ 0 };
	if (state_dir != NULL &&
	    state_load_of_store(state_dir, r, FILE_NAME, NOTE_MAX, &b) == 0)
		load(&b, out);
	buf_clear(&b);
}

static bool
synced_lately(const struct behind *b, int64_t now)
{
	return b->synced <= now &&
	    now - b->synced < (int64_t)BEHIND_SYNC_MS * 1000;
}

void
behind_save(
    const char *state_dir, const struct repository *r, const struct behind *x)
{
	struct buf b = { 0 };

	if (state_dir == NULL)
		return;
	if (x->failures == 0 && x->slow == 0 && x->missed == 0 &&
	    !synced_lately(x, clock_now())) {
		state_forget_of_store(state_dir, r, FILE_NAME);
		return;
	}
	if (note_add(&b, "walvault", FILE_NAME) == 0 &&
	    note_add_number(&b, "failures", x->failures) == 0 &&
	    note_add_number(&b, "slow", x->slow) == 0 &&
	    note_add_number(&b, "since", (uint64_t)x->since) == 0 &&
	    note_add_number(&b, "failed", (uint64_t)x->failed) == 0 &&
	    note_add_number(&b, "until", (uint64_t)x->until) == 0 &&
	    note_add_number(&b, "missed", x->missed) == 0 &&
	    note_add_number(&b, "synced", (uint64_t)x->synced) == 0 &&
	    note_add(&b, "cause", x->cause) == 0 && note_seal(&b) == 0)
		state_save_of_store(state_dir, r, FILE_NAME, b.data, b.len);
	buf_clear(&b);
}

static bool
is_in_force(const struct behind *b, int64_t now)
{
	return b->failed <= now && now < b->until &&
	    b->until - b->failed <= (int64_t)BEHIND_MAX_MS * 1000;
}

bool
behind_is_down(const struct behind *b, int64_t now)
{
	return (b->failures > 0 || b->slow >= BEHIND_SLOW_MAX) &&
	    is_in_force(b, now);
}

bool
behind_is_out(const struct behind *b, int64_t now)
{
	return b->failures > 0 && is_in_force(b, now);
}

bool
behind_is_doubtful(const struct behind *b, int64_t now)
{
	return (b->failures > 0 || b->slow > 0) && is_in_force(b, now);
}

bool
behind_wants_sync(const struct behind *b, int64_t now)
{
	return b->missed > 0 && !synced_lately(b, now);
}

/* Once more; times: in a row, so that the wait is doubled with each. */
static void
leave_alone(struct behind *b, uint64_t times, const char *cause, int64_t now)
{
	int64_t wait = BEHIND_FIRST_MS;

	if ((b->failures == 0 && b->slow == 0) || b->since > now)
		b->since = now;
	for (uint64_t i = 1; i < times && wait < BEHIND_MAX_MS; i++)
		wait *= 2;
	if (wait > BEHIND_MAX_MS)
		wait = BEHIND_MAX_MS;
	b->failed = now;
	b->until = now + wait * 1000;
	(void)snprintf(b->cause, sizeof b->cause, "%s", cause);
	/* A note's value is one line. */
	for (char *p = b->cause; *p != '\0'; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
}

void
behind_failed(struct behind *b, const char *cause, int64_t now)
{
	leave_alone(b, b->failures + 1, cause, now);
	b->failures++;
}

void
behind_slow(struct behind *b, const char *cause, int64_t now)
{
	leave_alone(b,
	    b->slow + 1 > BEHIND_SLOW_MAX ? b->slow + 2 - BEHIND_SLOW_MAX : 1,
	    cause, now);
	b->slow++;
	/* It took what it was given. */
	b->failures = 0;
}

void
behind_answered(struct behind *b)
{
	b->failures = b->slow = 0;
	b->since = b->failed = b->until = 0;
	b->cause[0] = '\0';
}
