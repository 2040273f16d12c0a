/* SPDX-License-Identifier: PostgreSQL */
/* The plan and what became of it, for people and as JSON: restore_job.h. */
#include <gnu/libc-version.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "clock.h"
#include "log.h"
#include "lsn.h"
#include "output.h"
#include "planfile.h"
#include "restore_job.h"
#include "units.h"

static const char *const type_names[] = { [PLAN_LATEST] = "latest",
	[PLAN_TIME] = "time",
	[PLAN_LSN] = "lsn",
	[PLAN_XID] = "xid",
	[PLAN_NAME] = "name",
	[PLAN_IMMEDIATE] = "immediate" };

static const char *const action_names[] = { [RESTORE_PAUSE] = "pause",
	[RESTORE_PROMOTE] = "promote",
	[RESTORE_SHUTDOWN] = "shutdown" };

const char *
restore_type_name(enum plan_type type)
{
	return type_names[type];
}

const char *
restore_action_name(enum restore_action action)
{
	return action_names[action];
}

void
restore_warn(struct restore_job *j, const char *fmt, ...)
{
	va_list ap;

	if (j->n_warnings == RESTORE_WARNINGS)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(
	    j->warnings[j->n_warnings++], sizeof j->warnings[0], fmt, ap);
	va_end(ap);
}

/* Sort orders come from libc and ICU: an index made under another one may
 * not find what is in it. */
void
restore_compare_hosts(struct restore_job *j)
{
	const struct manifest_head *h = &j->set.head;
	struct utsname u;
	char libc[64];
	bool other;

	(void)snprintf(libc, sizeof libc, "glibc %s", gnu_get_libc_version());
	if (uname(&u) == 0 && h->arch[0] != '\0' &&
	    strcmp(u.machine, h->arch) != 0)
		restore_warn(j,
		    "the backup is from %s, this host is %s: a data directory "
		    "is not portable",
		    h->arch, u.machine);
	other = h->libc[0] != '\0' && strcmp(h->libc, libc) != 0;
	if (other)
		restore_warn(j,
		    "the backup is from a host with %s, this one has %s: text "
		    "may sort otherwise; check indexes with amcheck or REINDEX "
		    "them",
		    h->libc, libc);
	if (other && h->icu[0] != '\0')
		restore_warn(j,
		    "the backup's server had ICU collations of version %s: "
		    "where pg_collation_actual_version says another one, "
		    "REINDEX",
		    h->icu);
	if (h->s.bad_pages > 0)
		restore_warn(j,
		    "%" PRIu64 " pages of the backup had wrong checksums when "
		    "it was made: walvault info shows which",
		    h->s.bad_pages);
}

static void
print_line(const struct plan *p)
{
	char lsn[LSN_TEXT];

	(void)printf("timeline         ");
	for (size_t i = 0; i < p->history.n; i++) {
		lsn_format(p->history.ancestors[i].switch_lsn, lsn);
		(void)printf("%u to %s, ", p->history.ancestors[i].tli, lsn);
	}
	(void)printf("%u\n", p->tli);
}

static void
print_stop(const struct plan *p, bool standby)
{
	char lsn[LSN_TEXT];

	lsn_format(p->stop_lsn, lsn);
	if (standby)
		(void)printf("stop             none; archived up to the record "
		             "at %s\n",
		    lsn);
	else if (p->target.type == PLAN_IMMEDIATE)
		(void)printf("stop             at the backup's end, %s\n", lsn);
	else
		(void)printf("stop             just %s the record at %s, "
		             "timeline %u\n",
		    p->inclusive ? "behind" : "before", lsn, p->stop_tli);
	output_xact_text("last there       ", p->has_before, &p->last);
	output_xact_text("first not there  ", p->has_after, &p->first_not);
}

static void
print_chain(const struct plan *p)
{
	char wal[UNITS_TEXT], stored[UNITS_TEXT];

	units_format_bytes(p->wal_stored, wal);
	units_format_bytes(p->backup.info.stored, stored);
	(void)printf("WAL              %" PRIu64 " segments, %s to %s, each "
	             "proven to follow the one before it\n",
	    p->segments, p->first_segment.text, p->last_segment.text);
	(void)printf(
	    "to fetch         %s of the backup, %s of WAL\n", stored, wal);
}

/* Nobody has said yet where it goes. */
static void
print_need(const struct restore_place *p)
{
	char need[UNITS_TEXT];

	units_format_bytes(p->bytes, need);
	if (p->oid == 0) {
		(void)printf("into             DEST: %s needed\n", need);
		return;
	}
	(void)printf("tablespace       %" PRIu32 ", was %s: %s needed", p->oid,
	    p->old, need);
	if (p->path[0] != '\0')
		(void)printf(", into %s\n", p->path);
	else
		(void)printf("; say where: --tablespace %" PRIu32
		             "=/new/place, or --tablespace-dir DIR\n",
		    p->oid);
}

static void
print_place(const struct restore_place *p)
{
	char need[UNITS_TEXT], have[UNITS_TEXT];

	units_format_bytes(p->bytes, need);
	units_format_bytes(p->free, have);
	if (p->oid == 0)
		(void)printf("into             %s: %s needed, %s free\n",
		    p->path, need, have);
	else
		(void)printf("tablespace       %" PRIu32 ", was %s, into "
		             "%s: %s needed, %s free\n",
		    p->oid, p->old, p->path, need, have);
}

static void
print_places(const struct restore_job *j)
{
	for (size_t i = 0; i < j->places.n; i++)
		if (j->dest != NULL)
			print_place(&j->places.list[i]);
		else
			print_need(&j->places.list[i]);
}

static void
print_server(const struct restore_job *j)
{
	const struct restore_server *s = &j->server;
	const char *sock = s->socket_dir, *bin = s->bindir;

	if (!s->running) {
		(void)printf(
		    "server           stopped at the target\n"
		    "to go on         in %s/%s set "
		    "recovery_target_action = 'promote', then start it\n",
		    j->dest, PLANFILE_SETTINGS);
		return;
	}
	if (s->new_tli != 0)
		(void)printf("server           runs, promoted to timeline %u\n",
		    s->new_tli);
	else
		(void)printf("server           runs, %s\n",
		    s->standby ? "a standby that follows the archive"
		               : "paused at the target, read-only");
	(void)printf("                 pid %" PRId64 ", log %s\n"
	             "                 it does not archive, and only this user "
	             "can reach it\n"
	             "to look          psql -h %s postgres\n",
	    s->pid, s->log, sock);
	if (s->new_tli == 0 && !s->standby)
		(void)printf("to promote       psql -h %s -c 'SELECT "
		             "pg_wal_replay_resume()' postgres\n",
		    sock);
	(void)printf(
	    "to stop          %s/pg_ctl -D %s -m fast stop\n", bin, j->dest);
	if (s->new_tli != 0)
		(void)printf("to use it        stop it, then start it with a "
		             "configuration of your own; it archives and "
		             "replicates after the lines below \"Since "
		             "pitr-restore\" are gone from\n"
		             "                 %s/%s\n",
		    j->dest, PLANFILE_SETTINGS);
}

static void
print_next(const struct restore_job *j)
{
	char until[CLOCK_TEXT];

	if (!j->restored) {
		(void)printf("nothing was touched; %s\n",
		    j->no_room ? "without --plan it fails: there is too "
		                 "little room"
		               : "without --plan this is done");
		return;
	}
	(void)printf("restored         %s\n", j->dest);
	if (restore_lease_until(j) != INT64_MIN) {
		clock_format(restore_lease_until(j), until);
		(void)printf("kept             what recovery needs in the "
		             "repository, until %s\n",
		    until);
	}
	if (j->server.started) {
		print_server(j);
		return;
	}
	(void)printf("next             start it: pg_ctl -D %s start\n"
	             "                 at the target: %s\n",
	    j->dest,
	    j->standby ? "none, it follows the archive"
	               : restore_action_name(j->action));
	if (!j->standby)
		(void)printf("afterwards       once it is promoted, take "
		             "pitr-restore's settings out again: sed -i "
		             "'/^# Begin of pitr-restore/,/^# End of "
		             "pitr-restore/d' %s/%s\n",
		    j->dest, PLANFILE_SETTINGS);
}

static void
print_text(const struct restore_job *j)
{
	const struct plan *p = &j->plan;
	const struct manifest_summary *b = &p->backup.info;
	char time[CLOCK_TEXT];

	clock_format(b->stop_time, time);
	(void)printf("target           %s%s%s%s\n",
	    restore_type_name(p->target.type),
	    j->target_text[0] != '\0' ? " " : "", j->target_text,
	    p->target.exclusive ? " (exclusive)" : "");
	(void)printf("backup           %s, PostgreSQL %d, ended %s\n",
	    p->backup.id, b->major, time);
	print_line(p);
	print_chain(p);
	if (p->partial_key[0] != '\0')
		(void)printf("                 the last one is only there as "
		             ".partial: %s\n",
		    p->partial_key);
	print_stop(p, j->standby);
	print_places(j);
	for (size_t i = 0; i < j->n_warnings; i++)
		(void)printf("warning          %s\n", j->warnings[i]);
	print_next(j);
}

void
restore_report(const struct restore_job *j)
{
	if (j->json)
		restore_print_json(j);
	else
		print_text(j);
}

static void
log_moment(const char *what, const struct plan_moment *m)
{
	char time[CLOCK_TEXT] = "no time known", lsn[LSN_TEXT];

	if (!m->known)
		return;
	lsn_format(m->lsn, lsn);
	if (m->time != WAL_NO_TIME)
		clock_format(m->time, time);
	log_error("nearest moment %s: %s, %s: %s", what, time, lsn, m->options);
}

void
restore_report_unreachable(const struct restore_job *j)
{
	const struct plan *p = &j->plan;

	log_error("cannot be reached: %s%s%s: %s",
	    restore_type_name(p->target.type),
	    j->target_text[0] != '\0' ? " " : "", j->target_text, p->why);
	if (p->missing[0] != '\0')
		log_error("missing: %s", p->missing);
	log_moment("before", &p->before);
	log_moment("after", &p->after);
	if (j->json)
		restore_print_json(j);
}
