/* SPDX-License-Identifier: PostgreSQL */
/*
 * Writing an object into a temporary file: see sftp_put.h.  When the
 * connection is lost, what the server has not acknowledged is written again
 * on the next one; then the whole is read back before it gets its key, for a
 * server that was started again may have lost what it acknowledged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "sftp_put.h"

static struct sftp_put_slot *
slot_of(struct sftp_put *p, unsigned i)
{
	return &p->slots[(p->first + i) % SFTP_PUT_SLOTS];
}

/* A new one, in a directory that may have to be made.  As sftp_answer. */
static int
create(struct sftp_put *p, struct fail *f)
{
	struct sftp_ask ask = { p->s, p->temp, "create", f };
	uint32_t flags = WIRE_OPEN_WRITE | WIRE_OPEN_CREAT | WIRE_OPEN_EXCL;
	int rc = sftp_open(&ask, flags, &p->handle);

	if (rc == 1) {
		rc = sftp_make_dirs(p->s, p->key, f);
		if (rc == 0)
			rc = sftp_open(&ask, flags, &p->handle);
	}
	return rc;
}

static int
no_temp(struct sftp_put *p, struct fail *f)
{
	return fail_set(f, FAIL_TRANSIENT, p->s->store.url,
	    "the temporary file of %s is gone", p->key);
}

/* The temporary file on this connection.  0, SFTP_AGAIN, -1. */
static int
open_temp(struct sftp_put *p, struct fail *f)
{
	struct sftp_ask ask = { p->s, p->temp, "open", f };
	int rc = 1;

	if (p->connection != 0 && p->connection == p->s->connection)
		return 0;
	if (p->made) {
		p->resumed = true;
		rc = sftp_open(&ask, WIRE_OPEN_WRITE, &p->handle);
		if (rc == 1)
			rc = no_temp(p, f);
	} else {
		uint64_t random = 0;

		/* What an answer that was lost has made is never written. */
		if (getrandom(&random, sizeof random, 0) != sizeof random)
			return fail_set(f, FAIL_INTERNAL, p->key, "no random");
		(void)snprintf(p->temp, sizeof p->temp, "%.*s%ss%016llx",
		    (int)(sizeof p->temp - sizeof SFTP_TEMP_PREFIX - 17),
		    p->dir, SFTP_TEMP_PREFIX, (unsigned long long)random);
		rc = create(p, f);
		p->made = rc == 0;
	}
	if (rc == 0)
		p->connection = p->s->connection;
	return rc == 1 ? no_temp(p, f) : rc;
}

static void
send_slot(struct sftp_put *p, struct sftp_put_slot *slot)
{
	if (slot->connection == p->connection)
		return;
	wire_send(p->s->wire, &slot->call, WIRE_WRITE, "bUb",
	    (const void *)p->handle.bytes, p->handle.len, slot->off,
	    (const void *)slot->bytes, slot->len);
	slot->connection = p->connection;
}

/* A disk that is full has no words of its own in SFTP. */
static int
tell_space(struct sftp_put *p, struct fail *f)
{
	struct fail first = *f;
	uint64_t bytes;

	if (first.kind == FAIL_DENIED)
		return -1;
	if (sftp_store_space(&p->s->store, &bytes, f) == 0 &&
	    bytes < WIRE_CHUNK) {
		*f = first;
		f->kind = FAIL_SPACE;
		return fail_hint(f,
		    "the disk is full: free or add space below "
		    "%s",
		    p->s->store.url);
	}
	*f = first;
	return fail_hint(f,
	    "is a quota or a limit of that user reached? The server's own log "
	    "says more");
}

/* Wait for the oldest.  0, SFTP_AGAIN, -1. */
static int
take_first(struct sftp_put *p, struct fail *f)
{
	struct sftp_put_slot *slot = slot_of(p, 0);
	struct sftp_ask ask = { p->s, p->key, "write", f };

	if (sftp_wait_bytes(p->s, &slot->call, p->key, f) != 0)
		return SFTP_AGAIN;
	if (sftp_judge(&ask, &slot->call) != 0)
		return tell_space(p, f);
	wire_done(&slot->call);
	slot->connection = 0;
	slot->len = 0;
	p->first = (p->first + 1) % SFTP_PUT_SLOTS;
	p->n--;
	return 0;
}

/* Send what is full (all, if none may stay); as many as allowed may wait. */
static int
attempt_write(void *arg, struct fail *f)
{
	struct sftp_put *p = arg;
	int rc = open_temp(p, f);

	if (rc != 0)
		return rc;
	for (unsigned i = 0; i < p->n; i++)
		if (slot_of(p, i)->len == WIRE_CHUNK || p->allowed == 0)
			send_slot(p, slot_of(p, i));
	while (rc == 0 && p->n > p->allowed)
		rc = take_first(p, f);
	return rc;
}

/* The slot that is being filled.  NULL without memory. */
static struct sftp_put_slot *
last_slot(struct sftp_put *p)
{
	struct sftp_put_slot *slot;

	if (p->n > 0 && slot_of(p, p->n - 1)->len < WIRE_CHUNK)
		return slot_of(p, p->n - 1);
	slot = slot_of(p, p->n);
	if (slot->bytes == NULL)
		slot->bytes = malloc(WIRE_CHUNK);
	if (slot->bytes == NULL)
		return NULL;
	slot->off = p->len;
	slot->len = 0;
	slot->connection = 0;
	p->n++;
	return slot;
}

static int
put_write(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct sftp_put *p = (struct sftp_put *)stream;
	const uint8_t *from = bytes;

	sum128_update(p->sum, bytes, len);
	while (len > 0) {
		struct sftp_put_slot *slot = last_slot(p);
		size_t n;

		if (slot == NULL)
			return fail_set(
			    f, FAIL_INTERNAL, p->key, "out of memory");
		n = WIRE_CHUNK - slot->len < len ? WIRE_CHUNK - slot->len : len;
		memcpy(slot->bytes + slot->len, from, n);
		slot->len += n;
		p->len += n;
		from += n;
		len -= n;
		if (slot->len == WIRE_CHUNK &&
		    sftp_run(p->s, p->key, attempt_write, p, f) != 0)
			return -1;
	}
	return 0;
}

/* All of it is there, on the disk.  An attempt. */
static int
attempt_sync(void *arg, struct fail *f)
{
	struct sftp_put *p = arg;
	struct sftp_ask ask = { p->s, p->key, "fsync", f };
	struct wire_call call = { 0 };
	int rc = attempt_write(p, f);

	if (rc != 0)
		return rc;
	if (wire_abilities(p->s->wire)->fsync) {
		wire_send(p->s->wire, &call, WIRE_EXTENDED, "sb",
		    "fsync@openssh.com", (const void *)p->handle.bytes,
		    p->handle.len);
		rc = sftp_answer(&ask, &call, WIRE_STATUS);
		wire_done(&call);
	}
	if (rc == 0) {
		/* Some servers have failures to tell only here. */
		ask.what = "close";
		wire_send(p->s->wire, &call, WIRE_CLOSE, "b",
		    (const void *)p->handle.bytes, p->handle.len);
		rc = sftp_answer(&ask, &call, WIRE_STATUS);
		wire_done(&call);
	}
	if (rc == 0)
		p->connection = 0;
	return rc == 1 ? no_temp(p, f) : rc;
}

static int
put_finish(struct stream *stream, struct fail *f)
{
	struct sftp_put *p = (struct sftp_put *)stream;
	int rc;

	p->allowed = 0;
	if (sftp_run(p->s, p->key, attempt_sync, p, f) != 0)
		return -1;
	p->written = true;
	if (p->resumed) {
		rc = sftp_put_compare(p, p->temp, f);
		if (rc > 0)
			rc = fail_set(f, FAIL_TRANSIENT, p->s->store.url,
			    "the server has lost bytes of %s that it had "
			    "taken",
			    p->key);
		if (rc != 0)
			return -1;
	}
	return sftp_put_publish(p, f);
}

/* What can be done at once is done; the rest is for sweep. */
static void
remove_temp(struct sftp_put *p)
{
	struct wire_call call = { 0 };
	char path[SFTP_PATH_MAX];
	struct fail ignored = { 0 };

	if (!p->made || p->s->wire == NULL || wire_broken(p->s->wire) != NULL)
		return;
	sftp_path(p->s, p->temp, path);
	if (p->connection != 0 && p->connection == p->s->connection)
		sftp_close(p->s, &p->handle);
	wire_send(p->s->wire, &call, WIRE_REMOVE, "s", path);
	(void)sftp_wait(p->s, &call, p->key, &ignored);
	wire_done(&call);
}

static void
put_free(struct stream *stream)
{
	struct sftp_put *p = (struct sftp_put *)stream;

	for (unsigned i = 0; i < SFTP_PUT_SLOTS; i++)
		wire_done(&p->slots[i].call);
	remove_temp(p);
	for (unsigned i = 0; i < SFTP_PUT_SLOTS; i++)
		free(p->slots[i].bytes);
	sum128_free(p->sum);
	free(p);
}

static const struct stream_ops put_ops = {
	.write = put_write,
	.finish = put_finish,
	.free = put_free,
};

struct stream *
sftp_store_put(struct store *store, const char *key,
    const struct store_attrs *attrs, struct fail *f)
{
	struct sftp_put *p = calloc(1, sizeof *p);

	if (p == NULL || (p->sum = sum128_new()) == NULL) {
		free(p);
		(void)fail_set(f, FAIL_INTERNAL, key, "out of memory");
		return NULL;
	}
	p->stream.ops = &put_ops;
	p->s = (struct sftp_store *)store;
	p->allowed = SFTP_PUT_SLOTS - 1;
	(void)snprintf(p->key, sizeof p->key, "%s", key);
	if (attrs->set_aside != NULL)
		(void)snprintf(
		    p->aside, sizeof p->aside, "%s", attrs->set_aside);
	sftp_dir_of(p->key, p->dir);
	/* Whether one can write there is known before all is read. */
	if (strlen(key) + sizeof SFTP_TEMP_PREFIX + 17 >= sizeof p->temp)
		(void)fail_set(f, FAIL_INTERNAL, key, "the key is too long");
	else if (sftp_run(p->s, key, attempt_write, p, f) == 0)
		return &p->stream;
	put_free(&p->stream);
	return NULL;
}
