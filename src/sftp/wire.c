/* SPDX-License-Identifier: PostgreSQL */
/* Requests and answers of SFTP: see wire.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

#define VERSION 3

/* No answer is larger; WIRE_CHUNK of data, or what OpenSSH lists at once. */
#define ANSWER_MAX ((size_t)1024 * 1024)

/* Of 2 * WIRE_CHUNK, at a time. */
#define READS_MAX 64

/* As much is kept for a server that does not take it. */
#define OUT_MAX ((size_t)1024 * 1024)

struct wire {
	struct tunnel *tunnel;
	struct wire_call *calls;    /* under way */
	uint32_t last_id, answered; /* requests made; answers to them */
	struct buf out, in;         /* on its way, and not yet whole */
	size_t out_at;
	bool lost;
	char why[256];
	struct wire_abilities abilities;
};

static int
add_u32(struct buf *b, uint32_t v)
{
	uint8_t p[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16),
		(uint8_t)(v >> 8), (uint8_t)v };

	return buf_append(b, p, sizeof p);
}

static int
add_bytes(struct buf *b, const void *bytes, size_t len)
{
	return add_u32(b, (uint32_t)len) == 0 ? buf_append(b, bytes, len) : -1;
}

static uint32_t
get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

const char *
wire_broken(const struct wire *w)
{
	return w->lost ? w->why : NULL;
}

const struct wire_abilities *
wire_abilities(const struct wire *w)
{
	return &w->abilities;
}

static void
finish_call(struct wire *w, struct wire_call *call, bool lost)
{
	struct wire_call **p = &w->calls;

	while (*p != NULL && *p != call)
		p = &(*p)->next;
	if (*p != NULL)
		*p = call->next;
	call->done = true;
	call->lost = lost;
	call->wire = NULL;
}

static void
break_off(struct wire *w, const char *why)
{
	if (!w->lost)
		(void)snprintf(w->why, sizeof w->why, "%s", why);
	w->lost = true;
	while (w->calls != NULL)
		finish_call(w, w->calls, true);
}

static struct wire_call *
find_call(struct wire *w, uint32_t id)
{
	struct wire_call *c = w->calls;

	while (c != NULL && c->id != id)
		c = c->next;
	return c;
}

/* One message: its type, the request's number, the rest. */
static void
take_message(struct wire *w, const uint8_t *p, size_t len)
{
	bool version = len > 0 && p[0] == WIRE_VERSION;
	size_t head = version ? 1 : 5;
	struct wire_call *c;

	if (len < head || (version && w->last_id > 0)) {
		break_off(w, "the server's answer is not SFTP");
		return;
	}
	/* There is one for each request, or they would have no end. */
	if (!version && w->answered++ == w->last_id) {
		break_off(w, "the server answers what nobody has asked for");
		return;
	}
	c = find_call(w, version ? 0 : get_u32(p + 1));
	if (c == NULL)
		return;
	c->type = p[0];
	c->at = 0;
	c->answer.len = 0;
	if (buf_append(&c->answer, p + head, len - head) != 0)
		break_off(w, "out of memory");
	else
		finish_call(w, c, false);
}

static void
take_messages(struct wire *w)
{
	size_t at = 0, len;

	while (!w->lost && w->in.len - at >= 4) {
		len = get_u32(w->in.data + at);
		if (len > ANSWER_MAX) {
			break_off(w, "the server's answer is not SFTP");
			return;
		}
		if (w->in.len - at - 4 < len)
			break;
		take_message(w, w->in.data + at + 4, len);
		at += 4 + len;
	}
	if (at > 0) {
		memmove(w->in.data, w->in.data + at, w->in.len - at);
		w->in.len -= at;
	}
}

/* Is anything moved? */
static bool
move_out(struct wire *w)
{
	bool moved = false;

	while (!w->lost && w->out_at < w->out.len) {
		ssize_t n = tunnel_write(
		    w->tunnel, w->out.data + w->out_at, w->out.len - w->out_at);

		if (n < 0)
			break_off(w, tunnel_why(w->tunnel));
		if (n <= 0)
			break;
		moved = true;
		w->out_at += (size_t)n;
	}
	if (w->out_at == w->out.len)
		w->out_at = w->out.len = 0;
	return moved;
}

/* Not for ever: whoever waits looks at the time between. */
static bool
move_in(struct wire *w)
{
	bool moved = false;
	ssize_t n;

	for (int i = 0; i < READS_MAX && !w->lost; i++) {
		if (buf_reserve(&w->in, w->in.len + 2 * WIRE_CHUNK) != 0) {
			break_off(w, "out of memory");
			break;
		}
		n = tunnel_read(
		    w->tunnel, w->in.data + w->in.len, 2 * WIRE_CHUNK);
		if (n < 0)
			break_off(w, tunnel_why(w->tunnel));
		if (n <= 0)
			break;
		moved = true;
		w->in.len += (size_t)n;
		take_messages(w);
	}
	return moved;
}

/* Move what can be moved; if that is nothing, wait for it. */
static bool
pump(struct wire *w, int64_t ms)
{
	bool in = move_in(w), out = move_out(w);

	if (!in && !out && !w->lost && ms > 0)
		tunnel_wait(w->tunnel, ms);
	return in || out;
}

static int
add_field(struct buf *b, char what, va_list *args)
{
	const void *bytes;
	const char *text;
	uint64_t v;

	switch (what) {
	case 'u':
		return add_u32(b, va_arg(*args, uint32_t));
	case 'U':
		v = va_arg(*args, uint64_t);
		return add_u32(b, (uint32_t)(v >> 32)) == 0
		    ? add_u32(b, (uint32_t)v)
		    : -1;
	case 's':
		text = va_arg(*args, const char *);
		return add_bytes(b, text, strlen(text));
	default:
		bytes = va_arg(*args, const void *);
		return add_bytes(b, bytes, va_arg(*args, size_t));
	}
}

static void
register_call(struct wire *w, struct wire_call *call)
{
	wire_done(call);
	call->done = call->lost = false;
	call->id = w->last_id;
	call->wire = w;
	call->next = w->calls;
	w->calls = call;
}

/* Room for what is sent before it went. */
static void
make_room(struct wire *w)
{
	if (w->out_at > 0) {
		memmove(w->out.data, w->out.data + w->out_at,
		    w->out.len - w->out_at);
		w->out.len -= w->out_at;
		w->out_at = 0;
	}
}

void
wire_send(struct wire *w, struct wire_call *call, enum wire_type type,
    const char *format, ...)
{
	size_t begin, len;
	va_list args;
	int rc = 0;

	if (w->out.len > OUT_MAX)
		make_room(w);
	begin = w->out.len;
	if (type != WIRE_INIT)
		w->last_id++;
	if (call != NULL)
		register_call(w, call);
	rc |= add_u32(&w->out, 0) | buf_append_u8(&w->out, (uint8_t)type);
	if (type != WIRE_INIT)
		rc |= add_u32(&w->out, w->last_id);
	va_start(args, format);
	for (const char *p = format; rc == 0 && *p != '\0'; p++)
		rc = add_field(&w->out, *p, &args);
	va_end(args);
	if (rc != 0) {
		break_off(w, "out of memory");
	} else {
		len = w->out.len - begin - 4;
		for (int i = 0; i < 4; i++)
			w->out.data[begin + (size_t)i] = (uint8_t)(len >>
			    (24 - 8 * i));
		(void)move_out(w);
	}
	if (w->lost)
		break_off(w, "");
}

int
wire_wait(struct wire_call *call, int64_t stall_ms, struct deadline end)
{
	struct wire *w = call->wire;
	struct deadline stall = deadline_in(stall_ms);
	char why[128];

	while (!call->done) {
		int64_t left = deadline_left(stall);
		int64_t all = end.at_ms == 0 ? INT64_MAX : deadline_left(end);
		bool moved = pump(w, left < all ? left : all);

		if (call->done)
			break;
		/* Whatever it goes on with. */
		if (all == 0) {
			break_off(w,
			    "no answer until the run's time was over (option "
			    "timeout)");
		} else if (moved) {
			stall = deadline_in(stall_ms);
		} else if (left == 0) {
			(void)snprintf(why, sizeof why, "no answer for %lld ms",
			    (long long)stall_ms);
			break_off(w, why);
		}
	}
	return call->lost ? -1 : 0;
}

void
wire_done(struct wire_call *call)
{
	if (call->wire != NULL)
		finish_call(call->wire, call, true);
	buf_clear(&call->answer);
	call->at = 0;
}

static bool
is(const void *bytes, size_t len, const char *text)
{
	return len == strlen(text) && memcmp(bytes, text, len) == 0;
}

static void
read_abilities(struct wire *w, struct wire_call *call)
{
	while (call->at < call->answer.len) {
		size_t len, n;
		const void *name = wire_bytes(call, &len);
		const void *version = wire_bytes(call, &n);

		if (is(name, len, "hardlink@openssh.com"))
			w->abilities.hardlink = is(version, n, "1");
		else if (is(name, len, "fsync@openssh.com"))
			w->abilities.fsync = is(version, n, "1");
		else if (is(name, len, "posix-rename@openssh.com"))
			w->abilities.rename = is(version, n, "1");
		else if (is(name, len, "statvfs@openssh.com"))
			w->abilities.statvfs = is(version, n, "2");
	}
}

struct wire *
wire_open(struct tunnel *t, struct deadline end, bool *heals, struct fail *f)
{
	struct wire *w = calloc(1, sizeof *w);
	struct wire_call call = { 0 };
	uint32_t version = 0;

	*heals = false;
	if (w == NULL) {
		tunnel_close(t);
		(void)fail_set(f, FAIL_INTERNAL, NULL, "out of memory");
		return NULL;
	}
	w->tunnel = t;
	wire_send(w, &call, WIRE_INIT, "u", (uint32_t)VERSION);
	if (wire_wait(&call, INT64_C(86400000), end) != 0) {
		*heals = true;
		(void)fail_set(
		    f, FAIL_TRANSIENT, NULL, "SFTP does not begin: %s", w->why);
	} else {
		version = wire_u32(&call);
		if (version == VERSION)
			read_abilities(w, &call);
		else
			(void)fail_set(f, FAIL_CONFIG, NULL,
			    "the server speaks version %u of SFTP, not %d",
			    version, VERSION);
	}
	wire_done(&call);
	if (version == VERSION)
		return w;
	wire_close(w);
	return NULL;
}

void
wire_close(struct wire *w)
{
	if (w == NULL)
		return;
	break_off(w, "it was closed");
	tunnel_close(w->tunnel);
	buf_clear(&w->out);
	buf_clear(&w->in);
	free(w);
}
