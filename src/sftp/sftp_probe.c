/* SPDX-License-Identifier: PostgreSQL */
/* The store's own directory, and what the server can do: sftp_store.h. */
#include <stdio.h>
#include <string.h>

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

#define PROBE SFTP_TEMP_PREFIX "probe"

/* One request with a path, or two.  As sftp_answer. */
static int
ask_paths(struct sftp_store *s, const char *what, const char *one,
    const char *two, struct fail *f)
{
	struct sftp_ask ask = { s, one, what, f };
	struct wire_call call = { 0 };
	char from[SFTP_PATH_MAX], to[SFTP_PATH_MAX];
	int rc;

	sftp_path(s, one, from);
	if (two != NULL) {
		sftp_path(s, two, to);
		wire_send(s->wire, &call, WIRE_EXTENDED, "sss",
		    "hardlink@openssh.com", from, to);
	} else {
		wire_send(s->wire, &call, WIRE_REMOVE, "s", from);
	}
	rc = sftp_answer(&ask, &call, WIRE_STATUS);
	wire_done(&call);
	return rc;
}

/* Bytes into a file that is made if need be.  As sftp_answer. */
static int
write_probe(struct sftp_store *s, struct fail *f)
{
	struct sftp_ask ask = { s, PROBE, "write", f };
	struct sftp_handle h;
	struct wire_call call = { 0 };
	int rc = sftp_open(&ask, WIRE_OPEN_WRITE | WIRE_OPEN_CREAT, &h);

	if (rc != 0)
		return rc == 1 ? sftp_absent(s, f) : rc;
	wire_send(s->wire, &call, WIRE_WRITE, "bUb", (const void *)h.bytes,
	    h.len, (uint64_t)0, (const void *)"probe", (size_t)5);
	rc = sftp_answer(&ask, &call, WIRE_STATUS);
	if (rc == 0 && wire_abilities(s->wire)->fsync) {
		wire_send(s->wire, &call, WIRE_EXTENDED, "sb",
		    "fsync@openssh.com", (const void *)h.bytes, h.len);
		rc = sftp_answer(&ask, &call, WIRE_STATUS);
	}
	wire_done(&call);
	if (rc == SFTP_AGAIN)
		return rc;
	sftp_close(s, &h);
	return rc == 0 ? sftp_sync_dir(s, "", f) : rc;
}

/*
 * The same link twice must be refused once.  Another who probes may remove it
 * between, but not for ever.
 */
static int
probe_link(struct sftp_store *s, struct fail *f)
{
	for (int i = 0; i < 5; i++) {
		int rc = ask_paths(s, "link", PROBE, PROBE "-link", f);

		if (rc == 0)
			rc = ask_paths(s, "link", PROBE, PROBE "-link", f);
		if (rc == 1)
			(void)fail_set(f, FAIL_TRANSIENT, s->store.url,
			    "what is written there vanishes");
		if (rc > 0)
			return SFTP_AGAIN;
		if (rc < 0) {
			struct sftp_ask ask = { s, PROBE "-link", "stat", f };
			struct fail why = *f;
			struct sftp_attrs attrs;

			/* It is there: that was the refusal. */
			rc = sftp_lstat(&ask, &attrs);
			return rc != 1 ? rc : sftp_no_links(s, why.cause, f);
		}
	}
	return overwritten(s, f);
}

static int
attempt_probe(void *arg, struct fail *f)
{
	struct sftp_store *s = arg;
	struct fail ignored = { 0 };
	int rc = write_probe(s, f);

	if (rc == 1)
		rc = fail_set(f, FAIL_TRANSIENT, s->store.url,
		    "what is written there vanishes");
	if (rc == 0 && wire_abilities(s->wire)->hardlink)
		rc = probe_link(s, f);
	else if (rc == 0 && !s->options.single_writer)
		rc = sftp_no_links(
		    s, "it does not offer hardlink@openssh.com", f);
	/* Who may not delete leaves the same names each time. */
	if (rc != SFTP_AGAIN &&
	    ask_paths(s, "delete", PROBE "-link", NULL, &ignored) != SFTP_AGAIN)
		(void)ask_paths(s, "delete", PROBE, NULL, &ignored);
	return rc;
}

int
sftp_store_probe(struct store *store, struct fail *f)
{
	struct sftp_store *s = (struct sftp_store *)store;

	if (sftp_run(s, "", attempt_probe, s, f) != 0)
		return -1;
	if (s->wire != NULL)
		warn_of_abilities(s);
	return 0;
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
