/* SPDX-License-Identifier: PostgreSQL */
/* Something small done in each store, whatever becomes of the others. */
#ifndef WALVAULT_CMD_EACHSTORE_H
#define WALVAULT_CMD_EACHSTORE_H

#include "setup.h"

struct eachstore {
	const char *verb; /* "hold": "walvault hold ID" does it again */
	const char *id;
	const char *options; /* of it, as a shell reads them: "--x 'y' " */
	/* r is opened.  0 done, and told on stdout; 1 there is nothing to be
	 * done in this store (f says why); -1. */
	int (*run)(const struct eachstore *e, struct repository *r,
	    const char *prefix, struct fail *f);
	const void *arg;
};

/*
 * 0, or -1: it could not be done in some store, which are named, or there was
 * nothing to be done in any.  run is given what its lines begin with: "NAME: ",
 * or "" of the only store.
 */
int eachstore_do(struct setup *s, const struct eachstore *e, struct fail *f);

#endif
