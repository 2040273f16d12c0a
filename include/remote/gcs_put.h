/* SPDX-License-Identifier: PostgreSQL */
/* An object on its way into a bucket.  Internal to gcs_put*.c. */
#ifndef WALVAULT_REMOTE_GCS_PUT_H
#define WALVAULT_REMOTE_GCS_PUT_H

#include "gcs_call.h"

/* Objects of one request wait in memory up to here, then in a file. */
#define GCS_MEMORY_MAX ((size_t)32 * 1024 * 1024)

/* All requests of a resumable upload but the last have a multiple of it. */
#define GCS_PART_UNIT ((size_t)256 * 1024)

#define GCS_MARK "walvault-put"

struct gcs_put {
	struct stream stream;
	struct gcs *gcs;
	enum store_kind kind;
	char key[STORE_KEY_MAX];
	char aside[STORE_KEY_MAX]; /* empty: none */
	/*
	 * A random text, kept with the object: what is there after an answer
	 * was lost is ours if it has it.
	 */
	char mark[33];
	/* There must be an object of this generation; "0": none. */
	char replaces[GCS_GENERATION_MAX];
	struct spool *body; /* of the object, or of its next part */
	uint32_t crc;       /* so far, unfinished */
	uint64_t len;       /* of all of it */
	uint64_t begin;     /* of the body in it */
	char *session;      /* the upload's address, a secret; NULL: none */
	bool taken;         /* there was an object before it could begin */
};

/* An empty body.  0 or -1. */
int gcs_put_next_body(struct gcs_put *p, struct fail *f);

/*
 * What the object is to be, as JSON behind what is in out; crc empty: not yet
 * known.  0 or -1.
 */
int gcs_put_describe(const struct gcs_put *p, const char *crc, struct buf *out);

/* "uploadType=TYPE&ifGenerationMatch=..." */
void
gcs_put_query(const struct gcs_put *p, const char *type, char *out, size_t cap);

/*
 * What a creation has come to that answered rc: an earlier try may have been
 * a success, and a denial may mean that there is an object.  0 ours is there,
 * 1 another's is, -1.
 */
int gcs_put_outcome(
    struct gcs_put *p, const struct gcs_call *c, int rc, struct fail *f);

/* Is the object as it was sent?  0, or -1. */
int gcs_put_check(const struct gcs_put *p, const struct http_answer *a,
    const char *object, struct fail *f);

/* Was the object really locked, if it was to be?  0 or -1. */
int gcs_put_check_lock(struct gcs_put *p, struct fail *f);

/* The body becomes the next part; the first begins the upload.  0 or -1. */
int gcs_put_part(struct gcs_put *p, struct fail *f);

/* The last part makes an object of all.  0, 1 the key is taken, -1. */
int gcs_put_complete(struct gcs_put *p, struct fail *f);

/* Forget the parts.  What fails here ends by itself after a week. */
void gcs_put_abort(struct gcs_put *p);

/* Have the service copy what is under the key to p->aside.  0, 1, -1. */
int gcs_put_copy(struct gcs_put *p, struct fail *f);

#endif
