/* SPDX-License-Identifier: PostgreSQL */
/* The configured rules of retention. */
#ifndef WALVAULT_CMD_RULES_H
#define WALVAULT_CMD_RULES_H

#include "conf.h"
#include "retain.h"

/* Those of one store, whose section may have its own. */
void
rules_of_store(const struct conf *c, size_t store, struct retain_rules *rules);

#endif
