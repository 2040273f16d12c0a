/* SPDX-License-Identifier: PostgreSQL */
/* One request to Azure: made, signed, repeated, judged.  Of azure*.c. */
#ifndef WALVAULT_REMOTE_AZURE_CALL_H
#define WALVAULT_REMOTE_AZURE_CALL_H

#include "azure.h"
#include "azure_auth.h"
#include "range.h"

/* What the requests are written after.  Tier Cold is of this one. */
#define AZURE_VERSION "2021-12-02"

#define AZURE_URL_MAX 1024

struct azure {
	struct store store;
	struct http_options options;
	struct http *http;
	struct azure_auth *auth;
	char account[AZURE_ACCOUNT_MAX]; /* empty: not known */
	char container[256];
	char prefix[512];         /* empty, or with a '/' at its end */
	char base[AZURE_URL_MAX]; /* "https://host:port" */
	char root[AZURE_URL_MAX]; /* path of the container: no '/' at its end */
	char spool_dir[PATH_MAX]; /* empty: as spool.h says */
	size_t part_size;
	char tier[64], wal_tier[64];
	char lock_mode[16]; /* "Unlocked" or "Locked"; empty: none */
	int64_t lock_ms;
};

/* What an error document says; texts are cut where they are too long. */
struct azure_error {
	char code[64], message[256];
};

/* What the credentials must permit. */
enum azure_right { AZURE_READ, AZURE_WRITE, AZURE_LIST, AZURE_DELETE };

struct azure_call {
	struct azure *azure;
	const char *method;
	enum azure_right right;
	const char *key;   /* without the prefix; NULL: the container itself */
	const char *query; /* encoded; NULL: none */
	const void *body;
	size_t body_len;
	struct spool *spool;
	struct headers headers; /* besides those of every request; cleared */
	/* Of a GET whose body is pushed: */
	struct stream *out;
	struct range range;
	/* A success that is none: 0 it is one, 1 it may heal, -1. */
	int (*check)(
	    struct azure_call *c, const struct http_answer *a, struct fail *f);
	/* The result: */
	struct http_answer answer;
	struct azure_error error;
	unsigned tries;
	bool refreshed; /* credentials were looked for once more */
	int64_t sent_at;
	char object[STORE_KEY_MAX + 1024];
};

/*
 * Make the request.  0 done, 1 the answer was "no such blob", "it exists" or
 * "no such range" (answer.status tells), -1.  azure_call_clear is always
 * called.
 */
int azure_call(struct azure_call *c, struct fail *f);
void azure_call_clear(struct azure_call *c);

/* Could an earlier try, whose answer was lost, have had its effect? */
bool azure_call_was_repeated(const struct azure_call *c);

/* Judge an answer that is no success. */
enum http_verdict azure_judge_error(
    struct azure_call *c, const struct http_answer *a, struct fail *f);

/* Read the error of an answer.  0, or 1: it has none of Azure's. */
int azure_parse_error(const struct http_answer *a, struct azure_error *e);

/* Does a 2xx answer tell of an object?  A check. */
int azure_check_object(
    struct azure_call *c, const struct http_answer *a, struct fail *f);

/* The ops, by file. */
struct stream *azure_put(struct store *store, const char *key,
    const struct store_attrs *attrs, struct fail *f);
int azure_get(struct store *store, const char *key, uint64_t off, uint64_t len,
    struct stream *out, struct fail *f);
int azure_stat(struct store *store, const char *key, struct store_info *info,
    struct fail *f);
int azure_list(struct store *store, const struct store_scan *scan,
    store_list_fn *fn, void *arg, struct fail *f);
int azure_settle(struct store *store, const char *key, struct fail *f);
int azure_del(struct store *store, const char *key, struct fail *f);
int azure_probe(struct store *store, struct fail *f);

/* "Wed, 12 Oct 2009 17:50:00 GMT" as a TimestampTz; 0 if it is none. */
int64_t azure_time(const char *text);

#endif
