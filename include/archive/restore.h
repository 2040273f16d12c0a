/* SPDX-License-Identifier: PostgreSQL */
/*
 * A plan carried out: a data directory made of a backup, so that a server
 * started in it recovers to where the plan says, and no further.
 *
 * Everything is checked against the manifest and durable before pg_control is
 * written, last of all: until then nothing in the directory can start.
 */
#ifndef WALVAULT_ARCHIVE_RESTORE_H
#define WALVAULT_ARCHIVE_RESTORE_H

#include <limits.h>
#include <sys/types.h>

#include "control.h"
#include "plan.h"
#include "restore_set.h"

/* Where a part of the backup goes. */
struct restore_place {
	uint32_t oid;          /* of a tablespace; 0: the data directory */
	char old[PATH_MAX];    /* where it was; "" for the data directory */
	char path[PATH_MAX];   /* absolute; "": nobody has said it yet */
	uint64_t files, bytes; /* as they take room on a disk */
	uint64_t free;         /* bytes free there */
	uint64_t free_files;   /* files that can be made there */
	dev_t device;          /* its file system */
};

struct restore_places {
	struct restore_place *list; /* [0] is the data directory */
	size_t n;
};

struct restore_map {
	char *old;      /* --tablespace OLD=NEW: a path or an OID */
	const char *to; /* absolute */
};

struct restore_where {
	const char *dest; /* absolute; NULL: only what is needed is asked */
	const struct restore_map *map;
	size_t n_map;
	const char *tablespace_dir; /* or NULL */
};

/*
 * Decide where everything goes.  FAIL_CONFIG: a tablespace has no place, or a
 * mapping fits none.  Nothing is looked at.  0 or -1.
 */
int restore_places(const struct restore_set *s, const struct restore_where *w,
    struct restore_places *out, struct fail *f);
void restore_places_clear(struct restore_places *p);

/*
 * Is each place new or an empty directory, apart from all others, whatever
 * its path looks like, and can this user write there?  And fill .free,
 * .free_files and .device of each.  0, or -1 (FAIL_CONFIG: another place is
 * needed; FAIL_DENIED).
 */
int restore_check_places(struct restore_places *p, struct fail *f);

/*
 * Open a place's directory and lock it against other restores, until it is
 * closed; then it must still be empty.  A descriptor, or -1 (FAIL_CONFIG: it
 * is not empty, or another restore is filling it).
 */
int restore_claim_place(const struct restore_place *p, struct fail *f);

/* Is there room?  0, or -1 FAIL_SPACE. */
int restore_check_room(const struct restore_places *p, struct fail *f);

enum restore_action { RESTORE_PAUSE, RESTORE_PROMOTE, RESTORE_SHUTDOWN };

struct restore_progress {
	uint64_t done, total; /* plain bytes of files */
};

struct restore_args {
	struct repository *repos; /* opened; one for each worker */
	size_t n_repos;
	const struct plan *plan;
	const struct restore_set *set;
	const struct restore_places *places;
	const char *restore_command; /* as the server takes it */
	enum restore_action action;
	bool standby;
	bool rejoin; /* archiving stays as it is */
	/* Called about five times a second, in the caller's thread; or NULL. */
	void (*progress)(void *arg, const struct restore_progress *p);
	void *arg;
	/* The signal that asks us to stop, 0: none; called in any thread. */
	int (*stopped)(void);
};

/* What was seen on the way. */
struct restore_result {
	uint64_t files, bytes;
	struct control control; /* the restored one */
	struct control_details details;
	size_t links_replaced; /* links that became directories */
	bool backup_damaged;   /* a pack is not what the manifest says */
	bool begun;            /* something is there now */
};

/* 0, or -1: the directory is not startable. */
int restore_run(const struct restore_args *args, struct restore_result *out,
    struct fail *f);

/*
 * The WAL needs a higher limit than pg_control said: in postgresql.auto.conf,
 * too.  0 or -1.
 */
int restore_raise_limit(
    const char *dest, const char *name, uint32_t value, struct fail *f);

/*
 * When recovery has ended by promotion: take our settings out of
 * postgresql.auto.conf again, where a later standby would stumble over them;
 * what keeps a copy from doing the original's work stays.  0 or -1.
 */
int restore_forget_settings(const char *dest, struct fail *f);

/*
 * Are settings of ours still there, although no recovery is going on?  1 yes,
 * 0 no, -1 postgresql.auto.conf cannot be read.
 */
int restore_settings_left(const char *pgdata, struct fail *f);

#endif
