/* SPDX-License-Identifier: PostgreSQL */
/* URLs of one place: see place.h. */
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "place.h"

/* Schemes of a host, with the port that need not be said. */
static const struct {
	const char *scheme, *port;
} usual[] = {
	{ "https", ":443" },
	{ "http", ":80" },
	{ "sftp", ":22" },
};

static bool
has_host(const char *url, size_t scheme)
{
	for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
		if (strlen(usual[i].scheme) == scheme &&
		    strncasecmp(url, usual[i].scheme, scheme) == 0)
			return true;
	return false;
}

/* The length of the usual port at the host's end, if it is there. */
static size_t
port_len(const char *url, size_t scheme, const char *host_end)
{
	for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
		size_t len = strlen(usual[i].port);

		if (strlen(usual[i].scheme) == scheme &&
		    strncasecmp(url, usual[i].scheme, scheme) == 0 &&
		    host_end - url > (ptrdiff_t)(scheme + len) &&
		    strncmp(host_end - len, usual[i].port, len) == 0)
			return len;
	}
	return 0;
}

/*
 * "USER@HOST" of a URL with a host, or a bucket: only a host has no case.  The
 * ports are cut off.
 */
static bool
same_host(
    const char *url, size_t scheme, const char *a, const char *b, size_t len)
{
	size_t user = 0;

	if (!has_host(url, scheme))
		return strncmp(a, b, len) == 0;
	for (size_t i = 0; i < len; i++)
		if (a[i] == '@' || b[i] == '@')
			user = i + 1;
	return strncmp(a, b, user) == 0 &&
	    strncasecmp(a + user, b + user, len - user) == 0;
}

/*
 * A path one character at a time: "/", "//" and "/./" are one slash, and at the
 * end none.
 */
static int
next(const char **path)
{
	const char *p = *path;

	while (p[0] == '/' ||
	    (p[0] == '.' && p > *path && (p[1] == '/' || p[1] == '\0')))
		p++;
	if (p > *path && *p != '\0') {
		*path = p;
		return '/';
	}
	if (*p == '\0')
		return '\0';
	(*path)++;
	return (unsigned char)*p;
}

static bool
same_path(const char *a, const char *b)
{
	int c;

	do {
		c = next(&a);
		if (c != next(&b))
			return false;
	} while (c != '\0');
	return true;
}

bool
place_is_same(const char *a, const char *b)
{
	const char *host_a, *host_b, *end_a, *end_b;
	size_t scheme, len_a, len_b;

	if (a == NULL || b == NULL)
		return a == b;
	host_a = strstr(a, "://");
	host_b = strstr(b, "://");
	if (host_a == NULL || host_b == NULL)
		return host_a == host_b && strncmp(a, "exec:", 5) != 0 &&
		    strcmp(a, b) == 0;
	scheme = (size_t)(host_a - a);
	if (scheme != (size_t)(host_b - b) || strncasecmp(a, b, scheme) != 0)
		return false;
	host_a += 3;
	host_b += 3;
	end_a = host_a + strcspn(host_a, "/");
	end_b = host_b + strcspn(host_b, "/");
	len_a = (size_t)(end_a - host_a) - port_len(a, scheme, end_a);
	len_b = (size_t)(end_b - host_b) - port_len(b, scheme, end_b);
	return len_a == len_b && same_host(a, scheme, host_a, host_b, len_a) &&
	    same_path(end_a, end_b);
}
