/* SPDX-License-Identifier: PostgreSQL */
/*
 * Holding, releasing and deleting a backup: see backup.h.  Several hosts may
 * do this at once, and each may be killed anywhere; stores offer no lock.  So
 * every party writes its own note first and then looks for the others'.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup_lease.h"
#include "backup_note.h"
#include "clock.h"
#include "sweep.h"

#define HOLD_PREFIX "hold-"

/*
 * A tombstone of another deleter that has done nothing for so long has none
 * any more.
 */
#define TOMBSTONE_STALE (INT64_C(3600) * 1000000)

/* 1 it is there, 0 it is not, -1. */
static int
has(struct repository *r, const char *id, const char *name, int64_t *mtime,
    struct fail *f)
{
	char key[LAYOUT_KEY_MAX];
	struct store_info info;
	int rc;

	backup_key(&r->layout, id, name, key);
	rc = store_stat(r->store, key, &info, f);
	if (rc == 0 && mtime != NULL)
		*mtime = info.mtime;
	return rc < 0 ? -1 : rc == 0;
}

static int
del(struct repository *r, const char *id, const char *name, struct fail *f)
{
	char key[LAYOUT_KEY_MAX];

	backup_key(&r->layout, id, name, key);
	return store_del(r->store, key, f) < 0 ? -1 : 0;
}

int
backup_is_deleting(struct repository *r, const char *id, struct fail *f)
{
	int rc = has(r, id, "tombstone", NULL, f);

	/* begin goes before the tombstone does: so this order. */
	if (rc != 0)
		return rc;
	rc = has(r, id, "begin", NULL, f);
	return rc < 0 ? -1 : !rc;
}

/* -- the keys of a backup -- */

struct keys {
	char (*list)[LAYOUT_KEY_MAX];
	size_t n, cap;
	bool holds; /* only these */
	struct fail *f;
};

static const char *
last_of(const char *key)
{
	return strrchr(key, '/') + 1;
}

bool
backup_is_hold(const char *name)
{
	return strncmp(name, HOLD_PREFIX, strlen(HOLD_PREFIX)) == 0;
}

static int
add_key(void *arg, const char *key, const struct store_info *info)
{
	struct keys *k = arg;
	char(*more)[LAYOUT_KEY_MAX];

	(void)info;
	if ((k->holds && !backup_is_hold(last_of(key))) ||
	    strcmp(last_of(key), "tombstone") == 0 ||
	    strlen(key) >= LAYOUT_KEY_MAX)
		return 0;
	if (k->n == k->cap) {
		k->cap = k->cap * 2 + 64;
		more = reallocarray(k->list, k->cap, sizeof *more);
		if (more == NULL)
			return fail_errno(k->f, key, "memory");
		k->list = more;
	}
	(void)snprintf(k->list[k->n++], LAYOUT_KEY_MAX, "%s", key);
	return 0;
}

/* All keys but the tombstone's, or those of the holds.  k->list is to free. */
static int
list_keys(struct repository *r, const char *id, struct keys *k, struct fail *f)
{
	char prefix[LAYOUT_KEY_MAX];

	k->f = f;
	backup_key(&r->layout, id, "", prefix);
	return store_list(r->store, prefix, add_key, k, f) == 0 ? 0 : -1;
}

/* Those from one on that go by one request.  Their number, or -1. */
static int64_t
delete_some(struct store *s, const struct keys *k, size_t from, struct fail *f)
{
	const char *keys[STORE_BATCH_MAX];
	struct store_batch b = { .keys = keys };

	while (b.n < store_batch_size(s) && from + b.n < k->n) {
		keys[b.n] = k->list[from + b.n];
		b.n++;
	}
	return store_del_many(s, &b, f) == 0 ? (int64_t)b.n : -1;
}

/* Delete them.  The number there was, or -1. */
static int64_t
delete_keys(struct repository *r, const char *id, bool holds, struct fail *f)
{
	struct keys k = { .holds = holds };
	int64_t n = 0;

	if (list_keys(r, id, &k, f) != 0)
		n = -1;
	for (size_t i = 0; n >= 0 && i < k.n; i += (size_t)n)
		n = delete_some(r->store, &k, i, f);
	if (n >= 0)
		n = (int64_t)k.n;
	free(k.list);
	return n;
}

/* -- holds -- */

/* A note's value is one line. */
static void
one_line(const char *text, char *out, size_t cap)
{
	(void)snprintf(out, cap, "%s", text);
	for (; *out != '\0'; out++)
		if ((unsigned char)*out < ' ')
			*out = ' ';
}

static int
write_hold(struct repository *r, const char *id, const char *key,
    const struct backup_hold *h, struct fail *f)
{
	char when[CLOCK_TEXT] = "forever";
	struct buf b = { 0 };
	int rc;

	if (h->until != INT64_MAX)
		clock_format(h->until, when);
	if (backup_note_begin(&b, "hold", id) != 0 ||
	    note_add(&b, "until", when) != 0 ||
	    note_add(&b, "reason", h->reason) != 0)
		rc = fail_errno(f, key, "memory");
	else
		rc = note_write(r->store, key, &b, f);
	buf_clear(&b);
	return rc;
}

int
backup_require(struct repository *r, const char *id, struct fail *f)
{
	char key[LAYOUT_KEY_MAX];
	int deleting = backup_is_deleting(r, id, f), exists;

	if (deleting < 0)
		return -1;
	exists = deleting == 0 ? has(r, id, "manifest", NULL, f) : 0;
	if (exists != 0)
		return exists < 0 ? -1 : 0;
	backup_key(&r->layout, id, "", key);
	(void)fail_set(f, FAIL_ABSENT, key,
	    deleting ? "there is no such backup, or it is being deleted"
	             : "the backup is not finished");
	return fail_hint(f, "walvault info shows the backups");
}

int
backup_hold(struct repository *r, const char *id, int64_t until,
    const char *reason, struct fail *f)
{
	struct backup_hold h = { .until = until };
	char name[32], key[LAYOUT_KEY_MAX];
	struct fail ignored;
	int rc;

	/* Not even a hold where nothing is. */
	if (backup_require(r, id, f) != 0)
		return -1;
	one_line(reason != NULL ? reason : "", h.reason, sizeof h.reason);
	do {
		(void)snprintf(name, sizeof name, HOLD_PREFIX "%08" PRIx32,
		    backup_random());
		backup_key(&r->layout, id, name, key);
		rc = write_hold(r, id, key, &h, f);
	} while (rc == 1);
	if (rc == 0)
		rc = backup_require(r, id, f);
	if (rc != 0)
		(void)store_del(r->store, key, &ignored);
	return rc;
}

int
backup_read_hold(struct repository *r, const char *id, const char *key,
    struct backup_hold *out, struct fail *f)
{
	struct backup_note n = { .what = "hold", .id = id };
	char object[1024], when[CLOCK_TEXT];
	struct buf b = { 0 };
	const char *why;
	int rc = backup_note_read(r, key, &n, &b, f);

	store_object_name(r->store, key, object, sizeof object);
	if (rc == 0 &&
	    (note_get(&b, "until", when, sizeof when, object, f) != 0 ||
	        note_get(&b, "reason", out->reason, sizeof out->reason, object,
	            f) != 0))
		rc = -1;
	buf_clear(&b);
	if (rc != 0)
		return rc;
	out->until = INT64_MAX;
	if (strcmp(when, "forever") != 0 &&
	    clock_parse(when, false, &out->until, &why) != 0)
		return fail_set(f, FAIL_DAMAGED, object, "until: %s", why);
	return 0;
}

int
backup_release(struct repository *r, const char *id, struct fail *f)
{
	int64_t n = delete_keys(r, id, true, f);

	return n < 0 ? -1 : n == 0;
}

/* 1 a hold is in force, 0 none is, -1. */
static int
is_held(struct repository *r, const char *id, int64_t now, struct fail *f)
{
	struct keys k = { .holds = true };
	int held = 0;

	if (list_keys(r, id, &k, f) != 0)
		held = -1;
	for (size_t i = 0; held == 0 && i < k.n; i++) {
		struct backup_hold h = { .until = INT64_MAX };
		int rc = backup_read_hold(r, id, k.list[i], &h, f);

		if (rc < 0 && f->kind != FAIL_DAMAGED)
			held = -1;
		else if (rc != 1)
			held = h.until > now;
	}
	free(k.list);
	return held;
}

/* -- deleting -- */

struct tombstone {
	bool mine;       /* written by this call */
	bool unfinished; /* not against a finished backup */
	int64_t mtime;   /* the store's clock; if not mine */
};

/* 0, 1 it is gone, -1. */
static int
read_tombstone(struct repository *r, const char *id, const char *key,
    struct tombstone *t, struct fail *f)
{
	struct backup_note n = { .what = "tombstone", .id = id };
	char object[1024];
	struct buf b = { 0 };
	uint64_t unfinished = 0;
	int there = has(r, id, "tombstone", &t->mtime, f), rc;

	if (there <= 0)
		return there < 0 ? -1 : 1;
	store_object_name(r->store, key, object, sizeof object);
	rc = backup_note_read(r, key, &n, &b, f);
	if (rc == 0)
		rc = note_get_number(&b, "unfinished", &unfinished, object, f);
	buf_clear(&b);
	t->unfinished = unfinished != 0;
	return rc;
}

/* Write the tombstone, or learn what the one there says.  0 or -1. */
static int
make_tombstone(
    struct repository *r, const char *id, struct tombstone *t, struct fail *f)
{
	bool unfinished = t->unfinished;
	char key[LAYOUT_KEY_MAX];
	int rc;

	backup_key(&r->layout, id, "tombstone", key);
	do {
		struct buf b = { 0 };

		t->unfinished = unfinished;
		if (backup_note_begin(&b, "tombstone", id) != 0 ||
		    note_add_number(&b, "unfinished", unfinished) != 0)
			rc = fail_errno(f, key, "memory");
		else
			rc = note_write(r->store, key, &b, f);
		buf_clear(&b);
		t->mine = rc == 0;
		if (rc == 1)
			rc = read_tombstone(r, id, key, t, f);
	} while (rc == 1);
	return rc;
}

/*
 * Leave it alone.  The tombstone goes too, unless another deleter may be about
 * to act on it; that one decides then.  1 or -1.
 */
static int
give_up(struct repository *r, const char *id, const struct tombstone *t,
    struct fail *f)
{
	if (!t->mine && clock_now() - t->mtime < TOMBSTONE_STALE)
		return 1;
	return del(r, id, "tombstone", f) == 0 ? 1 : -1;
}

/*
 * Now that the tombstone is there: may it be deleted?  0 yes, 1 no, -1.
 * Without begin it is not a backup any more, whoever has come so far.
 */
static int
may_delete(struct repository *r, const char *id, const struct tombstone *t,
    const struct backup_times *times, struct fail *f)
{
	int begin = has(r, id, "begin", NULL, f), manifest, held;

	if (begin <= 0)
		return begin;
	manifest = has(r, id, "manifest", NULL, f);
	if (manifest <= 0)
		return manifest;
	if (t->unfinished)
		return 1;
	held = is_held(r, id, times->now, f);
	return held != 0 ? held : backup_is_leased(r, id, times->store, f);
}

int
backup_delete(struct repository *r, const char *id, bool unfinished,
    const struct backup_times *times, struct fail *f)
{
	int64_t clock = clock_now();
	struct backup_times host = { .now = clock, .store = clock };
	struct tombstone t = { .unfinished = unfinished };
	int rc;

	if (make_tombstone(r, id, &t, f) != 0)
		return -1;
	rc = may_delete(r, id, &t, times != NULL ? times : &host, f);
	if (rc != 0)
		return rc < 0 ? -1 : give_up(r, id, &t, f);
	if (!t.unfinished && del(r, id, "manifest", f) != 0)
		return -1;
	if (del(r, id, "begin", f) != 0 || delete_keys(r, id, false, f) < 0 ||
	    sweep_backup(r, id, f) != 0)
		return -1;
	return del(r, id, "tombstone", f);
}
