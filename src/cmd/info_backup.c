/* SPDX-License-Identifier: PostgreSQL */
/* What info tells about backups: see info_backup.h. */
#include <stdio.h>
#include <string.h>

#include "backup_lease.h"
#include "clock.h"
#include "info_backup.h"
#include "lsn.h"
#include "output.h"
#include "units.h"

static const char *const state_names[] = {
	[BACKUP_COMPLETE] = "complete",
	[BACKUP_UNFINISHED] = "unfinished",
	[BACKUP_DELETING] = "deleting",
	[BACKUP_DAMAGED] = "damaged",
};

static void
json_complete(struct json *j, const struct manifest_summary *s)
{
	json_string(j, "type", s->type);
	output_time(j, "start_time", s->start_time);
	output_time(j, "stop_time", s->stop_time);
	output_lsn(j, "start_lsn", s->start_lsn);
	output_lsn(j, "stop_lsn", s->stop_lsn);
	json_int(j, "start_timeline", s->start_tli);
	json_int(j, "stop_timeline", s->stop_tli);
	json_int(j, "version", s->version_num);
	json_bool(j, "from_standby", s->from_standby);
	json_bool(j, "checksums", s->checksums);
	json_int(j, "bad_pages", (int64_t)s->bad_pages);
	json_int(j, "files", (int64_t)s->files);
	json_int(j, "bytes", (int64_t)s->bytes);
	json_string(j, "label", s->label);
	output_annotations(j, s->annotations);
	json_string(j, "host", s->host);
}

static void
json_begun(struct json *j, const struct backup *b)
{
	json_object(j, "begun");
	output_time(j, "time", b->begin.time);
	output_lsn(j, "from_lsn", b->begin.from_lsn);
	json_int(j, "timeline", b->begin.tli);
	json_string(j, "host", b->begin.host);
	json_int(j, "pid", b->begin.pid);
	json_end_object(j);
}

static void
json_restores(
    struct json *j, const struct backup_list *list, const struct backup *b)
{
	json_array(j, "restores");
	for (size_t i = 0; i < list->n_leases; i++) {
		const struct backup_lease *l = &list->leases[i];

		if (strcmp(l->id, b->id) != 0)
			continue;
		json_object(j, NULL);
		json_string(j, "host", l->pid != 0 ? l->host : NULL);
		json_int(j, "pid", l->pid);
		output_time(j, "time", l->mtime);
		output_lsn(j, "from_lsn", l->from_lsn);
		if (l->to_lsn != LSN_NONE)
			output_lsn(j, "to_lsn", l->to_lsn);
		else
			json_null(j, "to_lsn");
		json_int(j, "timeline", l->tli);
		output_time(j, "until", backup_lease_until(l));
		json_end_object(j);
	}
	json_end_array(j);
}

static void
json_backup(
    struct json *j, const struct backup_list *list, const struct backup *b)
{
	json_object(j, NULL);
	json_string(j, "id", b->id);
	json_string(j, "state", state_names[b->state]);
	if (b->state == BACKUP_COMPLETE)
		json_complete(j, &b->info);
	else if (b->has_begin)
		json_begun(j, b);
	json_string(j, "damage", b->why[0] != '\0' ? b->why : NULL);
	json_int(j, "stored", (int64_t)b->stored);
	json_int(j, "objects", (int64_t)b->objects);
	output_time(j, "newest_object", b->newest);
	if (b->holds > 0) {
		json_object(j, "hold");
		if (b->held_until == INT64_MAX)
			json_null(j, "until");
		else
			output_time(j, "until", b->held_until);
		json_string(j, "reason", b->hold_reason);
		json_end_object(j);
	} else {
		json_null(j, "hold");
	}
	json_restores(j, list, b);
	json_end_object(j);
}

static void
print_complete(const struct backup *b)
{
	const struct manifest_summary *s = &b->info;
	char start[CLOCK_TEXT], stop[CLOCK_TEXT], from[LSN_TEXT], to[LSN_TEXT],
	    bytes[UNITS_TEXT], stored[UNITS_TEXT];

	clock_format(s->start_time, start);
	clock_format(s->stop_time, stop);
	lsn_format(s->start_lsn, from);
	lsn_format(s->stop_lsn, to);
	units_format_bytes(s->bytes, bytes);
	units_format_bytes(b->stored, stored);
	(void)printf("  backup %s%s%s%s\n", b->id,
	    s->label[0] != '\0' ? " \"" : "", s->label,
	    s->label[0] != '\0' ? "\"" : "");
	(void)printf("    %s - %s%s\n", start, stop,
	    s->from_standby ? ", from a standby" : "");
	(void)printf("    WAL %s - %s, timeline %u", from, to, s->start_tli);
	if (s->stop_tli != s->start_tli)
		(void)printf(" - %u", s->stop_tli);
	(void)printf("\n    %s in %llu files, %s stored\n", bytes,
	    (unsigned long long)s->files, stored);
	if (s->bad_pages > 0)
		(void)printf("    BAD PAGES: %llu have wrong checksums\n",
		    (unsigned long long)s->bad_pages);
	for (const char *a = s->annotations; *a != '\0';) {
		size_t len = strcspn(a, "\n");

		(void)printf("    %.*s\n", (int)len, a);
		a += len + (a[len] == '\n');
	}
}

static void
print_other(const struct backup *b)
{
	char when[CLOCK_TEXT], newest[CLOCK_TEXT], from[LSN_TEXT],
	    stored[UNITS_TEXT];

	clock_format(b->begin.time, when);
	clock_format(b->newest, newest);
	lsn_format(b->begin.from_lsn, from);
	units_format_bytes(b->stored, stored);
	(void)printf("  backup %s %s%s%s\n", b->id,
	    b->state == BACKUP_DAMAGED        ? "DAMAGED: "
	        : b->state == BACKUP_DELETING ? "is being deleted"
	                                      : "is not finished",
	    b->state != BACKUP_DAMAGED && b->why[0] != '\0' ? ": " : "",
	    b->why);
	if (b->has_begin)
		(void)printf("    begun %s on %s, pid %lld; it needs WAL "
		             "behind %s\n",
		    when, b->begin.host, (long long)b->begin.pid, from);
	(void)printf("    %zu objects, %s, the newest of %s\n", b->objects,
	    stored, newest);
}

static void
print_hold(const struct backup *b)
{
	char until[CLOCK_TEXT] = "it is released";

	if (b->holds == 0)
		return;
	if (b->held_until != INT64_MAX)
		clock_format(b->held_until, until);
	(void)printf("    held until %s%s%s\n", until,
	    b->hold_reason[0] != '\0' ? ": " : "", b->hold_reason);
}

static void
print_restores(const struct backup_list *list, const struct backup *b)
{
	char until[CLOCK_TEXT], to[LSN_TEXT];

	for (size_t i = 0; i < list->n_leases; i++) {
		const struct backup_lease *l = &list->leases[i];

		if (strcmp(l->id, b->id) != 0)
			continue;
		clock_format(backup_lease_until(l), until);
		lsn_format(l->to_lsn, to);
		if (l->pid == 0)
			(void)printf("    kept until %s for a restore whose "
			             "note cannot be read\n",
			    until);
		else
			(void)printf("    kept until %s for a restore on %s, "
			             "pid %lld, with WAL %s%s\n",
			    until, l->host, (long long)l->pid,
			    l->to_lsn != LSN_NONE ? "to " : "without end",
			    l->to_lsn != LSN_NONE ? to : "");
	}
}

void
info_backups(const struct backup_list *l, struct json *j)
{
	if (j != NULL)
		json_array(j, "backups");
	for (size_t i = 0; i < l->n; i++) {
		const struct backup *b = &l->list[i];

		if (j != NULL) {
			json_backup(j, l, b);
			continue;
		}
		if (b->state == BACKUP_COMPLETE)
			print_complete(b);
		else
			print_other(b);
		print_hold(b);
		print_restores(l, b);
	}
	if (j != NULL)
		json_end_array(j);
}
