/* SPDX-License-Identifier: PostgreSQL */
/*
 * A store that a user's program keeps: exec:COMMAND.  walvault-exec(7) says
 * what is asked of it.
 */
#ifndef WALVAULT_STORE_STORE_EXEC_H
#define WALVAULT_STORE_STORE_EXEC_H

#include "exec_run.h"

struct store *store_exec_open(const struct store_args *args, struct fail *f);

/* As store_put and store_list. */
struct stream *exec_put(struct store *store, const char *key,
    const struct store_attrs *attrs, struct fail *f);
int exec_list(struct store *store, const struct store_scan *scan,
    store_list_fn *fn, void *arg, struct fail *f);

/* Read "SIZE SECONDS" and what is behind them.  NULL: it is not that. */
const char *exec_parse_info(const char *line, struct store_info *info);

#endif
