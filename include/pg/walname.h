/* SPDX-License-Identifier: PostgreSQL */
/*
 * Names of the files in pg_wal (PostgreSQL: access/xlog_internal.h).  A
 * segment's name is timeline, log and segment in log, eight hexadecimal
 * digits each; how many segments make a log (4 GiB) depends on the segment
 * size, which is never assumed.
 */
#ifndef WALVAULT_PG_WALNAME_H
#define WALVAULT_PG_WALNAME_H

#include <stdbool.h>
#include <stdint.h>

#define WALNAME_SEGMENT_LEN 24

/* Room for the longest name, a .backup, and its NUL. */
#define WALNAME_TEXT 48

#define WAL_SEGSIZE_MIN UINT32_C(0x100000)
#define WAL_SEGSIZE_MAX UINT32_C(0x40000000)

enum walname_kind {
	WALNAME_SEGMENT, /* 24 digits */
	WALNAME_PARTIAL, /* 24 digits .partial: the end of an abandoned line */
	WALNAME_HISTORY, /* 8 digits .history */
	WALNAME_BACKUP,  /* 24 digits .8 digits .backup */
};

struct walname {
	enum walname_kind kind;
	uint32_t tli;
	uint32_t log;    /* not for history files */
	uint32_t seg;    /* number within the log */
	uint32_t offset; /* backup history files only */
	char text[WALNAME_TEXT];
};

/* The name alone, without a directory.  0, or -1 if it is none of these. */
int walname_parse(const char *name, struct walname *out);

/* A power of two from 1 MiB to 1 GiB. */
bool walname_segsize_ok(uint64_t segsize);

/* The segment's number counted from 0/0, and back to its name. */
uint64_t walname_segno(const struct walname *name, uint32_t segsize);
void walname_segment(
    uint32_t tli, uint64_t segno, uint32_t segsize, struct walname *out);

/* Fill *out with the name of a timeline's history file. */
void walname_history(uint32_t tli, struct walname *out);

#endif
