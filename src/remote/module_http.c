/* SPDX-License-Identifier: PostgreSQL */
/* store-http.so: the stores that are reached by HTTP.  See module.h. */
#include <string.h>

#include "azure.h"
#include "gcs.h"
#include "module.h"
#include "s3.h"

static struct store *
open_store(const struct store_args *args, struct fail *f)
{
	if (strncmp(args->url, "s3://", 5) == 0)
		return s3_open(args, f);
	if (strncmp(args->url, "azure://", 8) == 0)
		return azure_open(args, f);
	if (strncmp(args->url, "gs://", 5) == 0)
		return gcs_open(args, f);
	(void)fail_set(f, FAIL_CONFIG, args->url, "no driver for it here");
	return NULL;
}

extern const struct store_module STORE_MODULE_TABLE;

__attribute__((visibility("default")))
const struct store_module STORE_MODULE_TABLE = {
	.version = WALVAULT_VERSION,
	.abi = STORE_MODULE_ABI,
	.open = open_store,
};
