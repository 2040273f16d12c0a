/* SPDX-License-Identifier: PostgreSQL */
/* Whole objects in and out of a store, for the tests. */
#ifndef WALVAULT_TESTS_STORECHECK_H
#define WALVAULT_TESTS_STORECHECK_H

#include <ctype.h>

#include "options.h"
#include "store.h"
#include "support.h"

/*
 * The options of the store under test: WALVAULT_TEST_STORE_CA_FILE and so on,
 * else their defaults.
 */
static inline const char *
test_store_option(const void *arg, const char *name)
{
	char variable[128] = "WALVAULT_TEST_STORE_";
	const struct option *o = option_find(name, strlen(name), false);
	size_t len = strlen(variable);
	const char *value;

	(void)arg;
	for (; *name != '\0' && len < sizeof variable - 1; name++)
		variable[len++] = *name == '-'
		    ? '_'
		    : (char)toupper((unsigned char)*name);
	variable[len] = '\0';
	value = getenv(variable);
	return value != NULL ? value : o != NULL ? o->def : NULL;
}

static inline UNUSED struct store_args
test_store_args(const char *url)
{
	return (struct store_args){ .name = "test",
		.url = url,
		.dir_mode = 0700,
		.file_mode = 0600,
		.option = test_store_option };
}

static inline UNUSED struct store *
try_to_open(const char *url, struct fail *f)
{
	struct store_args args = test_store_args(url);

	return store_open(&args, f);
}

static inline UNUSED struct store *
open_url(const char *url)
{
	struct fail f = { 0 };
	struct store *s = try_to_open(url, &f);

	if (s == NULL)
		ck_abort_msg("%s: %s", url, f.cause);
	return s;
}

/* finish's answer, or -1. */
static inline UNUSED int
put_bytes(struct store *s, const char *key, const void *bytes, size_t len,
    const char *set_aside, struct fail *f)
{
	struct store_attrs attrs = { .size_hint = len, .set_aside = set_aside };
	struct stream *out = store_put(s, key, &attrs, f);
	int rc;

	if (out == NULL)
		return -1;
	rc = write_in_chunks(out, bytes, len, 100000, f);
	if (rc == 0)
		rc = stream_finish(out, f);
	stream_free(out);
	return rc;
}

/* The same of bytes whose first front ones are written behind the others. */
static inline UNUSED int
put_front_last(struct store *s, const char *key, const void *bytes, size_t len,
    size_t front, struct fail *f)
{
	struct store_attrs attrs = { .front = front };
	struct stream *out = store_put(s, key, &attrs, f);
	int rc;

	if (out == NULL)
		return -1;
	rc = write_in_chunks(
	    out, (const uint8_t *)bytes + front, len - front, 100000, f);
	if (rc == 0)
		rc = store_front(s, out, bytes, front, f);
	if (rc == 0)
		rc = stream_finish(out, f);
	stream_free(out);
	return rc;
}

static inline UNUSED void
put_text(struct store *s, const char *key, const char *text)
{
	struct fail f = { 0 };

	if (put_bytes(s, key, text, strlen(text), NULL, &f) != 0)
		ck_abort_msg("%s: %s", key, f.cause);
}

/* 0, 1, -1; *out is the caller's to clear. */
static inline UNUSED int
get_range(struct store *s, const char *key, uint64_t off, uint64_t len,
    struct buf *out, struct fail *f)
{
	struct sink sink = { 0 };
	int rc = store_get(s, key, off, len, sink_stream(&sink), f);

	require(!sink.finished && !sink.freed);
	*out = sink.bytes;
	return rc;
}

/* The object is there and holds exactly this. */
static inline UNUSED void
assert_object(struct store *s, const char *key, const void *bytes, size_t len)
{
	struct store_info info = { 0 };
	struct fail f = { 0 };
	struct buf got;

	if (get_range(s, key, 0, STORE_ALL, &got, &f) != 0)
		ck_abort_msg("%s: %s", key, f.cause);
	require(got.len == len);
	require(len == 0 || memcmp(got.data, bytes, len) == 0);
	buf_clear(&got);
	require(store_stat(s, key, &info, &f) == 0);
	require(info.size == len);
}

static inline UNUSED void
assert_absent(struct store *s, const char *key)
{
	struct store_info info;
	struct fail f = { 0 };
	struct buf got;

	ck_assert_int_eq(get_range(s, key, 0, STORE_ALL, &got, &f), 1);
	ck_assert_uint_eq(got.len, 0);
	ck_assert_int_eq(store_stat(s, key, &info, &f), 1);
	ck_assert_int_eq(store_settle(s, key, &f), 1);
	ck_assert_int_eq(store_del(s, key, &f), 1);
	ck_assert_int_eq(f.kind, FAIL_NONE);
}

/* A listing, as keys one behind another with a blank after each. */
struct listed {
	struct buf text;
	size_t n;
	size_t stop_after; /* 0 never */
	char last[STORE_KEY_MAX];
	bool sorted;
};

static inline int
listed_add(void *arg, const char *key, const struct store_info *info)
{
	struct listed *l = arg;

	if (l->n == 0)
		l->sorted = true;
	else if (strcmp(l->last, key) >= 0)
		l->sorted = false;
	require((info == NULL) == (key[strlen(key) - 1] == '/'));
	(void)snprintf(l->last, sizeof l->last, "%s", key);
	require(buf_append(&l->text, key, strlen(key)) == 0);
	require(buf_append(&l->text, " ", 1) == 0);
	l->n++;
	return l->n == l->stop_after ? 42 : 0;
}

static inline UNUSED void
assert_listing(struct store *s, const char *prefix, const char *want)
{
	struct listed l = { 0 };
	struct fail f = { 0 };

	ck_assert_int_eq(store_list(s, prefix, listed_add, &l, &f), 0);
	ck_assert_int_eq(buf_append_u8(&l.text, 0), 0);
	ck_assert_str_eq((const char *)l.text.data, want);
	buf_clear(&l.text);
}

static inline UNUSED void
assert_shallow_listing(struct store *s, const char *prefix, const char *want)
{
	struct listed l = { 0 };
	struct fail f = { 0 };

	ck_assert_int_eq(store_list_shallow(s, prefix, listed_add, &l, &f), 0);
	ck_assert_int_eq(buf_append_u8(&l.text, 0), 0);
	ck_assert_str_eq((const char *)l.text.data, want);
	buf_clear(&l.text);
}

#endif
