/* SPDX-License-Identifier: PostgreSQL */
/* Whether two URLs lead to one place, as far as the words tell. */
#ifndef WALVAULT_CONF_PLACE_H
#define WALVAULT_CONF_PLACE_H

#include <stdbool.h>

/*
 * Are two URLs of stores, or of services, the same but for the way they are
 * written (slashes, the host's case, the usual port)?  Not of exec:, whose
 * command may go by the store's name.  NULL is the same as NULL.
 */
bool place_is_same(const char *a, const char *b);

#endif
