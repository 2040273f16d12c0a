/* SPDX-License-Identifier: PostgreSQL */
/*
 * One request to Google Cloud Storage: made, repeated, judged ("Cloud Storage
 * JSON overview" and the pages on its methods).  Internal to gcs*.c.
 */
#ifndef WALVAULT_REMOTE_GCS_CALL_H
#define WALVAULT_REMOTE_GCS_CALL_H

#include "gcp.h"
#include "gcs.h"
#include "range.h"
#include "service.h"

#define GCS_URL_MAX        1024
#define GCS_GENERATION_MAX 32
#define GCS_CRC_TEXT       9 /* base64 of 4 bytes */

struct gcs {
	struct store store;
	struct http_options options;
	struct http *http;
	struct gcp *gcp;
	struct service_place place;
	char base[GCS_URL_MAX];   /* "https://host:port/path" */
	char spool_dir[PATH_MAX]; /* empty: as spool.h says */
	size_t part_size;         /* a multiple of GCS_PART_UNIT */
	char storage_class[64], wal_storage_class[64];
	char lock_mode[16]; /* "Locked", "Unlocked"; empty: none */
	int64_t lock_ms;
};

/* What an error document says; texts are cut where they are too long. */
struct gcs_error {
	char reason[64], message[400];
	bool json; /* it is a document of the API's */
};

struct gcs_call {
	struct gcs *gcs;
	const char *method;
	const char *root; /* of the path; NULL: GCS_OBJECTS */
	const char *key;  /* without the prefix; NULL: all objects */
	const char *tail; /* of the path, behind the key, encoded; or NULL */
	/* Encoded; NULL: none.  The first has no '?'. */
	const char *query;
	const char *session; /* instead of all these: an upload's address */
	const void *body;
	size_t body_len;
	struct spool *spool; /* from its from, between before and after */
	uint64_t from;
	const char *before, *after;
	struct headers headers; /* besides those of every request; cleared */
	struct stream *out;     /* of a GET whose body is pushed */
	struct range range;     /* what it asks for of the object */
	char generation[GCS_GENERATION_MAX]; /* of that object */
	/* Change the request for the next try.  0 or -1. */
	int (*ready)(struct gcs_call *c, struct fail *f);
	/* False: let the usual judge. */
	bool (*judge)(struct gcs_call *c, const struct http_answer *a,
	    enum http_verdict *v, struct fail *f);
	/* A success that is none: 0 it is one, 1 it may heal, -1. */
	int (*check)(
	    struct gcs_call *c, const struct http_answer *a, struct fail *f);
	void *arg; /* of these three */
	bool once; /* what fails is not tried again */
	/* Of a role, for hints: "storage.objects.get" */
	const char *permission;
	/* The result: */
	struct http_answer answer;
	struct gcs_error error;
	unsigned tries;
	bool refreshed; /* a token was asked for once more */
	bool unclear;   /* 404, and not clear of what */
	char object[STORE_KEY_MAX + 1024];
};

#define GCS_OBJECTS "/storage/v1/b/"
#define GCS_UPLOAD  "/upload/storage/v1/b/"

/*
 * Make the request.  0 done, 1 the answer was "no such object" or
 * "precondition failed" (answer.status tells), -1.  gcs_call_clear is always
 * called.
 */
int gcs_call(struct gcs_call *c, struct fail *f);
void gcs_call_clear(struct gcs_call *c);

/* Judge an answer that is no success. */
enum http_verdict gcs_judge_error(
    struct gcs_call *c, const struct http_answer *a, struct fail *f);

/* "the answer says success, but WHY".  1: it may heal. */
int gcs_no_success(const struct gcs_call *c, const char *why, struct fail *f);

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
int gcs_describe(
    struct gcs *g, const char *key, struct gcs_object *out, struct fail *f);

/* By a listing, which says the same in no words: 0, 1 absent, -1. */
int gcs_exists(struct gcs *g, const char *key, struct fail *f);

/* Append the bucket's name, or a key with the prefix, encoded.  0 or -1. */
int gcs_add_object(const struct gcs *g, const char *key, struct buf *b);

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
