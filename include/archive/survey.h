/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a repository holds, as the policy of retain.h asks for it: its backups,
 * its timelines, and which time it is by its own evidence.
 */
#ifndef WALVAULT_ARCHIVE_SURVEY_H
#define WALVAULT_ARCHIVE_SURVEY_H

#include "backup.h"
#include "index.h"
#include "retain.h"

struct survey {
	struct index index;
	struct backup_list backups; /* listed behind the WAL */
	struct retain_backup *list; /* what retain_decide is asked about: all */
	size_t n;                   /* but what is beyond doubt being deleted */
	struct retain_lease *leases; /* all, in force or not */
	size_t n_leases;
	struct retain_timeline *timelines;
	size_t n_timelines;
	int64_t server; /* newest time a server wrote, INT64_MIN if none */
	int64_t store;  /* newest object, the store's clock; the same */
};

/* 0 (the caller calls survey_clear), or -1. */
int survey_load(struct repository *r, const struct identity *id,
    struct survey *out, struct fail *f);

void survey_clear(struct survey *s);

/*
 * Decide.  clock is this host's.  0 (the caller calls retain_clear), or -1;
 * out names backups by their place in s->list.
 */
int survey_decide(const struct survey *s, const struct retain_rules *rules,
    int64_t clock, struct retain_plan *out, struct fail *f);

/* What rules and holds are measured by: see retain_now, retain_believed. */
int64_t survey_now(const struct survey *s, int64_t clock);

/* What leases are measured by: the same without the server's clock. */
int64_t survey_store_now(const struct survey *s, int64_t clock);

/* The backup that s->list[i] was made of. */
const struct backup *survey_backup(const struct survey *s, size_t i);

#endif
