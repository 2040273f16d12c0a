/* SPDX-License-Identifier: PostgreSQL */
/*
 * Tokens of Microsoft Entra ID: for a workload ("Microsoft identity platform
 * and the OAuth 2.0 client credentials flow"), of the service that runs this
 * program ("How to use managed identities for App Service", "Authenticate
 * against Azure resources with Azure Arc-enabled servers"), of the machine
 * ("How to use managed identities on an Azure VM to acquire an access
 * token"), in Microsoft's documentation.
 */
#include <stdio.h>
#include <string.h>

#include "azure_auth.h"
#include "keyed.h"
#include "uri.h"

#define RESOURCE  "https://storage.azure.com/"
#define AUTHORITY "https://login.microsoftonline.com"
#define MACHINE   "http://169.254.169.254"
#define ARC_KEYS  "/var/opt/azcmagent/tokens/"
#define ASSERTION "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

static int
add(struct buf *b, const char *name, const char *value)
{
	if (buf_append(b, name, strlen(name)) != 0)
		return -1;
	return uri_encode(b, value, false);
}

/* The client that the store or the environment names, or NULL. */
static const char *
client_id(const struct azure_auth *a)
{
	return a->client_id != NULL ? a->client_id
	                            : azure_variable("AZURE_CLIENT_ID");
}

/* Ask, and take the token out of the answer.  0, 1 (optional), -1. */
static int
take_token(struct http *h, struct ask *r, struct azure_credentials *out,
    struct fail *f)
{
	int rc;

	r->tell = bearer_tell;
	rc = ask(h, r, f);
	/* Somebody is there, and has something to say. */
	if (rc == 1 && r->answer.status >= 410) {
		r->optional = false;
		rc = ask(h, r, f);
	} else if (rc == 1 && r->answer.status == 400) {
		rc = -1;
	}
	if (rc == 0)
		rc = bearer_parse(&r->answer.body, r->what, &out->bearer, f);
	ask_clear(r);
	return rc;
}

/* What proves who asks: the workload's own token, or a secret. */
static int
add_proof(
    struct buf *form, const char *file, const char *secret, struct fail *f)
{
	char token[ASK_TOKEN_MAX];
	int rc;

	if (file == NULL)
		return add(form, "&client_secret=", secret);
	if (ask_read_token("AZURE_FEDERATED_TOKEN_FILE", file, token,
	        sizeof token, f) != 0)
		return -1;
	rc = add(form, "&client_assertion_type=", ASSERTION) != 0 ||
	        add(form, "&client_assertion=", token) != 0
	    ? -1
	    : 0;
	wipe(token, sizeof token);
	return rc;
}

static int
workload_url(const char *tenant, char *out, size_t cap, struct fail *f)
{
	const char *host = azure_variable("AZURE_AUTHORITY_HOST");
	size_t len;

	if (host == NULL)
		host = AUTHORITY;
	len = strlen(host);
	while (len > 0 && host[len - 1] == '/')
		len--;
	if (strspn(tenant,
	        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	        "0123456789-.") < strlen(tenant))
		return fail_set(f, FAIL_CONFIG, "AZURE_TENANT_ID",
		    "it is no tenant: '%s'", tenant);
	(void)snprintf(
	    out, cap, "%.*s/%s/oauth2/v2.0/token", (int)len, host, tenant);
	if (ask_is_private(out))
		return 0;
	return fail_set(f, FAIL_CONFIG, "AZURE_AUTHORITY_HOST",
	    "it is neither https nor of this host");
}

int
azure_from_workload(
    struct azure_auth *a, struct azure_credentials *out, struct fail *f)
{
	const char *file = azure_variable("AZURE_FEDERATED_TOKEN_FILE");
	const char *secret = azure_variable("AZURE_CLIENT_SECRET");
	const char *tenant = azure_variable("AZURE_TENANT_ID");
	const char *client = client_id(a);
	struct buf form = { 0 };
	char url[1024];
	struct ask r = { .method = "POST", .url = url };
	int rc = -1;

	if ((file == NULL && secret == NULL) || tenant == NULL ||
	    client == NULL)
		return 1;
	out->kind = AZURE_TOKEN;
	r.what = file != NULL ? "the workload's identity"
	                      : "the client's secret";
	(void)snprintf(out->source, sizeof out->source, "%s", r.what);
	if (workload_url(tenant, url, sizeof url, f) != 0)
		return -1;
	f->kind = FAIL_NONE;
	if (add(&form, "grant_type=", "client_credentials") == 0 &&
	    add(&form, "&client_id=", client) == 0 &&
	    add(&form, "&scope=", RESOURCE ".default") == 0 &&
	    add_proof(&form, file, secret, f) == 0 &&
	    buf_append_u8(&form, 0) == 0)
		rc = 0;
	if (rc != 0 && f->kind == FAIL_NONE)
		(void)fail_set(f, FAIL_INTERNAL, r.what, "out of memory");
	r.body = (const char *)form.data;
	headers_add(
	    &r.headers, "Content-Type", "application/x-www-form-urlencoded");
	if (a->http == NULL)
		a->http = http_new(&a->options);
	if (rc == 0)
		rc = take_token(a->http, &r, out, f);
	ask_clear(&r);
	if (form.data != NULL)
		wipe(form.data, form.len);
	buf_clear(&form);
	return rc;
}

/* "BASE?api-version=...&resource=...[&client_id=...]", with a NUL. */
static int
identity_url(const struct azure_auth *a, const char *base, const char *version,
    struct buf *url)
{
	const char *client = client_id(a);

	if (buf_append(url, base, strlen(base)) != 0 ||
	    add(url,
	        strchr(base, '?') != NULL ? "&api-version=" : "?api-version=",
	        version) != 0 ||
	    add(url, "&resource=", RESOURCE) != 0 ||
	    (client != NULL && add(url, "&client_id=", client) != 0))
		return -1;
	return buf_append_u8(url, 0);
}

/* Services of this host are not asked through a proxy. */
static struct http *
near(struct azure_auth *a)
{
	if (a->near == NULL)
		a->near = http_new(&a->near_options);
	return a->near;
}

/*
 * Arc's answer names a file that only those who may have the token can read.
 * No other file is shown to anybody.
 */
static int
arc_secret(const char *challenge, char *out, size_t cap, struct fail *f)
{
	static const char realm[] = "Basic realm=";
	const char *what = "the machine's identity (Arc)", *path;
	size_t len;

	path = challenge != NULL &&
	        strncasecmp(challenge, realm, sizeof realm - 1) == 0
	    ? challenge + sizeof realm - 1
	    : "";
	len = strlen(path);
	if (strncmp(path, ARC_KEYS, sizeof ARC_KEYS - 1) != 0 ||
	    strchr(path + sizeof ARC_KEYS - 1, '/') != NULL || len < 4 ||
	    strcmp(path + len - 4, ".key") != 0)
		return fail_set(f, FAIL_DENIED, what,
		    "it asks for a file that is not in " ARC_KEYS);
	if (ask_read_token("Azure Arc", path, out, cap, f) == 0)
		return 0;
	return fail_hint(
	    f, "the user that runs PostgreSQL must be in the group himds");
}

/* Arc: asked without proof it says where that is. */
static int
from_arc(struct azure_auth *a, const char *url, struct azure_credentials *out,
    struct fail *f)
{
	struct ask r = { .method = "GET",
		.url = url,
		.what = "the machine's identity (Arc)" };
	char secret[4096] = "";
	int rc;

	headers_add(&r.headers, "Metadata", "true");
	rc = ask(near(a), &r, f);
	if (rc == 0 || r.answer.status != 401) {
		ask_clear(&r);
		return rc == 0 ? fail_set(f, FAIL_DENIED, r.what,
		                     "it gives tokens to everybody")
		               : -1;
	}
	rc = arc_secret(headers_get(&r.answer.headers, "WWW-Authenticate"),
	    secret, sizeof secret, f);
	ask_clear(&r);
	if (rc != 0)
		return -1;
	headers_add(&r.headers, "Metadata", "true");
	headers_add(&r.headers, "Authorization", "Basic %s", secret);
	wipe(secret, sizeof secret);
	return take_token(near(a), &r, out, f);
}

int
azure_from_host(
    struct azure_auth *a, struct azure_credentials *out, struct fail *f)
{
	const char *base = azure_variable("IDENTITY_ENDPOINT");
	const char *secret = azure_variable("IDENTITY_HEADER");
	struct buf url = { 0 };
	struct ask r = { .method = "GET", .what = "the host's identity" };
	int rc;

	if (base == NULL)
		return 1;
	out->kind = AZURE_TOKEN;
	(void)snprintf(out->source, sizeof out->source, "%s", r.what);
	if (!ask_is_private(base))
		return fail_set(f, FAIL_CONFIG, "IDENTITY_ENDPOINT",
		    "it is neither https nor of this host");
	if (identity_url(a, base, secret != NULL ? "2019-08-01" : "2019-11-01",
	        &url) != 0) {
		rc = fail_set(f, FAIL_INTERNAL, r.what, "out of memory");
	} else if (secret == NULL) {
		rc = from_arc(a, (const char *)url.data, out, f);
	} else {
		r.url = (const char *)url.data;
		headers_add(&r.headers, "X-IDENTITY-HEADER", "%s", secret);
		rc = take_token(near(a), &r, out, f);
	}
	buf_clear(&url);
	return rc;
}

int
azure_from_machine(
    struct azure_auth *a, struct azure_credentials *out, struct fail *f)
{
	const char *host = azure_variable("AZURE_POD_IDENTITY_AUTHORITY_HOST");
	char base[512];
	struct buf url = { 0 };
	struct ask r = { .method = "GET", .what = "the machine's identity" };
	int rc;

	out->kind = AZURE_TOKEN;
	(void)snprintf(out->source, sizeof out->source, "%s", r.what);
	if (host == NULL)
		host = MACHINE;
	(void)snprintf(base, sizeof base,
	    "%.400s%smetadata/identity/oauth2/token", host,
	    host[strlen(host) - 1] == '/' ? "" : "/");
	if (!ask_is_private(base))
		return fail_set(f, FAIL_CONFIG,
		    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
		    "it is neither https nor of this host");
	if (identity_url(a, base, "2018-02-01", &url) != 0) {
		rc = fail_set(f, FAIL_INTERNAL, r.what, "out of memory");
	} else {
		r.url = (const char *)url.data;
		/* Most machines are none of Azure's. */
		r.optional = a->client_id == NULL && !a->known;
		headers_add(&r.headers, "Metadata", "true");
		rc = take_token(near(a), &r, out, f);
	}
	buf_clear(&url);
	return rc;
}
