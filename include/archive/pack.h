/* SPDX-License-Identifier: PostgreSQL */
/*
 * A pack: an object whose plain bytes are a tar stream.  Each member's header
 * begins a frame, so any file can be read alone, by range; a member's bytes
 * are cut into pieces of at most PACK_PIECE plain bytes, each of which is
 * whole frames.  A small file, its header and its padding are one frame; the
 * header of a larger one is a frame of its own.
 *
 * A file larger than PACK_PART is cut into members NAME.walvault-part-000001,
 * ...; "cat" of them in order is the file.
 */
#ifndef WALVAULT_ARCHIVE_PACK_H
#define WALVAULT_ARCHIVE_PACK_H

#include "codec.h"
#include "manifest.h"
#include "repository.h"

/* Plain bytes of a piece; a multiple of IO_CHUNK. */
#define PACK_PIECE ((uint64_t)8 * 1024 * 1024)

/* Plain bytes of a member. */
#define PACK_PART ((uint64_t)64 * 1024 * 1024)

/* A pack that holds so many stored bytes takes no further member. */
#define PACK_BOUND ((uint64_t)256 * 1024 * 1024)

struct pack_writer;

/*
 * Begin pack number `number` of a backup.  Its object is written as it comes:
 * a header without plain sum, frames, a trailer with both sums.  NULL: failed.
 */
struct pack_writer *pack_begin(struct repository *r, const char *backup,
    uint32_t number, const struct codec *codec, struct fail *f);

/* A member of len bytes whose content follows by pack_write. */
struct pack_member {
	const char *path;
	uint32_t part; /* counted from 1; 0: the file is one member */
	uint64_t len;
	uint64_t plain_off; /* of the member's first byte in the file */
	uint32_t mode, uid, gid;
	const char *owner, *group;
	int64_t mtime; /* TimestampTz */
};

/*
 * Pieces are appended to *pieces (reallocated; the caller's) as they are
 * completed; pack and plain_off are filled.  The member must get exactly len
 * bytes before the next one begins or the pack is finished.
 */
int pack_member(struct pack_writer *w, const struct pack_member *m,
    struct manifest_piece **pieces, size_t *n_pieces, struct fail *f);
int pack_write(
    struct pack_writer *w, const void *bytes, size_t len, struct fail *f);

/*
 * Where the next bytes of the member can be made: given to pack_write from
 * there, they need not be copied.  *room is how many fit.
 */
uint8_t *pack_room(struct pack_writer *w, size_t *room);

/* A directory or a link (target not NULL): a header without bytes. */
int pack_entry(struct pack_writer *w, const struct pack_member *m,
    const char *target, struct fail *f);

/* Stored bytes so far. */
uint64_t pack_stored(const struct pack_writer *w);

/* End the tar stream, make it durable, tell what it is.  0 or -1. */
int
pack_finish(struct pack_writer *w, struct manifest_pack *out, struct fail *f);

/* What is not finished leaves nothing.  NULL is a no-op. */
void pack_free(struct pack_writer *w);

/*
 * Read one piece by range into out (not finished), checked against its sums
 * before the last of its bytes is passed on; head is its pack's head (from the
 * manifest).  0, 1 no such pack, -1.
 */
int pack_read_piece(struct repository *r, const char *backup,
    const struct manifest_piece *p, uint64_t head, struct stream *out,
    struct fail *f);

/* A pack: whose it is, and its head (from the manifest). */
struct pack_place {
	const char *backup;
	uint64_t head;
};

/* Gets the pieces' bytes: each piece's in order, its last after the check. */
struct pack_reader {
	int (*write)(void *arg, const struct manifest_piece *p,
	    const void *bytes, size_t len, struct fail *f);
	void *arg;
};

/*
 * Read n pieces of one pack, in the order of their offsets and without
 * overlap, in as few requests as it takes.  0, 1 no such pack, -1.
 */
int pack_read_pieces(struct repository *r, const struct pack_place *place,
    const struct manifest_piece *pieces, size_t n, const struct pack_reader *to,
    struct fail *f);

#endif
