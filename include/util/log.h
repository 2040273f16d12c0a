/* SPDX-License-Identifier: PostgreSQL */
/*
 * One-line records on stderr, where PostgreSQL's log, journald and people
 * read them.  "what: object: cause", then key=value.  Each record is one
 * write(2), so that records of several processes never mix.
 */
#ifndef WALVAULT_UTIL_LOG_H
#define WALVAULT_UTIL_LOG_H

#include <stdbool.h>

#include "fail.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* Before the first record; program is kept, not copied. */
void log_setup(const char *program, enum log_level level, bool json);

/* The program's name as given to log_setup. */
const char *log_program(void);

void log_debug(const char *fmt, ...) FAIL_PRINTF(1, 2);
void log_info(const char *fmt, ...) FAIL_PRINTF(1, 2);
void log_warning(const char *fmt, ...) FAIL_PRINTF(1, 2);
void log_error(const char *fmt, ...) FAIL_PRINTF(1, 2);

/* "WHAT: object: cause (hint: ...)". */
void log_fail(enum log_level level, const char *what, const struct fail *f);

#endif
