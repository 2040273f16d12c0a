/* SPDX-License-Identifier: PostgreSQL */
/* Attempts until the time is over, and what answers mean: sftp_store.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "retry.h"
#include "sftp_store.h"

/*
 * A connection, if there is none that is good.  It may have been lost while
 * nobody waited for an answer.  0, SFTP_AGAIN, -1.
 */
static int
connect_once(
    struct sftp_store *s, struct deadline end, unsigned tries, struct fail *f)
{
	const char *why = s->wire != NULL ? wire_broken(s->wire) : NULL;
	struct tunnel *t;
	struct deadline hello = deadline_in(s->options.connect_ms);
	bool heals;

	if (s->wire != NULL && why == NULL)
		return 0;
	if (why != NULL && tries == 1)
		log_info("trying again: %s: the connection is lost: %s",
		    s->store.url, why);
	wire_close(s->wire);
	s->wire = NULL;
	t = tunnel_open(&s->options, end, &heals, f);
	if (t == NULL)
		return heals ? SFTP_AGAIN : -1;
	s->wire = wire_open(t,
	    s->options.deadline.at_ms != 0 &&
	            s->options.deadline.at_ms < hello.at_ms
	        ? s->options.deadline
	        : hello,
	    &heals, f);
	if (s->wire == NULL) {
		(void)snprintf(
		    f->object, sizeof f->object, "%.250s", s->store.url);
		return heals ? SFTP_AGAIN : -1;
	}
	s->connection++;
	return 0;
}

/* Time for another attempt: true when the wait is over. */
static bool
wait_for_next(unsigned tries, struct deadline end, const struct fail *f)
{
	int64_t wait = retry_delay(tries, 0, retry_random());
	struct timespec ts = { .tv_sec = wait / 1000,
		.tv_nsec = wait % 1000 * 1000000 };

	if (wait >= deadline_left(end))
		return false;
	log_fail(LOG_INFO, "trying again", f);
	while (nanosleep(&ts, &ts) != 0)
		;
	return true;
}

static void
add_tries(unsigned tries, struct fail *f)
{
	char text[sizeof f->cause];

	if (tries < 2)
		return;
	(void)snprintf(text, sizeof text, "%s", f->cause);
	(void)snprintf(
	    f->cause, sizeof f->cause, "%.440s (tried %u times)", text, tries);
}

/* As sftp_run, with *f filled by what an expected "no" came from, too. */
static int
run(struct sftp_store *s, int (*attempt)(void *arg, struct fail *f), void *arg,
    struct fail *f)
{
	struct deadline end = deadline_in(s->options.retry_ms);

	if (s->options.deadline.at_ms != 0 &&
	    s->options.deadline.at_ms < end.at_ms)
		end = s->options.deadline;
	for (unsigned tries = 1;; tries++) {
		int rc = connect_once(s, end, tries, f);

		if (rc == 0)
			rc = attempt(arg, f);
		if (rc != SFTP_AGAIN)
			return rc;
		if (!wait_for_next(tries, end, f)) {
			add_tries(tries, f);
			return -1;
		}
	}
}

int
sftp_run(struct sftp_store *s, const char *key,
    int (*attempt)(void *arg, struct fail *f), void *arg, struct fail *f)
{
	struct fail why = { 0 };
	int rc = sftp_check_key(s, key, f);

	if (rc == 0) {
		rc = run(s, attempt, arg, &why);
		if (rc < 0)
			*f = why;
	}
	return rc;
}

void
sftp_path(const struct sftp_store *s, const char *key, char out[SFTP_PATH_MAX])
{
	const char *root = s->options.root;
	size_t len;

	/* sftp_parse_url has left room for the longest key. */
	(void)snprintf(out, SFTP_PATH_MAX, "%.*s/%s",
	    SFTP_PATH_MAX - STORE_KEY_MAX - 2, root, key);
	len = strlen(out);
	if (len > 1 && out[len - 1] == '/')
		out[len - 1] = '\0';
}

void
sftp_dir_of(const char *key, char out[STORE_KEY_MAX])
{
	const char *slash = strrchr(key, '/');

	(void)snprintf(out, STORE_KEY_MAX, "%.*s",
	    slash != NULL ? (int)(slash - key) + 1 : 0, key);
}

int
sftp_check_key(const struct sftp_store *s, const char *key, struct fail *f)
{
	bool bad = strlen(key) >= STORE_KEY_MAX;

	for (const char *p = key; *p != '\0' && !bad;) {
		size_t len = strcspn(p, "/");

		bad = len == 0 ||
		    (p[0] == '.' && len <= 2 && p[len - 1] == '.');
		p += len + (p[len] == '/');
	}
	return bad
	    ? fail_set(f, FAIL_INTERNAL, s->store.url, "not a key: %.200s", key)
	    : 0;
}

static int
wait_for(struct sftp_store *s, struct wire_call *call, int64_t stall_ms,
    const char *key, struct fail *f)
{
	char object[STORE_KEY_MAX + 1024];
	const char *why;

	if (wire_wait(call, stall_ms, s->options.deadline) == 0)
		return 0;
	why = s->wire != NULL ? wire_broken(s->wire) : NULL;
	store_object_name(&s->store, key, object, sizeof object);
	(void)fail_set(f, FAIL_TRANSIENT, object, "the connection is lost: %s",
	    why != NULL ? why : "another took its place");
	return SFTP_AGAIN;
}

int
sftp_wait(struct sftp_store *s, struct wire_call *call, const char *key,
    struct fail *f)
{
	return wait_for(s, call, s->options.answer_ms, key, f);
}

int
sftp_wait_bytes(struct sftp_store *s, struct wire_call *call, const char *key,
    struct fail *f)
{
	return wait_for(s, call, s->options.stall_ms, key, f);
}

static int
denied(const struct sftp_ask *ask)
{
	return fail_hint(ask->f,
	    "the directory %s on %s must belong to the user %s",
	    ask->store->options.root, ask->store->options.host,
	    ask->store->options.user);
}

int
sftp_judge(const struct sftp_ask *ask, struct wire_call *call)
{
	struct sftp_store *s = ask->store;
	char object[STORE_KEY_MAX + 1024];
	uint32_t status = wire_u32(call);
	size_t len;
	const char *text = wire_bytes(call, &len);

	if (call->type == WIRE_STATUS && status == WIRE_OK)
		return 0;
	if (call->type == WIRE_STATUS && status == WIRE_NO_SUCH_FILE)
		return 1;
	store_object_name(&s->store, ask->key, object, sizeof object);
	(void)fail_set(ask->f,
	    status == WIRE_PERMISSION_DENIED ? FAIL_DENIED : FAIL_TRANSIENT,
	    object, "%s: the server says: %.*s", ask->what,
	    len > 200 ? 200 : (int)len, len > 0 ? text : "failure");
	if (call->type != WIRE_STATUS)
		return fail_set(ask->f, FAIL_TRANSIENT, object,
		    "%s: the server's answer is none to that", ask->what);
	return status == WIRE_PERMISSION_DENIED ? denied(ask) : -1;
}

int
sftp_answer(
    const struct sftp_ask *ask, struct wire_call *call, enum wire_type want)
{
	if (sftp_wait(ask->store, call, ask->key, ask->f) != 0)
		return SFTP_AGAIN;
	if (call->type == want && want != WIRE_STATUS)
		return 0;
	return sftp_judge(ask, call);
}
