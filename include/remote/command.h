/* SPDX-License-Identifier: PostgreSQL */
/* A user's command that prints something, by /bin/sh. */
#ifndef WALVAULT_REMOTE_COMMAND_H
#define WALVAULT_REMOTE_COMMAND_H

#include "buf.h"
#include "clock.h"
#include "fail.h"

/*
 * Run it and append what it prints, at most max bytes; standard error is
 * ours.  It is ended when the time is over.  what names it in messages, for
 * the command may hold what nobody is to read.  0 it ended with 0, -1.
 */
int command_run(const char *what, const char *command, struct deadline end,
    size_t max, struct buf *out, struct fail *f);

#endif
