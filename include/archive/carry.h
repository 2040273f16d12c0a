/* SPDX-License-Identifier: PostgreSQL */
/*
 * One object from one store into another, as stored bytes, verified by its own
 * trailer (a note: by its sum) before it can be seen there.  Layouts are the
 * same everywhere and objects carry their own keys, so nothing is rewritten.
 */
#ifndef WALVAULT_ARCHIVE_CARRY_H
#define WALVAULT_ARCHIVE_CARRY_H

#include "repository.h"

/* How fast all objects of a run may be copied, and who is told that one is. */
struct carry_pace {
	uint64_t max_rate;        /* bytes a second; 0: as fast as can be */
	int64_t begin_ms;         /* set with the first byte */
	uint64_t bytes;           /* so far */
	void (*moved)(void *arg); /* or NULL */
	void *moved_arg;
};

/* Something has moved. */
void carry_moved(const struct carry_pace *p);

struct carry {
	struct repository *from, *to;
	struct carry_pace *pace;
	const char *aside; /* see store_attrs.set_aside, or NULL */
};

/*
 * Copy the object at key, of size bytes.  0 done, durable; 1 the key is taken
 * there; -1 (FAIL_ABSENT: it is gone where it was, FAIL_DAMAGED: it is damaged
 * there).
 */
int carry_object(
    const struct carry *c, const char *key, uint64_t size, struct fail *f);

/* The same of a note (note.h). */
int carry_note(const struct carry *c, const char *key, struct fail *f);

#endif
