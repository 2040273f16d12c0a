/* SPDX-License-Identifier: PostgreSQL */
/* Requests for credentials: see ask.h. */
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "keyed.h"
#include "secret.h"

struct http_options
ask_options(struct deadline deadline)
{
	return (struct http_options){ .verify = true,
		.connect_ms = 2000,
		.answer_ms = 10000,
		.stall_ms = 10000,
		.retry_ms = 15000,
		.deadline = deadline };
}

static int
make(void *arg, struct http_request *h, struct fail *f)
{
	const struct ask *r = arg;

	h->method = r->method;
	h->body = r->body;
	h->body_len = r->body != NULL ? strlen(r->body) : 0;
	for (size_t i = 0; i < r->headers.n; i++)
		headers_add_line(&h->headers, r->headers.line[i],
		    strlen(r->headers.line[i]));
	if (buf_append(&h->url, r->url, strlen(r->url) + 1) == 0)
		return 0;
	return fail_set(f, FAIL_INTERNAL, r->what, "out of memory");
}

static enum http_verdict
judge(void *arg, const struct http_answer *a, struct fail *f)
{
	const struct ask *r = arg;
	char why[400] = "";
	/* 410: Azure's, while the machine's service is brought up to date. */
	bool heals = a->status == 429 || a->status == 408 || a->status == 410 ||
	    a->status >= 500;

	if (a->status >= 200 && a->status <= 299)
		return HTTP_DONE;
	if (r->optional && (a->status == 404 || a->status == 405))
		return HTTP_NO;
	if (a->body.len > 0 && r->tell != NULL)
		r->tell(&a->body, why, sizeof why);
	(void)fail_set(f, heals ? FAIL_TRANSIENT : FAIL_DENIED, r->what,
	    "answered %d%s%s", a->status, why[0] != '\0' ? " " : "", why);
	return heals ? HTTP_AGAIN : HTTP_FAILED;
}

/* Most machines are no cloud's: nobody waits for what is not there. */
static int
ask_once(struct http *h, struct ask *r, struct fail *f)
{
	struct http_request once = { 0 };
	int rc = make(r, &once, f);

	if (rc == 0)
		rc = http_try(h, &once, r->what, &r->answer, f);
	headers_clear(&once.headers);
	buf_clear(&once.url);
	if (rc == 0)
		rc = judge(r, &r->answer, f) == HTTP_DONE ? 0 : 1;
	return rc != 0 ? 1 : 0;
}

int
ask(struct http *h, struct ask *r, struct fail *f)
{
	struct http_exchange x = {
		.object = r->what, .make = make, .judge = judge, .arg = r
	};

	if (h == NULL || r->headers.failed)
		return fail_set(f, FAIL_INTERNAL, r->what, "out of memory");
	return r->optional ? ask_once(h, r, f) : http_run(h, &x, &r->answer, f);
}

void
ask_clear(struct ask *r)
{
	if (r->answer.body.data != NULL)
		wipe(r->answer.body.data, r->answer.body.len);
	http_answer_clear(&r->answer);
	headers_clear(&r->headers);
}

int
ask_read_token(
    const char *named, const char *path, char *out, size_t cap, struct fail *f)
{
	struct buf b = { 0 };
	int rc = secret_read(named, path, cap - 1, &b, f);

	if (rc == 0) {
		while (b.len > 0 && b.data[b.len - 1] <= ' ')
			b.len--;
		(void)snprintf(
		    out, cap, "%.*s", (int)b.len, (const char *)b.data);
	}
	if (b.data != NULL)
		wipe(b.data, b.len);
	buf_clear(&b);
	return rc;
}

/* Of this host, or of the link that it shares with nobody else. */
bool
ask_is_private(const char *url)
{
	static const char *const hosts[] = { "localhost", "[::1]",
		"169.254.170.2", "169.254.170.23", "169.254.169.254",
		"[fd00:ec2::23]" };
	const char *host = url + strlen("http://");
	size_t len;

	if (strncmp(url, "https://", 8) == 0)
		return true;
	if (strncmp(url, "http://", 7) != 0)
		return false;
	len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?");
	if (strncmp(host, "127.", 4) == 0)
		return strspn(host, "0123456789.") == len;
	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
		if (strlen(hosts[i]) == len &&
		    strncmp(host, hosts[i], len) == 0)
			return true;
	return false;
}
