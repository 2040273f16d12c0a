/* SPDX-License-Identifier: PostgreSQL */
/*
 * Workload identities (AIP-4117, RFC 8693): another provider's token, from a
 * file or from an address, is exchanged for one of Google's, and that, where
 * the file says so, for a service account's.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gcp_source.h"
#include "io.h"
#include "json.h"
#include "keyed.h"
#include "members.h"

struct field {
	const char *name;
	char *out;
	bool found;
};

static int
take_field(void *arg, const char *path, const char *text)
{
	struct field *field = arg;

	if (text != NULL && strcmp(path, field->name) == 0)
		field->found = snprintf(field->out, GCP_TOKEN_MAX, "%s", text) <
		    (int)GCP_TOKEN_MAX;
	return 0;
}

/* The token in what the source gave: a text, or a member of a JSON object. */
static int
find_subject(const struct gcp_file *file, const char *what, struct buf *b,
    char *out, struct fail *f)
{
	struct field field = { .name = file->source_field, .out = out };

	if (strcmp(file->source_format, "json") == 0) {
		if (members_read(
		        b->data, b->len, what, take_field, &field, f) == 0 &&
		    field.found)
			return 0;
		return fail_set(f, FAIL_DENIED, what, "it is no JSON with %s",
		    file->source_field);
	}
	while (b->len > 0 && b->data[b->len - 1] <= ' ')
		b->len--;
	if (b->len == 0 || b->len >= GCP_TOKEN_MAX)
		return fail_set(f, FAIL_DENIED, what, "it holds no token");
	(void)snprintf(
	    out, GCP_TOKEN_MAX, "%.*s", (int)b->len, (const char *)b->data);
	return 0;
}

static int
subject_of_file(const struct gcp_file *file, char *out, struct fail *f)
{
	struct buf b = { 0 };
	int rc = io_read_file(
	    AT_FDCWD, file->source_file, GCP_TOKEN_MAX, &b, f);

	if (rc == 1)
		rc = fail_set(
		    f, FAIL_CONFIG, file->source_file, "no such file");
	if (rc == 0)
		rc = find_subject(file, file->source_file, &b, out, f);
	if (b.data != NULL)
		wipe(b.data, b.len);
	buf_clear(&b);
	return rc;
}

static int
subject_of_url(
    struct gcp *g, const struct gcp_file *file, char *out, struct fail *f)
{
	struct ask r = { .method = "GET",
		.url = file->source_url,
		.what = "the workload's own token" };
	int rc;

	for (size_t i = 0; i < file->n_headers; i++)
		headers_add(&r.headers, file->header_name[i], "%s",
		    file->header_value[i]);
	rc = gcp_request(g, &r, f);
	if (rc == 0)
		rc = find_subject(file, r.what, &r.answer.body, out, f);
	ask_clear(&r);
	return rc;
}

static int
get_subject(
    struct gcp *g, const struct gcp_file *file, char *out, struct fail *f)
{
	if (file->source_file[0] != '\0')
		return subject_of_file(file, out, f);
	if (file->source_url[0] != '\0' && file->source_other[0] == '\0')
		return subject_of_url(g, file, out, f);
	(void)fail_set(f, FAIL_CONFIG, file->path,
	    "its credential_source is neither a file nor a url");
	return fail_hint(f,
	    "other sources (of AWS, of executables) are not known here: use "
	    "credential_command = gcloud auth print-access-token");
}

/* Google's token for the provider's. */
static int
exchange(struct gcp *g, const struct gcp_file *file, const char *subject,
    struct gcp_token *out, struct fail *f)
{
	struct ask r = { .method = "POST",
		.url = file->token_url,
		.what = "the workload identity's token" };
	bool more = file->impersonate_url[0] != '\0';
	struct buf form = { 0 };
	int rc = -1;

	headers_add(
	    &r.headers, "Content-Type", "application/x-www-form-urlencoded");
	if (gcp_form_add(&form, "grant_type",
	        "urn:ietf:params:oauth:grant-type:token-exchange") == 0 &&
	    gcp_form_add(&form, "audience", file->audience) == 0 &&
	    gcp_form_add(&form, "scope", more ? GCP_SCOPE_ALL : GCP_SCOPE) ==
	        0 &&
	    gcp_form_add(&form, "requested_token_type",
	        "urn:ietf:params:oauth:token-type:access_token") == 0 &&
	    gcp_form_add(&form, "subject_token", subject) == 0 &&
	    gcp_form_add(&form, "subject_token_type", file->subject_type) ==
	        0 &&
	    buf_append_u8(&form, 0) == 0) {
		r.body = (const char *)form.data;
		rc = gcp_request_token(g, &r, out, f);
	} else {
		(void)fail_set(f, FAIL_INTERNAL, r.what, "out of memory");
	}
	if (form.data != NULL)
		wipe(form.data, form.len);
	buf_clear(&form);
	ask_clear(&r);
	return rc;
}

/* ".../serviceAccounts/NAME@PROJECT...:generateAccessToken" */
static void
name_account(const char *url, struct gcp_token *out)
{
	const char *name = strrchr(url, '/');

	if (name != NULL)
		(void)snprintf(out->account, sizeof out->account, "%.*s",
		    (int)strcspn(name + 1, ":"), name + 1);
}

/* The service account's token for that. */
static int
impersonate(struct gcp *g, const struct gcp_file *file, struct gcp_token *out,
    struct fail *f)
{
	struct ask r = { .method = "POST",
		.url = file->impersonate_url,
		.what = "the service account's token" };
	struct json j = { 0 };
	int rc = -1;

	name_account(file->impersonate_url, out);
	headers_add(&r.headers, "Content-Type", "application/json");
	headers_add(
	    &r.headers, "Authorization", "Bearer %s", out->bearer.token);
	json_object(&j, NULL);
	json_array(&j, "scope");
	json_string(&j, NULL, GCP_SCOPE);
	json_end_array(&j);
	json_string(&j, "lifetime", "3600s");
	json_end_object(&j);
	if (!j.failed && buf_append_u8(&j.text, 0) == 0) {
		r.body = (const char *)j.text.data;
		rc = gcp_request_token(g, &r, out, f);
	} else {
		(void)fail_set(f, FAIL_INTERNAL, r.what, "out of memory");
	}
	buf_clear(&j.text);
	ask_clear(&r);
	return rc;
}

int
gcp_from_external(struct gcp *g, const struct gcp_file *file,
    struct gcp_token *out, struct fail *f)
{
	char *subject;
	int rc;

	if (file->audience[0] == '\0' || file->token_url[0] == '\0' ||
	    file->subject_type[0] == '\0')
		return fail_set(f, FAIL_CONFIG, file->path,
		    "it has no audience, subject_token_type and token_url");
	if (file->impersonate_url[0] != '\0' &&
	    strncmp(file->impersonate_url, "https://", 8) != 0)
		return fail_set(f, FAIL_CONFIG, file->path,
		    "its service_account_impersonation_url is not of https");
	subject = calloc(1, GCP_TOKEN_MAX);
	if (subject == NULL)
		return fail_set(f, FAIL_INTERNAL, file->path, "out of memory");
	rc = get_subject(g, file, subject, f);
	if (rc == 0)
		rc = exchange(g, file, subject, out, f);
	if (rc == 0 && file->impersonate_url[0] != '\0')
		rc = impersonate(g, file, out, f);
	wipe(subject, GCP_TOKEN_MAX);
	free(subject);
	return rc;
}
