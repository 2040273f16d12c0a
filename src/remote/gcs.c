/* SPDX-License-Identifier: PostgreSQL */
/* A bucket of Google's as a store: see gcs.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gcs_put.h"
#include "probe.h"

#define ENDPOINT "https://storage.googleapis.com"

static int
set_place(struct gcs *g, const struct store_args *args, struct fail *f)
{
	const char *url = store_option(args, "endpoint", ENDPOINT);
	struct service_endpoint e;

	if (service_place(args, &g->place, f) != 0)
		return fail_hint(f, "write gs://BUCKET or gs://BUCKET/PREFIX");
	if (service_endpoint(args, url, &e, f) != 0)
		return -1;
	(void)snprintf(
	    g->base, sizeof g->base, "%s%s%s", e.scheme, e.host, e.path);
	return 0;
}

/* In S3's words, which all stores share. */
static void
set_lock(struct gcs *g, const struct store_args *args)
{
	const char *mode = store_option(args, "lock-mode", "none");

	if (strcmp(mode, "none") != 0)
		(void)snprintf(g->lock_mode, sizeof g->lock_mode, "%s",
		    strcmp(mode, "COMPLIANCE") == 0 ? "Locked" : "Unlocked");
	g->lock_ms = service_ms(args, "lock-for", "7d");
}

static int
set_objects(struct gcs *g, const struct store_args *args, struct fail *f)
{
	uint64_t part = service_bytes(args, "part-size", "16MiB");

	g->part_size = (size_t)(part - part % GCS_PART_UNIT);
	set_lock(g, args);
	if (service_option(args, "storage-class", g->storage_class,
	        sizeof g->storage_class, f) != 0 ||
	    service_option(args, "wal-storage-class", g->wal_storage_class,
	        sizeof g->wal_storage_class, f) != 0)
		return -1;
	return service_copy(args, "spool-dir",
	    args->spool_dir != NULL ? args->spool_dir : "", g->spool_dir,
	    sizeof g->spool_dir, f);
}

static int
gcs_settle(struct store *store, const char *key, struct fail *f)
{
	struct store_info info;

	/* What the service shows, it keeps. */
	return gcs_stat(store, key, &info, f);
}

static int
gcs_probe(struct store *store, struct fail *f)
{
	int rc = probe_twice(store, f);

	if (rc <= 0)
		return rc;
	(void)fail_set(f, FAIL_CONFIG, store->url,
	    "the service overwrites an object that was to be made only if "
	    "there is none (it ignores ifGenerationMatch)");
	return fail_hint(f,
	    "two writers could overwrite each other's WAL: is the endpoint "
	    "Google's?");
}

static void
gcs_free(struct store *store)
{
	struct gcs *g = (struct gcs *)store;

	http_free(g->http);
	gcp_free(g->gcp);
	free(g);
}

/* What is left of uploads cannot be listed; it ends by itself. */
static const struct store_ops gcs_ops = {
	.put = gcs_put,
	.get = gcs_get,
	.stat = gcs_stat,
	.list = gcs_list,
	.del = gcs_del,
	.settle = gcs_settle,
	.prepare = gcs_probe,
	.probe = gcs_probe,
	.free = gcs_free,
};

struct store *
gcs_open(const struct store_args *args, struct fail *f)
{
	struct gcs *g = calloc(1, sizeof *g);

	if (g == NULL) {
		(void)fail_set(f, FAIL_INTERNAL, args->url, "out of memory");
		return NULL;
	}
	g->store.ops = &gcs_ops;
	if (set_place(g, args, f) == 0 && set_objects(g, args, f) == 0 &&
	    http_options_read(args, &g->options, f) == 0) {
		g->store.id = service_id(args, g->base);
		g->gcp = gcp_new(args, &g->options, f);
		g->http = g->gcp != NULL ? http_new(&g->options) : NULL;
		if (g->http != NULL)
			return &g->store;
		if (g->gcp != NULL)
			(void)fail_set(
			    f, FAIL_INTERNAL, args->url, "out of memory");
	}
	gcs_free(&g->store);
	return NULL;
}
