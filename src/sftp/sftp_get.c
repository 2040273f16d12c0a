/* SPDX-License-Identifier: PostgreSQL */
/* Reading an object, with many requests under way: see sftp_store.h. */
#include <string.h>

#include "sftp_store.h"

/* 1 MiB: as much as libssh lets the server send. */
#define SLOTS 32u

struct slot {
	struct wire_call call;
	uint64_t off;
	uint32_t len;
};

struct get {
	struct sftp_store *s;
	const char *key;
	uint64_t off, len; /* still to come */
	struct stream *out;
	/* One attempt: */
	struct sftp_handle handle;
	struct slot slots[SLOTS];
	unsigned connection;           /* that the handle is of */
	unsigned first, n;             /* under way */
	unsigned room;                 /* how many may be */
	uint64_t asked_off, asked_len; /* still to be asked for */
	bool end;
};

static void
ask(struct get *g, struct slot *slot, uint64_t off, uint32_t len)
{
	slot->off = off;
	slot->len = len;
	wire_send(g->s->wire, &slot->call, WIRE_READ, "bUu",
	    (const void *)g->handle.bytes, g->handle.len, off, len);
}

/* Whoever takes the bytes may have needed another connection meanwhile. */
static int
still_connected(struct get *g, struct fail *f)
{
	if (g->connection == g->s->connection && g->s->wire != NULL)
		return 0;
	(void)fail_set(f, FAIL_TRANSIENT, g->s->store.url,
	    "the connection was lost while %s was read", g->key);
	return SFTP_AGAIN;
}

/* A small object costs a request or two, a large one fills the line. */
static void
ask_more(struct get *g)
{
	while (!g->end && g->asked_len > 0 && g->n < g->room) {
		uint32_t len = g->asked_len < WIRE_CHUNK
		    ? (uint32_t)g->asked_len
		    : (uint32_t)WIRE_CHUNK;

		ask(g, &g->slots[(g->first + g->n) % SLOTS], g->asked_off, len);
		g->n++;
		g->asked_off += len;
		if (g->asked_len != STORE_ALL)
			g->asked_len -= len;
	}
}

/* What a slot brought.  0, SFTP_AGAIN, -1; *len is 0 at the end. */
static int
take_slot(struct get *g, struct slot *slot, const void **bytes, size_t *len,
    struct fail *f)
{
	struct sftp_ask a = { g->s, g->key, "read", f };
	uint32_t status;

	*len = 0;
	if (sftp_wait_bytes(g->s, &slot->call, g->key, f) != 0)
		return SFTP_AGAIN;
	if (slot->call.type == WIRE_DATA) {
		*bytes = wire_bytes(&slot->call, len);
		if (*len > 0 && *len <= slot->len)
			return 0;
		return fail_set(f, FAIL_TRANSIENT, g->s->store.url,
		    "the server's answer to a read is none");
	}
	status = wire_u32(&slot->call);
	if (slot->call.type == WIRE_STATUS && status == WIRE_EOF)
		return 0;
	slot->call.at = 0;
	/* A file that is open does not vanish, and 0 brings no bytes. */
	return sftp_judge(&a, &slot->call) < 0
	    ? -1
	    : fail_set(f, FAIL_TRANSIENT, g->s->store.url,
	          "the server's answer to a read is none");
}

/* The oldest of what is under way, to its end, into out. */
static int
take_first(struct get *g, struct fail *f)
{
	struct slot *slot = &g->slots[g->first];
	const void *bytes = NULL;
	size_t len;
	int rc;

	for (;;) {
		rc = take_slot(g, slot, &bytes, &len, f);
		if (rc != 0)
			return rc;
		if (len == 0) {
			g->end = true;
			break;
		}
		if (stream_write(g->out, bytes, len, f) != 0)
			return -1;
		g->off += len;
		if (g->len != STORE_ALL)
			g->len -= len;
		if (len == slot->len)
			break;
		if (still_connected(g, f) != 0)
			return SFTP_AGAIN;
		ask(g, slot, g->off, slot->len - (uint32_t)len);
	}
	wire_done(&slot->call);
	g->first = (g->first + 1) % SLOTS;
	g->n--;
	if (g->room < SLOTS)
		g->room++;
	return 0;
}

static int
attempt_get(void *arg, struct fail *f)
{
	struct get *g = arg;
	struct sftp_ask a = { g->s, g->key, "open", f };
	int rc = sftp_open(&a, WIRE_OPEN_READ, &g->handle);

	if (rc != 0)
		return rc == 1 ? sftp_absent(g->s, f) : rc;
	g->connection = g->s->connection;
	g->first = g->n = 0;
	g->room = 2;
	g->end = false;
	g->asked_off = g->off;
	g->asked_len = g->len;
	ask_more(g);
	while (rc == 0 && g->n > 0 && !g->end) {
		rc = take_first(g, f);
		if (rc == 0 && !g->end && g->len > 0)
			rc = still_connected(g, f);
		if (rc == 0)
			ask_more(g);
	}
	for (unsigned i = 0; i < SLOTS; i++)
		wire_done(&g->slots[i].call);
	if (g->connection == g->s->connection)
		sftp_close(g->s, &g->handle);
	return rc;
}

static int
attempt_exists(void *arg, struct fail *f)
{
	struct get *g = arg;
	struct sftp_ask a = { g->s, g->key, "stat", f };
	struct sftp_attrs attrs;
	int rc = sftp_lstat(&a, &attrs);

	return rc == 1 ? sftp_absent(g->s, f) : rc;
}

int
sftp_store_get(struct store *store, const char *key, uint64_t off, uint64_t len,
    struct stream *out, struct fail *f)
{
	struct get g = { .s = (struct sftp_store *)store,
		.key = key,
		.off = off,
		.len = len,
		.out = out };

	return sftp_run(
	    g.s, key, len == 0 ? attempt_exists : attempt_get, &g, f);
}
