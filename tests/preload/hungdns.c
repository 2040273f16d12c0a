/* SPDX-License-Identifier: PostgreSQL */
/*
 * Preloaded into programs under test: a resolver that does not answer for the
 * host $HUNG_NAME, as one whose servers are gone.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int getaddrinfo_fn(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **list);

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *req,
    struct addrinfo **pai)
{
	const char *hung = getenv("HUNG_NAME");
	getaddrinfo_fn *real;
	int flags = req != NULL ? req->ai_flags : 0;

	/* An address is not asked for. */
	while (hung != NULL && name != NULL && strcmp(name, hung) == 0 &&
	    (flags & AI_NUMERICHOST) == 0)
		(void)pause();
	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(name, service, req, pai);
}
