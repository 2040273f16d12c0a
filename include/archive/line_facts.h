/* SPDX-License-Identifier: PostgreSQL */
/* What the segments of a line say of themselves.  Internal to line*.c. */
#ifndef WALVAULT_ARCHIVE_LINE_FACTS_H
#define WALVAULT_ARCHIVE_LINE_FACTS_H

#include "line.h"

/*
 * Read a segment's header: facts and damage.  0 (an unreadable header is a
 * finding, not a failure), or -1.
 */
int
line_facts_load(const struct line *l, struct line_segment *s, struct fail *f);

/* The same for all segments of the line, several at the same time. */
int line_facts_load_all(struct line *l, struct fail *f);

#endif
