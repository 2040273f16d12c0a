/* SPDX-License-Identifier: PostgreSQL */
/* From options to open stores: what every command begins with. */
#ifndef WALVAULT_CMD_SETUP_H
#define WALVAULT_CMD_SETUP_H

#include "clock.h"
#include "conf.h"
#include "repository.h"

/* One store's place in the configuration, for those who open it. */
struct setup_store {
	const struct conf *conf;
	size_t number;
};

struct setup {
	enum command command;
	struct conf *conf;
	struct store *stores[CONF_STORES_MAX];
	struct repository repos[CONF_STORES_MAX]; /* not opened */
	size_t n, n_unusable;
	struct setup_store places[CONF_STORES_MAX];
	struct deadline deadline; /* of the run, at_ms 0: it has none */
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

/*
 * What a run with this timeout may use for itself: it should tell of its own
 * failure a little before whoever supervises it does.
 */
struct deadline setup_deadline(int64_t timeout_ms);

/*
 * Open the stores that are not open yet, and prepare one repository each.  Of
 * several those that cannot be opened fail at whatever they are asked, so that
 * nothing is kept from the others; not so for commands that set stores up.  0,
 * or -1: none can be used.
 */
int setup_stores(struct setup *s, struct fail *f);

/*
 * Of commands that change what is there, before they do: no directory may be
 * there twice, under two names, whose rules would then hold for each other's
 * objects.  A store that fails is passed over: nothing is changed there.  0 or
 * -1.
 */
int setup_places(struct setup *s, struct fail *f);

/* How store i is opened, for whoever needs it again.  All in it is s's. */
void setup_store_args(struct setup *s, size_t i, struct store_args *args);

/*
 * Where there are several, the failure says which store's it is.  Always -1.
 */
int setup_name_store(const struct setup *s, size_t i, struct fail *f);

/*
 * What only a store that fails has is not known: the failure hints at how to go
 * on without it, which a person decides.  Always -1.
 */
int setup_suggest_others(const struct setup *s, size_t failed, struct fail *f);

void setup_clear(struct setup *s);

#endif
