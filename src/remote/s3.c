/* SPDX-License-Identifier: PostgreSQL */
/* A bucket as a store: see s3.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keyed.h"
#include "s3_call.h"
#include "secret.h"

/* The option, or what other programs' environment says. */
static void
choose_endpoint(
    const struct s3 *s, const struct store_args *args, char *out, size_t cap)
{
	const char *e = store_option(args, "endpoint", NULL);

	if (e == NULL)
		e = getenv("AWS_ENDPOINT_URL_S3");
	if (e == NULL || *e == '\0')
		e = getenv("AWS_ENDPOINT_URL");
	if (e != NULL && *e != '\0')
		(void)snprintf(out, cap, "%s", e);
	else
		(void)snprintf(out, cap, "https://s3.%s.amazonaws.com%s",
		    s->region, strncmp(s->region, "cn-", 3) == 0 ? ".cn" : "");
}

/* A bucket's name with a dot is not covered by a service's certificate. */
static bool
in_host(const struct s3 *s, const struct store_args *args, const char *endpoint)
{
	const char *style = store_option(args, "addressing", "auto");

	if (strcmp(style, "auto") != 0)
		return strcmp(style, "virtual") == 0;
	return strstr(endpoint, ".amazonaws.com") != NULL &&
	    strchr(s->at.name, '.') == NULL;
}

/* "https://host:port/path" into what is connected to, and what is asked for. */
static int
set_endpoint(struct s3 *s, const struct store_args *args, struct fail *f)
{
	char endpoint[SERVICE_URL_MAX];
	struct service_endpoint e;
	bool virtual;

	choose_endpoint(s, args, endpoint, sizeof endpoint);
	if (service_endpoint(args, endpoint, &e, f) != 0)
		return -1;
	virtual = in_host(s, args, endpoint);
	(void)snprintf(s->host, sizeof s->host, "%s%s%s",
	    virtual ? s->at.name : "", virtual ? "." : "", e.host);
	(void)snprintf(
	    s->at.base, sizeof s->at.base, "%s%s", e.scheme, s->host);
	(void)snprintf(s->root, sizeof s->root, "%s/%s%s", e.path,
	    virtual ? "" : s->at.name, virtual ? "" : "/");
	return 0;
}

static int
set_region(struct s3 *s, const struct store_args *args, struct fail *f)
{
	const char *region = store_option(args, "region", NULL);

	if (region != NULL)
		return service_copy(
		    args, "region", region, s->region, sizeof s->region, f);
	if (aws_region(args, s->region, sizeof s->region, f) != 0)
		return -1;
	if (s->region[0] == '\0')
		(void)snprintf(s->region, sizeof s->region, "us-east-1");
	return 0;
}

/* The 32 bytes of a key of ours that the service encrypts with. */
static int
read_sse_key(struct s3 *s, const struct store_args *args, struct fail *f)
{
	const char *path = store_option(args, "sse-key-file", NULL);
	uint8_t md5[MD5_LEN];
	struct buf b = { 0 };
	int rc;

	if (path == NULL)
		return service_bad(args, "sse",
		    "customer needs sse_key_file, a file of 32 bytes", f);
	rc = secret_read("sse_key_file", path, 4096, &b, f);
	if (rc == 0 && b.len != 32) {
		(void)fail_set(f, FAIL_CONFIG, path,
		    "it has %zu bytes, a key has 32", b.len);
		rc = fail_hint(f,
		    "the bytes themselves, as openssl rand -out FILE 32 "
		    "writes them");
	}
	if (rc == 0) {
		md5_bytes(b.data, b.len, md5);
		base64_text(b.data, b.len, s->sse_key);
		base64_text(md5, sizeof md5, s->sse_key_md5);
	}
	if (b.data != NULL)
		wipe(b.data, b.len);
	buf_clear(&b);
	return rc;
}

static int
set_encryption(struct s3 *s, const struct store_args *args, struct fail *f)
{
	const char *sse = store_option(args, "sse", "none");

	if (strcmp(sse, "customer") == 0) {
		if (strncmp(s->at.base, "https://", 8) != 0)
			return service_bad(args, "sse",
			    "customer needs an endpoint of https", f);
		return read_sse_key(s, args, f);
	}
	if (strcmp(sse, "none") == 0)
		return 0;
	if (service_copy(args, "sse", sse, s->sse, sizeof s->sse, f) != 0)
		return -1;
	return strcmp(sse, "aws:kms") == 0
	    ? service_option(
	          args, "sse-key-id", s->sse_key_id, sizeof s->sse_key_id, f)
	    : 0;
}

static int
set_objects(struct s3 *s, const struct store_args *args, struct fail *f)
{
	s->single_writer = strcmp(store_option(args, "single-writer", "no"),
	                       "yes") == 0;
	if (service_options(args, &s->at, f) != 0 ||
	    service_option(args, "tags", s->tags, sizeof s->tags, f) != 0)
		return -1;
	return set_encryption(s, args, f);
}

static void
s3_free(struct store *store)
{
	struct s3 *s = (struct s3 *)store;

	http_free(s->at.http);
	aws_free(s->aws);
	wipe(s->sse_key, sizeof s->sse_key);
	free(s);
}

/* With a connection of its own, and the same credentials. */
static struct store *
s3_again(const struct store *store)
{
	const struct s3 *s = (const struct s3 *)store;
	struct s3 *copy = malloc(sizeof *copy);

	if (copy == NULL)
		return NULL;
	*copy = *s;
	copy->at.http = http_new(&copy->at.options);
	if (copy->at.http == NULL) {
		wipe(copy, sizeof *copy);
		free(copy);
		return NULL;
	}
	copy->aws = aws_share(s->aws);
	return &copy->at.store;
}

static const struct store_ops s3_ops = {
	.put = s3_put,
	.get = s3_get,
	.stat = s3_stat,
	.list = s3_list,
	.del = s3_del,
	.del_many = s3_del_many,
	.settle = s3_settle,
	.prepare = s3_probe,
	.probe = s3_probe,
	.sweep = s3_sweep,
	.again = s3_again,
	.free = s3_free,
};

struct store *
s3_open(const struct store_args *args, struct fail *f)
{
	struct s3 *s = calloc(1, sizeof *s);

	if (s == NULL) {
		(void)fail_set(f, FAIL_INTERNAL, args->url, "out of memory");
		return NULL;
	}
	s->at.store.ops = &s3_ops;
	s->at.calls = &s3_calls;
	if (service_place(args, &s->at, f) != 0) {
		(void)fail_hint(f, "write s3://BUCKET or s3://BUCKET/PREFIX");
	} else if (set_region(s, args, f) == 0 &&
	    set_endpoint(s, args, f) == 0 && set_objects(s, args, f) == 0) {
		s->at.store.id = service_id(args, s->at.base);
		s->aws = aws_new(args, f);
		s->at.http = s->aws != NULL ? http_new(&s->at.options) : NULL;
		if (s->at.http != NULL)
			return &s->at.store;
		if (s->aws != NULL)
			(void)fail_set(
			    f, FAIL_INTERNAL, args->url, "out of memory");
	}
	s3_free(&s->at.store);
	return NULL;
}
