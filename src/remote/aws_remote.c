/* SPDX-License-Identifier: PostgreSQL */
/*
 * Credentials that a service on the network gives: the container's, the
 * machine's ("IMDSv2" in the Amazon EC2 User Guide, "Container credential
 * provider" in the AWS SDKs Reference Guide).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws_request.h"
#include "keyed.h"

#define MACHINE       "http://169.254.169.254"
#define MACHINE_ROLES "/latest/meta-data/iam/security-credentials/"
#define CONTAINER     "http://169.254.170.2"

static const char *
variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

int
aws_from_container(struct aws *a, struct aws_credentials *out, struct fail *f)
{
	const char *relative = variable(
	    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	const char *file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *given = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	struct ask r = { .method = "GET",
		.what = "the container's credentials" };
	char token[ASK_TOKEN_MAX] = "", url[2048];
	int rc = 0;

	if (relative == NULL && full == NULL)
		return 1;
	(void)snprintf(out->source, sizeof out->source, "the container");
	(void)snprintf(url, sizeof url, "%s%s",
	    relative != NULL ? CONTAINER : "",
	    relative != NULL ? relative : full);
	if (!ask_is_private(url))
		return fail_set(f, FAIL_CONFIG, r.what,
		    "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor "
		    "of this host");
	r.url = url;
	if (file != NULL)
		rc = ask_read_token("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
		    file, token, sizeof token, f);
	else if (given != NULL)
		rc = aws_set(token, sizeof token, given, r.what, f);
	if (rc == 0 && token[0] != '\0')
		headers_add(&r.headers, "Authorization", "%s", token);
	if (rc == 0)
		rc = aws_request(a, &r, f);
	if (rc == 0)
		rc = aws_parse_json(&r.answer.body, r.what, out, f);
	wipe(token, sizeof token);
	ask_clear(&r);
	return rc;
}

/* A session of the machine's service.  0, 1 there is none, -1. */
static int
machine_session(
    struct aws *a, const char *base, char *token, size_t cap, struct fail *f)
{
	char url[256];
	struct ask r = { .method = "PUT",
		.what = "the machine's credentials",
		.url = url,
		.optional = true };
	int rc;

	(void)snprintf(url, sizeof url, "%.200s/latest/api/token", base);
	headers_add(
	    &r.headers, "X-aws-ec2-metadata-token-ttl-seconds", "21600");
	rc = aws_request(a, &r, f);
	if (rc == 0)
		(void)snprintf(token, cap, "%.*s", (int)r.answer.body.len,
		    (const char *)r.answer.body.data);
	ask_clear(&r);
	return rc;
}

/* One question in that session, below base. */
static int
ask_machine(struct aws *a, const char *url, const char *token, struct ask *r,
    struct fail *f)
{
	*r = (struct ask){
		.method = "GET", .what = "the machine's credentials", .url = url
	};
	headers_add(&r->headers, "X-aws-ec2-metadata-token", "%s", token);
	return aws_request(a, r, f);
}

int
aws_from_machine(struct aws *a, struct aws_credentials *out, struct fail *f)
{
	const char *off = variable("AWS_EC2_METADATA_DISABLED");
	const char *base = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	char token[1024] = "", url[1024];
	struct ask r = { 0 };
	int rc;

	if (off != NULL && strcasecmp(off, "true") == 0)
		return 1;
	if (base == NULL)
		base = MACHINE;
	(void)snprintf(out->source, sizeof out->source, "the machine's role");
	rc = machine_session(a, base, token, sizeof token, f);
	if (rc != 0)
		return rc;
	(void)snprintf(url, sizeof url, "%.200s%s", base, MACHINE_ROLES);
	rc = ask_machine(a, url, token, &r, f);
	if (rc == 0) {
		size_t len = r.answer.body.len;
		const char *roles = (const char *)r.answer.body.data;
		const char *end = len > 0 ? memchr(roles, '\n', len) : NULL;

		if (end != NULL)
			len = (size_t)(end - roles);
		(void)snprintf(url, sizeof url, "%.200s%s%.*s", base,
		    MACHINE_ROLES, (int)(len < 256 ? len : 256), roles);
		ask_clear(&r);
		rc = ask_machine(a, url, token, &r, f);
	}
	if (rc == 0)
		rc = aws_parse_json(
		    &r.answer.body, "the machine's credentials", out, f);
	wipe(token, sizeof token);
	ask_clear(&r);
	return rc;
}
