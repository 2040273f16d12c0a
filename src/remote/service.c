/* SPDX-License-Identifier: PostgreSQL */
/* Options and URLs of stores: see service.h. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "probe.h"
#include "service.h"
#include "sum.h"
#include "units.h"

int
service_bad(const struct store_args *args, const char *option, const char *why,
    struct fail *f)
{
	return fail_set(f, FAIL_CONFIG, args->name, "%s: %s", option, why);
}

int
service_copy(const struct store_args *args, const char *option,
    const char *value, char *out, size_t cap, struct fail *f)
{
	if (strlen(value) >= cap)
		return service_bad(args, option, "the value is too long", f);
	(void)snprintf(out, cap, "%s", value);
	return 0;
}

int
service_option(const struct store_args *args, const char *option, char *out,
    size_t cap, struct fail *f)
{
	return service_copy(
	    args, option, store_option(args, option, ""), out, cap, f);
}

int
service_place(const struct store_args *args, struct service *at, struct fail *f)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	    "._-";
	const char *name = strstr(args->url, "://") + strlen("://");
	size_t len = strcspn(name, "/");
	const char *prefix = name + len + strspn(name + len, "/");
	size_t prefix_len = strlen(prefix);

	while (prefix_len > 0 && prefix[prefix_len - 1] == '/')
		prefix_len--;
	if (len < 3 || len >= sizeof at->name || strspn(name, letters) < len ||
	    prefix_len + 2 > sizeof at->prefix)
		return fail_set(
		    f, FAIL_CONFIG, args->url, "not the address of a bucket");
	(void)snprintf(at->name, sizeof at->name, "%.*s", (int)len, name);
	if (prefix_len > 0)
		(void)snprintf(at->prefix, sizeof at->prefix, "%.*s/",
		    (int)prefix_len, prefix);
	return 0;
}

int
service_options(
    const struct store_args *args, struct service *at, struct fail *f)
{
	const char *lock = store_option(args, "lock-mode", "none");
	const char *dir = args->spool_dir != NULL ? args->spool_dir : "";
	uint64_t part = 0, lock_ms = 0;
	const char *why;

	(void)units_parse(
	    store_option(args, "part-size", "16MiB"), UNITS_BYTES, &part, &why);
	(void)units_parse(
	    store_option(args, "lock-for", "7d"), UNITS_MS, &lock_ms, &why);
	at->part_size = (size_t)part;
	at->lock_ms = (int64_t)lock_ms;
	if (strcmp(lock, "none") != 0)
		(void)snprintf(at->lock_mode, sizeof at->lock_mode, "%s", lock);
	if (service_option(args, "storage-class", at->storage_class,
	        sizeof at->storage_class, f) != 0 ||
	    service_option(args, "wal-storage-class", at->wal_storage_class,
	        sizeof at->wal_storage_class, f) != 0 ||
	    service_copy(args, "spool-dir", dir, at->spool_dir,
	        sizeof at->spool_dir, f) != 0)
		return -1;
	return http_options_read(args, &at->options, f);
}

int
service_endpoint(const struct store_args *args, const char *url,
    struct service_endpoint *e, struct fail *f)
{
	size_t scheme = strncmp(url, "https://", 8) == 0 ? 8
	    : strncmp(url, "http://", 7) == 0            ? 7
	                                                 : 0;
	const char *host = url + scheme;
	size_t host_len = strcspn(host, "/");
	const char *path = host + host_len;
	size_t path_len = strlen(path);

	while (path_len > 0 && path[path_len - 1] == '/')
		path_len--;
	if (scheme == 0 || host_len == 0 || host_len > 250 ||
	    memchr(host, '@', host_len) != NULL || strchr(url, '?') != NULL ||
	    path_len >= sizeof e->path) {
		(void)fail_set(f, FAIL_CONFIG, args->name,
		    "endpoint: not an address of a service");
		return fail_hint(f, "write https://HOST or https://HOST:PORT");
	}
	(void)snprintf(e->scheme, sizeof e->scheme, "%.*s", (int)scheme, url);
	(void)snprintf(e->host, sizeof e->host, "%.*s", (int)host_len, host);
	(void)snprintf(e->path, sizeof e->path, "%.*s", (int)path_len, path);
	return 0;
}

uint64_t
service_id(const struct store_args *args, const char *service)
{
	uint64_t two[] = { sum64(args->url, strlen(args->url)),
		sum64(service, strlen(service)) };

	return sum64(two, sizeof two);
}

const char *
service_lock_word(const struct service *at)
{
	return strcmp(at->lock_mode, "COMPLIANCE") == 0 ? "Locked" : "Unlocked";
}

void
service_lock_end(const struct service *at, bool iso, char out[SERVICE_TIME_MAX])
{
	time_t end = time(NULL) + (time_t)(at->lock_ms / 1000);
	struct tm tm;

	(void)gmtime_r(&end, &tm);
	out[0] = '\0';
	(void)strftime(out, SERVICE_TIME_MAX,
	    iso ? "%Y-%m-%dT%H:%M:%SZ" : "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

int
service_probe(struct store *store, const char *condition, struct fail *f)
{
	int rc = probe_twice(store, f);

	if (rc <= 0)
		return rc;
	(void)fail_set(f, FAIL_CONFIG, store->url,
	    "the service overwrites an object that was to be made only if "
	    "there is none (it ignores %s)",
	    condition);
	return 1;
}
