/* SPDX-License-Identifier: PostgreSQL */
/* A JSON writer: see json.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

static void
put(struct json *j, const void *bytes, size_t len)
{
	if (buf_append(&j->text, bytes, len) != 0)
		j->failed = true;
}

static void
put_text(struct json *j, const char *text)
{
	put(j, text, strlen(text));
}

/*
 * The length of the UTF-8 sequence at p, or 0.  Overlong forms, surrogates
 * and values beyond U+10FFFF are not UTF-8 (RFC 3629).
 */
static size_t
utf8_len(const uint8_t *p, size_t len)
{
	size_t n;
	uint32_t c;

	if (p[0] < 0x80)
		return 1;
	n = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
	if (p[0] < 0xC2 || p[0] > 0xF4 || n > len)
		return 0;
	c = p[0] & (0x7Fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3Fu);
	}
	if ((n == 3 && (c < 0x800 || (c >= 0xD800 && c <= 0xDFFF))) ||
	    (n == 4 && (c < 0x10000 || c > 0x10FFFF)))
		return 0;
	return n;
}

bool
json_is_utf8(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	while (len > 0) {
		size_t n = *p != '\0' ? utf8_len(p, len) : 0;

		if (n == 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

static void
put_quoted(struct json *j, const char *value)
{
	const uint8_t *p = (const uint8_t *)value;
	size_t len = strlen(value);

	put(j, "\"", 1);
	while (len > 0) {
		size_t n = utf8_len(p, len);
		char escape[8];

		if (n == 0) {
			put_text(j, "\\ufffd");
			n = 1;
		} else if (*p < 0x20) {
			(void)snprintf(escape, sizeof escape, "\\u%04x", *p);
			put_text(j, escape);
		} else {
			if (*p == '"' || *p == '\\')
				put(j, "\\", 1);
			put(j, p, n);
		}
		p += n;
		len -= n;
	}
	put(j, "\"", 1);
}

/* The comma and the name in front of a value. */
static void
begin(struct json *j, const char *name)
{
	if (j->comma)
		put(j, ",", 1);
	if (name != NULL) {
		put_quoted(j, name);
		put(j, ":", 1);
	}
	j->comma = true;
}

void
json_object(struct json *j, const char *name)
{
	begin(j, name);
	put(j, "{", 1);
	j->comma = false;
}

void
json_array(struct json *j, const char *name)
{
	begin(j, name);
	put(j, "[", 1);
	j->comma = false;
}

void
json_end_object(struct json *j)
{
	put(j, "}", 1);
	j->comma = true;
}

void
json_end_array(struct json *j)
{
	put(j, "]", 1);
	j->comma = true;
}

void
json_string(struct json *j, const char *name, const char *value)
{
	if (value == NULL) {
		json_null(j, name);
		return;
	}
	begin(j, name);
	put_quoted(j, value);
}

void
json_int(struct json *j, const char *name, int64_t value)
{
	char text[24];

	begin(j, name);
	(void)snprintf(text, sizeof text, "%" PRId64, value);
	put_text(j, text);
}

void
json_bool(struct json *j, const char *name, bool value)
{
	begin(j, name);
	put_text(j, value ? "true" : "false");
}

void
json_null(struct json *j, const char *name)
{
	begin(j, name);
	put_text(j, "null");
}
