/* SPDX-License-Identifier: PostgreSQL */
/*
 * Kinds of stores, by the scheme of their URL, and what may be said of each.
 * Internal to the conf layer.
 */
#ifndef WALVAULT_CONF_SCHEMES_H
#define WALVAULT_CONF_SCHEMES_H

#include <stdbool.h>

#include "settings.h"

/* How each kind is written, for hints. */
#define SCHEMES_FORMS                                    \
	"file:///absolute/path, s3://BUCKET/PREFIX, "    \
	"azure://CONTAINER/PREFIX, gs://BUCKET/PREFIX, " \
	"sftp://USER@HOST/PATH, exec:COMMAND"

/* A URL, in place of a store's name? */
bool schemes_is_url(const char *text);

/*
 * The schemes of the stores that an option of a store's section is for,
 * "s3 azure"; NULL: all.
 */
const char *schemes_of(enum option_id id);

/*
 * Nothing stands in a store's section, or is said of it in the environment,
 * that its kind would ignore: who asks for a lock or for encryption is not to
 * believe that there is one.  0, or -1: FAIL_CONFIG with the place.
 */
int schemes_check(const struct settings *s, struct fail *f);

/*
 * The section that has this URL.  0: there is one (*name), or there are
 * several that say the same to this command; 1: none; -1: FAIL_CONFIG.
 */
int schemes_section(const struct settings *s, enum command command,
    const char *url, const char *origin, const char **name, struct fail *f);

/* A store that is neither a URL nor one of the sections that have one.  -1. */
int schemes_no_url(const struct settings *s, const char *name,
    const char *origin, struct fail *f);

#endif
