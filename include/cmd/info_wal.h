/* SPDX-License-Identifier: PostgreSQL */
/* The part of walvault info that is about WAL. */
#ifndef WALVAULT_CMD_INFO_WAL_H
#define WALVAULT_CMD_INFO_WAL_H

#include "json.h"
#include "line.h"

/* A timeline whose own segments are the line: as JSON, or on stdout. */
void info_timeline_json(
    struct json *j, const struct index_timeline *t, const struct line *l);
void info_timeline_text(const struct index_timeline *t, const struct line *l);

#endif
