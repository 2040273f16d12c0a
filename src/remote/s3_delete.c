/* SPDX-License-Identifier: PostgreSQL */
/* DeleteObjects: a thousand keys by one request: see s3_call.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keyed.h"
#include "s3_call.h"
#include "xml.h"

/* One that was not deleted, as the service says. */
struct refusal {
	char *key;
	struct call_error error;
};

struct result {
	struct refusal *list;
	size_t n;
	char *key;               /* being read */
	struct call_error error; /* the same */
	bool is_result, failed;
};

static void
result_clear(struct result *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->list[i].key);
	free(r->list);
	free(r->key);
	*r = (struct result){ .is_result = false };
}

static void
add_refusal(struct result *r)
{
	struct refusal *more = reallocarray(r->list, r->n + 1, sizeof *more);

	if (more == NULL || r->key == NULL) {
		r->failed = r->failed || more == NULL;
		if (more != NULL)
			r->list = more;
	} else {
		r->list = more;
		more[r->n++] = (struct refusal){ r->key, r->error };
		r->key = NULL;
	}
	r->error = (struct call_error){ 0 };
}

static int
take_element(void *arg, const char *path, const char *text)
{
	static const char error[] = "DeleteResult/Error";
	struct result *r = arg;
	struct call_error *e = &r->error;

	r->is_result |= strcmp(path, "DeleteResult") == 0;
	if (strncmp(path, error, sizeof error - 1) != 0)
		return 0;
	path += sizeof error - 1;
	if (*path == '\0') {
		add_refusal(r);
	} else if (strcmp(path, "/Key") == 0) {
		free(r->key);
		r->key = strdup(text);
		r->failed = r->failed || r->key == NULL;
	} else if (strcmp(path, "/Code") == 0) {
		(void)snprintf(e->code, sizeof e->code, "%.*s",
		    (int)sizeof e->code - 1, text);
	} else if (strcmp(path, "/Message") == 0) {
		(void)snprintf(e->message, sizeof e->message, "%.*s",
		    (int)sizeof e->message - 1, text);
	}
	return 0;
}

static int
parse_result(struct call *c, const struct http_answer *a, struct result *r,
    struct fail *f)
{
	if (xml_parse((const char *)a->body.data, a->body.len, c->object,
	        take_element, r, f) != 0)
		return 1;
	if (r->failed)
		return fail_set(f, FAIL_INTERNAL, c->object, "out of memory");
	if (r->is_result)
		return 0;
	(void)fail_set(f, FAIL_TRANSIENT, c->object,
	    "the answer says success, but not what was deleted");
	return 1;
}

static int
check_result(struct call *c, const struct http_answer *a, struct fail *f)
{
	struct result r = { .is_result = false };
	int rc = parse_result(c, a, &r, f);

	result_clear(&r);
	return rc;
}

static int
add(struct buf *b, const char *text)
{
	return buf_append(b, text, strlen(text));
}

static int
add_escaped(struct buf *b, const char *text)
{
	int rc = 0;

	for (; rc == 0 && *text != '\0'; text++) {
		switch (*text) {
		case '&':
			rc = add(b, "&amp;");
			break;
		case '<':
			rc = add(b, "&lt;");
			break;
		case '>':
			rc = add(b, "&gt;");
			break;
		default:
			rc = buf_append(b, text, 1);
		}
	}
	return rc;
}

static int
make_body(const struct s3 *s, const char *const *keys, size_t n, struct buf *b)
{
	int rc = add(b, "<Delete><Quiet>true</Quiet>");

	for (size_t i = 0; rc == 0 && i < n; i++)
		if (add(b, "<Object><Key>") != 0 ||
		    add_escaped(b, s->at.prefix) != 0 ||
		    add_escaped(b, keys[i]) != 0 ||
		    add(b, "</Key></Object>") != 0)
			rc = -1;
	return rc == 0 ? add(b, "</Delete>") : -1;
}

static size_t
number_of(
    const struct s3 *s, const char *const *keys, size_t n, const char *full)
{
	size_t prefix = strlen(s->at.prefix), i = 0;

	if (strncmp(full, s->at.prefix, prefix) != 0)
		return n;
	while (i < n && strcmp(keys[i], full + prefix) != 0)
		i++;
	return i;
}

/* 0, or -1: it was not deleted. */
static int
delete_refused(struct store *store, const char *key, const struct call_error *e,
    struct fail *f)
{
	char object[STORE_KEY_MAX + 1024];

	/* What may have been chance is tried alone, and more than once. */
	if (strcmp(e->code, "AccessDenied") != 0)
		return s3_del(store, key, f) < 0 ? -1 : 0;
	store_object_name(store, key, object, sizeof object);
	(void)fail_set(f, FAIL_DENIED, object, "DeleteObjects: %s%s%s", e->code,
	    e->message[0] != '\0' ? ": " : "", e->message);
	return fail_hint(f,
	    "the credentials need s3:DeleteObject, and the object must not be "
	    "locked");
}

static int
delete_all_refused(struct store *store, const struct result *r,
    struct store_batch *b, struct fail *f)
{
	const struct s3 *s = (const struct s3 *)store;
	int rc = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct refusal *x = &r->list[i];
		size_t at = number_of(s, b->keys, b->n, x->key);
		struct fail one;

		if (strcmp(x->error.code, "NoSuchKey") == 0)
			continue;
		if (at == b->n) {
			rc = fail_set(f, FAIL_TRANSIENT, store->url,
			    "DeleteObjects: %s of a key that was not asked "
			    "about: %s",
			    x->error.code, x->key);
			continue;
		}
		if (delete_refused(store, b->keys[at], &x->error, &one) == 0)
			continue;
		if (b->failed != NULL)
			b->failed(b->arg, at, &one);
		*f = one;
		rc = -1;
	}
	return rc;
}

/*
 * Services that do not know the request say so.  Others (Ceph) refuse it to
 * whom a bucket's policy allows each deletion: is the first one allowed?
 */
static bool
is_unknown(const struct call *c, const struct store_batch *b, struct fail *f)
{
	struct fail one;

	if (f->kind == FAIL_DENIED && b->n > 0) {
		if (s3_del(&c->at->store, b->keys[0], &one) >= 0)
			return true;
		*f = one;
		return false;
	}
	return c->answer.status == 501 || c->answer.status == 405 ||
	    strcmp(c->error.code, "NotImplemented") == 0;
}

int
s3_del_many(struct store *store, struct store_batch *b, struct fail *f)
{
	struct s3 *s = (struct s3 *)store;
	struct call c = { .at = &s->at,
		.method = "POST",
		.query = "delete=",
		.right = "s3:DeleteObject",
		.check = check_result };
	struct result r = { .is_result = false };
	uint8_t md5[MD5_LEN];
	char sum[BASE64_CAP(MD5_LEN)];
	struct buf body = { 0 };
	int rc = make_body(s, b->keys, b->n, &body);

	if (rc != 0) {
		buf_clear(&body);
		return fail_set(f, FAIL_INTERNAL, store->url, "out of memory");
	}
	c.body = body.data;
	c.body_len = body.len;
	md5_bytes(body.data, body.len, md5);
	base64_text(md5, sizeof md5, sum);
	headers_add(&c.headers, "Content-MD5", "%s", sum);
	headers_add(&c.headers, "Content-Type", "application/xml");
	rc = call_run(&c, f);
	if (rc == 1)
		rc = fail_set(f, FAIL_TRANSIENT, c.object,
		    "DeleteObjects: answered %d", c.answer.status);
	else if (rc < 0 && is_unknown(&c, b, f))
		rc = 1;
	if (rc == 0 && parse_result(&c, &c.answer, &r, f) != 0)
		rc = -1;
	if (rc == 0)
		rc = delete_all_refused(store, &r, b, f);
	result_clear(&r);
	call_clear(&c);
	buf_clear(&body);
	return rc;
}
