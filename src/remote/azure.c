/* SPDX-License-Identifier: PostgreSQL */
/* A container as a store: see azure.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure_call.h"

/* azure://CONTAINER/PREFIX */
static int
set_place(struct azure *az, const struct store_args *args, struct fail *f)
{
	if (service_place(args, &az->at, f) == 0 &&
	    strchr(args->url, '?') == NULL)
		return 0;
	(void)fail_set(f, FAIL_CONFIG, "url", "not the address of a container");
	return fail_hint(f,
	    "write azure://CONTAINER or azure://CONTAINER/PREFIX; the "
	    "account is an option, and so is a shared access signature");
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
	(void)snprintf(
	    az->at.base, sizeof az->at.base, "%s%s", e.scheme, e.host);
	(void)snprintf(az->root, sizeof az->root, "%s%s%s/%s", e.path,
	    path ? "/" : "", path ? az->account : "", az->at.name);
	return 0;
}

/* The object that is made stays; see probe.h. */
int
azure_probe(struct store *store, struct fail *f)
{
	int rc = service_probe(store, "If-None-Match", f);

	return rc <= 0
	    ? rc
	    : fail_hint(f, "two writers could overwrite each other's WAL");
}

static void
azure_free(struct store *store)
{
	struct azure *az = (struct azure *)store;

	http_free(az->at.http);
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
	az->at.store.ops = &azure_ops;
	az->at.calls = &azure_calls;
	if (set_place(az, args, f) == 0 && set_account(az, args, f) == 0 &&
	    set_endpoint(az, args, f) == 0 &&
	    service_options(args, &az->at, f) == 0) {
		char service[2 * SERVICE_URL_MAX];

		(void)snprintf(
		    service, sizeof service, "%s%s", az->at.base, az->root);
		az->at.store.id = service_id(args, service);
		az->auth = azure_auth_new(args, az->account, f);
		az->at.http = az->auth != NULL ? http_new(&az->at.options)
		                               : NULL;
		if (az->at.http != NULL)
			return &az->at.store;
		if (az->auth != NULL)
			(void)fail_set(
			    f, FAIL_INTERNAL, args->url, "out of memory");
	}
	azure_free(&az->at.store);
	return NULL;
}
