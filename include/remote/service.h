/* SPDX-License-Identifier: PostgreSQL */
/*
 * A store at a service that is reached by HTTP: what S3, Azure and Google have
 * in common, and what is read of their options and URLs.
 */
#ifndef WALVAULT_REMOTE_SERVICE_H
#define WALVAULT_REMOTE_SERVICE_H

#include "http.h"

#define SERVICE_URL_MAX  1024
#define SERVICE_TIME_MAX 64

struct call_ops;

/* The driver's own struct begins with it. */
struct service {
	struct store store;
	const struct call_ops *calls; /* see call.h */
	struct http_options options;
	struct http *http;
	char name[256];             /* of the bucket, or container */
	char prefix[512];           /* empty, or with a '/' at its end */
	char base[SERVICE_URL_MAX]; /* "https://host:port" */
	char spool_dir[PATH_MAX];   /* empty: as spool.h says */
	size_t part_size;
	char storage_class[64], wal_storage_class[64];
	char lock_mode[16]; /* empty: none */
	int64_t lock_ms;
};

/* A value that is wrong: "OPTION: WHY".  -1. */
int service_bad(const struct store_args *args, const char *option,
    const char *why, struct fail *f);

/* Copy a value.  0, or -1: it is too long. */
int service_copy(const struct store_args *args, const char *option,
    const char *value, char *out, size_t cap, struct fail *f);

/* Copy an option's value, empty where it is not set.  0 or -1. */
int service_option(const struct store_args *args, const char *option, char *out,
    size_t cap, struct fail *f);

/* The name and prefix of SCHEME://NAME/PREFIX.  0, or -1: it is not. */
int service_place(
    const struct store_args *args, struct service *at, struct fail *f);

/*
 * The options of the network, and those that say what objects are to be: in
 * parts of what size, of which class, locked for how long.  0 or -1.
 */
int service_options(
    const struct store_args *args, struct service *at, struct fail *f);

struct service_endpoint {
	char scheme[9]; /* "https://" */
	char host[256]; /* with its port, as the Host header says it */
	char path[512]; /* empty, or "/PATH" without a '/' at its end */
};

/*
 * store.id of a URL at a service, of which there may be others with places of
 * the same name.
 */
uint64_t service_id(const struct store_args *args, const char *service);

/* "https://host:port/path".  0, or -1: it is none. */
int service_endpoint(const struct store_args *args, const char *url,
    struct service_endpoint *e, struct fail *f);

/*
 * The lock mode as all but S3 call it: "Locked" cannot be taken back,
 * "Unlocked" (S3's governance) can.
 */
const char *service_lock_word(const struct service *at);

/* When a lock that begins now is to end, as ISO 8601 or HTTP write it. */
void service_lock_end(
    const struct service *at, bool iso, char out[SERVICE_TIME_MAX]);

/*
 * Prove that a key cannot be made twice, by the condition so named: see
 * probe.h.  0, or -1; 1, and *f says so: it can.
 */
int service_probe(struct store *store, const char *condition, struct fail *f);

#endif
