/* SPDX-License-Identifier: PostgreSQL */
/*
 * Headers of tar members: ustar (POSIX.1-1988), with a pax extended header
 * (POSIX.1-2001) in front where a name or a number does not fit.
 */
#ifndef WALVAULT_STREAM_TAR_H
#define WALVAULT_STREAM_TAR_H

#include "buf.h"

/* All is counted in blocks; a member's bytes are padded with zeros to one. */
#define TAR_BLOCK ((size_t)512)

/* Zeros at the end of an archive. */
#define TAR_END (2 * TAR_BLOCK)

enum tar_type { TAR_FILE = '0', TAR_LINK = '2', TAR_DIR = '5' };

struct tar_member {
	enum tar_type type;
	const char *path;   /* of a directory: with or without '/' at its end */
	const char *target; /* of a link */
	uint64_t size;      /* of a file */
	uint32_t mode, uid, gid;
	const char *owner, *group; /* names; may be "" */
	int64_t mtime;             /* TimestampTz; whole seconds are written */
};

/* Append a member's header, whole blocks.  0, or -1 without memory. */
int tar_append_header(struct buf *b, const struct tar_member *m);

/* Zeros that follow size bytes of a member. */
static inline size_t
tar_padding(uint64_t size)
{
	return (size_t)(-size % TAR_BLOCK);
}

#endif
