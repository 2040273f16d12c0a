/* SPDX-License-Identifier: PostgreSQL */
/* Requests to S3, signed and judged.  Internal to s3*.c. */
#ifndef WALVAULT_REMOTE_S3_CALL_H
#define WALVAULT_REMOTE_S3_CALL_H

#include "aws.h"
#include "call.h"
#include "s3.h"

#define S3_ETAG_MAX RANGE_ETAG_MAX

struct s3 {
	struct service at;
	struct aws *aws;
	char host[512];             /* as the Host header says it */
	char root[SERVICE_URL_MAX]; /* in front of the keys: "/" at its end */
	char region[64];
	bool single_writer;
	char sse[16], sse_key_id[512];
	char sse_key[48], sse_key_md5[28]; /* base64, of sse = customer */
	char tags[512];
};

extern const struct call_ops s3_calls;

static inline struct s3 *
s3_of(const struct call *c)
{
	return (struct s3 *)c->at;
}

/* Judge an answer that is no success. */
enum http_verdict
s3_judge_error(struct call *c, const struct http_answer *a, struct fail *f);

/* Read an error document.  0, or 1: it is none. */
int s3_parse_error(const struct buf *body, struct call_error *e);

/* Headers with which an encrypted object is read (sse = customer). */
void s3_add_sse_customer(const struct s3 *s, struct headers *h);

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
