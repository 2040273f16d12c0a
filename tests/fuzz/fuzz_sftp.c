/* SPDX-License-Identifier: PostgreSQL */
/*
 * A hostile server of SFTP.  The first byte says what is asked of a store
 * there; what follows are its answers, one for each request, by steps, or
 * bytes as they are.  Where the input has ended, the connection is lost.
 */
#include <sys/stat.h>
#include <time.h>

#include "fuzz.h"
#include "log.h"
#include "sftp_store.h"

/* What is asked for takes no longer, whatever the server does. */
#define RUN_MS INT64_C(200)

/* The one connection; what it is to send is made when it is asked. */
static struct tunnel {
	struct input in;
	struct buf asked, answers;
	size_t at;
	bool lost, quiet, flood;
} server;

static unsigned opened;

static void
add_u32(struct buf *b, uint32_t v)
{
	for (int i = 24; i >= 0; i -= 8)
		MUST(buf_append_u8(b, (uint8_t)(v >> i)) == 0);
}

/* Numbers that a parser may stumble over are likelier than others. */
static void
add_number(struct buf *b, struct input *in)
{
	static const uint32_t likely[] = { 0, 1, 2, 3, 4, 8, 255, 256, 0x41ed,
		0x81a4, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff };
	uint8_t which = take_u8(in);

	if (which < sizeof likely / sizeof likely[0])
		add_u32(b, likely[which]);
	else
		add_u32(b, which == 255 ? take_u32(in) : which);
}

/* Its fields: numbers, texts with their length, or a length that is none. */
static void
add_fields(struct buf *b, struct input *in)
{
	for (unsigned n = take_u8(in) % 64; n > 0; n--) {
		size_t len = take_u8(in);
		const uint8_t *bytes;

		if (len < 128) {
			add_number(b, in);
			continue;
		}
		len -= 128;
		bytes = take_bytes(in, &len);
		add_u32(b, (uint32_t)len);
		MUST(buf_append(b, bytes, len) == 0);
	}
}

static void
answer(const uint8_t *request, size_t len)
{
	static const uint8_t types[] = { WIRE_STATUS, WIRE_HANDLE, WIRE_DATA,
		WIRE_NAME, WIRE_ATTRS, WIRE_VERSION, WIRE_EXTENDED_REPLY };
	struct input *in = &server.in;
	uint8_t how = take_u8(in), type = types[how % sizeof types];
	struct buf body = { 0 };
	size_t n = take_u8(in) % 64;
	const uint8_t *raw;

	if (in->len == 0 || how >= 250) {
		server.flood = how == 255;
		raw = take_bytes(in, &n);
		MUST(buf_append(&server.answers, raw, n) == 0);
		return;
	}
	server.quiet = (how & 128) != 0;
	MUST(buf_append_u8(&body, type) == 0);
	/* Of another request, now and then. */
	if (type != WIRE_VERSION)
		add_u32(&body,
		    len < 9 || n == 63 ? (uint32_t)n
		                       : (uint32_t)request[5] << 24 |
		            (uint32_t)request[6] << 16 |
		            (uint32_t)request[7] << 8 | request[8]);
	add_fields(&body, in);
	add_u32(&server.answers,
	    (uint32_t)body.len -
	        (n == 62          ? 3
	                : n == 61 ? (uint32_t)-3
	                          : 0));
	MUST(buf_append(&server.answers, body.data, body.len) == 0);
	buf_clear(&body);
}

struct tunnel *
tunnel_open(const struct sftp_options *o, struct deadline end, bool *heals,
    struct fail *f)
{
	(void)o;
	(void)end;
	*heals = true;
	server.asked.len = server.answers.len = server.at = 0;
	server.lost = server.quiet = server.flood = false;
	if (opened++ < 3 && server.in.len > 0)
		return &server;
	(void)fail_set(f, FAIL_TRANSIENT, NULL, "no server");
	*heals = false;
	return NULL;
}

void
tunnel_close(struct tunnel *t)
{
	t->lost = true;
}

ssize_t
tunnel_write(struct tunnel *t, const void *bytes, size_t len)
{
	size_t at = 0;

	if (t->lost)
		return -1;
	MUST(buf_append(&t->asked, bytes, len) == 0);
	while (t->asked.len - at >= 4) {
		const uint8_t *p = t->asked.data + at;
		size_t n = (size_t)p[0] << 24 | (size_t)p[1] << 16 |
		    (size_t)p[2] << 8 | p[3];

		/* What we send is SFTP, whatever is answered. */
		MUST(n > 0 && n < (size_t)1024 * 1024);
		if (t->asked.len - at - 4 < n)
			break;
		answer(p, n + 4);
		at += n + 4;
	}
	memmove(t->asked.data, t->asked.data + at, t->asked.len - at);
	t->asked.len -= at;
	return (ssize_t)len;
}

ssize_t
tunnel_read(struct tunnel *t, void *bytes, size_t cap)
{
	/* Nobody has asked for it, and there is no end to it. */
	static const uint8_t junk[] = { 0, 0, 0, 5, WIRE_DATA, 1, 2, 3, 4 };
	size_t n = t->answers.len - t->at;

	if (t->quiet) {
		t->quiet = false;
		return 0;
	}
	if (n == 0 && t->flood) {
		memcpy(bytes, junk, sizeof junk);
		return sizeof junk;
	}
	if (n == 0) {
		t->lost = true;
		return -1;
	}
	if (n > cap)
		n = cap;
	memcpy(bytes, t->answers.data + t->at, n);
	t->at += n;
	return (ssize_t)n;
}

void
tunnel_wait(struct tunnel *t, int64_t ms)
{
	(void)t;
	(void)ms;
}

const char *
tunnel_why(struct tunnel *t)
{
	(void)t;
	return "the input has ended";
}

static const char *
option(const void *arg, const char *name)
{
	(void)arg;
	return strcmp(name, "retry-for") == 0      ? "1ms"
	    : strcmp(name, "connect-timeout") == 0 ? "100ms"
	                                           : NULL;
}

struct counted {
	struct stream stream;
	uint64_t len;
};

static int
count(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	(void)f;
	MUST(len > 0 && bytes != NULL);
	((struct counted *)stream)->len += len;
	return 0;
}

static int
listed(void *arg, const char *key, const struct store_info *info)
{
	const char *prefix = arg;

	MUST(strlen(key) < STORE_KEY_MAX);
	MUST(strncmp(key, prefix, strlen(prefix)) == 0);
	MUST(strstr(key, "/../") == NULL && strstr(key, "//") == NULL);
	MUST((info == NULL) == (key[strlen(key) - 1] == '/'));
	return 0;
}

static int
get(struct store *s, uint64_t off, uint64_t len, struct fail *f)
{
	static const struct stream_ops ops = { .write = count };
	struct counted out = { .stream.ops = &ops };
	int rc = store_get(s, "dir/key", off, len, &out.stream, f);

	MUST(out.len <= len);
	return rc;
}

static int
put(struct store *s, size_t len, const char *aside, struct fail *f)
{
	static const uint8_t bytes[3 * WIRE_CHUNK];
	struct store_attrs attrs = { .size_hint = len, .set_aside = aside };
	struct stream *out = store_put(s, "dir/key", &attrs, f);
	int rc = out == NULL ? -1 : 0;

	if (rc == 0 && len > 0)
		rc = stream_write(out, bytes, len, f);
	if (rc == 0)
		rc = stream_finish(out, f);
	stream_free(out);
	return rc;
}

static int
ask(struct store *s, uint8_t what, struct fail *f)
{
	struct store_info info;
	uint64_t bytes;
	size_t n = 0;
	char all[] = "", dir[] = "dir/";

	switch (what % 12) {
	case 0:
		return store_list(s, all, listed, all, f);
	case 1:
		return store_list_shallow(s, dir, listed, dir, f);
	case 2:
		return store_list_after(s, dir, "dir/k", listed, dir, f);
	case 3:
		return store_stat(s, "dir/key", &info, f);
	case 4:
		return get(s, 0, STORE_ALL, f);
	case 5:
		return get(s, 100, 100000, f);
	case 6:
		return put(s, what, NULL, f);
	case 7:
		return put(s, 3 * WIRE_CHUNK, "dir/key.aside", f);
	case 8:
		return store_settle(s, "dir/key", f);
	case 9:
		return store_del(s, "dir/key", f);
	case 10:
		return store_sweep(s, all, INT64_MAX, &n, f);
	default:
		return what > 127 ? s->ops->space(s, &bytes, f)
		                  : store_prepare(s, f);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store_args args = { .name = "fuzz",
		.url = "sftp://walvault@host/srv",
		.dir_mode = 0700,
		.file_mode = 0600,
		.deadline = deadline_in(RUN_MS),
		.option = option };
	struct fail f = { 0 };
	struct store *s;
	uint8_t what;
	int rc;

	log_setup("fuzz", LOG_ERROR, false);
	server.in = (struct input){ data, size };
	opened = 0;
	what = take_u8(&server.in);
	s = sftp_store_open(&args, &f);
	MUST(s != NULL);
	rc = ask(s, what, &f);
	MUST(rc >= -1 && rc <= 1);
	MUST(rc >= 0 || (f.kind != FAIL_NONE && f.cause[0] != '\0'));
	/* As much again for a machine that has other things to do. */
	MUST(deadline_left(args.deadline) > 0 ||
	    deadline_left(
	        (struct deadline){ args.deadline.at_ms + 10 * RUN_MS }) > 0);
	store_free(s);
	buf_clear(&server.asked);
	buf_clear(&server.answers);
	return 0;
}

/* VERSION 3 with what OpenSSH offers, then what a file is asked by. */
#define HELLO "\005\000\001\003"

static void
write_seeds(void)
{
	for (char c = 0; c < 12; c++) {
		char text[64] = { c }, name[16];

		memcpy(text + 1, HELLO, 4);
		memcpy(text + 5,
		    "\001\000\001\205handl\003\000\003\001\203abc\203abc\004",
		    19);
		(void)snprintf(name, sizeof name, "op%d", c);
		seed(name, text, 40);
	}
	seed("flood", "\003" HELLO "\377\000", 7);
	seed("flood-hello", "\003\377\000", 3);
}
