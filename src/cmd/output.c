/* SPDX-License-Identifier: PostgreSQL */
/* What several commands print on standard output: see output.h. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "lsn.h"
#include "output.h"

void
output_json(struct json *j, bool wanted)
{
	if (wanted && j->failed)
		log_error("standard output: no memory");
	else if (wanted)
		(void)printf(
		    "%.*s\n", (int)j->text.len, (const char *)j->text.data);
	buf_clear(&j->text);
}

void
output_prefix(size_t n_stores, const char *store, char out[OUTPUT_PREFIX])
{
	out[0] = '\0';
	if (n_stores > 1)
		(void)snprintf(out, OUTPUT_PREFIX, "%.120s: ", store);
}

void
output_store_begin(struct json *j, const struct store *s)
{
	json_object(j, NULL);
	json_string(j, "name", s->name);
	json_string(j, "store", s->url);
}

void
output_store_end(struct json *j, const struct fail *f)
{
	char error[sizeof((struct fail *)NULL)->object +
	    sizeof((struct fail *)NULL)->cause + 2];

	if (f != NULL)
		(void)snprintf(
		    error, sizeof error, "%s: %s", f->object, f->cause);
	json_string(j, "error", f != NULL ? error : NULL);
	json_end_object(j);
}

void
output_lsn(struct json *j, const char *name, uint64_t lsn)
{
	char text[LSN_TEXT];

	lsn_format(lsn, text);
	json_string(j, name, lsn != LSN_NONE ? text : NULL);
}

void
output_time(struct json *j, const char *name, int64_t time)
{
	char text[CLOCK_TEXT];

	clock_format(time, text);
	json_string(j, name, time != WAL_NO_TIME ? text : NULL);
}

void
output_annotations(struct json *j, const char *lines)
{
	json_object(j, "annotations");
	while (*lines != '\0') {
		char key[1024], value[1024];
		size_t len = strcspn(lines, "\n"), n = strcspn(lines, "=");

		if (n < len) {
			(void)snprintf(key, sizeof key, "%.*s", (int)n, lines);
			(void)snprintf(value, sizeof value, "%.*s",
			    (int)(len - n - 1), lines + n + 1);
			json_string(j, key, value);
		}
		lines += len + (lines[len] == '\n');
	}
	json_end_object(j);
}

void
output_xact(struct json *j, const char *name, bool has, const struct walxact *x)
{
	if (!has) {
		json_null(j, name);
		return;
	}
	json_object(j, name);
	output_lsn(j, "lsn", x->lsn);
	output_lsn(j, "end_lsn", x->end);
	json_int(j, "xid", x->xid);
	output_time(j, "time", x->time);
	json_string(j, "kind", walxact_kind_name(x->kind));
	json_end_object(j);
}

void
output_xact_text(const char *what, bool has, const struct walxact *x)
{
	char lsn[LSN_TEXT], time[CLOCK_TEXT];

	lsn_format(x->lsn, lsn);
	clock_format(x->time, time);
	if (has)
		(void)printf("%s%s of %u at %s (%s)\n", what,
		    walxact_kind_name(x->kind), x->xid, time, lsn);
	else
		(void)printf("%snone\n", what);
}
