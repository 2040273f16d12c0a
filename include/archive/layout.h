/* SPDX-License-Identifier: PostgreSQL */
/*
 * Where things are in a repository: the keys below STORE/CLUSTER/.  The key of
 * a WAL file follows from its name alone, so that archiving and fetching never
 * search.
 *
 *	repository				the marker
 *	SYSID.GEN/identity			the cluster's
 *	SYSID.GEN/wal/TLI/LOG/SEGMENT		and SEGMENT.OFFSET.backup
 *	SYSID.GEN/wal/TLI/LOG/SEGMENT.partial/DIGEST
 *	SYSID.GEN/wal/history/TLI.history
 *	SYSID.GEN/backup/ID/...			see backup.h
 *
 * An object set aside because it was damaged is KEY.damaged-TIME-RANDOM.
 */
#ifndef WALVAULT_ARCHIVE_LAYOUT_H
#define WALVAULT_ARCHIVE_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sum.h"
#include "walname.h"

#define LAYOUT_KEY_MAX 256

/* Which cluster, and which history of it. */
struct layout {
	char cluster[64];
	uint64_t sysid;
	uint32_t generation;
};

/* All of these write a key below the store's root, "CLUSTER/..." */
void layout_marker(const struct layout *l, char out[LAYOUT_KEY_MAX]);
void layout_identity(const struct layout *l, char out[LAYOUT_KEY_MAX]);
void layout_wal_prefix(const struct layout *l, char out[LAYOUT_KEY_MAX]);

/* digest is needed for WALNAME_PARTIAL only. */
void layout_wal(const struct layout *l, const struct walname *name,
    const struct sum128 *digest, char out[LAYOUT_KEY_MAX]);

/* "CLUSTER/SYSID.GEN/" and rest. */
void layout_system(
    const struct layout *l, const char *rest, char out[LAYOUT_KEY_MAX]);

/* A new key to set the object at key aside. */
void layout_aside(const char *key, char out[LAYOUT_KEY_MAX]);

/* The key as objects say it of themselves: without "CLUSTER/". */
const char *layout_own_key(const struct layout *l, const char *key);

/* What a key below .../wal/ is. */
enum layout_kind {
	LAYOUT_SEGMENT,
	LAYOUT_PARTIAL,
	LAYOUT_BACKUP,
	LAYOUT_HISTORY,
	LAYOUT_ASIDE, /* damaged, set aside */
	LAYOUT_OTHER, /* not ours */
};

enum layout_kind layout_parse_wal(const char *key, struct walname *name);

/* "SYSID.GEN" at the beginning of text.  0 or -1. */
int
layout_parse_system(const char *text, uint64_t *sysid, uint32_t *generation);

#endif
