/* SPDX-License-Identifier: PostgreSQL */
/* A directory on a server of SFTP: see sftp_store.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sftp_store.h"

/* A question about one key. */
struct question {
	struct sftp_store *s;
	const char *key;
	struct store_info *info;
	unsigned tries;
};

static int
not_regular(const struct sftp_ask *ask)
{
	char object[STORE_KEY_MAX + 1024];

	store_object_name(&ask->store->store, ask->key, object, sizeof object);
	(void)fail_set(ask->f, FAIL_DAMAGED, object, "not a regular file");
	return fail_hint(
	    ask->f, "only walvault may write below %s", ask->store->store.url);
}

static int
attempt_stat(void *arg, struct fail *f)
{
	struct question *q = arg;
	struct sftp_ask ask = { q->s, q->key, "stat", f };
	struct sftp_attrs attrs;
	int rc = sftp_lstat(&ask, &attrs);

	if (rc == 1)
		return sftp_absent(q->s, f);
	if (rc == 0 && (attrs.known & WIRE_ATTR_MODE) != 0 &&
	    !S_ISREG(attrs.mode))
		return not_regular(&ask);
	if (rc == 0 && q->info != NULL)
		*q->info = attrs.info;
	return rc;
}

static int
sftp_store_stat(struct store *store, const char *key, struct store_info *info,
    struct fail *f)
{
	struct question q = { (struct sftp_store *)store, key, info, 0 };

	return sftp_run(q.s, key, attempt_stat, &q, f);
}

static int
attempt_settle(void *arg, struct fail *f)
{
	struct question *q = arg;
	struct sftp_ask ask = { q->s, q->key, "fsync", f };
	struct sftp_handle handle;
	struct wire_call call = { 0 };
	char dir[STORE_KEY_MAX];
	int rc = sftp_open(&ask, WIRE_OPEN_READ, &handle);

	if (rc != 0)
		return rc == 1 ? sftp_absent(q->s, f) : rc;
	if (wire_abilities(q->s->wire)->fsync) {
		wire_send(q->s->wire, &call, WIRE_EXTENDED, "sb",
		    "fsync@openssh.com", (const void *)handle.bytes,
		    handle.len);
		rc = sftp_answer(&ask, &call, WIRE_STATUS);
		wire_done(&call);
	}
	if (rc != SFTP_AGAIN)
		sftp_close(q->s, &handle);
	sftp_dir_of(q->key, dir);
	return rc == 0 ? sftp_sync_dirs(q->s, dir, f) : rc;
}

static int
sftp_store_settle(struct store *store, const char *key, struct fail *f)
{
	struct question q = { (struct sftp_store *)store, key, NULL, 0 };

	return sftp_run(q.s, key, attempt_settle, &q, f);
}

static int
attempt_del(void *arg, struct fail *f)
{
	struct question *q = arg;
	struct sftp_ask ask = { q->s, q->key, "delete", f };
	struct wire_call call = { 0 };
	char path[SFTP_PATH_MAX], dir[STORE_KEY_MAX];
	int rc;

	sftp_path(q->s, q->key, path);
	wire_send(q->s->wire, &call, WIRE_REMOVE, "s", path);
	rc = sftp_answer(&ask, &call, WIRE_STATUS);
	wire_done(&call);
	/* An attempt whose answer was lost may have deleted it. */
	if (rc == 1)
		rc = q->tries > 0 ? 0 : sftp_absent(q->s, f);
	q->tries++;
	sftp_dir_of(q->key, dir);
	return rc == 0 ? sftp_sync_dir(q->s, dir, f) : rc;
}

static int
sftp_store_del(struct store *store, const char *key, struct fail *f)
{
	struct question q = { (struct sftp_store *)store, key, NULL, 0 };

	return sftp_run(q.s, key, attempt_del, &q, f);
}

static void
sftp_store_free(struct store *store)
{
	struct sftp_store *s = (struct sftp_store *)store;

	wire_close(s->wire);
	free(s);
}

/* A connection of its own, made when it is needed. */
static struct store *
sftp_store_again(const struct store *store)
{
	struct sftp_store *s = malloc(sizeof *s);

	if (s == NULL)
		return NULL;
	*s = *(const struct sftp_store *)store;
	s->wire = NULL;
	s->connection = 0;
	return &s->store;
}

static const struct store_ops sftp_store_ops = {
	.put = sftp_store_put,
	.get = sftp_store_get,
	.stat = sftp_store_stat,
	.settle = sftp_store_settle,
	.list = sftp_store_list,
	.del = sftp_store_del,
	.sweep = sftp_store_sweep,
	.prepare = sftp_store_prepare,
	.probe = sftp_store_probe,
	.space = sftp_store_space,
	.again = sftp_store_again,
	.free = sftp_store_free,
};

struct store *
sftp_store_open(const struct store_args *args, struct fail *f)
{
	struct sftp_store *s = calloc(1, sizeof *s);

	if (s == NULL) {
		(void)fail_set(f, FAIL_INTERNAL, args->url, "out of memory");
		return NULL;
	}
	s->store.ops = &sftp_store_ops;
	if (sftp_options_read(args, &s->options, f) == 0)
		return &s->store;
	free(s);
	return NULL;
}
