/* SPDX-License-Identifier: PostgreSQL */
/*
 * Requests for tokens, and their answers (RFC 6749, 5; "Obtain and store
 * access tokens for instances" in the Compute Engine documentation).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gcp_source.h"
#include "keyed.h"
#include "members.h"
#include "uri.h"

#define MACHINE      "metadata.google.internal"
#define MACHINE_PATH "/computeMetadata/v1/instance/service-accounts/default/"

int
gcp_form_add(struct buf *form, const char *name, const char *value)
{
	if ((form->len > 0 && buf_append(form, "&", 1) != 0) ||
	    buf_append(form, name, strlen(name)) != 0 ||
	    buf_append(form, "=", 1) != 0)
		return -1;
	return uri_encode(form, value, false);
}

struct error {
	char code[128], message[384];
};

/* {"error": "...", "error_description": "..."}, or as of other services. */
static int
take_error(void *arg, const char *path, const char *text)
{
	struct error *e = arg;

	if (text == NULL)
		return 0;
	if (strcmp(path, "error") == 0 || strcmp(path, "error/status") == 0)
		(void)snprintf(e->code, sizeof e->code, "%s", text);
	else if (strcmp(path, "error_description") == 0 ||
	    strcmp(path, "error/message") == 0)
		(void)snprintf(e->message, sizeof e->message, "%s", text);
	return 0;
}

static void
hint(const struct error *e, const struct http_answer *a, struct fail *f)
{
	int64_t ahead = http_ahead(a, time(NULL));

	if (strcmp(e->code, "invalid_grant") == 0 &&
	    (ahead > 300 || ahead < -300 ||
	        strstr(e->message, "iat and exp") != NULL))
		(void)fail_hint(f,
		    "this host's clock is %lld s %s the service's: set it",
		    (long long)(ahead < 0 ? -ahead : ahead),
		    ahead < 0 ? "behind" : "ahead of");
	else if (strstr(e->message, "Signature") != NULL)
		(void)fail_hint(f,
		    "the key of this file was deleted or is not this "
		    "account's: make a new key file");
	else if (strstr(e->message, "account not found") != NULL)
		(void)fail_hint(f, "the service account was deleted");
	else if (strcmp(e->code, "invalid_grant") == 0)
		(void)fail_hint(f,
		    "the credentials have ended or were revoked: bring new "
		    "ones");
	else if (strcmp(e->code, "PERMISSION_DENIED") == 0)
		(void)fail_hint(f,
		    "who asks needs roles/iam.serviceAccountTokenCreator or "
		    "roles/iam.workloadIdentityUser on the service account");
}

int
gcp_request(struct gcp *g, struct ask *r, struct fail *f)
{
	struct error e = { .code = "" };
	struct fail ignored;
	int rc;

	if (g->http == NULL)
		g->http = http_new(&g->options);
	r->tell = bearer_tell;
	rc = ask(g->http, r, f);
	if (rc < 0 && r->answer.body.len > 0 &&
	    members_read(r->answer.body.data, r->answer.body.len, "",
	        take_error, &e, &ignored) == 0)
		hint(&e, &r->answer, f);
	return rc;
}

int
gcp_request_token(
    struct gcp *g, struct ask *r, struct gcp_token *out, struct fail *f)
{
	int rc = gcp_request(g, r, f);

	if (rc == 0)
		rc = bearer_parse(&r->answer.body, r->what, &out->bearer, f);
	return rc;
}

/* Is it Google's at all?  Any router may answer at that name. */
static bool
is_google(const struct http_answer *a)
{
	const char *flavor = headers_get(&a->headers, "Metadata-Flavor");

	return flavor != NULL && strcmp(flavor, "Google") == 0;
}

static int
ask_machine(struct gcp *g, const char *path, struct ask *r, struct fail *f)
{
	const char *host = getenv("GCE_METADATA_HOST");
	char url[512];
	int rc;

	if (host == NULL || *host == '\0')
		host = MACHINE;
	(void)snprintf(
	    url, sizeof url, "http://%.255s" MACHINE_PATH "%s", host, path);
	r->method = "GET";
	r->url = url;
	headers_add(&r->headers, "Metadata-Flavor", "Google");
	rc = gcp_request(g, r, f);
	if (rc == 0 && !is_google(&r->answer))
		rc = r->optional
		    ? 1
		    : fail_set(f, FAIL_DENIED, r->what,
		          "it is not Google's machine that answers");
	r->url = NULL;
	return rc;
}

int
gcp_from_machine(struct gcp *g, struct gcp_token *out, struct fail *f)
{
	static const char what[] = "the machine's service account";
	struct ask name = { .what = what, .optional = true };
	struct ask token = { .what = what };
	struct http_options all = g->options;
	int rc;

	(void)snprintf(out->source, sizeof out->source, "%s", what);
	/* It is there at once, or not at all, and behind no proxy. */
	g->options.no_proxy = true;
	if (g->options.connect_ms > 2000)
		g->options.connect_ms = 2000;
	rc = ask_machine(g, "email", &name, f);
	if (rc == 0)
		(void)snprintf(out->account, sizeof out->account, "%.*s",
		    (int)(name.answer.body.len < 256 ? name.answer.body.len
		                                     : 256),
		    (const char *)name.answer.body.data);
	if (rc == 0)
		rc = ask_machine(g, "token", &token, f);
	if (rc == 0)
		rc = bearer_parse(&token.answer.body, what, &out->bearer, f);
	g->options = all;
	ask_clear(&name);
	ask_clear(&token);
	return rc;
}
