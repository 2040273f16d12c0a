/* SPDX-License-Identifier: PostgreSQL */
/* Requests to Azure, signed and judged.  Internal to azure*.c. */
#ifndef WALVAULT_REMOTE_AZURE_CALL_H
#define WALVAULT_REMOTE_AZURE_CALL_H

#include "azure.h"
#include "azure_auth.h"
#include "call.h"

/* What the requests are written after.  Tier Cold is of this one. */
#define AZURE_VERSION "2021-12-02"

/* What the credentials must permit, in the letters of signatures. */
#define AZURE_READ   "r"
#define AZURE_WRITE  "cw"
#define AZURE_LIST   "l"
#define AZURE_DELETE "d"

struct azure {
	struct service at;
	struct azure_auth *auth;
	char account[AZURE_ACCOUNT_MAX]; /* empty: not known */
	char root[SERVICE_URL_MAX]; /* of the container: no '/' at its end */
};

extern const struct call_ops azure_calls;

static inline struct azure *
azure_of(const struct call *c)
{
	return (struct azure *)c->at;
}

/* Judge an answer that is no success. */
enum http_verdict
azure_judge_error(struct call *c, const struct http_answer *a, struct fail *f);

/* Read the error of an answer.  0, or 1: it has none of Azure's. */
int azure_parse_error(const struct http_answer *a, struct call_error *e);

/* Does a 2xx answer tell of an object?  A check. */
int
azure_check_object(struct call *c, const struct http_answer *a, struct fail *f);

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
