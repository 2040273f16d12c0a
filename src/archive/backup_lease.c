/* SPDX-License-Identifier: PostgreSQL */
/* What restores say of themselves: see backup_lease.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backup_lease.h"
#include "backup_note.h"
#include "clock.h"
#include "lsn.h"

#define LEASE_PREFIX "restore-"

bool
backup_is_lease(const char *name)
{
	size_t len = strlen(LEASE_PREFIX);

	return strncmp(name, LEASE_PREFIX, len) == 0 &&
	    strlen(name + len) == 8 &&
	    strspn(name + len, "0123456789abcdef") == 8;
}

int64_t
backup_lease_until(const struct backup_lease *l)
{
	return l->mtime + (int64_t)l->seconds * 1000000;
}

static int
write_note(struct repository *r, const struct backup_lease *l, const char *key,
    struct fail *f)
{
	char from[LSN_TEXT], to[LSN_TEXT];
	struct buf b = { 0 };
	int rc;

	lsn_format(l->from_lsn, from);
	lsn_format(l->to_lsn, to);
	if (backup_note_begin(&b, "restore", l->id) != 0 ||
	    note_add(&b, "from_lsn", from) != 0 ||
	    note_add(&b, "to_lsn", to) != 0 ||
	    note_add_number(&b, "tli", l->tli) != 0 ||
	    note_add_number(&b, "seconds", l->seconds) != 0)
		rc = fail_errno(f, key, "memory");
	else
		rc = note_write(r->store, key, &b, f);
	buf_clear(&b);
	return rc;
}

int
backup_lease_write(struct repository *r, struct backup_lease *l, struct fail *f)
{
	char key[LAYOUT_KEY_MAX];
	int rc;

	l->created = clock_now();
	l->pid = getpid();
	l->host[0] = '\0';
	(void)gethostname(l->host, sizeof l->host - 1);
	do {
		(void)snprintf(l->name, sizeof l->name,
		    LEASE_PREFIX "%08" PRIx32, backup_random());
		backup_key(&r->layout, l->id, l->name, key);
		rc = write_note(r, l, key, f);
	} while (rc == 1);
	return rc;
}

int
backup_lease_end(
    struct repository *r, const struct backup_lease *l, struct fail *f)
{
	char key[LAYOUT_KEY_MAX];

	backup_key(&r->layout, l->id, l->name, key);
	return store_del(r->store, key, f) < 0 ? -1 : 0;
}

/* Its lines.  0 or -1. */
static int
parse(const struct buf *b, const char *object, struct backup_lease *out,
    struct fail *f)
{
	char from[32], to[32], when[CLOCK_TEXT];
	uint64_t pid, tli;
	const char *why;

	if (note_get(b, "host", out->host, sizeof out->host, object, f) != 0 ||
	    note_get(b, "created", when, sizeof when, object, f) != 0 ||
	    note_get(b, "from_lsn", from, sizeof from, object, f) != 0 ||
	    note_get(b, "to_lsn", to, sizeof to, object, f) != 0 ||
	    note_get_number(b, "pid", &pid, object, f) != 0 ||
	    note_get_number(b, "tli", &tli, object, f) != 0 ||
	    note_get_number(b, "seconds", &out->seconds, object, f) != 0)
		return -1;
	if (lsn_parse(from, &out->from_lsn) != 0 ||
	    lsn_parse(to, &out->to_lsn) != 0 ||
	    clock_parse(when, false, &out->created, &why) != 0 || pid == 0 ||
	    pid > INT64_MAX || tli > UINT32_MAX ||
	    out->seconds > BACKUP_LEASE_MAX_S)
		return fail_set(
		    f, FAIL_DAMAGED, object, "a value in it cannot be right");
	out->pid = (int64_t)pid;
	out->tli = (uint32_t)tli;
	return 0;
}

static const char *
last_of(const char *key)
{
	return strrchr(key, '/') + 1;
}

int
backup_lease_read(struct repository *r, const char *id, const char *key,
    const struct store_info *info, struct backup_lease *out, struct fail *f)
{
	struct backup_note n = { .what = "restore", .id = id };
	struct backup_lease l = { .mtime = info->mtime, .stored = info->size };
	char object[1024];
	struct buf b = { 0 };
	int rc = backup_note_read(r, key, &n, &b, f);

	store_object_name(r->store, key, object, sizeof object);
	(void)snprintf(l.id, sizeof l.id, "%s", id);
	(void)snprintf(l.name, sizeof l.name, "%s", last_of(key));
	*out = l;
	if (rc == 0)
		rc = parse(&b, object, out, f);
	buf_clear(&b);
	if (rc >= 0 ||
	    (f->kind != FAIL_DAMAGED && f->kind != FAIL_CONFIG &&
	        f->kind != FAIL_DENIED))
		return rc;
	/* It may be anybody's, of any WAL: but not for ever. */
	*out = l;
	out->seconds = BACKUP_LEASE_MAX_S;
	return 0;
}

/* -- looking for them -- */

struct looking {
	struct repository *repo;
	const char *id;                  /* of one backup, */
	int64_t store_now;               /* in force then; or */
	const struct backup_list *known; /* all that are not in it */
	struct fail *f;
};

static int
look_at_one(void *arg, const char *key, const struct store_info *info)
{
	struct looking *k = arg;
	struct backup_lease l;
	int rc;

	if (!backup_is_lease(last_of(key)))
		return 0;
	rc = backup_lease_read(k->repo, k->id, key, info, &l, k->f);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	return backup_lease_until(&l) > k->store_now;
}

int
backup_is_leased(
    struct repository *r, const char *id, int64_t store_now, struct fail *f)
{
	struct looking k = {
		.repo = r, .id = id, .store_now = store_now, .f = f
	};
	char prefix[LAYOUT_KEY_MAX];

	backup_key(&r->layout, id, "", prefix);
	return store_list(r->store, prefix, look_at_one, &k, f);
}

static bool
is_known(const struct looking *k, const char *key)
{
	char known[LAYOUT_KEY_MAX];

	for (size_t i = 0; i < k->known->n_leases; i++) {
		const struct backup_lease *l = &k->known->leases[i];

		backup_key(&k->repo->layout, l->id, l->name, known);
		if (strcmp(key, known) == 0)
			return true;
	}
	for (size_t i = 0; i < k->known->n; i++) {
		const struct backup *b = &k->known->list[i];

		backup_key(&k->repo->layout, b->id, "begin", known);
		if (strcmp(key, known) == 0)
			return true;
	}
	return false;
}

static int
look_for_new(void *arg, const char *key, const struct store_info *info)
{
	const char *name = last_of(key);

	(void)info;
	return (backup_is_lease(name) || strcmp(name, "begin") == 0) &&
	    !is_known(arg, key);
}

int
backup_has_newcomer(
    struct repository *r, const struct backup_list *known, struct fail *f)
{
	struct looking k = { .repo = r, .known = known, .f = f };
	char prefix[LAYOUT_KEY_MAX];

	backup_prefix(&r->layout, prefix);
	return store_list(r->store, prefix, look_for_new, &k, f);
}
