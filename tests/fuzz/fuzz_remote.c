/* SPDX-License-Identifier: PostgreSQL */
/*
 * What stores on the network answer, and the files that credentials are in.
 * The first byte says which parser the rest is for.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "aws_source.h"
#include "fuzz.h"
#include "retry.h"
#include "s3_call.h"
#include "uri.h"
#include "xml.h"

static int
element(void *arg, const char *path, const char *text)
{
	size_t *n = arg;

	MUST(strlen(path) < XML_PATH_MAX && text != NULL);
	return ++*n > 10000;
}

static void
check_xml(const uint8_t *data, size_t size)
{
	struct buf body = { 0 };
	struct call_error e;
	struct fail f = { 0 };
	size_t n = 0;

	MUST(buf_append(&body, data, size) == 0);
	if (xml_parse((const char *)data, size, "fuzz", element, &n, &f) < 0)
		MUST(f.kind == FAIL_TRANSIENT && f.cause[0] != '\0');
	if (s3_parse_error(&body, &e) == 0)
		MUST(e.code[0] != '\0' && strlen(e.code) < sizeof e.code);
	buf_clear(&body);
}

static void
check_json(const uint8_t *data, size_t size)
{
	struct aws_credentials *found = calloc(1, sizeof *found);
	struct buf text = { 0 };
	struct fail f = { 0 };

	MUST(found != NULL && buf_append(&text, data, size) == 0);
	if (aws_parse_json(&text, "fuzz", found, &f) != 0)
		MUST(f.kind != FAIL_NONE && f.cause[0] != '\0');
	buf_clear(&text);
	free(found);
}

/* The environment names the files, so it is the whole program's. */
static void
check_profile(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "aws_access_key_id", "region",
		"role_arn", "no_such" };
	int fd = memfd_create("profile", MFD_CLOEXEC);
	char path[64], value[64];
	struct fail f;

	MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	MUST(setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1) == 0);
	MUST(setenv("AWS_CONFIG_FILE", path, 1) == 0);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (aws_profile_value(
		        "default", names[i], value, sizeof value, &f) == 0)
			MUST(strlen(value) < sizeof value);
	(void)close(fd);
}

static void
check_texts(const char *text)
{
	char *copy = strdup(text);
	struct buf b = { 0 };

	MUST(copy != NULL && uri_encode(&b, text, false) == 0);
	MUST(buf_append_u8(&b, 0) == 0);
	MUST(strchr((const char *)b.data, '/') == NULL);
	uri_decode((char *)b.data);
	MUST(strcmp((const char *)b.data, text) == 0);
	uri_decode(copy);
	MUST(strlen(copy) <= strlen(text));
	MUST(retry_after_ms(text, 848000000) >= 0);
	(void)aws_time(text);
	(void)s3_time(text);
	free(copy);
	buf_clear(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	switch (*data) {
	case 'x':
		check_xml(data + 1, size - 1);
		break;
	case 'j':
		check_json(data + 1, size - 1);
		break;
	case 'p':
		check_profile(data + 1, size - 1);
		break;
	default:
		text = strndup((const char *)data, size);
		MUST(text != NULL);
		check_texts(text);
		free(text);
	}
	return 0;
}

static void
write_seeds(void)
{
	seed_text("error",
	    "x<?xml version=\"1.0\"?><Error><Code>SlowDown</Code>"
	    "<Message>a&amp;b&#x41;</Message><Region>eu</Region></Error>");
	seed_text("listing",
	    "x<ListBucketResult xmlns=\"http://s3/\"><Contents><Key>a%2Fb"
	    "</Key><Size>7</Size></Contents><IsTruncated>true</IsTruncated>"
	    "<NextContinuationToken>t</NextContinuationToken>"
	    "</ListBucketResult>");
	seed_text("doctype",
	    "x<!DOCTYPE a [<!ENTITY b \"c\">]><Error><Code>&b;</Code></Error>");
	seed_text("credentials",
	    "j{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\","
	    "\"SessionToken\":\"t\",\"Expiration\":\"2026-11-20T02:00:00Z\"}");
	seed_text("profile",
	    "p[default]\naws_access_key_id = A\n# no\n[profile b]\n"
	    "region=eu\nrole_arn = arn\n  s3 =\n    a = b\n");
	seed_text("escapes", "a%2Fb%zz%4 +~\xc3\xa9");
	seed_text("date", "Sun, 06 Nov 1994 08:49:37 GMT");
	seed_text("time", "2009-10-12T17:50:30.000Z");
}
