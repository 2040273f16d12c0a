/* SPDX-License-Identifier: PostgreSQL */
/* The store's own directory, and what the server can do: sftp_store.h. */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "log.h"
#include "sftp_store.h"

/* The directory that the root is in, or NULL: none that has a name. */
static const char *
above_root(const struct sftp_store *s, char out[SFTP_PATH_MAX])
{
	const char *slash = strrchr(s->options.root, '/');

	if (slash == NULL)
		return NULL;
	(void)snprintf(out, SFTP_PATH_MAX, "%.*s",
	    slash == s->options.root ? 1 : (int)(slash - s->options.root),
	    s->options.root);
	return out;
}

/* The directory above is synced by another handle to it, as a store. */
static int
sync_above(struct sftp_store *s, struct fail *f)
{
	struct sftp_store above = *s;
	int rc;

	if (above_root(s, above.options.root) == NULL)
		return 0;
	if (strcmp(above.options.root, "/") == 0)
		above.options.root[0] = '\0';
	rc = sftp_sync_dir(&above, "", f);
	/* What is above may be another's: then it is not ours to sync. */
	return rc == SFTP_AGAIN ? rc : 0;
}

static int
attempt_prepare(void *arg, struct fail *f)
{
	struct sftp_store *s = arg;
	struct sftp_ask ask = { s, "", "make the store's directory", f };
	struct wire_call call = { 0 };
	struct sftp_attrs attrs;
	char path[SFTP_PATH_MAX];
	int rc = sftp_stat_root(s, &attrs, f);

	if (rc != 1)
		return rc;
	sftp_path(s, "", path);
	wire_send(s->wire, &call, WIRE_MKDIR, "suu", path,
	    (uint32_t)WIRE_ATTR_MODE, s->options.dir_mode);
	rc = sftp_answer(&ask, &call, WIRE_STATUS);
	wire_done(&call);
	if (rc == 1) {
		(void)fail_set(f, FAIL_CONFIG, s->store.url,
		    "the store's directory cannot be made: the one above it "
		    "is not there");
		return fail_hint(f, "make that one first, on the server");
	}
	return rc == 0 ? sync_above(s, f) : rc;
}

int
sftp_store_prepare(struct store *store, struct fail *f)
{
	struct sftp_store *s = (struct sftp_store *)store;

	if (sftp_run(s, "", attempt_prepare, s, f) != 0)
		return -1;
	return sftp_store_probe(store, f);
}

static int
put_probe(struct store *store, const char *key, struct fail *f)
{
	struct store_attrs attrs = { .kind = STORE_NOTE };
	struct stream *put = sftp_store_put(store, key, &attrs, f);

	return put != NULL ? stream_write_whole(put, "probe", 5, f) : -1;
}

static int
overwritten(const struct sftp_store *s, struct fail *f)
{
	(void)fail_set(f, FAIL_CONFIG, s->store.url,
	    "the server links one name twice: of two writers both would win");
	return fail_hint(f, "it cannot be used for backups");
}

/* What is missing is said when one asks, not for every segment. */
static void
warn_of_abilities(const struct sftp_store *s)
{
	const struct wire_abilities *a = wire_abilities(s->wire);

	if (!a->fsync)
		log_warning("store %s: the server offers no "
		            "fsync@openssh.com: what it has taken, a power cut "
		            "may take from it",
		    s->store.name);
	else if (s->no_dir_sync)
		log_warning("store %s: the server syncs files but no "
		            "directories: a power cut may take new names from "
		            "it",
		    s->store.name);
	if (!a->hardlink && s->options.single_writer)
		log_warning("store %s: the server has no hard links, and "
		            "nothing keeps two writers apart but "
		            "single_writer = yes",
		    s->store.name);
}

/*
 * An object with a name of its own that no listing shows is created twice, and
 * must be refused once.
 */
int
sftp_store_probe(struct store *store, struct fail *f)
{
	struct sftp_store *s = (struct sftp_store *)store;
	uint64_t random = 0;
	char key[64];
	int rc;

	if (getrandom(&random, sizeof random, 0) != sizeof random)
		return fail_set(f, FAIL_INTERNAL, store->url, "no random");
	(void)snprintf(key, sizeof key, SFTP_TEMP_PREFIX "probe-%016llx",
	    (unsigned long long)random);
	rc = put_probe(store, key, f);
	if (rc == 0) {
		rc = put_probe(store, key, f);
		if (rc == 0)
			rc = overwritten(s, f);
		else if (rc == 1)
			rc = 0;
	}
	if (rc == 0)
		warn_of_abilities(s);
	/* One that may not delete leaves it to those who sweep. */
	if (rc == 0) {
		struct fail ignored;

		(void)store->ops->del(store, key, &ignored);
	}
	return rc;
}

struct space {
	struct sftp_store *s;
	uint64_t *bytes;
};

static int
attempt_space(void *arg, struct fail *f)
{
	struct space *x = arg;
	struct sftp_store *s = x->s;
	struct sftp_ask ask = { s, "", "ask for its free space", f };
	struct wire_call call = { 0 };
	char path[SFTP_PATH_MAX];
	uint64_t unit, free_units;
	int rc;

	if (!wire_abilities(s->wire)->statvfs)
		return 1;
	sftp_path(s, "", path);
	wire_send(
	    s->wire, &call, WIRE_EXTENDED, "ss", "statvfs@openssh.com", path);
	rc = sftp_answer(&ask, &call, WIRE_EXTENDED_REPLY);
	if (rc == 0) {
		/* f_bsize, f_frsize, f_blocks, f_bfree, f_bavail */
		(void)wire_u64(&call);
		unit = wire_u64(&call);
		(void)wire_u64(&call);
		(void)wire_u64(&call);
		free_units = wire_u64(&call);
		*x->bytes = unit * free_units;
		rc = wire_is_whole(&call) ? 0 : 1;
	}
	wire_done(&call);
	return rc;
}

int
sftp_store_space(struct store *store, uint64_t *bytes, struct fail *f)
{
	struct space x = { (struct sftp_store *)store, bytes };

	return sftp_run(x.s, "", attempt_space, &x, f);
}
