/* SPDX-License-Identifier: PostgreSQL */
/*
 * Credentials files: keys of service accounts (AIP-4112, RFC 7523), users
 * (AIP-4113).  For workload identities see gcp_external.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gcp_source.h"
#include "json.h"
#include "jwt.h"
#include "keyed.h"
#include "members.h"
#include "secret.h"

#define FILE_MAX ((size_t)65536)
#define NEW_KEY                                                   \
	"make one for the service account, in the console or by " \
	"gcloud iam service-accounts keys create"
#define TOKEN_URI "https://oauth2.googleapis.com/token"

static const char source_headers[] = "credential_source/headers/";

static void
take_header(struct gcp_file *file, const char *name, const char *text)
{
	size_t n = file->n_headers, max = sizeof file->header_name[0];

	if (n == sizeof file->header_name / sizeof file->header_name[0] ||
	    strlen(name) >= max || strlen(text) >= GCP_TEXT_MAX) {
		file->too_long = true;
		return;
	}
	(void)snprintf(file->header_name[n], max, "%s", name);
	(void)snprintf(file->header_value[n], GCP_TEXT_MAX, "%s", text);
	file->n_headers++;
}

static int
take_member(void *arg, const char *path, const char *text)
{
	struct gcp_file *p = arg;
	const struct {
		const char *path;
		char *out;
		size_t cap;
	} members[] = {
		{ "type", p->type, sizeof p->type },
		{ "client_email", p->email, sizeof p->email },
		{ "private_key_id", p->key_id, sizeof p->key_id },
		{ "private_key", p->key, sizeof p->key },
		{ "token_uri", p->token_uri, sizeof p->token_uri },
		{ "client_id", p->client_id, sizeof p->client_id },
		{ "client_secret", p->client_secret, sizeof p->client_secret },
		{ "refresh_token", p->refresh_token, sizeof p->refresh_token },
		{ "audience", p->audience, sizeof p->audience },
		{ "subject_token_type", p->subject_type,
		    sizeof p->subject_type },
		{ "token_url", p->token_url, sizeof p->token_url },
		{ "service_account_impersonation_url", p->impersonate_url,
		    sizeof p->impersonate_url },
		{ "credential_source/file", p->source_file,
		    sizeof p->source_file },
		{ "credential_source/url", p->source_url,
		    sizeof p->source_url },
		{ "credential_source/format/type", p->source_format,
		    sizeof p->source_format },
		{ "credential_source/format/subject_token_field_name",
		    p->source_field, sizeof p->source_field },
		{ "credential_source/environment_id", p->source_other,
		    sizeof p->source_other },
		{ "credential_source/executable/command", p->source_other,
		    sizeof p->source_other },
	};
	size_t begin = sizeof source_headers - 1;

	if (text == NULL)
		return 0;
	if (strncmp(path, source_headers, begin) == 0)
		take_header(p, path + begin, text);
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
		if (strcmp(path, members[i].path) == 0 &&
		    snprintf(members[i].out, members[i].cap, "%s", text) >=
		        (int)members[i].cap &&
		    members[i].out != p->source_other)
			p->too_long = true;
	return 0;
}

static int
read_file(
    const char *named, const char *path, struct gcp_file *file, struct fail *f)
{
	struct buf b = { 0 };
	int rc = secret_read(named, path, FILE_MAX, &b, f);

	if (rc == 0 &&
	    (members_read(b.data, b.len, path, take_member, file, f) != 0 ||
	        file->type[0] == '\0' || file->too_long)) {
		/* The parser's words may show what is in the file. */
		rc = fail_set(f, FAIL_CONFIG, path,
		    file->too_long ? "a value in it is too long"
		                   : "it is no credentials file: it is JSON "
		                     "with a type");
		(void)fail_hint(f, NEW_KEY);
	}
	if (b.data != NULL)
		wipe(b.data, b.len);
	buf_clear(&b);
	return rc;
}

/* A secret goes only where nobody on the way can read it. */
static int
check_uri(const struct gcp_file *file, const char *uri, struct fail *f)
{
	if (ask_is_private(uri))
		return 0;
	(void)fail_set(f, FAIL_CONFIG, file->path,
	    "the token's address in it is not of https");
	return fail_hint(f,
	    "was the file changed? Google's own has https://oauth2."
	    "googleapis.com/token there");
}

static int
unknown_type(const struct gcp_file *file, struct fail *f)
{
	(void)fail_set(f, FAIL_CONFIG, file->path,
	    "it is of type %s, and not service_account, "
	    "authorized_user or external_account",
	    file->type);
	return fail_hint(f, NEW_KEY);
}

int
gcp_from_file(
    struct gcp *g, const char *path, struct gcp_token *out, struct fail *f)
{
	struct gcp_file *file = calloc(1, sizeof *file);
	int rc;

	if (file == NULL)
		return fail_set(f, FAIL_INTERNAL, path, "out of memory");
	file->path = path;
	(void)snprintf(out->source, sizeof out->source, "%.120s", path);
	rc = read_file(path == g->file ? "credentials_file"
	                               : "GOOGLE_APPLICATION_CREDENTIALS",
	    path, file, f);
	if (file->token_uri[0] == '\0')
		(void)snprintf(
		    file->token_uri, sizeof file->token_uri, "%s", TOKEN_URI);
	if (rc == 0)
		rc = check_uri(file,
		    file->token_url[0] != '\0' ? file->token_url
		                               : file->token_uri,
		    f);
	if (rc != 0)
		;
	else if (strcmp(file->type, "service_account") == 0)
		rc = gcp_from_key(g, file, out, f);
	else if (strcmp(file->type, "authorized_user") == 0)
		rc = gcp_from_user(g, file, out, f);
	else if (strcmp(file->type, "external_account") == 0)
		rc = gcp_from_external(g, file, out, f);
	else
		rc = unknown_type(file, f);
	wipe(file, sizeof *file);
	free(file);
	return rc;
}

static int
make_claims(const struct gcp_file *file, struct json *j)
{
	int64_t now = time(NULL);

	json_object(j, NULL);
	json_string(j, "iss", file->email);
	json_string(j, "scope", GCP_SCOPE);
	json_string(j, "aud", file->token_uri);
	json_int(j, "iat", now);
	json_int(j, "exp", now + 3600);
	json_end_object(j);
	return j->failed || buf_append_u8(&j->text, 0) != 0 ? -1 : 0;
}

/* The claims, signed.  0, 1 the key is none, -1. */
static int
make_assertion(const struct gcp_file *file, struct buf *form)
{
	struct json claims = { 0 };
	struct buf token = { 0 };
	int rc = make_claims(file, &claims);

	if (rc == 0)
		rc = jwt_sign((const char *)claims.text.data, file->key_id,
		    file->key, &token);
	if (rc == 0 &&
	    (buf_append_u8(&token, 0) != 0 ||
	        gcp_form_add(form, "grant_type",
	            "urn:ietf:params:oauth:grant-type:jwt-bearer") != 0 ||
	        gcp_form_add(form, "assertion", (const char *)token.data) !=
	            0 ||
	        buf_append_u8(form, 0) != 0))
		rc = -1;
	buf_clear(&claims.text);
	if (token.data != NULL)
		wipe(token.data, token.len);
	buf_clear(&token);
	return rc;
}

static int
send_form(struct gcp *g, const char *what, const struct gcp_file *file,
    const struct buf *form, struct gcp_token *out, struct fail *f)
{
	struct ask r = { .method = "POST",
		.url = file->token_uri,
		.what = what,
		.body = (const char *)form->data };
	int rc;

	headers_add(
	    &r.headers, "Content-Type", "application/x-www-form-urlencoded");
	rc = gcp_request_token(g, &r, out, f);
	ask_clear(&r);
	return rc;
}

int
gcp_from_key(struct gcp *g, const struct gcp_file *file, struct gcp_token *out,
    struct fail *f)
{
	struct buf form = { 0 };
	int rc;

	if (file->email[0] == '\0' || file->key[0] == '\0') {
		(void)fail_set(f, FAIL_CONFIG, file->path,
		    "it has no client_email and private_key, but is of type "
		    "service_account");
		return fail_hint(f, NEW_KEY);
	}
	(void)snprintf(out->account, sizeof out->account, "%s", file->email);
	rc = make_assertion(file, &form);
	if (rc > 0) {
		(void)fail_set(f, FAIL_CONFIG, file->path,
		    "its private_key is no RSA key");
		rc = fail_hint(f,
		    "was the file changed? download the key again, or make a "
		    "new one");
	} else if (rc < 0) {
		(void)fail_set(f, FAIL_INTERNAL, file->path, "out of memory");
	} else {
		rc = send_form(
		    g, "the service account's token", file, &form, out, f);
	}
	if (form.data != NULL)
		wipe(form.data, form.len);
	buf_clear(&form);
	return rc;
}

int
gcp_from_user(struct gcp *g, const struct gcp_file *file, struct gcp_token *out,
    struct fail *f)
{
	struct buf form = { 0 };
	int rc = -1;

	if (gcp_form_add(&form, "grant_type", "refresh_token") == 0 &&
	    gcp_form_add(&form, "client_id", file->client_id) == 0 &&
	    gcp_form_add(&form, "client_secret", file->client_secret) == 0 &&
	    gcp_form_add(&form, "refresh_token", file->refresh_token) == 0 &&
	    buf_append_u8(&form, 0) == 0)
		rc = send_form(g, "the user's token", file, &form, out, f);
	else
		(void)fail_set(f, FAIL_INTERNAL, file->path, "out of memory");
	if (form.data != NULL)
		wipe(form.data, form.len);
	buf_clear(&form);
	return rc;
}
