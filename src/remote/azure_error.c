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

static int
take_element(void *arg, const char *path, const char *text)
{
	struct call_error *e = arg;

	if (strcmp(path, "Error/Code") == 0)
		(void)snprintf(e->code, sizeof e->code, "%s", text);
	else if (strcmp(path, "Error/Message") == 0)
		/* Behind it come the request's id and time. */
		(void)snprintf(e->message, sizeof e->message, "%.*s",
		    (int)strcspn(text, "\r\n"), text);
	return 0;
}

int
azure_parse_error(const struct http_answer *a, struct call_error *e)
{
	const char *code = headers_get(&a->headers, "x-ms-error-code");
	struct fail ignored;

	*e = (struct call_error){ .code = "" };
	if (a->body.len > 0)
		(void)xml_parse((const char *)a->body.data, a->body.len, "",
		    take_element, e, &ignored);
	if (code != NULL)
		(void)snprintf(e->code, sizeof e->code, "%s", code);
	return e->code[0] != '\0' ? 0 : 1;
}

/* What the credentials lack, in the words of those that give them. */
static void
hint_right(
    const struct call *c, const struct azure_credentials *by, struct fail *f)
{
	const char *action = strcmp(c->right, AZURE_WRITE) == 0 ? "write"
	    : strcmp(c->right, AZURE_DELETE) == 0               ? "delete"
	                                                        : "read";
	char has[64] = "";

	if (by == NULL || by->kind != AZURE_SAS) {
		(void)fail_hint(f,
		    "the identity needs the data action Microsoft.Storage/"
		    "storageAccounts/blobServices/containers/blobs/%s on the "
		    "container; a new role takes minutes to work",
		    action);
		return;
	}
	(void)azure_sas_value(by->sas, "sp", has, sizeof has);
	(void)fail_hint(f,
	    "the shared access signature permits '%s', it needs '%s'; of an "
	    "account's, also the services and resource types 'b' and 'co'",
	    has, c->right);
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
hint_credentials(
    const struct call *c, const struct azure_credentials *by, struct fail *f)
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
		    by->source, azure_of(c)->account);
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
denied(struct call *c, const struct http_answer *a, struct fail *f)
{
	const char *code = c->error.code;
	const struct azure_credentials *by = azure_of(c)->auth->known
	    ? &azure_of(c)->auth->now
	    : NULL;

	call_describe(c, a, FAIL_DENIED, f);
	if (call_hint_clock(c, a, f))
		return HTTP_FAILED;
	if (code[0] == '\0')
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
denied_once(struct call *c, const struct http_answer *a, struct fail *f)
{
	enum http_verdict v = denied(c, a, f);
	const struct azure_auth *auth = azure_of(c)->auth;
	bool ended = a->status == 401 ||
	    strcmp(c->error.code, "AuthenticationFailed") == 0;

	if (c->refreshed || c->error.code[0] == '\0' || !auth->known ||
	    (auth->now.kind == AZURE_TOKEN && !ended))
		return v;
	c->refreshed = true;
	return azure_auth_renew(azure_of(c)->auth) ? HTTP_AGAIN : v;
}

/* Words about what lies under the key, for which no repetition helps. */
static enum http_verdict
in_the_way(struct call *c, const struct http_answer *a, struct fail *f)
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

	call_describe(c, a, FAIL_DENIED, f);
	for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++)
		if (strcmp(c->error.code, hints[i].code) == 0)
			(void)fail_hint(f, "%s", hints[i].hint);
	return HTTP_FAILED;
}

/* By the code, where there is one; HTTP_DONE: the status decides. */
static enum http_verdict
judge_code(struct call *c, const struct http_answer *a, struct fail *f)
{
	static const char *const no[] = { "BlobNotFound", "BlobAlreadyExists",
		"ConditionNotMet", "TargetConditionNotMet", "InvalidRange",
		"UnauthorizedBlobOverwrite", NULL };
	static const char *const again[] = { "ServerBusy", "InternalError",
		"OperationTimedOut", "Md5Mismatch", "ContainerBeingDeleted",
		"AccountBeingCreated", NULL };
	const char *code = c->error.code;

	if (call_among(code, no))
		return HTTP_NO;
	if (call_among(code, again)) {
		call_describe(c, a, FAIL_TRANSIENT, f);
		return HTTP_AGAIN;
	}
	if (strcmp(code, "ContainerNotFound") == 0 ||
	    strcmp(code, "ContainerDisabled") == 0) {
		call_describe(c, a, FAIL_CONFIG, f);
		(void)fail_hint(f,
		    "there is no container '%s' at %s; are url, account and "
		    "endpoint right? walvault does not make containers",
		    c->at->name, c->at->base);
		return HTTP_FAILED;
	}
	return HTTP_DONE;
}

/* An answer of somebody else is no proof of anything, and may go away. */
static enum http_verdict
not_azures(struct call *c, const struct http_answer *a, struct fail *f)
{
	call_describe(c, a, FAIL_TRANSIENT, f);
	(void)fail_hint(f,
	    "this was not answered by Azure: is the endpoint right, is there "
	    "a proxy between?");
	return HTTP_AGAIN;
}

enum http_verdict
azure_judge_error(struct call *c, const struct http_answer *a, struct fail *f)
{
	bool azures = azure_parse_error(a, &c->error) == 0;
	enum http_verdict v = judge_code(c, a, f);

	if (v != HTTP_DONE)
		return v;
	/* Some of Azure's words about credentials come with another number. */
	if (a->status == 401 || a->status == 403 ||
	    strcmp(c->error.code, "InvalidAuthenticationInfo") == 0)
		return denied_once(c, a, f);
	if (call_may_heal(a->status)) {
		call_describe(c, a, FAIL_TRANSIENT, f);
		return HTTP_AGAIN;
	}
	if (a->status == 407) {
		call_describe(c, a, FAIL_CONFIG, f);
		return HTTP_FAILED;
	}
	if (!azures)
		return not_azures(c, a, f);
	if (a->status == 409 || a->status == 412)
		return in_the_way(c, a, f);
	call_describe(c, a, FAIL_CONFIG, f);
	if (a->status == 404)
		(void)fail_hint(f, "is the endpoint that of account '%s'?",
		    azure_of(c)->account);
	return HTTP_FAILED;
}
