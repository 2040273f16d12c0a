/* SPDX-License-Identifier: PostgreSQL */
/* What stores that are reached by HTTP read of their options and URLs. */
#ifndef WALVAULT_REMOTE_SERVICE_H
#define WALVAULT_REMOTE_SERVICE_H

#include "store.h"

/* A value that is wrong: "OPTION: WHY".  -1. */
int service_bad(const struct store_args *args, const char *option,
    const char *why, struct fail *f);

/* Copy a value.  0, or -1: it is too long. */
int service_copy(const struct store_args *args, const char *option,
    const char *value, char *out, size_t cap, struct fail *f);

/* Copy an option's value, empty where it is not set.  0 or -1. */
int service_option(const struct store_args *args, const char *option, char *out,
    size_t cap, struct fail *f);

/* An option that is a number, of bytes or of milliseconds. */
uint64_t service_bytes(
    const struct store_args *args, const char *option, const char *def);
int64_t
service_ms(const struct store_args *args, const char *option, const char *def);

struct service_place {
	char name[256];   /* of the bucket */
	char prefix[512]; /* empty, or with a '/' at its end */
};

/* SCHEME://NAME/PREFIX.  0, or -1: it is not. */
int service_place(
    const struct store_args *args, struct service_place *place, struct fail *f);

struct service_endpoint {
	char scheme[9]; /* "https://" */
	char host[256]; /* with its port, as the Host header says it */
	char path[512]; /* empty, or "/PATH" without a '/' at its end */
};

/* "https://host:port/path".  0, or -1: it is none. */
int service_endpoint(const struct store_args *args, const char *url,
    struct service_endpoint *e, struct fail *f);

#endif
