/* SPDX-License-Identifier: PostgreSQL */
/*
 * From pg_wal to the stores: one file is read once, checked and compressed on
 * the way, and made durable in every store.  See push.c for the way itself.
 */
#ifndef WALVAULT_ARCHIVE_PUSH_H
#define WALVAULT_ARCHIVE_PUSH_H

#include <stdbool.h>
#include <stddef.h>

#include "several.h"

struct push_args {
	struct repository *repos; /* one per store, not opened yet */
	size_t n_repos;
	uint32_t generation;
	const char *pgdata; /* or NULL */
	bool refuse_damaged;
	int compress_level;
	const char *spool_dir; /* or NULL */
	const char *state_dir; /* or NULL: nothing is remembered */
	/* How several stores are dealt with; NULL: all of them must have it,
	 * one after another. */
	struct several *several;
};

/*
 * Archive the file at path, whose last component is its name in pg_wal, and
 * what else its timeline needs (push_line.h).  0: it is durable in every
 * store that is required.  -1: kinds REFUSED (other content under that name,
 * another cluster's WAL, misnamed, damaged with on_damage = refuse), CONFIG,
 * and those worth another try.
 */
int push_file(const struct push_args *args, const char *path, struct fail *f);

#endif
