/* SPDX-License-Identifier: PostgreSQL */
/* One run of an expire, within its modules. */
#ifndef WALVAULT_ARCHIVE_EXPIRE_JOB_H
#define WALVAULT_ARCHIVE_EXPIRE_JOB_H

#include "expire.h"

struct expiring {
	struct repository *repo;
	const struct identity *id;
	const struct expire_args *args;
	struct expire_report *out;
	struct backup_times times; /* as they were when it was decided */
	struct fail *f;            /* the first failure */
};

/* What this run tells of a backup; NULL: it was not there. */
const struct expire_backup *
expire_find(const struct expire_report *r, const char *id);

/* Delete a backup, unless it is needed now; *x tells what became of it. */
void expire_backup(struct expiring *e, struct expire_backup *x);

/* Delete leases that are over, of backups that stay. */
void expire_leases(struct expiring *e, const struct survey *s);

#endif
