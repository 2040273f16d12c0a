/* SPDX-License-Identifier: PostgreSQL */
/* The fields of an object's header: type, length, value.  See object.h. */
#ifndef WALVAULT_ARCHIVE_FACTS_H
#define WALVAULT_ARCHIVE_FACTS_H

#include "object.h"

/* A reader that does not know a field with this bit refuses the object. */
#define FIELD_CRITICAL 0x8000

/* type u16, length u32, value. */
#define FIELD_HEAD 6

/* Append one field.  0, or -1 without memory. */
int field_append(struct buf *b, unsigned type, const void *value, size_t len);
int field_append_int(struct buf *b, unsigned type, uint64_t value, size_t len);

/* Append the fields of a segment's facts. */
int facts_encode(const struct object_header *h, struct buf *b);

/*
 * Take a field of a segment's facts.  0 taken, 1 not one of them, -1 of the
 * wrong length.
 */
int facts_decode(
    struct object_header *h, unsigned type, const uint8_t *value, size_t len);

#endif
