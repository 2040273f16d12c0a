/* SPDX-License-Identifier: PostgreSQL */
/* The frames around an object's payload, shared by its writer and reader. */
#ifndef WALVAULT_ARCHIVE_OBJECT_FRAME_H
#define WALVAULT_ARCHIVE_OBJECT_FRAME_H

#include "object.h"

/* Two of the sixteen magic numbers of skippable frames (LZ4 and zstd). */
#define FRAME_MAGIC_HEADER  0x184D2A57u
#define FRAME_MAGIC_TRAILER 0x184D2A58u

#define OBJECT_TRAILER_MAX ((size_t)4096)

struct object_trailer {
	struct digest plain;
	struct digest stored; /* all bytes before the trailer */
};

int object_encode_trailer(const struct object_trailer *t, struct buf *b);

/* As object_decode_header. */
int object_decode_trailer(const uint8_t *bytes, size_t len, const char *object,
    struct object_trailer *t, size_t *used, struct fail *f);

#endif
