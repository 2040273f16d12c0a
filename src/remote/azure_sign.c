/* SPDX-License-Identifier: PostgreSQL */
/* Shared Key signatures: see azure_sign.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure_sign.h"
#include "keyed.h"
#include "uri.h"

static int
add(struct buf *b, const char *text)
{
	return buf_append(b, text, strlen(text));
}

/* A list of lines, owned, to be put in order. */
struct lines {
	char **line;
	size_t n;
};

static int
lines_add(struct lines *l, char *line)
{
	char **more = line != NULL
	    ? reallocarray(l->line, l->n + 1, sizeof *more)
	    : NULL;

	if (more == NULL) {
		free(line);
		return -1;
	}
	l->line = more;
	more[l->n++] = line;
	return 0;
}

static void
lines_clear(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->line[i]);
	free(l->line);
}

/* The name in lower case, as it is sorted by. */
static void
lower(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] >= 'A' && text[i] <= 'Z')
			text[i] = (char)(text[i] - 'A' + 'a');
}

/* By name, then by value: ':' ends a name, and is above none that is in it. */
static int
compare(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	size_t xn = strcspn(x, ":"), yn = strcspn(y, ":");
	int order = strncmp(x, y, xn < yn ? xn : yn);

	if (order == 0 && xn != yn)
		order = xn < yn ? -1 : 1;
	return order != 0 ? order : strcmp(x + xn, y + yn);
}

static void
lines_sort(struct lines *l)
{
	if (l->n > 1)
		qsort(l->line, l->n, sizeof *l->line, compare);
}

/* "x-ms-...: value" as "x-ms-...:value", sorted, each with its line's end. */
static int
add_headers(const struct headers *h, struct buf *out)
{
	struct lines l = { 0 };
	int rc = 0;

	for (size_t i = 0; i < h->n && rc == 0; i++) {
		const char *line = h->line[i], *value;
		size_t name = strcspn(line, ":");
		char *copy;

		if (strncasecmp(line, "x-ms-", 5) != 0)
			continue;
		value = line + name + strspn(line + name, ": \t");
		if (asprintf(&copy, "%.*s:%s", (int)name, line, value) < 0)
			copy = NULL;
		else
			lower(copy, name);
		rc = lines_add(&l, copy);
	}
	lines_sort(&l);
	for (size_t i = 0; i < l.n && rc == 0; i++)
		rc = add(out, l.line[i]) != 0 || add(out, "\n") != 0 ? -1 : 0;
	lines_clear(&l);
	return rc;
}

/* "name=value" of the query, decoded, as "name:value". */
static char *
parameter(const char *text, size_t len)
{
	size_t name = 0;
	char *copy = malloc(len + 2);

	if (copy == NULL)
		return NULL;
	while (name < len && text[name] != '=')
		name++;
	(void)snprintf(copy, len + 2, "%.*s:%.*s", (int)name, text,
	    (int)(name < len ? len - name - 1 : 0), text + name + 1);
	lower(copy, name);
	uri_decode(copy);
	return copy;
}

/* "\nname:value,value" for each name. */
static int
add_query(const char *query, struct buf *out)
{
	struct lines l = { 0 };
	const char *last = "";
	int rc = 0;

	while (*query != '\0' && rc == 0) {
		size_t len = strcspn(query, "&");

		rc = lines_add(&l, parameter(query, len));
		query += len + (query[len] == '&');
	}
	lines_sort(&l);
	for (size_t i = 0; i < l.n && rc == 0; i++) {
		size_t name = strcspn(l.line[i], ":") + 1;
		bool same = strncmp(last, l.line[i], name) == 0;

		if (add(out, same ? "," : "\n") != 0 ||
		    add(out, l.line[i] + (same ? name : 0)) != 0)
			rc = -1;
		last = l.line[i];
	}
	lines_clear(&l);
	return rc;
}

int
azure_string_to_sign(
    const char *account, const struct azure_request *r, struct buf *out)
{
	static const char *const names[] = { "Content-Encoding",
		"Content-Language", "Content-Length", "Content-MD5",
		"Content-Type", "Date", "If-Modified-Since", "If-Match",
		"If-None-Match", "If-Unmodified-Since", "Range" };
	char len[32] = "";

	if (r->body_len > 0)
		(void)snprintf(len, sizeof len, "%" PRIu64, r->body_len);
	if (add(out, r->method) != 0 || add(out, "\n") != 0)
		return -1;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const char *value = headers_get(r->headers, names[i]);

		if (strcmp(names[i], "Content-Length") == 0)
			value = len;
		if ((value != NULL && add(out, value) != 0) ||
		    add(out, "\n") != 0)
			return -1;
	}
	if (add_headers(r->headers, out) != 0 || add(out, "/") != 0 ||
	    add(out, account) != 0 || add(out, r->path) != 0 ||
	    add_query(r->query, out) != 0)
		return -1;
	return buf_append_u8(out, 0);
}

int
azure_authorization(
    const struct azure_key *key, const struct azure_request *r, struct buf *out)
{
	struct buf text = { 0 };
	uint8_t mac[SHA256_LEN];
	char mac_text[BASE64_CAP(SHA256_LEN)];
	int rc = azure_string_to_sign(key->account, r, &text);

	if (rc == 0) {
		hmac_sha256(key->bytes, key->len, text.data, text.len - 1, mac);
		base64_text(mac, sizeof mac, mac_text);
		rc = add(out, "SharedKey ") != 0 ||
		        add(out, key->account) != 0 || add(out, ":") != 0 ||
		        add(out, mac_text) != 0 || buf_append_u8(out, 0) != 0
		    ? -1
		    : 0;
	}
	buf_clear(&text);
	return rc;
}
