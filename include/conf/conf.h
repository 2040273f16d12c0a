/* SPDX-License-Identifier: PostgreSQL */
/*
 * The configuration of one run: default < configuration file < environment <
 * command line.  Everything that was said is kept with the place where it was
 * said; all of it is checked, also what this run does not need.
 */
#ifndef WALVAULT_CONF_CONF_H
#define WALVAULT_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fail.h"
#include "options.h"
#include "stores.h"

#define CONF_DEFAULT_FILE "/etc/walvault/walvault.conf"
#define CONF_DEFAULT_DIR  "/etc/walvault/conf.d"

/* The cluster's name where nothing names one. */
#define CONF_DEFAULT_CLUSTER "main"

#define CONF_STORES_MAX STORES_MAX

struct conf;

struct conf_args {
	enum command command;
	int argc;    /* options and arguments, without the program */
	char **argv; /* kept; must outlive the configuration */
	char **environment;
};

/* NULL: FAIL_CONFIG with the place (file:line, option, variable). */
struct conf *conf_load(const struct conf_args *args, struct fail *f);
void conf_free(struct conf *c);

/* The arguments that are not options. */
size_t conf_n_args(const struct conf *c);
const char *conf_arg(const struct conf *c, size_t i);

/* What is worth saying but no error; NULL behind the last. */
const char *conf_warning(const struct conf *c, size_t i);

/* The cluster's name; never NULL. */
const char *conf_cluster(const struct conf *c);

/*
 * An option's value in this run, its default included; NULL if it has none.
 * *origin (unless NULL) is where it comes from: "default", "file:line",
 * "WALVAULT_X", "--x".
 */
const char *
conf_text(const struct conf *c, enum option_id id, const char **origin);

/*
 * The i-th of the values given for an option on the command line (those that
 * may be repeated); NULL behind the last.
 */
const char *conf_repeated(const struct conf *c, enum option_id id, size_t i);

/* The same as a number; see option_number.  0 if it has no value. */
uint64_t conf_number(const struct conf *c, enum option_id id);

/* The stores of the cluster, in the order given. */
size_t conf_n_stores(const struct conf *c);

/*
 * How many of them must have what is written (option required): from 1 to all.
 * Of commands that have no such option all.
 */
size_t conf_n_required(const struct conf *c);

/*
 * Those that the configuration names for the cluster and this run leaves out:
 * "a, b", or "".
 */
void conf_left_out(const struct conf *c, char *out, size_t cap);

/* Those are stores of this run from now on, behind the others.  0 or -1. */
int conf_add_left_out(struct conf *c, struct fail *f);

const char *conf_store_name(const struct conf *c, size_t store);
const char *conf_store_text(
    const struct conf *c, size_t store, enum option_id id, const char **origin);
uint64_t
conf_store_number(const struct conf *c, size_t store, enum option_id id);

#endif
