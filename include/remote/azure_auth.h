/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a request to Azure is authorised with, from the first place that has
 * it: the store's options, its credential_command, the environment, a
 * workload's identity, the machine's.  Tokens that end are asked for again
 * before they do.
 */
#ifndef WALVAULT_REMOTE_AZURE_AUTH_H
#define WALVAULT_REMOTE_AZURE_AUTH_H

#include "azure_sign.h"
#include "bearer.h"

#define AZURE_SAS_MAX     4096
#define AZURE_ACCOUNT_MAX 64

enum azure_kind { AZURE_SHARED_KEY, AZURE_SAS, AZURE_TOKEN };

struct azure_credentials {
	enum azure_kind kind;
	struct azure_key key;
	char sas[AZURE_SAS_MAX]; /* as a query, without a '?' */
	struct bearer bearer;
	int64_t expires;  /* seconds of 1970; 0: never, or not known */
	char source[256]; /* for messages */
};

/* What was set when the store was opened; texts are owned, or NULL. */
struct azure_auth {
	char *name; /* of the store, for messages */
	char account[AZURE_ACCOUNT_MAX];
	char *key, *key_file, *sas, *sas_file, *command, *client_id;
	struct http_options options, near_options;
	struct http *http, *near; /* made when a source needs it */
	struct azure_credentials now;
	bool known; /* now holds some */
};

/*
 * args are asked here and not kept; account is that of the store, which may
 * be empty where no key is used.  NULL with *f filled.
 */
struct azure_auth *azure_auth_new(
    const struct store_args *args, const char *account, struct fail *f);
void azure_auth_free(struct azure_auth *a);

/* Credentials that are good now; they stay a's.  NULL with *f filled. */
const struct azure_credentials *
azure_auth_get(struct azure_auth *a, struct fail *f);

/*
 * The service does not take them: look for others.  A token is asked for
 * anew; a key or a signature is other only if somebody has changed it.  False:
 * there are none.
 */
bool azure_auth_renew(struct azure_auth *a);

/*
 * One source.  0 it has credentials, 1 it is not set up here, -1 it is, and
 * fails.  Internal to azure_*.c.
 */
typedef int azure_source(
    struct azure_auth *a, struct azure_credentials *out, struct fail *f);

azure_source azure_from_workload, azure_from_host, azure_from_machine;

/* A parameter of a SAS, decoded.  False: it has none. */
bool azure_sas_value(const char *sas, const char *name, char *out, size_t cap);

/* A variable of the environment that is set to something, or NULL. */
const char *azure_variable(const char *name);

#endif
