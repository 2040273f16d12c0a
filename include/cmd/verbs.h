/* SPDX-License-Identifier: PostgreSQL */
/* The verbs of walvault: one file each, called verb_NAME.c. */
#ifndef WALVAULT_CMD_VERBS_H
#define WALVAULT_CMD_VERBS_H

#include "setup.h"

struct verb {
	const char *name;
	enum command command;
	const char *usage; /* behind "walvault " */
	const char *about;
	size_t min_args, max_args;
	/* The exit status, or -1 with *f filled. */
	int (*run)(struct setup *s, struct fail *f);
};

int verb_init(struct setup *s, struct fail *f);
int verb_info(struct setup *s, struct fail *f);
int verb_check(struct setup *s, struct fail *f);
int verb_find(struct setup *s, struct fail *f);
int verb_ls(struct setup *s, struct fail *f);
int verb_cat(struct setup *s, struct fail *f);
int verb_config(struct setup *s, struct fail *f);
int verb_expire(struct setup *s, struct fail *f);
int verb_hold(struct setup *s, struct fail *f);
int verb_release(struct setup *s, struct fail *f);
int verb_verify(struct setup *s, struct fail *f);
int verb_sync(struct setup *s, struct fail *f);
int verb_repair(struct setup *s, struct fail *f);
int verb_rescue(struct setup *s, struct fail *f);

/*
 * Open repository i (setup_stores was called) and settle which system it is
 * about: --sysid, pgdata's pg_control, or the only one there; the generation
 * is the configured one, or with newest the highest there is.
 */
int verb_open(struct setup *s, size_t i, struct identity *id, struct fail *f);

/*
 * The key in store i that a person means: as ls shows it, or a WAL file's or a
 * backup's name (its manifest).  0 or -1.
 */
int verb_key_of(struct setup *s, size_t i, const char *given,
    char key[LAYOUT_KEY_MAX], struct fail *f);

/* Is a store in a list of names and URLs?  No list (NULL): all are. */
bool verb_is_named(const char *list, const struct store *s);

/* All that the list of an option names must be stores.  0 or -1. */
int verb_check_list(const struct setup *s, enum option_id id, struct fail *f);

#endif
