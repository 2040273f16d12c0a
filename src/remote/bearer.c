/* SPDX-License-Identifier: PostgreSQL */
/* Bearer tokens: see bearer.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "bearer.h"
#include "command.h"
#include "keyed.h"

#define COMMAND_MS  30000
#define COMMAND_MAX 65536

static const char *
member(const json_t *j, const char *name)
{
	const char *text = json_string_value(json_object_get(j, name));

	return text != NULL ? text : "";
}

/* A number, whether it is written as one or as a text.  0: neither. */
static int64_t
number(const json_t *j, const char *name)
{
	const json_t *v = json_object_get(j, name);

	return json_is_number(v) ? (int64_t)json_number_value(v)
	                         : strtoll(member(j, name), NULL, 10);
}

static int
take(const char *token, const char *what, struct bearer *out, struct fail *f)
{
	size_t len = strlen(token);

	for (size_t i = 0; i < len; i++)
		if (token[i] <= ' ' || token[i] > '~')
			len = 0;
	if (len == 0)
		return fail_set(f, FAIL_DENIED, what,
		    "it gave no token: that is JSON with access_token, or the "
		    "token alone");
	if (len >= sizeof out->token)
		return fail_set(f, FAIL_CONFIG, what, "the token is too long");
	memcpy(out->token, token, len + 1);
	return 0;
}

static int
take_json(const json_t *j, const char *what, struct bearer *out, struct fail *f)
{
	const char *token = member(j, "access_token");
	int64_t seconds = number(j, "expires_in");
	struct tm tm = { 0 };

	if (*token == '\0')
		token = member(j, "accessToken");
	out->expires = number(j, "expires_on");
	if (out->expires == 0 && seconds > 0)
		out->expires = time(NULL) + seconds;
	else if (out->expires == 0 &&
	    strptime(member(j, "expireTime"), "%Y-%m-%dT%H:%M:%S", &tm) != NULL)
		out->expires = (int64_t)timegm(&tm);
	return take(token, what, out, f);
}

int
bearer_parse(const struct buf *text, const char *what, struct bearer *out,
    struct fail *f)
{
	json_t *j = json_loadb((const char *)text->data, text->len, 0, NULL);
	char *alone;
	size_t len = text->len;
	int rc;

	out->expires = 0;
	if (json_is_object(j)) {
		rc = take_json(j, what, out, f);
		json_decref(j);
		return rc;
	}
	json_decref(j);
	while (len > 0 && text->data[len - 1] <= ' ')
		len--;
	alone = strndup(len > 0 ? (const char *)text->data : "", len);
	if (alone == NULL)
		return fail_set(f, FAIL_INTERNAL, what, "out of memory");
	rc = take(alone, what, out, f);
	wipe(alone, strlen(alone));
	free(alone);
	return rc;
}

int
bearer_from_command(const char *command, struct deadline deadline,
    struct bearer *out, struct fail *f)
{
	static const char what[] = "credential_command";
	struct deadline end = deadline_in(COMMAND_MS);
	struct buf printed = { 0 };
	int rc;

	if (deadline.at_ms != 0 && deadline.at_ms < end.at_ms)
		end = deadline;
	rc = command_run(what, command, end, COMMAND_MAX, &printed, f);
	if (rc == 0)
		rc = bearer_parse(&printed, what, out, f);
	if (printed.data != NULL)
		wipe(printed.data, printed.len);
	buf_clear(&printed);
	return rc;
}

/* "error: error_description", or "error.message"; the first line of it. */
void
bearer_tell(const struct buf *document, char *out, size_t cap)
{
	json_t *j = json_loadb(
	    (const char *)document->data, document->len, 0, NULL);
	const json_t *error = json_object_get(j, "error");
	const char *code = json_is_string(error) ? json_string_value(error)
	                                         : "";
	const char *text = json_is_object(error)
	    ? member(error, "message")
	    : member(j, "error_description");

	(void)snprintf(out, cap, "%s%s%.*s", code,
	    *code != '\0' && *text != '\0' ? ": " : "",
	    (int)strcspn(text, "\r\n"), text);
	json_decref(j);
}
