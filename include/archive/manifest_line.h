/* SPDX-License-Identifier: PostgreSQL */
/* A manifest's lines, shared by its writer and its reader. */
#ifndef WALVAULT_ARCHIVE_MANIFEST_LINE_H
#define WALVAULT_ARCHIVE_MANIFEST_LINE_H

#include "manifest.h"

#define MANIFEST_FORMAT 1

/* Longer than any path that Linux takes. */
#define MANIFEST_PATH_MAX ((size_t)4095)

/* Packs have six digits. */
#define MANIFEST_PACKS_MAX 999999

/* Backups that a manifest refers to. */
#define MANIFEST_BACKUPS_MAX 10000

/* Relative, and no component of it is empty, "." or "..". */
bool manifest_path_is_safe(const char *path);

/* What the head and the end say of the lines between. */
struct manifest_counts {
	uint64_t files, dirs, links, packs;
	uint64_t bytes, stored, bad;
};

/* 0, or -1: more bytes than there are. */
int manifest_count(struct manifest_counts *c, const struct manifest_entry *e);

/* What the head says wrongly; NULL if all is right. */
const char *manifest_counts_differ(
    const struct manifest_counts *c, const struct manifest_summary *s);

/*
 * The packs that pieces lie in: each must be there, and reach behind the last
 * of its pieces.
 */
struct manifest_packs {
	struct manifest_pack_ends {
		uint64_t *end; /* by pack; 0: no piece */
		size_t n;
	} * backup;
	size_t n;
	size_t missing; /* not yet taken */
};

/* 0, or -1 without memory. */
int manifest_packs_add(
    struct manifest_packs *p, const struct manifest_piece *piece);
/* 0, or -1: it ends before its pieces do. */
int
manifest_packs_take(struct manifest_packs *p, const struct manifest_pack *pack);
bool manifest_packs_all(const struct manifest_packs *p);
void manifest_packs_clear(struct manifest_packs *p);

/* Where a line stands, for messages. */
struct manifest_where {
	const char *object;
	uint64_t line;
};

struct manifest_end {
	struct manifest_counts counts; /* files, dirs, links, packs */
	char sha256[65];
};

enum manifest_line_type {
	MANIFEST_LINE_HEAD,
	MANIFEST_LINE_ENTRY,
	MANIFEST_LINE_PACK,
	MANIFEST_LINE_END,
};

struct manifest_line {
	enum manifest_line_type type;
	struct manifest_head head;
	struct manifest_entry entry;
	struct manifest_pack pack;
	struct manifest_end end;
};

/*
 * Parse one line, all its fields checked, as far as that is possible without
 * the other lines.  0 (the caller calls manifest_line_clear in any case), -1.
 */
int manifest_line_parse(const char *text, size_t len,
    const struct manifest_where *where, struct manifest_line *out,
    struct fail *f);
void manifest_line_clear(struct manifest_line *l);

#endif
