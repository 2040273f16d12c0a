/* SPDX-License-Identifier: PostgreSQL */
/* One request to S3: made, signed, repeated, judged.  Internal to s3*.c. */
#ifndef WALVAULT_REMOTE_S3_CALL_H
#define WALVAULT_REMOTE_S3_CALL_H

#include "aws.h"
#include "range.h"
#include "s3.h"

#define S3_URL_MAX   1024
#define S3_ETAG_MAX  RANGE_ETAG_MAX
#define S3_HASH_TEXT 65

struct s3 {
	struct store store;
	struct http_options options;
	struct http *http;
	struct aws *aws;
	char bucket[256];
	char prefix[512];      /* empty, or with a '/' at its end */
	char base[S3_URL_MAX]; /* "https://host:port" */
	char host[512];        /* as the Host header says it */
	char root[S3_URL_MAX]; /* path in front of the keys: "/" at its end */
	char region[64];
	char spool_dir[PATH_MAX]; /* empty: as spool.h says */
	bool single_writer;
	size_t part_size;
	char storage_class[64], wal_storage_class[64];
	char sse[16], sse_key_id[512];
	char sse_key[48], sse_key_md5[28]; /* base64, of sse = customer */
	char tags[512];
	char lock_mode[16]; /* empty: none */
	int64_t lock_ms;
};

/* What an error document says; texts are cut where they are too long. */
struct s3_error {
	char code[64], message[256], region[64];
};

struct s3_call {
	struct s3 *s3;
	const char *method;
	const char *key;   /* without the prefix; NULL: the bucket itself */
	const char *query; /* encoded, sorted by name, each with a '='; NULL */
	const void *body;
	size_t body_len;
	struct spool *spool;
	char hash[S3_HASH_TEXT]; /* of the body; empty: of body[] */
	struct headers headers;  /* besides those of every request; cleared */
	/* Of a GET whose body is pushed: */
	struct stream *out;
	struct range range;
	/* A success that is none: 0 it is one, 1 it may heal, -1. */
	int (*check)(
	    struct s3_call *c, const struct http_answer *a, struct fail *f);
	bool once;          /* what fails is not tried again */
	const char *action; /* of a policy, for hints: "s3:GetObject" */
	/* The result: */
	struct http_answer answer;
	struct s3_error error;
	unsigned tries;
	bool refreshed;       /* credentials were asked for once more */
	unsigned credentials; /* the number of those that signed */
	int64_t signed_at;
	char object[STORE_KEY_MAX + 1024];
};

/*
 * Make the request.  0 done, 1 the answer was "no such key" or "precondition
 * failed" (answer.status tells), -1.  s3_call_clear is always called.
 */
int s3_call(struct s3_call *c, struct fail *f);
void s3_call_clear(struct s3_call *c);

/* Judge an answer that is no success. */
enum http_verdict
s3_judge_error(struct s3_call *c, const struct http_answer *a, struct fail *f);

/* Read an error document.  0, or 1: it is none. */
int s3_parse_error(const struct buf *body, struct s3_error *e);

/* Headers with which an encrypted object is read (sse = customer). */
void s3_add_sse_customer(const struct s3 *s, struct headers *h);

/* Does a 2xx answer bring what an object's bytes come with?  As accept. */
int s3_accept_object(void *arg, const struct http_answer *a, struct fail *f);

/* By a request that tells a missing key from all else: 0, 1 absent, -1. */
int s3_exists(struct s3 *s, const char *key, struct fail *f);

/* The ops, by file. */
struct stream *s3_put(struct store *store, const char *key,
    const struct store_attrs *attrs, struct fail *f);
int s3_get(struct store *store, const char *key, uint64_t off, uint64_t len,
    struct stream *out, struct fail *f);
int s3_stat(struct store *store, const char *key, struct store_info *info,
    struct fail *f);
int s3_list(struct store *store, const struct store_scan *scan,
    store_list_fn *fn, void *arg, struct fail *f);
int s3_settle(struct store *store, const char *key, struct fail *f);
int s3_del(struct store *store, const char *key, struct fail *f);
int s3_del_many(struct store *store, struct store_batch *b, struct fail *f);
int s3_sweep(struct store *store, const char *prefix, int64_t before, size_t *n,
    struct fail *f);
int s3_probe(struct store *store, struct fail *f);

/* "Wed, 12 Oct 2009 17:50:00 GMT" or "2009-10-12T17:50:30.000Z" as a
 * TimestampTz; 0 if it is neither. */
int64_t s3_time(const char *text);

#endif
