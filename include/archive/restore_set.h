/* SPDX-License-Identifier: PostgreSQL */
/*
 * A backup's manifest in memory, checked, and in the two orders in which a
 * restore needs it: files by path, pieces by their place in the packs.
 */
#ifndef WALVAULT_ARCHIVE_RESTORE_SET_H
#define WALVAULT_ARCHIVE_RESTORE_SET_H

#include "manifest.h"
#include "repository.h"

struct restore_file {
	const char *path;
	const char *target;  /* of a link */
	const char *outside; /* where it lay, or NULL */
	uint64_t size;
	int64_t mtime;
	uint32_t mode, uid, gid;
	uint32_t owner; /* place in owners */
	uint32_t crc;   /* of the whole, finished */
	enum manifest_type type;
	bool holes; /* bytes of it are stored nowhere */
};

struct restore_owner {
	char user[64], group[64];
};

struct restore_set {
	struct manifest_head head;
	struct restore_file *files; /* by path */
	size_t n_files;
	struct manifest_piece *pieces; /* by backup, pack, place in it */
	size_t *piece_files;           /* of each, its file */
	size_t n_pieces;
	struct manifest_pack *packs; /* by backup and number */
	size_t n_packs;
	struct restore_owner *owners;
	size_t n_owners;
	/* internal */
	struct restore_block *blocks;
	struct restore_found *found; /* pieces as the manifest has them */
	size_t cap_files, cap_found;
};

/* Read a backup's manifest.  0 (the caller clears it), or -1. */
int restore_set_load(struct repository *r, const char *backup,
    struct restore_set *out, struct fail *f);
void restore_set_clear(struct restore_set *s);

/* NULL if there is none of that path. */
const struct restore_file *
restore_set_find(const struct restore_set *s, const char *path);

/* The pack of a piece; NULL if the manifest does not list it. */
const struct manifest_pack *
restore_set_pack(const struct restore_set *s, const struct manifest_piece *p);

/*
 * The tablespace whose directory or file path is: its OID, and what follows
 * behind it ("" for itself).  0 if it is none.
 */
uint32_t restore_tablespace_of(const char *path, const char **rest);

/* Has it tablespaces that lie in pg_tblspc itself?  A server recovers with
 * them only where allow_in_place_tablespaces is on. */
bool restore_has_in_place(const struct restore_set *s);

/*
 * Are all packs there, with the sizes that the manifest says?  0, or -1: then
 * *gap is the place of the first one that is not (FAIL_DAMAGED), or n_packs if
 * the store failed.
 */
int restore_set_check_packs(struct repository *r, const struct restore_set *s,
    size_t *gap, struct fail *f);

#endif
