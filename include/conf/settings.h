/* SPDX-License-Identifier: PostgreSQL */
/*
 * Everything that was said about options, by whom and where, before it is
 * decided what holds.  Internal to the conf layer.
 */
#ifndef WALVAULT_CONF_SETTINGS_H
#define WALVAULT_CONF_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "fail.h"
#include "options.h"

/* Who said it; a higher rank wins. */
enum rank { RANK_DEFAULTS, RANK_SECTION, RANK_ENVIRONMENT, RANK_COMMAND };

struct setting {
	const struct option *option;
	enum rank rank;
	const char *section; /* cluster or store it is for, or "" */
	const char *value;
	const char *origin;
};

/* Texts, owned. */
struct texts {
	char **text;
	size_t n;
};

struct settings {
	struct setting *list; /* its texts are owned */
	size_t n;
	struct texts clusters, stores; /* sections of the files */
	struct texts args;             /* arguments that are not options */
	struct texts warnings;
};

/*
 * Names become parts of paths, keys and environment variables: letters,
 * digits, '.', '_', '-', at most 63, no '.' in front.  0 or -1.
 */
int settings_check_name(
    const char *kind, const char *name, const char *origin, struct fail *f);

/*
 * The section that a store's own value of a SCOPE_BOTH option is for: no
 * cluster's name has a blank.
 */
#define SETTINGS_SECTION 1024
void settings_store_section(const char *store, char out[SETTINGS_SECTION]);

/* Remember a text.  0, or -1 without memory. */
int texts_add(struct texts *t, const char *text);

/* A warning, to be logged.  0, or -1 without memory. */
int settings_warn(struct settings *s, struct fail *f, const char *fmt, ...)
    FAIL_PRINTF(3, 4);

/* Check and remember; the texts of *said are copied. */
int
settings_add(struct settings *s, const struct setting *said, struct fail *f);

/*
 * The setting of the highest rank for an option, of those said for all
 * ("") or for this section; the later one of the same rank.  NULL if none.
 */
const struct setting *
settings_find(const struct settings *s, enum option_id id, const char *section);

/* A configuration file.  0, 1 it does not exist, -1. */
int settings_read_file(struct settings *s, const char *path, struct fail *f);

/* All *.conf files of a directory, in the order of their names. */
int settings_read_dir(struct settings *s, const char *path, struct fail *f);

/* WALVAULT_...; to be called when the stores' names are known. */
int settings_read_environment(
    struct settings *s, char **environment, struct fail *f);

/* Options and arguments of a command. */
int settings_read_arguments(struct settings *s, enum command command, int argc,
    char **argv, struct fail *f);

void settings_clear(struct settings *s);

#endif
