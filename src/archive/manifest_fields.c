/* SPDX-License-Identifier: PostgreSQL */
/* Typed members of a JSON object: see manifest_fields.h. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "lsn.h"
#include "manifest_fields.h"

void
fields_wrong(struct fields *s, const char *name, const char *why)
{
	if (s->failed)
		return;
	s->failed = true;
	(void)fail_set(s->f, FAIL_DAMAGED, s->where->object,
	    "damaged manifest: line %" PRIu64 ": '%s': %s", s->where->line,
	    name, why);
}

void
fields_no_memory(struct fields *s)
{
	if (!s->failed)
		(void)fail_set(
		    s->f, FAIL_INTERNAL, s->where->object, "no memory");
	s->failed = true;
}

json_t *
fields_member(struct fields *s, const char *name)
{
	json_t *v = json_object_get(s->json, name);

	if (v == NULL)
		fields_wrong(s, name, "missing");
	return v;
}

void
fields_text(struct fields *s, const char *name, char *out, size_t cap)
{
	const json_t *v = fields_member(s, name);
	size_t len = json_string_length(v);

	out[0] = '\0';
	if (v != NULL && !json_is_string(v))
		fields_wrong(s, name, "not a string");
	else if (v != NULL && len >= cap)
		fields_wrong(s, name, "too long");
	else if (v != NULL)
		memcpy(out, json_string_value(v), len + 1);
}

uint64_t
fields_number_of(
    struct fields *s, const char *name, const json_t *v, uint64_t max)
{
	json_int_t n = json_integer_value(v);

	if (v == NULL)
		return 0;
	if (!json_is_integer(v))
		fields_wrong(s, name, "not a whole number");
	else if (n < 0 || (uint64_t)n > max)
		fields_wrong(s, name, "out of range");
	else
		return (uint64_t)n;
	return 0;
}

uint64_t
fields_number(struct fields *s, const char *name, uint64_t max)
{
	return fields_number_of(s, name, fields_member(s, name), max);
}

uint32_t
fields_u32(struct fields *s, const char *name)
{
	return (uint32_t)fields_number(s, name, UINT32_MAX);
}

bool
fields_bool(struct fields *s, const char *name)
{
	const json_t *v = fields_member(s, name);

	if (v != NULL && !json_is_boolean(v))
		fields_wrong(s, name, "not true or false");
	return json_is_true(v);
}

int64_t
fields_time(struct fields *s, const char *name)
{
	char text[CLOCK_TEXT];
	const char *why;
	int64_t time = 0;

	fields_text(s, name, text, sizeof text);
	if (!s->failed && clock_parse(text, false, &time, &why) != 0)
		fields_wrong(s, name, "not a time");
	return time;
}

uint64_t
fields_lsn(struct fields *s, const char *name)
{
	char text[LSN_TEXT];
	uint64_t lsn = LSN_NONE;

	fields_text(s, name, text, sizeof text);
	if (!s->failed && (lsn_parse(text, &lsn) != 0 || lsn == LSN_NONE))
		fields_wrong(s, name, "not an LSN");
	return lsn;
}

uint64_t
fields_digits_of(struct fields *s, const char *name, const char *text,
    size_t digits, uint64_t base)
{
	static const char all[] = "0123456789abcdef";
	uint64_t v = 0;

	if (strlen(text) != digits || strspn(text, all) != digits) {
		fields_wrong(s, name, "not as many digits as it has");
		return 0;
	}
	for (; *text != '\0'; text++) {
		uint64_t digit = (uint64_t)(strchr(all, *text) - all);

		if (digit >= base)
			fields_wrong(s, name, "not a number of its base");
		v = v * base + digit;
	}
	return v;
}

uint32_t
fields_digits(struct fields *s, const char *name, size_t digits, uint64_t base)
{
	char text[16];

	fields_text(s, name, text, sizeof text);
	return s->failed
	    ? 0
	    : (uint32_t)fields_digits_of(s, name, text, digits, base);
}

void
fields_sum_of(
    struct fields *s, const char *name, const json_t *v, struct sum128 *sum)
{
	if (v != NULL &&
	    (!json_is_string(v) ||
	        sum128_parse(json_string_value(v), sum) != 0))
		fields_wrong(s, name, "not a checksum");
}

/* Hexadecimal digits to bytes. */
static void
append_hex(struct fields *s, const char *name, const char *text, struct buf *b)
{
	size_t len = strlen(text);

	if (len % 2 != 0 || strspn(text, "0123456789abcdef") != len) {
		fields_wrong(s, name, "not hexadecimal");
		return;
	}
	for (size_t i = 0; i < len; i += 2) {
		char two[3] = { text[i], text[i + 1], '\0' };

		if (buf_append_u8(b, (uint8_t)strtoul(two, NULL, 16)) != 0)
			fields_no_memory(s);
	}
}

bool
fields_find_bytes(struct fields *s, const char *name, struct buf *out)
{
	char hex_name[32];
	const json_t *text = json_object_get(s->json, name), *hex;

	(void)snprintf(hex_name, sizeof hex_name, "%sx", name);
	hex = json_object_get(s->json, hex_name);
	if (text == NULL && hex == NULL)
		return false;
	if ((text != NULL && hex != NULL) ||
	    !json_is_string(text != NULL ? text : hex))
		fields_wrong(s, name, "not one string");
	else if (hex != NULL)
		append_hex(s, hex_name, json_string_value(hex), out);
	else if (buf_append(out, json_string_value(text),
	             json_string_length(text)) != 0)
		fields_no_memory(s);
	return true;
}

char *
fields_find_string(struct fields *s, const char *name)
{
	struct buf b = { 0 };

	if (!fields_find_bytes(s, name, &b) || s->failed) {
		buf_clear(&b);
		return NULL;
	}
	if (b.len == 0 || memchr(b.data, '\0', b.len) != NULL)
		fields_wrong(s, name, "empty, or with a NUL");
	else if (b.len > MANIFEST_PATH_MAX)
		fields_wrong(s, name, "too long");
	else if (buf_append_u8(&b, 0) != 0)
		fields_no_memory(s);
	if (s->failed) {
		buf_clear(&b);
		return NULL;
	}
	return (char *)b.data;
}
