/* SPDX-License-Identifier: PostgreSQL */
/* Signing requests: see sigv4.h. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "keyed.h"
#include "sigv4.h"

#define HEX_LEN (2 * SHA256_LEN + 1)

void
sigv4_time(int64_t unix_time, char out[SIGV4_TIME])
{
	time_t t = (time_t)unix_time;
	struct tm tm;

	(void)gmtime_r(&t, &tm);
	(void)strftime(out, SIGV4_TIME, "%Y%m%dT%H%M%SZ", &tm);
}

static int
add(struct buf *b, const char *text)
{
	return buf_append(b, text, strlen(text));
}

/* Headers in the order of their names, in lower case. */
static int
compare_headers(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;

	for (;; x++, y++) {
		int c = *x == ':' ? 0 : tolower((unsigned char)*x);
		int d = *y == ':' ? 0 : tolower((unsigned char)*y);

		if (c != d)
			return c - d;
		if (c == 0)
			return 0;
	}
}

static int
add_lower(struct buf *b, const char *text, size_t len)
{
	int rc = 0;

	for (size_t i = 0; i < len && rc == 0; i++)
		rc = buf_append_u8(b, (uint8_t)tolower((unsigned char)text[i]));
	return rc;
}

/* The value without blanks around it, and one where it has several. */
static int
add_value(struct buf *b, const char *value)
{
	int rc = 0;

	value += strspn(value, " \t");
	for (const char *p = value; *p != '\0' && rc == 0; p++) {
		bool blank = *p == ' ' || *p == '\t';

		if (blank && (p[1] == ' ' || p[1] == '\t' || p[1] == '\0'))
			continue;
		rc = buf_append_u8(b, blank ? ' ' : (uint8_t)*p);
	}
	return rc;
}

/* "name:value\n" of each, and "name;name" of all. */
static int
canonical_headers(
    const struct headers *headers, struct buf *lines, struct buf *names)
{
	const char **sorted = calloc(headers->n + 1, sizeof *sorted);
	int rc = sorted == NULL ? -1 : 0;

	if (sorted == NULL)
		return -1;
	for (size_t i = 0; i < headers->n; i++)
		sorted[i] = headers->line[i];
	qsort(sorted, headers->n, sizeof *sorted, compare_headers);
	for (size_t i = 0; i < headers->n && rc == 0; i++) {
		size_t len = strcspn(sorted[i], ":");

		if (i > 0)
			rc = add(names, ";");
		if (rc != 0 || add_lower(names, sorted[i], len) != 0 ||
		    add_lower(lines, sorted[i], len) != 0 ||
		    add(lines, ":") != 0 ||
		    add_value(lines, sorted[i] + len + 1) != 0 ||
		    add(lines, "\n") != 0)
			rc = -1;
	}
	free(sorted);
	return rc;
}

static int
canonical_request(
    const struct sigv4_request *r, struct buf *names, char hash[HEX_LEN])
{
	uint8_t sum[SHA256_LEN];
	struct buf b = { 0 }, lines = { 0 };
	int rc = -1;

	if (canonical_headers(r->headers, &lines, names) == 0 &&
	    add(&b, r->method) == 0 && add(&b, "\n") == 0 &&
	    add(&b, r->path) == 0 && add(&b, "\n") == 0 &&
	    add(&b, r->query) == 0 && add(&b, "\n") == 0 &&
	    buf_append(&b, lines.data, lines.len) == 0 && add(&b, "\n") == 0 &&
	    buf_append(&b, names->data, names->len) == 0 &&
	    add(&b, "\n") == 0 && add(&b, r->payload_hash) == 0)
		rc = 0;
	if (rc == 0) {
		sha256_bytes(b.data, b.len, sum);
		hex_text(sum, sizeof sum, hash);
		/* It may hold a token, or an encryption key. */
		wipe(b.data, b.len);
		wipe(lines.data, lines.len);
	}
	buf_clear(&b);
	buf_clear(&lines);
	return rc;
}

/* The key of one day, region and service. */
static void
signing_key(const struct sigv4 *s, uint8_t key[SHA256_LEN])
{
	char first[512];
	int len = snprintf(first, sizeof first, "AWS4%s", s->secret_key);

	hmac_sha256(first, len < (int)sizeof first ? (size_t)len : sizeof first,
	    s->time, 8, key);
	hmac_sha256(key, SHA256_LEN, s->region, strlen(s->region), key);
	hmac_sha256(key, SHA256_LEN, s->service, strlen(s->service), key);
	hmac_sha256(key, SHA256_LEN, "aws4_request", 12, key);
	wipe(first, sizeof first);
}

int
sigv4_authorization(
    const struct sigv4 *s, const struct sigv4_request *r, struct buf *out)
{
	char hash[HEX_LEN], signature[HEX_LEN], scope[256], to_sign[512];
	uint8_t key[SHA256_LEN], sum[SHA256_LEN];
	struct buf names = { 0 };
	char *text;
	int rc = -1, len;

	(void)snprintf(scope, sizeof scope, "%.8s/%s/%s/aws4_request", s->time,
	    s->region, s->service);
	if (canonical_request(r, &names, hash) == 0) {
		len = snprintf(to_sign, sizeof to_sign,
		    "AWS4-HMAC-SHA256\n%s\n%s\n%s", s->time, scope, hash);
		signing_key(s, key);
		hmac_sha256(key, sizeof key, to_sign, (size_t)len, sum);
		wipe(key, sizeof key);
		hex_text(sum, sizeof sum, signature);
		if (asprintf(&text,
		        "AWS4-HMAC-SHA256 Credential=%s/%s, "
		        "SignedHeaders=%.*s, Signature=%s",
		        s->access_key, scope, (int)names.len,
		        (const char *)names.data, signature) >= 0) {
			rc = buf_append(out, text, strlen(text) + 1);
			free(text);
		}
	}
	buf_clear(&names);
	return rc;
}
