/* SPDX-License-Identifier: PostgreSQL */
/*
 * The small text files of a repository (marker, identity): "key = value"
 * lines, the last of them the XXH3-128 of all lines before it, so that a
 * damaged one is never taken for an answer.
 */
#ifndef WALVAULT_ARCHIVE_NOTE_H
#define WALVAULT_ARCHIVE_NOTE_H

#include <inttypes.h>

#include "buf.h"
#include "store.h"

#define NOTE_MAX ((size_t)16 * 1024)

/* Append a line.  0, or -1 without memory. */
int note_add(struct buf *b, const char *key, const char *value);
int note_add_number(struct buf *b, const char *key, uint64_t value);

/* End a note with its sum.  0, or -1 without memory. */
int note_seal(struct buf *b);

/* Is it a whole note?  0, or -1 with FAIL_DAMAGED (object is its name). */
int note_check(const struct buf *b, const char *object, struct fail *f);

/* Write a finished note as an object.  0, 1 it exists already, -1. */
int note_write(struct store *s, const char *key, struct buf *b, struct fail *f);

/* An object's lines, checked; b is the caller's to clear.  0, 1 none, -1. */
int note_read(struct store *s, const char *key, struct buf *b, struct fail *f);

/* Find a line.  0, or -1 with FAIL_DAMAGED (object is its name). */
int note_get(const struct buf *b, const char *key, char *value, size_t cap,
    const char *object, struct fail *f);
int note_get_number(const struct buf *b, const char *key, uint64_t *value,
    const char *object, struct fail *f);

#endif
