/* SPDX-License-Identifier: PostgreSQL */
/* What several commands print on standard output. */
#ifndef WALVAULT_CMD_OUTPUT_H
#define WALVAULT_CMD_OUTPUT_H

#include "fail.h"
#include "json.h"
#include "store.h"
#include "walrecord.h"

/* Room for the name of a store. */
#define OUTPUT_PREFIX 128

/*
 * Print a whole JSON text if it is wanted, and clear it in any case.  One for
 * which there was no memory is not printed, which is logged.
 */
void output_json(struct json *j, bool wanted);

/* "NAME: ", with which the lines about one of several stores begin; or "". */
void output_prefix(size_t n_stores, const char *store, char out[OUTPUT_PREFIX]);

/* An element of "stores": its name and URL, and at the end why it failed. */
void output_store_begin(struct json *j, const struct store *s);
void output_store_end(struct json *j, const struct fail *f);

/* Members of a JSON object; LSN_NONE and WAL_NO_TIME are null. */
void output_lsn(struct json *j, const char *name, uint64_t lsn);
void output_time(struct json *j, const char *name, int64_t time);

/* "key=value" lines as the object "annotations". */
void output_annotations(struct json *j, const char *lines);

/* A transaction's end, null if there is none. */
void output_xact(
    struct json *j, const char *name, bool has, const struct walxact *x);

/* The same for people: a line that begins with what, padded by the caller. */
void output_xact_text(const char *what, bool has, const struct walxact *x);

#endif
