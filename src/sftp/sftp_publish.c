/* SPDX-License-Identifier: PostgreSQL */
/* From a temporary file to an object: see sftp_put.h and sftp_store.h. */
#include <string.h>

#include "sftp_put.h"

/* Sums what is there. */
struct compare {
	struct stream stream;
	struct sum128_state *sum;
};

static int
compare_write(
    struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	(void)f;
	sum128_update(((struct compare *)stream)->sum, bytes, len);
	return 0;
}

int
sftp_put_compare(struct sftp_put *p, const char *key, struct fail *f)
{
	static const struct stream_ops ops = { .write = compare_write };
	struct compare c = { .stream.ops = &ops, .sum = sum128_new() };
	struct sum128 ours = sum128_final(p->sum), theirs;
	int rc;

	if (c.sum == NULL)
		return fail_set(f, FAIL_INTERNAL, key, "out of memory");
	rc = sftp_store_get(&p->s->store, key, 0, STORE_ALL, &c.stream, f);
	theirs = sum128_final(c.sum);
	sum128_free(c.sum);
	if (rc == 0 && memcmp(&ours, &theirs, sizeof ours) != 0)
		rc = 1;
	return rc;
}

/* Two names in one request.  As sftp_answer. */
static int
ask_names(struct sftp_put *p, const char *what, const char *from,
    const char *to, struct fail *f)
{
	struct sftp_ask ask = { p->s, p->key, what, f };
	struct wire_call call = { 0 };
	char old[SFTP_PATH_MAX], new[SFTP_PATH_MAX];
	int rc;

	sftp_path(p->s, from, old);
	sftp_path(p->s, to, new);
	if (strcmp(what, "rename") == 0)
		wire_send(p->s->wire, &call, WIRE_RENAME, "ss", old, new);
	else
		wire_send(p->s->wire, &call, WIRE_EXTENDED, "sss",
		    strcmp(what, "link") == 0 ? "hardlink@openssh.com"
		                              : "posix-rename@openssh.com",
		    old, new);
	rc = sftp_answer(&ask, &call, WIRE_STATUS);
	wire_done(&call);
	return rc;
}

/* 0 it is there, 1 it is not, SFTP_AGAIN, -1 */
static int
exists(struct sftp_put *p, const char *key, struct fail *f)
{
	struct sftp_ask ask = { p->s, key, "stat", f };
	struct sftp_attrs attrs;

	return sftp_lstat(&ask, &attrs);
}

/* An attempt before this one (again) may have given it the key.  0 or -1. */
static int
temp_gone(struct sftp_put *p, bool again, struct fail *f)
{
	if (again && sftp_put_compare(p, p->key, f) == 0)
		return 0;
	return fail_set(f, FAIL_TRANSIENT, p->s->store.url,
	    "the temporary file of %s is gone", p->key);
}

/*
 * A name that is taken is one failure of many in this protocol; and a link
 * whose answer was lost may be ours.
 */
static int
link_failed(struct sftp_put *p, const char *to, struct fail *f)
{
	struct fail why = *f;
	int rc;

	if (why.kind == FAIL_DENIED)
		return -1;
	rc = exists(p, to, f);
	if (rc == 0)
		return 1;
	return rc == 1 ? sftp_no_links(p->s, why.cause, f) : rc;
}

/* Give it a name that must not exist.  0, 1 it exists, SFTP_AGAIN, -1. */
static int
link_as(struct sftp_put *p, const char *from, const char *to, struct fail *f)
{
	int rc;

	if (!wire_abilities(p->s->wire)->hardlink)
		return sftp_no_links(
		    p->s, "it does not offer hardlink@openssh.com", f);
	rc = ask_names(p, "link", from, to, f);
	if (rc == 1)
		return temp_gone(p, false, f);
	return rc < 0 ? link_failed(p, to, f) : rc;
}

/*
 * The same without links, by the only one who writes here.  As link_as; the
 * temporary name is gone with it.
 */
static int
rename_alone(struct sftp_put *p, struct fail *f)
{
	int rc = exists(p, p->key, f);

	if (rc != 1)
		return rc == 0 ? 1 : rc;
	rc = ask_names(p, "rename", p->temp, p->key, f);
	if (rc == 1)
		rc = temp_gone(p, false, f);
	if (rc == 0)
		p->made = false;
	return rc;
}

static int
remove_name(struct sftp_put *p, const char *key, struct fail *f)
{
	struct sftp_ask ask = { p->s, key, "delete", f };
	struct wire_call call = { 0 };
	char path[SFTP_PATH_MAX];
	int rc;

	sftp_path(p->s, key, path);
	wire_send(p->s->wire, &call, WIRE_REMOVE, "s", path);
	rc = sftp_answer(&ask, &call, WIRE_STATUS);
	wire_done(&call);
	return rc;
}

/*
 * Take the place of a damaged object, which goes to its other name.  In one
 * step where the server can rename onto a name that is taken.
 */
static int
replace(struct sftp_put *p, struct fail *f)
{
	bool links = wire_abilities(p->s->wire)->hardlink, again = p->linking;
	int rc;

	if (!again) {
		rc = exists(p, p->aside, f);
		if (rc != 1)
			return rc == 0 ? 1 : rc;
	}
	p->linking = true;
	rc = links ? link_as(p, p->key, p->aside, f)
	           : ask_names(p, "rename", p->key, p->aside, f);
	/* From a step before this one whose answer was lost. */
	if (rc == 1 && !links)
		rc = exists(p, p->aside, f);
	if (rc > 1 || rc < 0)
		return rc;
	if (wire_abilities(p->s->wire)->rename) {
		rc = ask_names(p, "replace", p->temp, p->key, f);
	} else {
		if (links && remove_name(p, p->key, f) == SFTP_AGAIN)
			return SFTP_AGAIN;
		rc = ask_names(p, "rename", p->temp, p->key, f);
	}
	if (rc == 1)
		rc = temp_gone(p, again, f);
	if (rc == 0)
		p->made = false;
	return rc;
}

/*
 * Are there objects in the directory?  Whoever published them had made the
 * path to it durable first, so that need not be done again.  1 yes, 0 no.
 */
static int
has_objects(struct sftp_put *p, bool *found, struct fail *f)
{
	struct sftp_entries e = { 0 };
	int rc = sftp_read_dir(p->s, p->dir, SFTP_ANY_FILE, &e, f);

	*found = false;
	for (size_t i = 0; rc == 0 && i < e.n; i++) {
		const char *name = e.list[i].name;

		*found = *found || name[strlen(name) - 1] != '/';
	}
	sftp_entries_clear(&e);
	return rc;
}

static int
take_key(struct sftp_put *p, struct fail *f)
{
	bool again = p->linking;
	int rc;

	if (p->aside[0] != '\0')
		return replace(p, f);
	p->linking = true;
	if (p->s->options.single_writer &&
	    !wire_abilities(p->s->wire)->hardlink)
		rc = rename_alone(p, f);
	else
		rc = link_as(p, p->temp, p->key, f);
	/* Not taken by an earlier attempt of our own? */
	return rc == 1 && again ? sftp_put_compare(p, p->key, f) : rc;
}

static int
attempt_publish(void *arg, struct fail *f)
{
	struct sftp_put *p = arg;
	bool found;
	int rc;

	if (!p->linked) {
		rc = has_objects(p, &found, f);
		if (rc == 0 && !found)
			rc = sftp_sync_dirs(p->s, p->dir, f);
		if (rc == 1)
			rc = fail_set(f, FAIL_TRANSIENT, p->s->store.url,
			    "the directory of %s is gone", p->key);
		if (rc == 0)
			rc = take_key(p, f);
		if (rc != 0)
			return rc;
		p->linked = true;
	}
	rc = sftp_sync_dir(p->s, p->dir, f);
	if (rc != 0)
		return rc == 1 ? -1 : rc;
	return 0;
}

int
sftp_put_publish(struct sftp_put *p, struct fail *f)
{
	return sftp_run(p->s, p->key, attempt_publish, p, f);
}
