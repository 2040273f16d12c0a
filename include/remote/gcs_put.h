/* SPDX-License-Identifier: PostgreSQL */
/* An object on its way into a bucket.  Internal to gcs_put*.c. */
#ifndef WALVAULT_REMOTE_GCS_PUT_H
#define WALVAULT_REMOTE_GCS_PUT_H

#include "gcs_call.h"
#include "put.h"

/* All requests of a resumable upload but the last have a multiple of it. */
#define GCS_PART_UNIT ((size_t)256 * 1024)

#define GCS_MARK "walvault-put"

struct gcs_put {
	struct put put;
	/*
	 * A random text, kept with the object: what is there after an answer
	 * was lost is ours if it has it.
	 */
	char mark[33];
	/* There must be an object of this generation; "0": none. */
	char replaces[GCS_GENERATION_MAX];
	uint32_t crc;  /* so far, unfinished */
	char *session; /* the upload's address, a secret; NULL: none */
};

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

/* As struct put_ops has it. */
int gcs_put_part(struct put *put, struct fail *f);

/* The last part makes an object of all.  0, 1 the key is taken, -1. */
int gcs_put_complete(struct gcs_put *p, struct fail *f);

/* Forget the parts.  What fails here ends by itself after a week. */
void gcs_put_abort(struct gcs_put *p);

/* Have the service copy what is under the key to its other name.  0, 1, -1. */
int gcs_put_copy(struct gcs_put *p, struct fail *f);

#endif
