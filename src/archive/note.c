/* SPDX-License-Identifier: PostgreSQL */
/* Small checked text files: see note.h. */
#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "note.h"
#include "sum.h"
#include "units.h"

int
note_add(struct buf *b, const char *key, const char *value)
{
	if (buf_append(b, key, strlen(key)) != 0 ||
	    buf_append(b, " = ", 3) != 0 ||
	    buf_append(b, value, strlen(value)) != 0)
		return -1;
	return buf_append(b, "\n", 1);
}

int
note_add_number(struct buf *b, const char *key, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof text, "%" PRIu64, value);
	return note_add(b, key, text);
}

int
note_seal(struct buf *b)
{
	struct sum128 sum = sum128(b->data, b->len);
	char text[SUM128_TEXT];

	sum128_format(&sum, text);
	return note_add(b, "sum", text);
}

int
note_write(struct store *s, const char *key, struct buf *b, struct fail *f)
{
	struct stream *out;

	if (note_seal(b) != 0)
		return fail_errno(f, key, "memory");
	out = store_put(
	    s, key, &(struct store_attrs){ .size_hint = b->len }, f);
	return out != NULL ? stream_write_whole(out, b->data, b->len, f) : -1;
}

/* The last line must be the sum of those before it. */
int
note_check(const struct buf *b, const char *object, struct fail *f)
{
	size_t line = strlen("sum = \n") + SUM128_TEXT - 1;
	char want[64], sum[SUM128_TEXT];
	struct sum128 real;

	if (b->len > line) {
		real = sum128(b->data, b->len - line);
		sum128_format(&real, sum);
		(void)snprintf(want, sizeof want, "sum = %s\n", sum);
		if (memcmp(want, b->data + b->len - line, line) == 0)
			return 0;
	}
	return fail_set(f, FAIL_DAMAGED, object,
	    "its checksum is wrong: not a file of walvault, or damaged");
}

int
note_read(struct store *s, const char *key, struct buf *b, struct fail *f)
{
	struct mem m;
	char object[1024];
	int rc;

	mem_init(&m);
	rc = store_get(s, key, 0, NOTE_MAX, &m.stream, f);
	*b = m.bytes;
	if (rc != 0)
		return rc;
	store_object_name(s, key, object, sizeof object);
	return note_check(b, object, f);
}

int
note_get(const struct buf *b, const char *key, char *value, size_t cap,
    const char *object, struct fail *f)
{
	const char *p = (const char *)b->data, *end = p + b->len;
	size_t key_len = strlen(key);

	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((eol != NULL ? eol : end) - p);

		if (len >= key_len + 3 && memcmp(p, key, key_len) == 0 &&
		    memcmp(p + key_len, " = ", 3) == 0) {
			len -= key_len + 3;
			if (len >= cap)
				break;
			memcpy(value, p + key_len + 3, len);
			value[len] = '\0';
			return 0;
		}
		p = eol != NULL ? eol + 1 : end;
	}
	return fail_set(f, FAIL_DAMAGED, object, "it has no usable '%s'", key);
}

int
note_get_number(const struct buf *b, const char *key, uint64_t *value,
    const char *object, struct fail *f)
{
	char text[32];
	const char *why;

	if (note_get(b, key, text, sizeof text, object, f) != 0)
		return -1;
	if (units_parse(text, UNITS_COUNT, value, &why) != 0)
		return fail_set(
		    f, FAIL_DAMAGED, object, "%s = %s: %s", key, text, why);
	return 0;
}
