/* SPDX-License-Identifier: PostgreSQL */
/*
 * What Google Cloud Storage answers when it does not do it ("HTTP status and
 * error codes for JSON" in its documentation): see gcs_call.h.
 */
#include <stdio.h>
#include <string.h>

#include "gcs_call.h"
#include "members.h"

static int
take_member(void *arg, const char *path, const char *text)
{
	struct call_error *e = arg;

	if (text == NULL)
		return 0;
	if (strcmp(path, "error/message") == 0)
		(void)snprintf(e->message, sizeof e->message, "%s", text);
	else if (strcmp(path, "error/errors/reason") == 0 && e->code[0] == '\0')
		(void)snprintf(e->code, sizeof e->code, "%s", text);
	else if (strcmp(path, "error/code") == 0)
		e->document = true;
	return 0;
}

/*
 * The API's document; or, where an object's bytes were asked for, the bare
 * words.
 */
static void
parse(const struct http_answer *a, struct call_error *e)
{
	size_t len = a->body.len;
	const char *text = (const char *)a->body.data;
	struct fail ignored;

	*e = (struct call_error){ .code = "" };
	if (len == 0)
		return;
	if (members_read(text, len, "", take_member, e, &ignored) == 0)
		return;
	if (len < sizeof e->message && memchr(text, '<', len) == NULL &&
	    memchr(text, '\0', len) == NULL)
		(void)snprintf(
		    e->message, sizeof e->message, "%.*s", (int)len, text);
	e->message[strcspn(e->message, "\r\n")] = '\0';
}

/* Once: perhaps the next token is good. */
static enum http_verdict
expired(struct call *c, const struct http_answer *a, struct fail *f)
{
	call_describe(c, a, FAIL_DENIED, f);
	(void)fail_hint(f,
	    "the service does not take the token of %s: is this host's clock "
	    "right, are the credentials still good?",
	    gcp_account(gcs_of(c)->gcp));
	if (c->refreshed || ((struct gcs_call *)c)->session != NULL)
		return HTTP_FAILED;
	c->refreshed = true;
	gcp_forget(gcs_of(c)->gcp);
	return HTTP_AGAIN;
}

static enum http_verdict
denied(struct call *c, const struct http_answer *a, struct fail *f)
{
	static const char *const again[] = { "rateLimitExceeded",
		"userRateLimitExceeded", NULL };
	static const char *const project[] = { "accessNotConfigured",
		"accountDisabled", "billingDisabled", "UserProjectAccessDenied",
		NULL };
	static const char *const locked[] = { "retentionPolicyNotMet",
		"objectUnderActiveHold", "objectRetained", NULL };
	const struct call_error *e = &c->error;
	bool scope = strcmp(e->code, "insufficientPermissions") == 0 ||
	    strstr(e->message, "authentication scopes") != NULL;

	if (call_among(e->code, again)) {
		call_describe(c, a, FAIL_TRANSIENT, f);
		return HTTP_AGAIN;
	}
	call_describe(c, a, FAIL_DENIED, f);
	if (strcmp(e->code, "quotaExceeded") == 0)
		f->kind = FAIL_SPACE;
	else if (call_among(e->code, project))
		(void)fail_hint(f,
		    "is %s of the right project, and may that use Cloud "
		    "Storage (its billing, its API)?",
		    gcp_account(gcs_of(c)->gcp));
	else if (call_among(e->code, locked))
		(void)fail_hint(f, "it is kept until its lock ends");
	else if (scope)
		(void)fail_hint(f,
		    "the token is for too little: give the machine the scope "
		    "devstorage.read_write, or use a key file");
	else if (!e->document && e->message[0] == '\0')
		(void)fail_hint(f,
		    "this was not answered by Cloud Storage: is there a proxy "
		    "or a firewall between?");
	else if (strcmp(c->method, "GET") == 0)
		(void)fail_hint(f,
		    "%s needs %s in bucket '%s'; without storage.objects.list "
		    "a missing object is also answered like this",
		    gcp_account(gcs_of(c)->gcp), c->right, c->at->name);
	else
		(void)fail_hint(f, "%s needs %s in bucket '%s'",
		    gcp_account(gcs_of(c)->gcp), c->right, c->at->name);
	return HTTP_FAILED;
}

/* Only the service itself can say that there is no such object. */
static enum http_verdict
missing(struct call *c, const struct http_answer *a, struct fail *f)
{
	const char *message = c->error.message;

	if (c->key != NULL && strncmp(message, "No such object", 14) == 0)
		return HTTP_NO;
	if (strstr(message, "bucket does not exist") != NULL) {
		call_describe(c, a, FAIL_CONFIG, f);
		(void)fail_hint(f,
		    "there is no bucket '%s' at %s; is url right? walvault "
		    "does not make buckets",
		    c->at->name, c->at->base);
		return HTTP_FAILED;
	}
	call_describe(c, a, FAIL_TRANSIENT, f);
	(void)fail_hint(f,
	    "this was not answered by Cloud Storage: is the endpoint right, "
	    "is there a proxy between?");
	/* In words that are not known; somebody else's are not JSON. */
	((struct gcs_call *)c)->unclear = c->error.document;
	return c->error.document ? HTTP_FAILED : HTTP_AGAIN;
}

/* Bytes that were changed on the way are sent once more. */
static bool
was_damaged(const struct call_error *e)
{
	return strstr(e->message, "doesn't match calculated") != NULL ||
	    strcmp(e->code, "crcMismatch") == 0;
}

enum http_verdict
gcs_judge_error(struct call *c, const struct http_answer *a, struct fail *f)
{
	bool heals = call_may_heal(a->status);

	parse(a, &c->error);
	switch (a->status) {
	case 401:
		return expired(c, a, f);
	case 403:
		return denied(c, a, f);
	case 404:
		return missing(c, a, f);
	case 412:
		/* A proxy's would have no such document. */
		if (c->error.document || c->out != NULL)
			return HTTP_NO;
		break;
	case 416:
		if (c->out != NULL)
			return HTTP_NO;
		break;
	case 400:
		heals = was_damaged(&c->error);
		break;
	default:
		break;
	}
	call_describe(c, a, heals ? FAIL_TRANSIENT : FAIL_CONFIG, f);
	if (a->status >= 300 && a->status <= 399)
		(void)fail_hint(f,
		    "this was not answered by Cloud Storage: is the endpoint "
		    "right, is there a proxy between?");
	return heals ? HTTP_AGAIN : HTTP_FAILED;
}
