/* SPDX-License-Identifier: PostgreSQL */
/* Files and directories on the server, one at a time: see sftp_store.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sftp_store.h"

int
sftp_open(
    const struct sftp_ask *ask, uint32_t flags, struct sftp_handle *handle)
{
	struct sftp_store *s = ask->store;
	struct wire_call call = { 0 };
	char path[SFTP_PATH_MAX];
	const void *bytes;
	size_t len = 0;
	int rc;

	sftp_path(s, ask->key, path);
	if (flags == 0)
		wire_send(s->wire, &call, WIRE_OPENDIR, "s", path);
	else if ((flags & WIRE_OPEN_CREAT) != 0)
		wire_send(s->wire, &call, WIRE_OPEN, "suuu", path, flags,
		    (uint32_t)WIRE_ATTR_MODE, s->options.file_mode);
	else
		wire_send(
		    s->wire, &call, WIRE_OPEN, "suu", path, flags, (uint32_t)0);
	rc = sftp_answer(ask, &call, WIRE_HANDLE);
	if (rc == 0) {
		bytes = wire_bytes(&call, &len);
		if (len == 0 || len > sizeof handle->bytes)
			rc = fail_set(ask->f, FAIL_TRANSIENT, path,
			    "the server's handle is none");
		else
			memcpy(handle->bytes, bytes, len);
		handle->len = len;
	}
	wire_done(&call);
	return rc;
}

void
sftp_close(struct sftp_store *s, const struct sftp_handle *handle)
{
	if (s->wire != NULL)
		wire_send(s->wire, NULL, WIRE_CLOSE, "b",
		    (const void *)handle->bytes, handle->len);
}

void
sftp_read_attrs(struct wire_call *call, struct sftp_attrs *attrs)
{
	uint32_t n;
	size_t len;

	*attrs = (struct sftp_attrs){ .known = wire_u32(call) };
	if ((attrs->known & WIRE_ATTR_SIZE) != 0)
		attrs->info.size = wire_u64(call);
	if ((attrs->known & WIRE_ATTR_OWNER) != 0)
		(void)wire_u64(call);
	if ((attrs->known & WIRE_ATTR_MODE) != 0)
		attrs->mode = wire_u32(call);
	if ((attrs->known & WIRE_ATTR_TIMES) != 0) {
		(void)wire_u32(call);
		attrs->info.mtime =
		    ((int64_t)wire_u32(call) - CLOCK_PG_EPOCH_UNIX) * 1000000;
	}
	if ((attrs->known & 0x80000000u) == 0)
		return;
	for (n = wire_u32(call); n > 0 && wire_is_whole(call); n--) {
		(void)wire_bytes(call, &len);
		(void)wire_bytes(call, &len);
	}
}

static int
ask_attrs(
    const struct sftp_ask *ask, enum wire_type type, struct sftp_attrs *attrs)
{
	struct wire_call call = { 0 };
	char path[SFTP_PATH_MAX];
	int rc;

	sftp_path(ask->store, ask->key, path);
	wire_send(ask->store->wire, &call, type, "s", path);
	rc = sftp_answer(ask, &call, WIRE_ATTRS);
	if (rc == 0)
		sftp_read_attrs(&call, attrs);
	if (rc == 0 && !wire_is_whole(&call))
		rc = fail_set(ask->f, FAIL_TRANSIENT, path,
		    "the server's answer is cut off");
	wire_done(&call);
	return rc;
}

int
sftp_lstat(const struct sftp_ask *ask, struct sftp_attrs *attrs)
{
	return ask_attrs(ask, WIRE_LSTAT, attrs);
}

int
sftp_stat_root(struct sftp_store *s, struct sftp_attrs *attrs, struct fail *f)
{
	struct sftp_ask ask = { s, "", "store directory", f };

	return ask_attrs(&ask, WIRE_STAT, attrs);
}

int
sftp_absent(struct sftp_store *s, struct fail *f)
{
	struct sftp_attrs attrs;
	int rc = sftp_stat_root(s, &attrs, f);

	if (rc == 0 &&
	    ((attrs.known & WIRE_ATTR_MODE) == 0 || S_ISDIR(attrs.mode)))
		return 1;
	if (rc > 1 || rc < 0)
		return rc;
	(void)fail_set(
	    f, FAIL_CONFIG, s->store.url, "the store's directory is not there");
	return fail_hint(f,
	    "is its disk mounted on the server? A new store is made by: "
	    "walvault init");
}

/*
 * A directory can be opened like a file on OpenSSH's server, and then synced
 * like one; elsewhere that is the server's own affair.
 */
int
sftp_sync_dir(struct sftp_store *s, const char *prefix, struct fail *f)
{
	struct sftp_ask ask = { s, prefix, "fsync directory", f };
	struct sftp_handle handle;
	struct wire_call call = { 0 };
	int rc;

	if (s->no_dir_sync || !wire_abilities(s->wire)->fsync)
		return 0;
	rc = sftp_open(&ask, WIRE_OPEN_READ, &handle);
	if (rc == SFTP_AGAIN || (rc < 0 && f->kind == FAIL_DENIED))
		return rc;
	if (rc != 0) {
		s->no_dir_sync = true;
		return 0;
	}
	wire_send(s->wire, &call, WIRE_EXTENDED, "sb", "fsync@openssh.com",
	    (const void *)handle.bytes, handle.len);
	rc = sftp_answer(&ask, &call, WIRE_STATUS);
	wire_done(&call);
	if (rc != SFTP_AGAIN)
		sftp_close(s, &handle);
	return rc;
}

int
sftp_sync_dirs(struct sftp_store *s, const char *prefix, struct fail *f)
{
	char dir[STORE_KEY_MAX];
	int rc;

	(void)snprintf(dir, sizeof dir, "%s", prefix);
	for (;;) {
		size_t len = strlen(dir);

		rc = sftp_sync_dir(s, dir, f);
		if (rc != 0 || len == 0)
			return rc;
		dir[len - 1] = '\0';
		for (len--; len > 0 && dir[len - 1] != '/'; len--)
			dir[len - 1] = '\0';
	}
}

static int
make_dir(struct sftp_store *s, const char *key, struct fail *f)
{
	struct sftp_ask ask = { s, key, "make the directory", f };
	struct wire_call call = { 0 };
	char path[SFTP_PATH_MAX];
	struct sftp_attrs attrs;
	int rc;

	sftp_path(s, key, path);
	wire_send(s->wire, &call, WIRE_MKDIR, "suu", path,
	    (uint32_t)WIRE_ATTR_MODE, s->options.dir_mode);
	rc = sftp_answer(&ask, &call, WIRE_STATUS);
	wire_done(&call);
	/* That it is there already is one failure of many. */
	if (rc < 0) {
		struct fail ignored = { 0 };
		struct sftp_ask again = { s, key, ask.what, &ignored };
		int there = sftp_lstat(&again, &attrs);

		rc = there == 0 ? 0 : there == SFTP_AGAIN ? there : rc;
	}
	return rc == 1 ? sftp_absent(s, f) : rc;
}

int
sftp_make_dirs(struct sftp_store *s, const char *key, struct fail *f)
{
	char dir[STORE_KEY_MAX];
	int rc = sftp_absent(s, f);

	if (rc != 1)
		return rc;
	for (const char *p = key; (p = strchr(p, '/')) != NULL; p++) {
		(void)snprintf(dir, sizeof dir, "%.*s", (int)(p - key), key);
		rc = make_dir(s, dir, f);
		if (rc != 0)
			return rc == 1
			    ? fail_set(f, FAIL_TRANSIENT, s->store.url,
			          "directories vanish: %s", dir)
			    : rc;
	}
	return 0;
}

int
sftp_no_links(struct sftp_store *s, const char *why, struct fail *f)
{
	(void)fail_set(f, FAIL_CONFIG, s->store.url,
	    "the server cannot create an object only if there is none: %s",
	    why);
	return fail_hint(f,
	    "OpenSSH's server can, on a file system with hard links. If one "
	    "host alone writes here, set single_writer = yes");
}
