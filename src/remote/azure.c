/* SPDX-License-Identifier: PostgreSQL */
/* A container as a store: see azure.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure_call.h"
#include "probe.h"
#include "service.h"

/* azure://CONTAINER/PREFIX */
static int
parse_url(struct azure *az, const struct store_args *args, struct fail *f)
{
	struct service_place place = { .name = "" };

	if (service_place(args, &place, f) != 0 ||
	    strchr(args->url, '?') != NULL) {
		(void)fail_set(
		    f, FAIL_CONFIG, "url", "not the address of a container");
		return fail_hint(f,
		    "write azure://CONTAINER or azure://CONTAINER/PREFIX; the "
		    "account is an option, and so is a shared access "
		    "signature");
	}
	(void)snprintf(az->container, sizeof az->container, "%s", place.name);
	(void)snprintf(az->prefix, sizeof az->prefix, "%s", place.prefix);
	return 0;
}

/* The emulator, and addresses without a name, have accounts in the path. */
static bool
in_path(const struct store_args *args, const struct service_endpoint *e)
{
	const char *style = store_option(args, "addressing", "auto");

	if (strcmp(style, "auto") != 0)
		return strcmp(style, "path") == 0;
	return strcspn(e->host, ":") == strspn(e->host, "0123456789.") ||
	    e->host[0] == '[' || strchr(e->host, '.') == NULL;
}

/* "ACCOUNT.blob..." or, behind an address, "/ACCOUNT". */
static void
find_account(struct azure *az, const struct service_endpoint *e)
{
	size_t len = strcspn(e->host, ".");
	const char *text = e->host;

	if (az->account[0] != '\0')
		return;
	if (e->path[0] != '\0') {
		text = e->path + 1;
		len = strcspn(text, "/");
	} else if (strncmp(e->host + len, ".blob.", 6) != 0) {
		return;
	}
	if (len < sizeof az->account)
		(void)snprintf(
		    az->account, sizeof az->account, "%.*s", (int)len, text);
}

static int
set_account(struct azure *az, const struct store_args *args, struct fail *f)
{
	const char *account = store_option(args, "account", NULL);

	if (account == NULL)
		account = azure_variable("AZURE_STORAGE_ACCOUNT");
	if (account == NULL)
		return 0;
	if (strspn(account, "abcdefghijklmnopqrstuvwxyz0123456789-") <
	    strlen(account)) {
		(void)service_bad(
		    args, "account", "that is no storage account's name", f);
		return fail_hint(f,
		    "what stands before .blob.core.windows.net in its "
		    "address: small letters and digits");
	}
	return service_copy(
	    args, "account", account, az->account, sizeof az->account, f);
}

static int
set_endpoint(struct azure *az, const struct store_args *args, struct fail *f)
{
	const char *given = store_option(args, "endpoint", NULL);
	struct service_endpoint e;
	char usual[128];
	bool path;

	if (given == NULL)
		given = azure_variable("AZURE_STORAGE_SERVICE_ENDPOINT");
	if (given == NULL && az->account[0] == '\0') {
		(void)fail_set(f, FAIL_CONFIG, args->name,
		    "the storage account is not known");
		return fail_hint(f,
		    "set account in the store's section, or "
		    "AZURE_STORAGE_ACCOUNT in the environment");
	}
	(void)snprintf(usual, sizeof usual, "https://%s.blob.core.windows.net",
	    az->account);
	if (service_endpoint(args, given != NULL ? given : usual, &e, f) != 0)
		return -1;
	path = e.path[0] == '\0' && az->account[0] != '\0' && in_path(args, &e);
	find_account(az, &e);
	(void)snprintf(az->base, sizeof az->base, "%s%s", e.scheme, e.host);
	(void)snprintf(az->root, sizeof az->root, "%s%s%s/%s", e.path,
	    path ? "/" : "", path ? az->account : "", az->container);
	return 0;
}

/* What S3 calls governance is a policy that is not locked. */
static int
set_objects(struct azure *az, const struct store_args *args, struct fail *f)
{
	const char *lock = store_option(args, "lock-mode", "none");

	az->part_size = (size_t)service_bytes(args, "part-size", "16MiB");
	az->lock_ms = service_ms(args, "lock-for", "7d");
	if (strcmp(lock, "none") != 0)
		(void)snprintf(az->lock_mode, sizeof az->lock_mode, "%s",
		    strcmp(lock, "COMPLIANCE") == 0 ? "Locked" : "Unlocked");
	if (service_option(
	        args, "storage-class", az->tier, sizeof az->tier, f) != 0 ||
	    service_option(args, "wal-storage-class", az->wal_tier,
	        sizeof az->wal_tier, f) != 0)
		return -1;
	return service_copy(args, "spool-dir",
	    args->spool_dir != NULL ? args->spool_dir : "", az->spool_dir,
	    sizeof az->spool_dir, f);
}

/* The object that is made stays; see probe.h. */
int
azure_probe(struct store *store, struct fail *f)
{
	int rc = probe_twice(store, f);

	if (rc <= 0)
		return rc;
	(void)fail_set(f, FAIL_CONFIG, store->url,
	    "the service overwrites an object that was to be made only if "
	    "there is none (it ignores If-None-Match)");
	return fail_hint(f, "two writers could overwrite each other's WAL");
}

static void
azure_free(struct store *store)
{
	struct azure *az = (struct azure *)store;

	http_free(az->http);
	azure_auth_free(az->auth);
	free(az);
}

/* Nothing is left behind, so there is nothing to sweep. */
static const struct store_ops azure_ops = {
	.put = azure_put,
	.get = azure_get,
	.stat = azure_stat,
	.list = azure_list,
	.del = azure_del,
	.settle = azure_settle,
	.prepare = azure_probe,
	.probe = azure_probe,
	.free = azure_free,
};

struct store *
azure_open(const struct store_args *args, struct fail *f)
{
	struct azure *az = calloc(1, sizeof *az);

	if (az == NULL) {
		(void)fail_set(f, FAIL_INTERNAL, args->url, "out of memory");
		return NULL;
	}
	az->store.ops = &azure_ops;
	if (parse_url(az, args, f) == 0 && set_account(az, args, f) == 0 &&
	    set_endpoint(az, args, f) == 0 && set_objects(az, args, f) == 0 &&
	    http_options_read(args, &az->options, f) == 0) {
		char service[2 * AZURE_URL_MAX];

		(void)snprintf(
		    service, sizeof service, "%s%s", az->base, az->root);
		az->store.id = service_id(args, service);
		az->auth = azure_auth_new(args, az->account, f);
		az->http = az->auth != NULL ? http_new(&az->options) : NULL;
		if (az->http != NULL)
			return &az->store;
		if (az->auth != NULL)
			(void)fail_set(
			    f, FAIL_INTERNAL, args->url, "out of memory");
	}
	azure_free(&az->store);
	return NULL;
}
