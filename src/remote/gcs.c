/* SPDX-License-Identifier: PostgreSQL */
/* A bucket of Google's as a store: see gcs.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gcs_put.h"

#define ENDPOINT "https://storage.googleapis.com"

static int
set_place(struct gcs *g, const struct store_args *args, struct fail *f)
{
	const char *url = store_option(args, "endpoint", ENDPOINT);
	struct service_endpoint e;

	if (service_place(args, &g->at, f) != 0)
		return fail_hint(f, "write gs://BUCKET or gs://BUCKET/PREFIX");
	if (service_endpoint(args, url, &e, f) != 0)
		return -1;
	(void)snprintf(
	    g->at.base, sizeof g->at.base, "%s%s%s", e.scheme, e.host, e.path);
	return 0;
}

static int
set_objects(struct gcs *g, const struct store_args *args, struct fail *f)
{
	if (service_options(args, &g->at, f) != 0)
		return -1;
	g->at.part_size -= g->at.part_size % GCS_PART_UNIT;
	return 0;
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
	int rc = service_probe(store, "ifGenerationMatch", f);

	return rc <= 0 ? rc
	               : fail_hint(f,
	                     "two writers could overwrite each other's WAL: is "
	                     "the endpoint Google's?");
}

static void
gcs_free(struct store *store)
{
	struct gcs *g = (struct gcs *)store;

	http_free(g->at.http);
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
	g->at.store.ops = &gcs_ops;
	g->at.calls = &gcs_calls;
	if (set_place(g, args, f) == 0 && set_objects(g, args, f) == 0) {
		g->at.store.id = service_id(args, g->at.base);
		g->gcp = gcp_new(args, &g->at.options, f);
		g->at.http = g->gcp != NULL ? http_new(&g->at.options) : NULL;
		if (g->at.http != NULL)
			return &g->at.store;
		if (g->gcp != NULL)
			(void)fail_set(
			    f, FAIL_INTERNAL, args->url, "out of memory");
	}
	gcs_free(&g->at.store);
	return NULL;
}
