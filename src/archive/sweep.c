/* SPDX-License-Identifier: PostgreSQL */
/* What killed writers left: see sweep.h. */
#include "sweep.h"
#include "backup.h"
#include "log.h"

#define DAY (INT64_C(86400) * 1000000)

static int
sweep(struct repository *r, const char *prefix, int64_t before, struct fail *f)
{
	size_t n = 0;
	int rc = store_sweep(r->store, prefix, before, &n, f);

	if (n > 0)
		log_info("temporary files deleted: %zu of writers that died: "
		         "%s/%s",
		    n, r->store->url, prefix);
	return rc;
}

int
sweep_system(struct repository *r, int64_t now, struct fail *f)
{
	char prefix[LAYOUT_KEY_MAX];

	layout_system(&r->layout, "", prefix);
	return sweep(r, prefix, now - DAY, f);
}

int
sweep_backup(struct repository *r, const char *id, struct fail *f)
{
	char prefix[LAYOUT_KEY_MAX], key[LAYOUT_KEY_MAX];
	struct store_info tombstone;
	int rc;

	/* Nothing that another deleter has just begun to write. */
	backup_key(&r->layout, id, "tombstone", key);
	rc = store_stat(r->store, key, &tombstone, f);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	backup_key(&r->layout, id, "", prefix);
	return sweep(r, prefix, tombstone.mtime, f);
}
