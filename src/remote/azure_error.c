/* SPDX-License-Identifier: PostgreSQL */
/*
 * What Azure answers when it does not do it ("Blob Storage error codes" and
 * "Common REST API error codes" in the Azure Storage REST API Reference): see
 * azure_call.h.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "azure_call.h"
#include "xml.h"

/* Seconds of difference that a request survives. */
#define SKEW_MAX INT64_C(900)

static int
take_element(void *arg, const char *path, const char *text)
{
	struct azure_error *e = arg;

	if (strcmp(path, "Error/Code") == 0)
		(void)snprintf(e->code, sizeof e->code, "%s", text);
	else if (strcmp(path, "Error/Message") == 0)
		/* Behind it come the request's id and time. */
		(void)snprintf(e->message, sizeof e->message, "%.*s",
		    (int)strcspn(text, "\r\n"), text);
	return 0;
}

int
azure_parse_error(const struct http_answer *a, struct azure_error *e)
{
	const char *code = headers_get(&a->headers, "x-ms-error-code");
	struct fail ignored;

	*e = (struct azure_error){ .code = "" };
	if (a->body.len > 0)
		(void)xml_parse((const char *)a->body.data, a->body.len, "",
		    take_element, e, &ignored);
	if (code != NULL)
		(void)snprintf(e->code, sizeof e->code, "%s", code);
	return e->code[0] != '\0' ? 0 : 1;
}

/* "PUT: answered 503 ServerBusy: message": first words of every cause. */
static void
describe(const struct azure_call *c, const struct http_answer *a,
    enum fail_kind kind, struct fail *f)
{
	const struct azure_error *e = &c->error;

	(void)fail_set(f, kind, c->object, "%s: answered %d%s%s%s%s", c->method,
	    a->status, e->code[0] != '\0' ? " " : "", e->code,
	    e->message[0] != '\0' ? ": " : "", e->message);
}

/* What the credentials lack, in the words of those that give them. */
static void
hint_right(const struct azure_call *c, const struct azure_credentials *by,
    struct fail *f)
{
	static const struct {
		const char *sas, *action;
	} rights[] = { [AZURE_READ] = { "r", "read" },
		[AZURE_WRITE] = { "cw", "write" },
		[AZURE_LIST] = { "l", "read" },
		[AZURE_DELETE] = { "d", "delete" } };
	char has[64] = "";

	if (by == NULL || by->kind != AZURE_SAS) {
		(void)fail_hint(f,
		    "the identity needs the data action Microsoft.Storage/"
		    "storageAccounts/blobServices/containers/blobs/%s on the "
		    "container; a new role takes minutes to work",
		    rights[c->right].action);
		return;
	}
	(void)azure_sas_value(by->sas, "sp", has, sizeof has);
	(void)fail_hint(f,
	    "the shared access signature permits '%s', it needs '%s'; of an "
	    "account's, also the services and resource types 'b' and 'co'",
	    has, rights[c->right].sas);
}

/* A SAS that has ended, or has not begun, says so itself. */
static bool
hint_sas_time(const struct azure_credentials *by, struct fail *f)
{
	char start[64] = "", end[64] = "", now[64];
	time_t t = time(NULL);
	struct tm tm;

	(void)gmtime_r(&t, &tm);
	(void)strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &tm);
	(void)azure_sas_value(by->sas, "st", start, sizeof start);
	(void)azure_sas_value(by->sas, "se", end, sizeof end);
	if (end[0] != '\0' && strcmp(end, now) <= 0)
		(void)fail_hint(f,
		    "the shared access signature has ended at %s: put a new "
		    "one in its place (%s)",
		    end, by->source);
	else if (start[0] != '\0' && strcmp(start, now) > 0)
		(void)fail_hint(f,
		    "the shared access signature begins at %s: is this "
		    "host's clock right?",
		    start);
	else
		return false;
	return true;
}

/* The signature does not fit what was asked. */
static void
hint_credentials(const struct azure_call *c, const struct azure_credentials *by,
    struct fail *f)
{
	switch (by->kind) {
	case AZURE_SAS:
		if (!hint_sas_time(by, f))
			(void)fail_hint(f,
			    "is the shared access signature whole, of this "
			    "account and container, and its key not renewed "
			    "since (%s)?",
			    by->source);
		break;
	case AZURE_SHARED_KEY:
		(void)fail_hint(f,
		    "the key (%s) is not one of account '%s' now; or a proxy "
		    "changes requests",
		    by->source, c->azure->account);
		break;
	case AZURE_TOKEN:
		(void)fail_hint(f,
		    "the token (%s) is not taken: is it for "
		    "https://storage.azure.com/ and of the account's tenant?",
		    by->source);
		break;
	}
}

static enum http_verdict
denied(struct azure_call *c, const struct http_answer *a, struct fail *f)
{
	const char *code = c->error.code;
	const struct azure_credentials *by = c->azure->auth->known
	    ? &c->azure->auth->now
	    : NULL;
	int64_t ahead = http_ahead(a, c->sent_at);

	describe(c, a, FAIL_DENIED, f);
	if (ahead > SKEW_MAX || ahead < -SKEW_MAX)
		(void)fail_hint(f,
		    "this host's clock is %lld s %s the service's: set it",
		    (long long)(ahead < 0 ? -ahead : ahead),
		    ahead < 0 ? "behind" : "ahead of");
	else if (code[0] == '\0')
		(void)fail_hint(f,
		    "this was not answered by Azure: is there a proxy or a "
		    "firewall between?");
	else if (strcmp(code, "KeyBasedAuthenticationNotPermitted") == 0)
		(void)fail_hint(f,
		    "the account does not take keys: use an identity "
		    "(walvault-azure(7))");
	else if (strcmp(code, "AuthorizationSourceIPMismatch") == 0 ||
	    (strcmp(code, "AuthorizationFailure") == 0 && by != NULL &&
	        by->kind == AZURE_TOKEN))
		(void)fail_hint(f,
		    "the network rules of the account or of the signature do "
		    "not let this host in");
	else if (by != NULL &&
	    (strcmp(code, "AuthenticationFailed") == 0 ||
	        strcmp(code, "InvalidAuthenticationInfo") == 0 ||
	        strcmp(code, "NoAuthenticationInformation") == 0 ||
	        strcmp(code, "AuthorizationFailure") == 0))
		hint_credentials(c, by, f);
	else
		hint_right(c, by, f);
	return HTTP_FAILED;
}

/* Once: perhaps there are others now.  What they may do is no new token's. */
static enum http_verdict
denied_once(struct azure_call *c, const struct http_answer *a, struct fail *f)
{
	enum http_verdict v = denied(c, a, f);
	const struct azure_auth *auth = c->azure->auth;
	bool ended = a->status == 401 ||
	    strcmp(c->error.code, "AuthenticationFailed") == 0;

	if (c->refreshed || c->error.code[0] == '\0' || !auth->known ||
	    (auth->now.kind == AZURE_TOKEN && !ended))
		return v;
	c->refreshed = true;
	return azure_auth_renew(c->azure->auth) ? HTTP_AGAIN : v;
}

static bool
among(const char *code, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(code, *list) == 0)
			return true;
	return false;
}

/* Words about what lies under the key, for which no repetition helps. */
static enum http_verdict
in_the_way(struct azure_call *c, const struct http_answer *a, struct fail *f)
{
	static const struct {
		const char *code, *hint;
	} hints[] = {
		{ "BlobArchived",
		    "it lies in the archive tier: have it rehydrated first" },
		{ "BlobBeingRehydrated",
		    "it comes back from the archive tier: wait" },
		{ "BlobImmutableDueToPolicy",
		    "its retention has not ended, or it has a legal hold" },
		{ "SnapshotsPresent",
		    "somebody has made snapshots of it: delete these first" },
		{ "LeaseIdMissing", "somebody holds a lease on it: break it" },
		{ "FeatureNotYetSupportedForHierarchicalNamespaceAccounts",
		    "use an account without a hierarchical namespace" },
	};

	describe(c, a, FAIL_DENIED, f);
	for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++)
		if (strcmp(c->error.code, hints[i].code) == 0)
			(void)fail_hint(f, "%s", hints[i].hint);
	return HTTP_FAILED;
}

/* By the code, where there is one; HTTP_DONE: the status decides. */
static enum http_verdict
judge_code(struct azure_call *c, const struct http_answer *a, struct fail *f)
{
	static const char *const no[] = { "BlobNotFound", "BlobAlreadyExists",
		"ConditionNotMet", "TargetConditionNotMet", "InvalidRange",
		"UnauthorizedBlobOverwrite", NULL };
	static const char *const again[] = { "ServerBusy", "InternalError",
		"OperationTimedOut", "Md5Mismatch", "ContainerBeingDeleted",
		"AccountBeingCreated", NULL };
	const char *code = c->error.code;

	if (among(code, no))
		return HTTP_NO;
	if (among(code, again)) {
		describe(c, a, FAIL_TRANSIENT, f);
		return HTTP_AGAIN;
	}
	if (strcmp(code, "ContainerNotFound") == 0 ||
	    strcmp(code, "ContainerDisabled") == 0) {
		describe(c, a, FAIL_CONFIG, f);
		(void)fail_hint(f,
		    "there is no container '%s' at %s; are url, account and "
		    "endpoint right? walvault does not make containers",
		    c->azure->container, c->azure->base);
		return HTTP_FAILED;
	}
	return HTTP_DONE;
}

static bool
may_heal(int status)
{
	return status == 408 || status == 425 || status == 429 ||
	    (status >= 500 && status != 501 && status != 505);
}

/* An answer of somebody else is no proof of anything, and may go away. */
static enum http_verdict
not_azures(struct azure_call *c, const struct http_answer *a, struct fail *f)
{
	describe(c, a, FAIL_TRANSIENT, f);
	(void)fail_hint(f,
	    "this was not answered by Azure: is the endpoint right, is there "
	    "a proxy between?");
	return HTTP_AGAIN;
}

enum http_verdict
azure_judge_error(
    struct azure_call *c, const struct http_answer *a, struct fail *f)
{
	bool azures = azure_parse_error(a, &c->error) == 0;
	enum http_verdict v = judge_code(c, a, f);

	if (v != HTTP_DONE)
		return v;
	/* Some of Azure's words about credentials come with another number. */
	if (a->status == 401 || a->status == 403 ||
	    strcmp(c->error.code, "InvalidAuthenticationInfo") == 0)
		return denied_once(c, a, f);
	if (may_heal(a->status)) {
		describe(c, a, FAIL_TRANSIENT, f);
		return HTTP_AGAIN;
	}
	if (a->status == 407) {
		describe(c, a, FAIL_CONFIG, f);
		(void)fail_hint(
		    f, "the proxy (of the environment) asks for credentials");
		return HTTP_FAILED;
	}
	if (!azures)
		return not_azures(c, a, f);
	if (a->status == 409 || a->status == 412)
		return in_the_way(c, a, f);
	describe(c, a, FAIL_CONFIG, f);
	if (a->status == 404)
		(void)fail_hint(f, "is the endpoint that of account '%s'?",
		    c->azure->account);
	return HTTP_FAILED;
}
