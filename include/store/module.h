/* SPDX-License-Identifier: PostgreSQL */
/*
 * Drivers of stores on other machines need libraries that take milliseconds
 * to load, and walpush runs for every segment: they are shared objects,
 * loaded when a URL's scheme asks for one.  They lie in ../lib/walvault beside
 * the directory of the program that runs, and use the program's own util,
 * stream and store layers.
 *
 * A module exports one table, under the name STORE_MODULE_TABLE.
 */
#ifndef WALVAULT_STORE_MODULE_H
#define WALVAULT_STORE_MODULE_H

#include "store.h"

#define STORE_MODULE_TABLE walvault_store_module

/* What a program and its module must agree on. */
#define STORE_MODULE_ABI                                              \
	((uint32_t)(sizeof(struct store) + sizeof(struct store_ops) + \
	    sizeof(struct store_args) + sizeof(struct store_attrs) +  \
	    sizeof(struct fail)))

struct store_module {
	const char *version; /* WALVAULT_VERSION it was built as */
	uint32_t abi;        /* STORE_MODULE_ABI */
	/* As store_open; the scheme is one that the module is for. */
	struct store *(*open)(const struct store_args *args, struct fail *f);
};

/* store_open of all that is not a directory. */
struct store *module_open_store(const struct store_args *args, struct fail *f);

#endif
