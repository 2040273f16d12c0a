/* SPDX-License-Identifier: PostgreSQL */
/*
 * Reads a repository back and checks every checksum: manifests and their
 * packs, WAL, and the chain of WAL from each backup to its window's end.  What
 * is found says what it costs.
 */
#ifndef WALVAULT_ARCHIVE_VERIFY_H
#define WALVAULT_ARCHIVE_VERIFY_H

#include "retain.h"
#include "survey.h"

struct verify_args {
	const struct store_args *store; /* each worker opens its own */
	unsigned jobs;
	const char *backup; /* one alone; NULL: all */
	bool wal;           /* read WAL back, too */
	double sample;      /* percent of the objects, 0 to 100 */
	int64_t since;      /* not what was verified since then */
	bool has_since;
	bool set_aside;            /* damaged WAL */
	struct retain_rules rules; /* they say where windows end */
	const char *state_dir;     /* remembers what was verified */
	int64_t clock;
};

struct verify_finding {
	char object[LAYOUT_KEY_MAX]; /* a key, a WAL file, a backup */
	char text[512];              /* what is wrong */
	char cost[1024];             /* what that means; may be empty */
	bool aside;                  /* it was set aside */
};

struct verify_report {
	struct verify_finding *list;
	size_t n;
	size_t backups;           /* whose manifest was read */
	size_t objects, not_read; /* read back; left out by sample or since */
	uint64_t bytes;           /* stored ones, read back */
	size_t never;             /* of those left out: never verified here */
};

/*
 * 0 done (findings or not), -1: it could not be done.  The caller calls
 * verify_clear in both cases.
 */
int verify(struct repository *r, const struct identity *id,
    const struct verify_args *args, struct verify_report *out, struct fail *f);

void verify_clear(struct verify_report *r);

#endif
