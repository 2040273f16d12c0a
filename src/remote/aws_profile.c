/* SPDX-License-Identifier: PostgreSQL */
/*
 * The files of AWS's own tools ("Configuration and credential file settings"
 * in the AWS CLI User Guide), and commands that print credentials.
 */
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "aws_source.h"
#include "command.h"
#include "io.h"
#include "keyed.h"

#define FILE_MAX    ((size_t)1024 * 1024)
#define COMMAND_MS  30000
#define COMMAND_MAX ((size_t)65536)

const char *
aws_default_profile(void)
{
	const char *name = getenv("AWS_PROFILE");

	return name != NULL && *name != '\0' ? name : "default";
}

static void
file_path(const char *variable, const char *name, char out[PATH_MAX])
{
	const char *given = getenv(variable), *home = getenv("HOME");
	const struct passwd *user = home == NULL ? getpwuid(geteuid()) : NULL;

	if (user != NULL)
		home = user->pw_dir;
	if (given != NULL && *given != '\0')
		(void)snprintf(out, PATH_MAX, "%s", given);
	else
		(void)snprintf(out, PATH_MAX, "%s/.aws/%s",
		    home != NULL ? home : "", name);
}

static char *
trim(char *text)
{
	size_t len;

	text += strspn(text, " \t\r");
	for (len = strlen(text); len > 0 && strchr(" \t\r", text[len - 1]);)
		text[--len] = '\0';
	return text;
}

/* [NAME] in the one file, [profile NAME] in the other. */
static bool
begins_section(char *line, const char *profile)
{
	char *end = strchr(line, ']'), *name = trim(line + 1);

	if (end == NULL)
		return false;
	*end = '\0';
	if (strncmp(name, "profile", 7) == 0 &&
	    (name[7] == ' ' || name[7] == '\t'))
		name = trim(name + 7);
	return strcmp(trim(name), profile) == 0;
}

/* 0, 1 it is not in this file */
static int
find_value(
    char *text, const char *profile, const char *name, char *out, size_t cap)
{
	bool inside = false;
	char *line, *rest;

	for (line = strtok_r(text, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		char *equals;

		if (*line == '#' || *line == ';')
			continue;
		if (*line == '[') {
			inside = begins_section(line, profile);
			continue;
		}
		equals = strchr(line, '=');
		/* An indented line belongs to a setting of its own. */
		if (!inside || equals == NULL || *line == ' ' || *line == '\t')
			continue;
		*equals = '\0';
		if (strcmp(trim(line), name) != 0)
			continue;
		return (size_t)snprintf(out, cap, "%s", trim(equals + 1)) < cap
		    ? 0
		    : 1;
	}
	return 1;
}

static int
value_in(const char *path, const char *profile, const char *name, char *out,
    size_t cap, struct fail *f)
{
	struct buf b = { 0 };
	int rc = io_read_file(AT_FDCWD, path, FILE_MAX, &b, f);

	if (rc == 0 && buf_append_u8(&b, 0) != 0)
		rc = fail_set(f, FAIL_INTERNAL, path, "out of memory");
	if (rc == 0)
		rc = find_value((char *)b.data, profile, name, out, cap);
	if (b.data != NULL)
		wipe(b.data, b.len);
	buf_clear(&b);
	return rc;
}

int
aws_profile_value(const char *profile, const char *name, char *out, size_t cap,
    struct fail *f)
{
	char path[PATH_MAX];
	int rc;

	file_path("AWS_SHARED_CREDENTIALS_FILE", "credentials", path);
	rc = value_in(path, profile, name, out, cap, f);
	if (rc != 1)
		return rc;
	file_path("AWS_CONFIG_FILE", "config", path);
	return value_in(path, profile, name, out, cap, f);
}

int
aws_region(const struct store_args *args, char *out, size_t cap, struct fail *f)
{
	const char *profile = store_option(args, "profile", NULL);
	const char *named = getenv("AWS_REGION");
	int rc;

	if (named == NULL || *named == '\0')
		named = getenv("AWS_DEFAULT_REGION");
	out[0] = '\0';
	if (named != NULL && *named != '\0') {
		(void)snprintf(out, cap, "%s", named);
		return 0;
	}
	rc = aws_profile_value(
	    profile != NULL ? profile : aws_default_profile(), "region", out,
	    cap, f);
	/* Files that nobody asked for may be another user's. */
	return rc < 0 && profile != NULL ? -1 : 0;
}

int64_t
aws_time(const char *text)
{
	struct tm tm = { 0 };

	return strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) != NULL
	    ? (int64_t)timegm(&tm)
	    : 0;
}

static const char *
member(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

int
aws_parse_json(const struct buf *text, const char *what,
    struct aws_credentials *out, struct fail *f)
{
	json_error_t error;
	json_t *j = json_loadb((const char *)text->data, text->len, 0, &error);
	const char *token = member(j, "SessionToken");
	int rc = -1;

	if (*token == '\0')
		token = member(j, "Token");
	if (*member(j, "AccessKeyId") == '\0' ||
	    *member(j, "SecretAccessKey") == '\0') {
		(void)fail_set(f, FAIL_DENIED, what,
		    "it gave no credentials: they are JSON with AccessKeyId "
		    "and SecretAccessKey");
	} else if (aws_set(out->access_key, sizeof out->access_key,
	               member(j, "AccessKeyId"), what, f) == 0 &&
	    aws_set(out->secret_key, sizeof out->secret_key,
	        member(j, "SecretAccessKey"), what, f) == 0 &&
	    aws_set(out->token, sizeof out->token, token, what, f) == 0) {
		out->expires = aws_time(member(j, "Expiration"));
		rc = 0;
	}
	json_decref(j);
	return rc;
}

int
aws_from_command(struct aws *a, const char *what, const char *command,
    struct aws_credentials *out, struct fail *f)
{
	struct deadline end = deadline_in(COMMAND_MS);
	struct buf printed = { 0 };
	int rc;

	if (a->options.deadline.at_ms != 0 &&
	    a->options.deadline.at_ms < end.at_ms)
		end = a->options.deadline;
	rc = command_run(what, command, end, COMMAND_MAX, &printed, f);
	if (rc == 0)
		rc = aws_parse_json(&printed, what, out, f);
	if (printed.data != NULL)
		wipe(printed.data, printed.len);
	buf_clear(&printed);
	return rc;
}

/* A role is assumed with the credentials of another profile. */
static int
from_role(struct aws *a, const char *role, const char *profile,
    struct aws_credentials *out, struct fail *f)
{
	struct aws_credentials own = { 0 };
	char source[128];
	int rc = aws_profile_value(
	    profile, "source_profile", source, sizeof source, f);

	if (rc == 0)
		rc = aws_profile_value(source, "aws_access_key_id",
		    own.access_key, sizeof own.access_key, f);
	if (rc == 0)
		rc = aws_profile_value(source, "aws_secret_access_key",
		    own.secret_key, sizeof own.secret_key, f);
	if (rc == 0 &&
	    aws_profile_value(source, "aws_session_token", own.token,
	        sizeof own.token, f) < 0)
		rc = -1;
	if (rc == 0)
		rc = aws_assume_role(a, role, &own, out, f);
	else if (rc == 1)
		rc = fail_set(f, FAIL_CONFIG, a->name,
		    "profile '%s' has role_arn, but its source_profile has no "
		    "credentials",
		    profile);
	wipe(&own, sizeof own);
	return rc;
}

int
aws_from_profile(struct aws *a, struct aws_credentials *out, struct fail *f)
{
	const char *profile = a->profile != NULL ? a->profile
	                                         : aws_default_profile();
	char text[2048];
	int rc;

	(void)snprintf(
	    out->source, sizeof out->source, "profile %.100s", profile);
	rc = aws_profile_value(profile, "role_arn", text, sizeof text, f);
	if (rc != 1)
		return rc == 0 ? from_role(a, text, profile, out, f) : -1;
	rc = aws_profile_value(
	    profile, "credential_process", text, sizeof text, f);
	if (rc == 0)
		rc = aws_from_command(a, "credential_process", text, out, f);
	if (rc != 1)
		return rc;
	rc = aws_profile_value(profile, "aws_access_key_id", out->access_key,
	    sizeof out->access_key, f);
	if (rc == 0)
		rc = aws_profile_value(profile, "aws_secret_access_key",
		    out->secret_key, sizeof out->secret_key, f);
	if (rc == 0 &&
	    aws_profile_value(profile, "aws_session_token", out->token,
	        sizeof out->token, f) < 0)
		rc = -1;
	return rc;
}
