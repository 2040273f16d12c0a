/* SPDX-License-Identifier: PostgreSQL */
/*
 * What keeps a server from recovering, and is no more in its way when it is
 * started again: see restore_watch.h.
 */
#include <string.h>

#include "log.h"
#include "restore_watch.h"

static const char *const limits[RESTORE_LIMITS] = { "max_connections",
	"max_worker_processes", "max_wal_senders", "max_prepared_transactions",
	"max_locks_per_transaction" };

const char *
restore_limit_name(size_t i)
{
	return limits[i];
}

uint32_t *
restore_limit(struct control_details *d, size_t i)
{
	uint32_t *const values[RESTORE_LIMITS] = { &d->max_connections,
		&d->max_worker_processes, &d->max_wal_senders,
		&d->max_prepared_xacts, &d->max_locks_per_xact };

	return values[i];
}

/*
 * The old server was given higher limits after the backup: a hot standby
 * waits for ever (from 14 on) or ends where the WAL tells of it.
 */
static int
raise_limit(const struct restore_watch *w, struct fail *f)
{
	struct restore_job *j = w->job;

	for (size_t i = 0; i < RESTORE_LIMITS; i++) {
		uint32_t *limit = restore_limit(&j->result.details, i);

		if (restore_limit_name(i) != w->limit)
			continue;
		if (*limit >= w->limit_value)
			return 0;
		*limit = w->limit_value;
		log_info("starting again: the WAL needs %s = %u", w->limit,
		    w->limit_value);
		restore_stop_server(j);
		return restore_raise_limit(j->dest, w->limit, *limit, f) == 0
		    ? 1
		    : -1;
	}
	return 0;
}

/*
 * An index of an unlogged table was being built during the backup: its init
 * fork comes out of the WAL, and at the end of recovery is in conflict with
 * the main fork that the backup has (reinit.c).  A server that starts again
 * sees both, and clears the main fork away first.
 */
static bool
is_unlogged_conflict(const struct restore_watch *w)
{
	static const char begin[] = "could not create file \"";

	return strncmp(w->fatal, begin, sizeof begin - 1) == 0 &&
	    strstr(w->fatal, "\": File exists") != NULL;
}

int
restore_again(const struct restore_watch *w, struct fail *f)
{
	const struct restore_server *s = &w->job->server;

	if (w->limit != NULL)
		return raise_limit(w, f);
	if (s->running || s->starts > 1 || !is_unlogged_conflict(w))
		return 0;
	log_info("starting again: an unlogged relation was being made during "
	         "the backup: %s",
	    w->fatal);
	return 1;
}
