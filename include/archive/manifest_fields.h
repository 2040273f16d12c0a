/* SPDX-License-Identifier: PostgreSQL */
/*
 * The members of one JSON object, each with the type and the range that it
 * must have; for manifests alone.  The first thing wrong is kept as the
 * failure, what comes after it is not to be used: so a whole object is taken
 * without a question at every step.
 */
#ifndef WALVAULT_ARCHIVE_MANIFEST_FIELDS_H
#define WALVAULT_ARCHIVE_MANIFEST_FIELDS_H

#include "manifest_line.h"

struct json_t; /* jansson's */

struct fields {
	const struct manifest_where *where;
	struct json_t *json;
	struct fail *f;
	bool failed;
};

/* FAIL_DAMAGED, with the line and the member's name. */
void fields_wrong(struct fields *s, const char *name, const char *why);

/* That is nobody's damage. */
void fields_no_memory(struct fields *s);

/* A member that must be there; NULL if it is not. */
struct json_t *fields_member(struct fields *s, const char *name);

/* Members that must be there. */
void fields_text(struct fields *s, const char *name, char *out, size_t cap);
uint64_t fields_number(struct fields *s, const char *name, uint64_t max);
uint32_t fields_u32(struct fields *s, const char *name);
bool fields_bool(struct fields *s, const char *name);
int64_t fields_time(struct fields *s, const char *name);
uint64_t fields_lsn(struct fields *s, const char *name);

/* So many lower-case digits of a base up to 16. */
uint32_t
fields_digits(struct fields *s, const char *name, size_t digits, uint64_t base);

/* The same of values that are no members, but stand in one. */
uint64_t fields_number_of(
    struct fields *s, const char *name, const struct json_t *v, uint64_t max);
uint64_t fields_digits_of(struct fields *s, const char *name, const char *text,
    size_t digits, uint64_t base);
void fields_sum_of(struct fields *s, const char *name, const struct json_t *v,
    struct sum128 *sum);

/*
 * Bytes: text under the name, or hexadecimal under the name with an 'x'
 * behind it.  False if neither is there.
 */
bool fields_find_bytes(struct fields *s, const char *name, struct buf *out);

/* The same as a string to be freed, without NUL; NULL if not there. */
char *fields_find_string(struct fields *s, const char *name);

#endif
