/* SPDX-License-Identifier: PostgreSQL */
/* wrap: tunnel_close tunnel_write tunnel_read tunnel_wait tunnel_why */
/* Servers of SFTP that answer what nobody has asked for. */
#include "support.h"
#include "wire.h"

/* What the server sends, over and over if it is to have no end. */
static struct {
	uint8_t bytes[64];
	size_t len, at;
	bool endless; /* all of it once more */
	bool drips;   /* then a byte in a millisecond, and so on */
} server;

void
__wrap_tunnel_close(struct tunnel *t)
{
	(void)t;
}

ssize_t
__wrap_tunnel_write(struct tunnel *t, const void *bytes, size_t len)
{
	(void)t;
	(void)bytes;
	return (ssize_t)len;
}

void
__wrap_tunnel_wait(struct tunnel *t, int64_t ms)
{
	struct timespec ts = { .tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000 };

	(void)t;
	(void)nanosleep(&ts, NULL);
}

ssize_t
__wrap_tunnel_read(struct tunnel *t, void *bytes, size_t cap)
{
	size_t n = server.len - server.at;

	(void)cap;
	if (n == 0 && server.drips) {
		__wrap_tunnel_wait(t, 1);
		*(uint8_t *)bytes = 0;
		return 1;
	}
	memcpy(bytes, server.bytes + server.at, n);
	server.at = server.endless ? 0 : server.len;
	return (ssize_t)n;
}

const char *
__wrap_tunnel_why(struct tunnel *t)
{
	(void)t;
	return "";
}

static void
send_bytes(const char *bytes, size_t len, bool endless)
{
	memcpy(server.bytes, bytes, len);
	server.len = len;
	server.at = 0;
	server.endless = endless;
	server.drips = false;
}

static struct wire *
try_to_open(int64_t ms, bool *heals, struct fail *f)
{
	return wire_open(NULL, deadline_in(ms), heals, f);
}

static struct wire *
opened(void)
{
	struct fail f = { 0 };
	struct wire *w;
	bool heals;

	send_bytes("\0\0\0\5\2\0\0\0\3", 9, false);
	w = try_to_open(10000, &heals, &f);
	ck_assert_ptr_nonnull(w);
	return w;
}

/* It goes on with something all the time. */
START_TEST(a_drip_does_not_outlast_the_deadline)
{
	struct wire_call call = { 0 };
	struct wire *w = opened();

	wire_send(w, &call, WIRE_STAT, "s", "/");
	/* Of a megabyte, almost. */
	send_bytes("\0\017\0\0\151", 5, false);
	ck_assert_int_eq(wire_wait(&call, 20, (struct deadline){ 0 }), -1);
	ck_assert_ptr_nonnull(strstr(wire_broken(w), "no answer for 20 ms"));
	wire_done(&call);
	wire_close(w);

	w = opened();
	wire_send(w, &call, WIRE_STAT, "s", "/");
	send_bytes("\0\017\0\0\151", 5, false);
	server.drips = true;
	ck_assert_int_eq(wire_wait(&call, 60000, deadline_in(50)), -1);
	ck_assert_ptr_nonnull(strstr(wire_broken(w), "time was over"));
	wire_done(&call);
	wire_close(w);
}
END_TEST

START_TEST(answers_to_nobody_end_the_session)
{
	struct wire_call call = { 0 };
	struct wire *w = opened();
	struct fail f = { 0 };
	bool heals = false;

	wire_send(w, &call, WIRE_STAT, "s", "/");
	send_bytes("\0\0\0\5\147\7\7\7\7", 9, true);
	ck_assert_int_eq(wire_wait(&call, 60000, (struct deadline){ 0 }), -1);
	ck_assert_ptr_nonnull(strstr(wire_broken(w), "nobody has asked"));
	wire_done(&call);
	wire_close(w);
	send_bytes("\0\0\0\5\147\7\7\7\7", 9, true);
	ck_assert_ptr_null(try_to_open(60000, &heals, &f));
	ck_assert(heals);
	assert_failed(&f, FAIL_TRANSIENT);
}
END_TEST

/* A status of 3, by the number that no request has. */
START_TEST(only_a_version_begins_a_session)
{
	struct fail f = { 0 };
	bool heals;

	send_bytes("\0\0\0\11\145\0\0\0\0\0\0\0\3", 13, false);
	ck_assert_ptr_null(try_to_open(10000, &heals, &f));
	assert_failed(&f, FAIL_TRANSIENT);
	ck_assert_ptr_nonnull(strstr(f.cause, "nobody has asked"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("wire");

	add_tests(s, "hostile",
	    TESTS(a_drip_does_not_outlast_the_deadline,
	        answers_to_nobody_end_the_session,
	        only_a_version_begins_a_session));
	return run_suite(s);
}
