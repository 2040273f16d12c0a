/* SPDX-License-Identifier: PostgreSQL */
/* The chain of sources, and the nearest of them: see aws.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ask.h"
#include "aws_source.h"
#include "keyed.h"
#include "log.h"
#include "secret.h"

/* Others are asked for so long before these end, if there are others. */
#define EARLY_S 300

int
aws_set(
    char *out, size_t cap, const char *value, const char *what, struct fail *f)
{
	if (strlen(value) >= cap)
		return fail_set(f, FAIL_CONFIG, what, "a value is too long");
	(void)snprintf(out, cap, "%s", value);
	return 0;
}

static int
set_all(struct aws_credentials *out, const char *access, const char *secret,
    const char *token, struct fail *f)
{
	if (aws_set(out->access_key, sizeof out->access_key, access,
	        out->source, f) != 0 ||
	    aws_set(out->secret_key, sizeof out->secret_key, secret,
	        out->source, f) != 0)
		return -1;
	return aws_set(out->token, sizeof out->token,
	    token != NULL ? token : "", out->source, f);
}

/* The first line of a file. */
static int
read_secret(const char *path, char *out, size_t cap, struct fail *f)
{
	struct buf b = { 0 };
	size_t len;
	int rc = secret_read("secret_key_file", path, 4096, &b, f);

	if (rc == 0) {
		for (len = 0; len < b.len && b.data[len] > ' '; len++)
			;
		(void)snprintf(
		    out, cap, "%.*s", (int)len, (const char *)b.data);
		if (len == 0 || len >= cap) {
			(void)fail_set(f, FAIL_CONFIG, path,
			    "its first line is no secret key");
			rc = fail_hint(f,
			    "secret_key_file holds the secret that belongs to "
			    "access_key_id, alone, on one line");
		}
	}
	if (b.data != NULL)
		wipe(b.data, b.len);
	buf_clear(&b);
	return rc;
}

static int
from_options(struct aws *a, struct aws_credentials *out, struct fail *f)
{
	char secret[sizeof out->secret_key];
	int rc;

	if (a->access_key_id == NULL && a->secret_key == NULL &&
	    a->secret_key_file == NULL)
		return 1;
	(void)snprintf(out->source, sizeof out->source, "the store's options");
	if (a->access_key_id == NULL ||
	    (a->secret_key == NULL && a->secret_key_file == NULL)) {
		(void)fail_set(f, FAIL_CONFIG, a->name,
		    "access_key_id and its secret key belong together");
		return fail_hint(
		    f, "set access_key_id and secret_key_file, or neither");
	}
	if (a->secret_key != NULL)
		return set_all(
		    out, a->access_key_id, a->secret_key, a->session_token, f);
	rc = read_secret(a->secret_key_file, secret, sizeof secret, f);
	if (rc == 0)
		rc = set_all(
		    out, a->access_key_id, secret, a->session_token, f);
	wipe(secret, sizeof secret);
	return rc;
}

static int
from_option_command(struct aws *a, struct aws_credentials *out, struct fail *f)
{
	if (a->command == NULL)
		return 1;
	(void)snprintf(out->source, sizeof out->source, "credential_command");
	return aws_from_command(a, "credential_command", a->command, out, f);
}

static int
from_named_profile(struct aws *a, struct aws_credentials *out, struct fail *f)
{
	int rc;

	if (a->profile == NULL)
		return 1;
	rc = aws_from_profile(a, out, f);
	if (rc != 1)
		return rc;
	(void)fail_set(f, FAIL_CONFIG, a->name,
	    "profile '%s' has no credentials", a->profile);
	return fail_hint(f,
	    "they are looked for in ~/.aws/credentials and "
	    "~/.aws/config of the user that runs PostgreSQL");
}

static int
from_environment(struct aws *a, struct aws_credentials *out, struct fail *f)
{
	const char *access = getenv("AWS_ACCESS_KEY_ID");
	const char *secret = getenv("AWS_SECRET_ACCESS_KEY");

	(void)a;
	if (access == NULL || secret == NULL || *access == '\0' ||
	    *secret == '\0')
		return 1;
	(void)snprintf(out->source, sizeof out->source, "the environment");
	return set_all(out, access, secret, getenv("AWS_SESSION_TOKEN"), f);
}

static int
from_default_profile(struct aws *a, struct aws_credentials *out, struct fail *f)
{
	return a->profile != NULL ? 1 : aws_from_profile(a, out, f);
}

/* The first that is set up here counts, also if it fails. */
static int
find(struct aws *a, struct aws_credentials *out, struct fail *f)
{
	static aws_source *const sources[] = { from_options,
		from_option_command, from_named_profile, from_environment,
		aws_from_web_identity, from_default_profile, aws_from_container,
		aws_from_machine };

	for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
		int rc;

		*out = (struct aws_credentials){ 0 };
		rc = sources[i](a, out, f);
		if (rc != 1)
			return rc;
	}
	(void)fail_set(f, FAIL_CONFIG, a->name, "no credentials are found");
	return fail_hint(f,
	    "set access_key_id and secret_key_file in the store's section, or "
	    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment");
}

static int
refresh(struct aws *a, struct fail *f)
{
	struct aws_credentials *found = calloc(1, sizeof *found);
	struct aws_credentials role = { 0 };
	int rc;

	if (found == NULL)
		return fail_set(f, FAIL_INTERNAL, a->name, "out of memory");
	rc = find(a, found, f);
	if (rc == 0 && a->role_arn != NULL) {
		rc = aws_assume_role(a, a->role_arn, found, &role, f);
		if (rc == 0)
			*found = role;
	}
	if (rc == 0) {
		found->number = a->now.number + 1;
		a->now = *found;
		a->known = true;
		log_debug(
		    "store %s: credentials of %s", a->name, a->now.source);
	}
	wipe(found, sizeof *found);
	wipe(&role, sizeof role);
	free(found);
	return rc;
}

/* 0, or -1: none are good now, and no others are to be had. */
static int
renew(struct aws *a, struct fail *f)
{
	int64_t now = time(NULL);

	if (a->known && (a->now.expires == 0 || a->now.expires - EARLY_S > now))
		return 0;
	/* What cannot be renewed now may still be good for a while. */
	if (refresh(a, f) != 0 && !(a->known && a->now.expires > now))
		return -1;
	return 0;
}

int
aws_get(struct aws *a, struct aws_credentials *out, struct fail *f)
{
	int rc;

	(void)pthread_mutex_lock(&a->lock);
	rc = renew(a, f);
	if (rc == 0)
		*out = a->now;
	(void)pthread_mutex_unlock(&a->lock);
	return rc;
}

void
aws_forget(struct aws *a, unsigned number)
{
	(void)pthread_mutex_lock(&a->lock);
	/* Another thread may have got others meanwhile. */
	if (a->now.number == number)
		a->known = false;
	(void)pthread_mutex_unlock(&a->lock);
}

struct aws *
aws_share(struct aws *a)
{
	(void)pthread_mutex_lock(&a->lock);
	a->users++;
	(void)pthread_mutex_unlock(&a->lock);
	return a;
}

static int
keep(const struct store_args *args, const char *option, char **out)
{
	const char *value = store_option(args, option, NULL);

	*out = value != NULL ? strdup(value) : NULL;
	return value != NULL && *out == NULL ? -1 : 0;
}

struct aws *
aws_new(const struct store_args *args, struct fail *f)
{
	struct aws *a = calloc(1, sizeof *a);

	if (a != NULL) {
		a->users = 1;
		(void)pthread_mutex_init(&a->lock, NULL);
		a->name = strdup(args->name);
	}
	if (a == NULL || a->name == NULL ||
	    keep(args, "access-key-id", &a->access_key_id) != 0 ||
	    keep(args, "secret-key", &a->secret_key) != 0 ||
	    keep(args, "secret-key-file", &a->secret_key_file) != 0 ||
	    keep(args, "session-token", &a->session_token) != 0 ||
	    keep(args, "credential-command", &a->command) != 0 ||
	    keep(args, "profile", &a->profile) != 0 ||
	    keep(args, "role-arn", &a->role_arn) != 0) {
		aws_free(a);
		(void)fail_set(f, FAIL_INTERNAL, args->name, "out of memory");
		return NULL;
	}
	if (store_option(args, "region", NULL) != NULL)
		(void)snprintf(a->region, sizeof a->region, "%s",
		    store_option(args, "region", NULL));
	else if (aws_region(args, a->region, sizeof a->region, f) != 0) {
		aws_free(a);
		return NULL;
	}
	a->options = ask_options(args->deadline);
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
aws_free(struct aws *a)
{
	unsigned left;

	if (a == NULL)
		return;
	(void)pthread_mutex_lock(&a->lock);
	left = --a->users;
	(void)pthread_mutex_unlock(&a->lock);
	if (left > 0)
		return;
	(void)pthread_mutex_destroy(&a->lock);
	http_free(a->http);
	free(a->name);
	free(a->access_key_id);
	forget_text(a->secret_key);
	free(a->secret_key_file);
	forget_text(a->session_token);
	forget_text(a->command);
	free(a->profile);
	free(a->role_arn);
	wipe(&a->now, sizeof a->now);
	free(a);
}
