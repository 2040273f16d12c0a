/* SPDX-License-Identifier: PostgreSQL */
/* Options and URLs of stores: see service.h. */
#include <stdio.h>
#include <string.h>

#include "service.h"
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

uint64_t
service_bytes(
    const struct store_args *args, const char *option, const char *def)
{
	const char *why;
	uint64_t v = 0;

	(void)units_parse(
	    store_option(args, option, def), UNITS_BYTES, &v, &why);
	return v;
}

int64_t
service_ms(const struct store_args *args, const char *option, const char *def)
{
	const char *why;
	uint64_t v = 0;

	(void)units_parse(store_option(args, option, def), UNITS_MS, &v, &why);
	return (int64_t)v;
}

int
service_place(
    const struct store_args *args, struct service_place *place, struct fail *f)
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
	if (len < 3 || len >= sizeof place->name ||
	    strspn(name, letters) < len ||
	    prefix_len + 2 > sizeof place->prefix)
		return fail_set(
		    f, FAIL_CONFIG, args->url, "not the address of a bucket");
	(void)snprintf(place->name, sizeof place->name, "%.*s", (int)len, name);
	if (prefix_len > 0)
		(void)snprintf(place->prefix, sizeof place->prefix, "%.*s/",
		    (int)prefix_len, prefix);
	return 0;
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
