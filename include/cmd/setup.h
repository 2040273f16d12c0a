/* SPDX-License-Identifier: PostgreSQL */
/* From options to open stores: what every command begins with. */
#ifndef WALVAULT_CMD_SETUP_H
#define WALVAULT_CMD_SETUP_H

#include "conf.h"
#include "repository.h"

struct setup {
	struct conf *conf;
	struct store *stores[CONF_STORES_MAX];
	struct repository repos[CONF_STORES_MAX]; /* not opened */
	size_t n;
};

/*
 * Answer --help and --version on stdout, if they are there: 1.  Else 0.
 * usage is the line behind "usage: ".
 */
int setup_help(enum command command, const char *usage, const char *about,
    int argc, char **argv);

/* Load the configuration, set logging up, log its warnings.  0 or -1. */
int setup_conf(struct setup *s, enum command command, int argc, char **argv,
    struct fail *f);

/* Open the stores and prepare one repository each.  0 or -1. */
int setup_stores(struct setup *s, struct fail *f);

/* How store i is opened, for whoever needs it again.  Texts are s->conf's. */
void setup_store_args(const struct setup *s, size_t i, struct store_args *args);

void setup_clear(struct setup *s);

#endif
