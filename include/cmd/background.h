/* SPDX-License-Identifier: PostgreSQL */
/* Work that goes on when the program that noticed it has answered. */
#ifndef WALVAULT_CMD_BACKGROUND_H
#define WALVAULT_CMD_BACKGROUND_H

#include "conf.h"

/*
 * Start "walvault sync --to STORES", with what was said to this program on its
 * command line: in a session of its own, its records in STATE_DIR/sync.log,
 * holding nothing of whoever started this program.  It locks for itself.
 * Failing is no matter: there is a timer, too.
 */
void background_sync(const struct conf *c, const char *stores);

#endif
