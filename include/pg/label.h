/* SPDX-License-Identifier: PostgreSQL */
/*
 * backup_label and tablespace_map (PostgreSQL: access/transam/xlogbackup.c and
 * xlogrecovery.c, read_backup_label and read_tablespace_map).
 */
#ifndef WALVAULT_PG_LABEL_H
#define WALVAULT_PG_LABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"

struct label {
	uint64_t start_lsn, checkpoint_lsn;
	uint32_t start_tli;
	bool from_standby;
};

/* 0, or -1 FAIL_DAMAGED with what is missing. */
int label_parse(const struct buf *b, struct label *out, struct fail *f);

struct tablespace {
	uint32_t oid;
	char *path; /* unescaped */
};

struct tablespace_map {
	struct tablespace *list;
	size_t n;
};

/*
 * The map as a server of that major version has written it (up to 13 a
 * backslash stands for itself).  0 (the caller calls tablespace_map_clear),
 * or -1.
 */
int tablespace_map_parse(
    const struct buf *b, int major, struct tablespace_map *out, struct fail *f);

/*
 * Append the text, as that version reads it back.  0, or -1 with errno (EINVAL:
 * 13 cannot read a path that ends with a backslash).
 */
int
tablespace_map_format(const struct tablespace_map *m, int major, struct buf *b);
void tablespace_map_clear(struct tablespace_map *m);

#endif
