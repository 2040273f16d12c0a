/* SPDX-License-Identifier: PostgreSQL */
/*
 * Bytes kept until they are all there: in memory up to a bound, then in an
 * unlinked temporary file.  A stage to write into, and a source to replay from
 * any number of times (one compressed segment for several stores).
 */
#ifndef WALVAULT_STREAM_SPOOL_H
#define WALVAULT_STREAM_SPOOL_H

#include "buf.h"
#include "stream.h"

struct spool;

/*
 * memory_max bytes stay in memory; dir is where the temporary file is made if
 * they do not suffice (kept, not copied; NULL: see tempfile_dir).
 * NULL if there is no memory.
 */
struct spool *spool_new(size_t memory_max, const char *dir);

/* The stage; it belongs to the spool and its free does nothing. */
struct stream *spool_stream(struct spool *s);

/* Bytes written so far. */
uint64_t spool_len(const struct spool *s);

/* Push all of it, from the beginning, into out; does not finish out. */
int spool_replay(struct spool *s, struct stream *out, struct fail *f);

/*
 * Read up to len bytes from off.  0 (*n of them, 0 at the end), -1.
 */
int spool_read(struct spool *s, uint64_t off, void *bytes, size_t len,
    size_t *n, struct fail *f);

void spool_free(struct spool *s);

#endif
