/* SPDX-License-Identifier: PostgreSQL */
/*
 * From a store to pg_wal: one WAL file is brought back and verified before it
 * stands at its destination, or is truthfully said not to exist.
 */
#ifndef WALVAULT_ARCHIVE_FETCH_H
#define WALVAULT_ARCHIVE_FETCH_H

#include <stdbool.h>
#include <stddef.h>

#include "clock.h"
#include "planfile.h"
#include "several.h"

/* What the server at hand is doing, by the signal files in its directory. */
enum fetch_mode {
	FETCH_RECOVERY, /* recovery.signal: "absent" ends recovery */
	FETCH_STANDBY,  /* standby.signal: asks again and again */
	FETCH_PROMOTED, /* a data directory without either: just promoted */
	FETCH_OTHER,    /* not in a data directory: pg_rewind, a person */
};

struct fetch_args {
	struct repository *repos; /* one per store, not opened yet */
	size_t n_repos;
	uint32_t generation;
	bool generation_given; /* not the default */
	uint64_t sysid;        /* 0: by pg_control */
	const char *pgdata;    /* or NULL */
	const char *state_dir;
	enum fetch_mode mode;
	bool allow_damaged;
	bool has_plan; /* the data directory's, if it counts: planfile.h */
	struct planfile plan;
	struct deadline deadline; /* for trying again */
	/*
	 * Of more than one store: one that hangs does not keep the next from
	 * being asked.  NULL: they are asked in their order.
	 */
	struct several *several;
};

/*
 * Bring the WAL file called name to dest, whole and verified.  0 done; 1 it
 * is proven that no store has it, or it lies behind the plan's end; -1 anything
 * else, dest is as it was.  Of args->several a thread may be left behind.
 */
int fetch_file(const struct fetch_args *args, const char *name,
    const char *dest, struct fail *f);

/*
 * Bring a timeline's history file to dest from this host's memory alone, for
 * when the stores hang.  0, or -1 (also if it is none, or not remembered).
 */
int fetch_remembered(const struct fetch_args *args, const char *name,
    const char *dest, struct fail *f);

#endif
