/* SPDX-License-Identifier: PostgreSQL */
/* The chain of sources, and the nearest of them: see azure_auth.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "azure_auth.h"
#include "keyed.h"
#include "log.h"
#include "uri.h"

/* Others are asked for so long before these end, if there are others. */
#define EARLY_S 300

const char *
azure_variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

bool
azure_sas_value(const char *sas, const char *name, char *out, size_t cap)
{
	size_t n = strlen(name);

	for (const char *p = sas; *p != '\0';
	     p += strcspn(p, "&"), p += *p == '&')
		if (strncmp(p, name, n) == 0 && p[n] == '=') {
			p += n + 1;
			(void)snprintf(
			    out, cap, "%.*s", (int)strcspn(p, "&"), p);
			uri_decode(out);
			return true;
		}
	return false;
}

/* "2026-11-20T02:00:00Z", or only its first parts, in seconds of 1970. */
static int64_t
sas_time(const char *text)
{
	static const char *const formats[] = { "%Y-%m-%dT%H:%M:%S",
		"%Y-%m-%dT%H:%M", "%Y-%m-%d" };

	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
		struct tm tm = { 0 };

		if (strptime(text, formats[i], &tm) != NULL)
			return (int64_t)timegm(&tm);
	}
	return 0;
}

static int
set_key(struct azure_auth *a, const char *text, struct azure_credentials *out,
    struct fail *f)
{
	int len = base64_bytes(text, out->key.bytes, sizeof out->key.bytes);

	out->kind = AZURE_SHARED_KEY;
	out->key.account = a->account;
	if (len <= 0) {
		(void)fail_set(f, FAIL_CONFIG, out->source,
		    "it holds no account key: that is base64 of 64 bytes");
		return fail_hint(f,
		    "take key1 or key2 of the storage account's access keys");
	}
	if (a->account[0] == '\0') {
		(void)fail_set(f, FAIL_CONFIG, a->name,
		    "a key is used with its account's name");
		return fail_hint(f, "set account in the store's section");
	}
	out->key.len = (size_t)len;
	return 0;
}

static int
set_sas(const char *text, struct azure_credentials *out, struct fail *f)
{
	char value[64];

	text += *text == '?';
	out->kind = AZURE_SAS;
	if (strpbrk(text, " \t\r\n\"'") != NULL) {
		(void)fail_set(f, FAIL_CONFIG, out->source,
		    "there are quotes or blanks in it: a shared access "
		    "signature has none");
		return fail_hint(f,
		    "that is one line, \"sv=...&...&sig=...\", as az storage "
		    "container generate-sas --output tsv prints it");
	}
	if (strlen(text) >= sizeof out->sas ||
	    !azure_sas_value(text, "sig", value, sizeof value) ||
	    !azure_sas_value(text, "sv", value, sizeof value) ||
	    strchr(text, '#') != NULL) {
		(void)fail_set(f, FAIL_CONFIG, out->source,
		    "it holds no shared access signature");
		return fail_hint(f,
		    "that is one line, \"sv=...&...&sig=...\", without the "
		    "URL in front of its '?'");
	}
	(void)snprintf(out->sas, sizeof out->sas, "%s", text);
	if (azure_sas_value(text, "se", value, sizeof value))
		out->expires = sas_time(value);
	return 0;
}

/* From a text that is given, or the file that holds it. */
static int
from_text(struct azure_auth *a, const char *text, const char *file,
    struct azure_credentials *out, struct fail *f)
{
	bool sas = out->kind == AZURE_SAS;
	char found[AZURE_SAS_MAX] = "";
	int rc = 0;

	if (text == NULL) {
		(void)snprintf(out->source, sizeof out->source, "%s", file);
		rc = ask_read_token(sas ? "sas_token_file" : "secret_key_file",
		    file, found, sizeof found, f);
		text = found;
	}
	if (rc == 0)
		rc = sas ? set_sas(text, out, f) : set_key(a, text, out, f);
	wipe(found, sizeof found);
	return rc;
}

static int
from_options(
    struct azure_auth *a, struct azure_credentials *out, struct fail *f)
{
	bool key = a->key != NULL || a->key_file != NULL;
	bool sas = a->sas != NULL || a->sas_file != NULL;

	if (key && sas) {
		(void)fail_set(f, FAIL_CONFIG, a->name,
		    "it has a key and a shared access signature");
		return fail_hint(
		    f, "set secret_key_file or sas_token_file, not both");
	}
	if (!key && !sas)
		return 1;
	out->kind = sas ? AZURE_SAS : AZURE_SHARED_KEY;
	(void)snprintf(out->source, sizeof out->source, "store %s: %s", a->name,
	    sas ? "sas_token" : "secret_key");
	return sas ? from_text(a, a->sas, a->sas_file, out, f)
	           : from_text(a, a->key, a->key_file, out, f);
}

static int
from_option_command(
    struct azure_auth *a, struct azure_credentials *out, struct fail *f)
{
	if (a->command == NULL)
		return 1;
	out->kind = AZURE_TOKEN;
	(void)snprintf(out->source, sizeof out->source, "credential_command");
	return bearer_from_command(
	    a->command, a->options.deadline, &out->bearer, f);
}

/* As the Azure CLI reads it. */
static int
from_environment(
    struct azure_auth *a, struct azure_credentials *out, struct fail *f)
{
	const char *key = azure_variable("AZURE_STORAGE_KEY");
	const char *sas = azure_variable("AZURE_STORAGE_SAS_TOKEN");

	if (key == NULL && sas == NULL)
		return 1;
	(void)snprintf(out->source, sizeof out->source, "%s",
	    key != NULL ? "AZURE_STORAGE_KEY" : "AZURE_STORAGE_SAS_TOKEN");
	return key != NULL ? set_key(a, key, out, f) : set_sas(sas, out, f);
}

/* The first that is set up here counts, also if it fails. */
static int
find(struct azure_auth *a, struct azure_credentials *out, struct fail *f)
{
	static azure_source *const sources[] = { from_options,
		from_option_command, from_environment, azure_from_workload,
		azure_from_host, azure_from_machine };

	for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
		int rc;

		*out = (struct azure_credentials){ 0 };
		rc = sources[i](a, out, f);
		if (rc == 0 && out->kind == AZURE_TOKEN)
			out->expires = out->bearer.expires;
		if (rc != 1)
			return rc;
	}
	(void)fail_set(f, FAIL_CONFIG, a->name, "no credentials are found");
	return fail_hint(f,
	    "set secret_key_file or sas_token_file in the store's section, or "
	    "give this machine an identity (walvault-azure(7))");
}

static int
refresh(struct azure_auth *a, struct fail *f)
{
	struct azure_credentials *found = calloc(1, sizeof *found);
	int rc;

	if (found == NULL)
		return fail_set(f, FAIL_INTERNAL, a->name, "out of memory");
	rc = find(a, found, f);
	if (rc == 0) {
		a->now = *found;
		a->known = true;
		log_debug(
		    "store %s: credentials of %s", a->name, a->now.source);
	}
	wipe(found, sizeof *found);
	free(found);
	return rc;
}

const struct azure_credentials *
azure_auth_get(struct azure_auth *a, struct fail *f)
{
	int64_t now = time(NULL);

	if (a->known && (a->now.expires == 0 || a->now.expires - EARLY_S > now))
		return &a->now;
	/* What cannot be renewed now may still be good for a while. */
	if (refresh(a, f) != 0 && !(a->known && a->now.expires > now))
		return NULL;
	return &a->now;
}

static bool
same(const struct azure_credentials *x, const struct azure_credentials *y)
{
	return x->kind == y->kind && x->key.len == y->key.len &&
	    memcmp(x->key.bytes, y->key.bytes, x->key.len) == 0 &&
	    strcmp(x->sas, y->sas) == 0;
}

bool
azure_auth_renew(struct azure_auth *a)
{
	struct azure_credentials *old = malloc(sizeof *old);
	struct fail ignored;
	bool others = false;

	if (old == NULL)
		return false;
	*old = a->now;
	a->known = false;
	if (old->kind == AZURE_TOKEN)
		others = true; /* whoever makes the next request asks */
	else if (refresh(a, &ignored) == 0)
		others = !same(old, &a->now);
	wipe(old, sizeof *old);
	free(old);
	return others;
}

static int
keep(const struct store_args *args, const char *option, char **out)
{
	const char *value = store_option(args, option, NULL);

	*out = value != NULL ? strdup(value) : NULL;
	return value != NULL && *out == NULL ? -1 : 0;
}

struct azure_auth *
azure_auth_new(
    const struct store_args *args, const char *account, struct fail *f)
{
	struct azure_auth *a = calloc(1, sizeof *a);

	if (a != NULL)
		a->name = strdup(args->name);
	if (a == NULL || a->name == NULL ||
	    keep(args, "secret-key", &a->key) != 0 ||
	    keep(args, "secret-key-file", &a->key_file) != 0 ||
	    keep(args, "sas-token", &a->sas) != 0 ||
	    keep(args, "sas-token-file", &a->sas_file) != 0 ||
	    keep(args, "credential-command", &a->command) != 0 ||
	    keep(args, "client-id", &a->client_id) != 0) {
		azure_auth_free(a);
		(void)fail_set(f, FAIL_INTERNAL, args->name, "out of memory");
		return NULL;
	}
	(void)snprintf(a->account, sizeof a->account, "%s", account);
	a->options = ask_options(args->deadline);
	a->near_options = a->options;
	a->near_options.no_proxy = true;
	return a;
}

static void
forget_text(char *text)
{
	if (text != NULL)
		wipe(text, strlen(text));
	free(text);
}

void
azure_auth_free(struct azure_auth *a)
{
	if (a == NULL)
		return;
	http_free(a->http);
	http_free(a->near);
	free(a->name);
	forget_text(a->key);
	free(a->key_file);
	forget_text(a->sas);
	free(a->sas_file);
	forget_text(a->command);
	free(a->client_id);
	wipe(&a->now, sizeof a->now);
	free(a);
}
