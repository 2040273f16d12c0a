/* SPDX-License-Identifier: PostgreSQL */
/* Requests made again until their time is over, and their options: http.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http.h"
#include "log.h"
#include "retry.h"
#include "units.h"

static int64_t
option_ms(const struct store_args *args, const char *name, const char *def)
{
	const char *why;
	uint64_t ms = 0;

	(void)units_parse(store_option(args, name, def), UNITS_MS, &ms, &why);
	return (int64_t)ms;
}

int
http_options_read(
    const struct store_args *args, struct http_options *o, struct fail *f)
{
	const char *ca = store_option(args, "ca-file", NULL);

	if (ca == NULL && strncmp(args->url, "s3:", 3) == 0)
		ca = getenv("AWS_CA_BUNDLE");
	if (ca == NULL)
		ca = "";
	*o = (struct http_options){ .deadline = args->deadline };
	if (snprintf(o->ca_file, sizeof o->ca_file, "%s", ca) >=
	    (int)sizeof o->ca_file)
		return fail_set(f, FAIL_CONFIG, args->name,
		    "ca_file: its name is too long");
	o->verify = strcmp(store_option(args, "verify-tls", "on"), "on") == 0;
	o->connect_ms = option_ms(args, "connect-timeout", "10s");
	o->answer_ms = option_ms(args, "answer-timeout", "30s");
	o->stall_ms = option_ms(args, "stall-timeout", "20s");
	o->retry_ms = option_ms(args, "retry-for", "2min");
	if (!o->verify)
		log_warning("store %s: verify_tls = off: anybody on the way "
		            "can read and change what goes there",
		    args->name);
	return 0;
}

int64_t
http_ahead(const struct http_answer *a, int64_t at)
{
	const char *date = headers_get(&a->headers, "Date");
	struct tm tm = { 0 };

	if (date == NULL ||
	    strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm) == NULL)
		return 0;
	return at - (int64_t)timegm(&tm);
}

/* Time to try again, or not: true when the wait is over. */
static bool
wait_for_next(const struct http_exchange *x, const struct http_answer *a,
    struct deadline end, const struct fail *f)
{
	const char *after = headers_get(&a->headers, "Retry-After");
	int64_t wanted = after != NULL ? retry_after_ms(after, time(NULL)) : 0;
	int64_t wait = retry_delay(x->tries, wanted, retry_random());
	struct timespec ts = { .tv_sec = wait / 1000,
		.tv_nsec = wait % 1000 * 1000000 };

	if (wait >= deadline_left(end))
		return false;
	log_fail(LOG_INFO, "trying again", f);
	while (nanosleep(&ts, &ts) != 0)
		;
	return true;
}

static enum http_verdict
one_try(struct http *h, struct http_exchange *x, struct http_answer *a,
    struct fail *f)
{
	struct http_request r = { .accept = x->accept, .accept_arg = x->arg };
	enum http_verdict v;
	int rc;

	x->tries++;
	rc = x->make(x->arg, &r, f);
	if (rc == 0)
		rc = http_try(h, &r, x->object, a, f);
	log_debug("%s %s: status=%d try=%u", r.method != NULL ? r.method : "-",
	    x->object, a->status, x->tries);
	headers_clear(&r.headers);
	/* Some services are shown what proves who asks in the URL. */
	if (r.url.data != NULL)
		explicit_bzero(r.url.data, r.url.len);
	buf_clear(&r.url);
	v = rc == 0  ? x->judge(x->arg, a, f)
	    : rc > 0 ? HTTP_AGAIN
	             : HTTP_FAILED;
	return v;
}

static void
add_tries(const struct http_exchange *x, struct fail *f)
{
	char text[sizeof f->cause];

	if (x->tries < 2)
		return;
	(void)snprintf(text, sizeof text, "%s", f->cause);
	(void)snprintf(f->cause, sizeof f->cause, "%.440s (tried %u times)",
	    text, x->tries);
}

int
http_run(struct http *h, struct http_exchange *x, struct http_answer *a,
    struct fail *f)
{
	const struct http_options *o = http_options_of(h);
	struct deadline end = deadline_in(o->retry_ms);

	if (o->deadline.at_ms != 0 && o->deadline.at_ms < end.at_ms)
		end = o->deadline;
	x->tries = 0;
	for (;;) {
		http_answer_clear(a);
		switch (one_try(h, x, a, f)) {
		case HTTP_DONE:
			return 0;
		case HTTP_NO:
			return 1;
		case HTTP_FAILED:
			return -1;
		case HTTP_NEXT:
			if (deadline_left(end) > 0)
				continue;
			return fail_set(
			    f, FAIL_TRANSIENT, x->object, "the time is over");
		case HTTP_AGAIN:
			break;
		}
		if (x->once || !wait_for_next(x, a, end, f)) {
			add_tries(x, f);
			return -1;
		}
	}
}
