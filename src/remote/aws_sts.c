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

static void
tell(const struct buf *document, char *out, size_t cap)
{
	struct sts_error e = { .code = "" };
	struct fail ignored;

	(void)xml_parse((const char *)document->data, document->len, "",
	    take_error, &e, &ignored);
	(void)snprintf(out, cap, "%s%s%s", e.code,
	    e.message[0] != '\0' ? ": " : "", e.message);
}

int
aws_request(struct aws *a, struct ask *r, struct fail *f)
{
	if (a->http == NULL)
		a->http = http_new(&a->options);
	r->tell = tell;
	return ask(a->http, r, f);
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
sign(const struct aws *a, const struct aws_credentials *own, struct ask *r,
    struct fail *f)
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
	struct ask r = { .method = "POST", .url = url };
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
	ask_clear(&r);
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
	char token[ASK_TOKEN_MAX];
	struct buf form = { 0 };
	int rc;

	if (file == NULL || role == NULL || *file == '\0' || *role == '\0')
		return 1;
	(void)snprintf(out->source, sizeof out->source, "the web identity");
	if (ask_read_token("AWS_WEB_IDENTITY_TOKEN_FILE", file, token,
	        sizeof token, f) != 0)
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
