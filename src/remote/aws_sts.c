/* SPDX-License-Identifier: PostgreSQL */
/*
 * Requests for credentials, and roles that are assumed: AssumeRole and
 * AssumeRoleWithWebIdentity of the AWS Security Token Service API Reference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "aws_request.h"
#include "keyed.h"
#include "sigv4.h"
#include "uri.h"
#include "xml.h"

#define STS_VERSION "2011-06-15"

static int
make(void *arg, struct http_request *h, struct fail *f)
{
	const struct aws_request *r = arg;

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

struct sts_error {
	char code[64], message[256];
};

static int
take_error(void *arg, const char *path, const char *text)
{
	struct sts_error *e = arg;

	if (strcmp(path, "ErrorResponse/Error/Code") == 0)
		(void)snprintf(e->code, sizeof e->code, "%s", text);
	else if (strcmp(path, "ErrorResponse/Error/Message") == 0)
		(void)snprintf(e->message, sizeof e->message, "%s", text);
	return 0;
}

static enum http_verdict
judge(void *arg, const struct http_answer *a, struct fail *f)
{
	const struct aws_request *r = arg;
	struct sts_error e = { .code = "" };
	struct fail ignored;
	bool heals = a->status == 429 || a->status == 408 || a->status >= 500;

	if (a->status >= 200 && a->status <= 299)
		return HTTP_DONE;
	if (r->optional && (a->status == 404 || a->status == 405))
		return HTTP_NO;
	if (a->body.len > 0)
		(void)xml_parse((const char *)a->body.data, a->body.len,
		    r->what, take_error, &e, &ignored);
	(void)fail_set(f, heals ? FAIL_TRANSIENT : FAIL_DENIED, r->what,
	    "answered %d%s%s%s%s", a->status, e.code[0] != '\0' ? " " : "",
	    e.code, e.message[0] != '\0' ? ": " : "", e.message);
	return heals ? HTTP_AGAIN : HTTP_FAILED;
}

int
aws_request(struct aws *a, struct aws_request *r, struct fail *f)
{
	struct http_exchange x = {
		.object = r->what, .make = make, .judge = judge, .arg = r
	};
	struct http_request once = { 0 };
	int rc;

	if (a->http == NULL)
		a->http = http_new(&a->options);
	if (a->http == NULL || r->headers.failed)
		return fail_set(f, FAIL_INTERNAL, r->what, "out of memory");
	if (!r->optional)
		return http_run(a->http, &x, &r->answer, f);
	/* Most machines are no cloud's: nobody waits for what is not there. */
	rc = make(r, &once, f);
	if (rc == 0)
		rc = http_try(a->http, &once, r->what, &r->answer, f);
	headers_clear(&once.headers);
	buf_clear(&once.url);
	if (rc == 0)
		rc = judge(r, &r->answer, f) == HTTP_DONE ? 0 : 1;
	return rc != 0 ? 1 : 0;
}

void
aws_request_clear(struct aws_request *r)
{
	if (r->answer.body.data != NULL)
		wipe(r->answer.body.data, r->answer.body.len);
	http_answer_clear(&r->answer);
	headers_clear(&r->headers);
}

/* The credentials in an answer of either kind. */
static int
take_credentials(void *arg, const char *path, const char *text)
{
	struct aws_credentials *out = arg;
	const char *name = strstr(path, "Result/Credentials/");
	struct fail f;

	if (name == NULL)
		return 0;
	name += strlen("Result/Credentials/");
	if (strcmp(name, "AccessKeyId") == 0)
		return aws_set(
		    out->access_key, sizeof out->access_key, text, name, &f);
	if (strcmp(name, "SecretAccessKey") == 0)
		return aws_set(
		    out->secret_key, sizeof out->secret_key, text, name, &f);
	if (strcmp(name, "SessionToken") == 0)
		return aws_set(out->token, sizeof out->token, text, name, &f);
	if (strcmp(name, "Expiration") == 0)
		out->expires = aws_time(text);
	return 0;
}

static int
add(struct buf *b, const char *name, const char *value)
{
	if (buf_append(b, name, strlen(name)) != 0)
		return -1;
	return uri_encode(b, value, false);
}

/* "https://sts.REGION.amazonaws.com", or as the environment says. */
static void
sts_endpoint(const struct aws *a, char *out, size_t cap)
{
	const char *given = getenv("AWS_ENDPOINT_URL_STS");
	const char *region = a->region[0] != '\0' ? a->region : "us-east-1";

	if (given != NULL && *given != '\0')
		(void)snprintf(out, cap, "%s", given);
	else
		(void)snprintf(out, cap, "https://sts.%s.amazonaws.com%s",
		    region, strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
}

static int
sign(const struct aws *a, const struct aws_credentials *own,
    struct aws_request *r, struct fail *f)
{
	struct sigv4 by = { .access_key = own->access_key,
		.secret_key = own->secret_key,
		.region = a->region[0] != '\0' ? a->region : "us-east-1",
		.service = "sts" };
	uint8_t sum[SHA256_LEN];
	char hash[2 * SHA256_LEN + 1];
	const char *host = strstr(r->url, "://") + 3;
	struct sigv4_request what = { .method = r->method,
		.path = "/",
		.query = "",
		.headers = &r->headers,
		.payload_hash = hash };
	struct buf authorization = { 0 };
	int rc;

	sigv4_time(time(NULL), by.time);
	sha256_bytes(r->body, strlen(r->body), sum);
	hex_text(sum, sizeof sum, hash);
	headers_add(&r->headers, "Host", "%.*s", (int)strcspn(host, "/"), host);
	headers_add(&r->headers, "x-amz-date", "%s", by.time);
	if (own->token[0] != '\0')
		headers_add(
		    &r->headers, "x-amz-security-token", "%s", own->token);
	rc = sigv4_authorization(&by, &what, &authorization);
	if (rc == 0)
		headers_add(&r->headers, "Authorization", "%s",
		    (const char *)authorization.data);
	buf_clear(&authorization);
	return rc == 0 ? 0
	               : fail_set(f, FAIL_INTERNAL, r->what, "out of memory");
}

/* own: who signs; NULL where the form itself proves who asks. */
static int
ask_sts(struct aws *a, const struct aws_credentials *own, struct buf *form,
    struct aws_credentials *out, struct fail *f)
{
	char endpoint[512], url[520];
	struct aws_request r = { .method = "POST", .url = url };
	int rc;

	r.what = own != NULL ? "assume the role" : "the web identity's role";
	sts_endpoint(a, endpoint, sizeof endpoint);
	(void)snprintf(url, sizeof url, "%.*s/",
	    (int)strcspn(endpoint + 8, "/") + 8, endpoint);
	r.body = (const char *)form->data;
	headers_add(
	    &r.headers, "Content-Type", "application/x-www-form-urlencoded");
	rc = own != NULL ? sign(a, own, &r, f) : 0;
	if (rc == 0)
		rc = aws_request(a, &r, f);
	if (rc == 0 &&
	    (xml_parse((const char *)r.answer.body.data, r.answer.body.len,
	         r.what, take_credentials, out, f) != 0 ||
	        out->access_key[0] == '\0' || out->secret_key[0] == '\0'))
		rc = fail_set(
		    f, FAIL_TRANSIENT, r.what, "the answer has no credentials");
	aws_request_clear(&r);
	return rc;
}

static int
begin_form(struct buf *form, const char *action, const char *role)
{
	const char *session = getenv("AWS_ROLE_SESSION_NAME");
	char name[64];

	(void)snprintf(name, sizeof name, "walvault-%ld", (long)getpid());
	if (session == NULL || *session == '\0')
		session = name;
	if (add(form, "Action=", action) != 0 ||
	    add(form, "&Version=", STS_VERSION) != 0 ||
	    add(form, "&RoleArn=", role) != 0)
		return -1;
	return add(form, "&RoleSessionName=", session);
}

int
aws_assume_role(struct aws *a, const char *role,
    const struct aws_credentials *own, struct aws_credentials *out,
    struct fail *f)
{
	struct aws_credentials *mine = calloc(1, sizeof *mine);
	struct buf form = { 0 };
	int rc;

	if (mine == NULL)
		return fail_set(f, FAIL_INTERNAL, a->name, "out of memory");
	if (begin_form(&form, "AssumeRole", role) != 0 ||
	    buf_append_u8(&form, 0) != 0)
		rc = fail_set(f, FAIL_INTERNAL, a->name, "out of memory");
	else
		rc = ask_sts(a, own, &form, mine, f);
	if (rc == 0) {
		*out = *mine;
		(void)snprintf(
		    out->source, sizeof out->source, "role %.100s", role);
	}
	wipe(mine, sizeof *mine);
	free(mine);
	buf_clear(&form);
	return rc;
}

int
aws_from_web_identity(
    struct aws *a, struct aws_credentials *out, struct fail *f)
{
	const char *file = getenv("AWS_WEB_IDENTITY_TOKEN_FILE");
	const char *role = getenv("AWS_ROLE_ARN");
	char token[AWS_TOKEN_MAX];
	struct buf form = { 0 };
	int rc;

	if (file == NULL || role == NULL || *file == '\0' || *role == '\0')
		return 1;
	(void)snprintf(out->source, sizeof out->source, "the web identity");
	if (aws_read_token(file, token, sizeof token, f) != 0)
		return -1;
	if (begin_form(&form, "AssumeRoleWithWebIdentity", role) != 0 ||
	    add(&form, "&WebIdentityToken=", token) != 0 ||
	    buf_append_u8(&form, 0) != 0)
		rc = fail_set(f, FAIL_INTERNAL, a->name, "out of memory");
	else
		rc = ask_sts(a, NULL, &form, out, f);
	wipe(token, sizeof token);
	if (form.data != NULL)
		wipe(form.data, form.len);
	buf_clear(&form);
	return rc;
}
