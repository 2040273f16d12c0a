/* SPDX-License-Identifier: PostgreSQL */
/* The configured rules of retention. */
#ifndef WALVAULT_CMD_RULES_H
#define WALVAULT_CMD_RULES_H

#include "conf.h"
#include "retain.h"

void rules_of(const struct conf *c, struct retain_rules *rules);

#endif
