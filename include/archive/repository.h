/* SPDX-License-Identifier: PostgreSQL */
/*
 * A repository: one cluster's place in one store.  Its marker says that this
 * is the right place; without it nothing is written, and nothing is called
 * absent (an unmounted disk and a wrong prefix look empty too).  An identity
 * says that a system identifier belongs here.
 */
#ifndef WALVAULT_ARCHIVE_REPOSITORY_H
#define WALVAULT_ARCHIVE_REPOSITORY_H

#include <stddef.h>
#include <stdint.h>

#include "layout.h"
#include "store.h"

#define REPOSITORY_ID 33 /* 32 hexadecimal digits and a NUL */

struct repository {
	struct store *store;    /* not owned */
	struct layout layout;   /* sysid 0: not known yet */
	char id[REPOSITORY_ID]; /* filled by repository_open */
	uint32_t segsize;       /* of the identity last read; 0: none was */
};

struct identity {
	uint64_t sysid;
	uint32_t generation;
	int major;
	uint32_t segsize;
};

/* Read the marker if there is one.  0, 1 there is none, -1. */
int repository_peek(struct repository *r, struct fail *f);

/* Read the marker.  0, or -1 (FAIL_CONFIG if there is none). */
int repository_open(struct repository *r, struct fail *f);

/*
 * Are two stores' repositories (opened, their systems settled) one, so that
 * they can be read, and written, as one?  0, or -1 FAIL_CONFIG.
 */
int repository_same(
    const struct repository *first, const struct repository *r, struct fail *f);

/*
 * Are they two places, not one with two names?  Only directories can tell, that
 * were opened already (by repository_peek, say).  0, or -1 FAIL_CONFIG.
 */
int repository_place(
    const struct repository *first, const struct repository *r, struct fail *f);

/* Both, for who writes into both.  0, or -1 FAIL_CONFIG. */
int repository_copies(
    const struct repository *first, const struct repository *r, struct fail *f);

/* The identity of r->layout's system.  0, 1 there is none, -1. */
int
repository_identity(struct repository *r, struct identity *out, struct fail *f);

/* The same, where it must be there: FAIL_REFUSED with the way out if not. */
int
repository_require(struct repository *r, struct identity *out, struct fail *f);

/*
 * The same for whoever looks for a history that is here already: FAIL_CONFIG,
 * naming those that are.
 */
int repository_find(struct repository *r, struct identity *out, struct fail *f);

/*
 * All identities, in the order of their keys.  *out is the caller's to free.
 */
int repository_systems(
    struct repository *r, struct identity **out, size_t *n, struct fail *f);

/*
 * Where no data directory says which system is meant: the only one here.  0
 * (r->layout.sysid is set), or -1.
 */
int repository_only_system(struct repository *r, struct fail *f);

/* A new repository id. */
void repository_new_id(char id[REPOSITORY_ID]);

/*
 * Write the marker with r->id, or learn the id of the one that is there.
 * 0 written, 1 it was there, -1.
 */
int repository_create(struct repository *r, struct fail *f);

/* Write an identity.  0 written, 1 the same was there, -1. */
int repository_add_identity(
    struct repository *r, const struct identity *id, struct fail *f);

#endif
