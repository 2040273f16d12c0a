/* SPDX-License-Identifier: PostgreSQL */
/*
 * Requests to Google Cloud Storage, made and judged ("Cloud Storage
 * JSON overview" and the pages on its methods).  Internal to gcs*.c.
 */
#ifndef WALVAULT_REMOTE_GCS_CALL_H
#define WALVAULT_REMOTE_GCS_CALL_H

#include "call.h"
#include "gcp.h"
#include "gcs.h"

#define GCS_GENERATION_MAX 32
#define GCS_CRC_TEXT       9 /* base64 of 4 bytes */

struct gcs {
	struct service at;
	struct gcp *gcp;
};

struct gcs_call {
	struct call call;
	const char *root;    /* of the path; NULL: GCS_OBJECTS */
	const char *tail;    /* of the path, behind the key; or NULL */
	const char *session; /* an upload's address instead of all that */
	char generation[GCS_GENERATION_MAX]; /* of the object that is got */
	/* Change the request for the next try.  0 or -1. */
	int (*ready)(struct call *c, struct fail *f);
	/* False: let the usual judge. */
	bool (*judge)(struct call *c, const struct http_answer *a,
	    enum http_verdict *v, struct fail *f);
	/* The result: */
	bool unclear; /* 404, and not clear of what */
};

#define GCS_OBJECTS "/storage/v1/b/"
#define GCS_UPLOAD  "/upload/storage/v1/b/"

extern const struct call_ops gcs_calls;

static inline struct gcs *
gcs_of(const struct call *c)
{
	return (struct gcs *)c->at;
}

/* As call_run, and 1 also where a listing has to tell that there is none. */
int gcs_run(struct gcs_call *c, struct fail *f);

/* Judge an answer that is no success. */
enum http_verdict
gcs_judge_error(struct call *c, const struct http_answer *a, struct fail *f);

/* What the API says of an object, as far as it was asked for. */
struct gcs_object {
	char generation[GCS_GENERATION_MAX];
	char crc32c[16];
	char mark[40]; /* who put it: see gcs_put.h */
	char lock_mode[16];
	uint64_t size;
	int64_t created, locked_until; /* TimestampTz */
	bool sized;
};

/* Read an object's description.  0 or -1. */
int gcs_parse_object(const struct http_answer *a, const char *object,
    struct gcs_object *out, struct fail *f);

/* Ask for it.  0, 1 there is none, -1. */
int gcs_describe(struct service *at, const char *key, struct gcs_object *out,
    struct fail *f);

/* By a listing, which says the same in no words: 0, 1 absent, -1. */
int gcs_exists(struct service *at, const char *key, struct fail *f);

/* CRC-32C as the service writes it. */
void gcs_crc_text(uint32_t crc, char out[GCS_CRC_TEXT]);

/* "2026-11-20T02:00:00.123Z" as a TimestampTz; 0 if it is none. */
int64_t gcs_time(const char *text);

/* The ops, by file. */
struct stream *gcs_put(struct store *store, const char *key,
    const struct store_attrs *attrs, struct fail *f);
int gcs_get(struct store *store, const char *key, uint64_t off, uint64_t len,
    struct stream *out, struct fail *f);
int gcs_stat(struct store *store, const char *key, struct store_info *info,
    struct fail *f);
int gcs_list(struct store *store, const struct store_scan *scan,
    store_list_fn *fn, void *arg, struct fail *f);
int gcs_del(struct store *store, const char *key, struct fail *f);

#endif
