/* SPDX-License-Identifier: PostgreSQL */
/* Reading a recovering server's log: see restore_watch.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "conn.h"
#include "fork.h"
#include "lsn.h"
#include "restore_watch.h"
#include "walhdr.h"

/* A time in the log may be as short as "2026-11-20 02:00:03+00". */
#define TIME_TEXT 64

/* What follows text in a line; NULL if it is not in it. */
static const char *
behind(const char *line, const char *text)
{
	const char *p = strstr(line, text);

	return p != NULL ? p + strlen(text) : NULL;
}

static void
take_stop(struct restore_watch *w, const char *line, bool before)
{
	const char *p = behind(line, "(LSN) \"");
	char text[LSN_TEXT + 8];

	w->reached = true;
	w->before = before;
	if (p == NULL)
		return;
	(void)snprintf(text, sizeof text, "%.*s", (int)strcspn(p, "\""), p);
	if (lsn_parse(text, &w->stop_lsn) != 0)
		w->stop_lsn = LSN_NONE;
}

static void
take_segment(struct restore_watch *w, const char *p)
{
	struct walname name;
	char text[WALNAME_TEXT];

	(void)snprintf(text, sizeof text, "%.*s", (int)strcspn(p, "\""), p);
	if (walname_parse(text, &name) == 0 && name.kind == WALNAME_SEGMENT)
		w->segno = walname_segno(&name, w->job->id.segsize);
}

static void
take_time(struct restore_watch *w, const char *p)
{
	char text[TIME_TEXT];
	const char *why;

	(void)snprintf(text, sizeof text, "%s", p);
	w->has_last = clock_parse(text, false, &w->last_xact, &why) == 0;
}

/*
 * "max_connections = 20 is a lower setting than on the primary server, where
 * its value was 70.", in 13 "(its value was 70)".
 */
static void
take_limit(struct restore_watch *w, const char *line)
{
	const char *value = behind(line, "value was ");

	if (value == NULL || strstr(line, " is a lower setting than ") == NULL)
		return;
	for (size_t i = 0; i < RESTORE_LIMITS; i++) {
		const char *name = restore_limit_name(i);
		const char *p = behind(line, name);

		if (p == NULL || strncmp(p, " = ", 3) != 0)
			continue;
		w->limit = name;
		w->limit_value = (uint32_t)strtoul(value, NULL, 10);
	}
}

static void
take_line(struct restore_watch *w, const char *line)
{
	const char *p;

	take_limit(w, line);
	if ((p = behind(line, "LOG:  restored log file \"")) != NULL)
		take_segment(w, p);
	else if (strstr(line,
	             "LOG:  recovery stopping after reaching "
	             "consistency") != NULL)
		w->reached = w->consistent = true;
	else if (strstr(line, "LOG:  recovery stopping before") != NULL)
		take_stop(w, line, true);
	else if (strstr(line, "LOG:  recovery stopping after") != NULL)
		take_stop(w, line, false);
	else if (strstr(line, "LOG:  pausing at the end of recovery") != NULL)
		w->paused = true;
	else if (strstr(line, "LOG:  shutdown at recovery target") != NULL)
		w->shut_down = true;
	else if ((p = behind(line, "LOG:  selected new timeline ID: ")) != NULL)
		w->new_tli = (uint32_t)strtoul(p, NULL, 10);
	else if ((p = behind(line,
	              "LOG:  last completed transaction was at "
	              "log time ")) != NULL)
		take_time(w, p);
	else if (strstr(line, "ready to accept read") != NULL)
		w->hot = true;
	else if (strstr(line, "ready to accept connections") != NULL)
		w->ready = true;
	else if (((p = behind(line, "FATAL:  ")) != NULL ||
	             (p = behind(line, "PANIC:  ")) != NULL) &&
	    strncmp(p, "the database system is", 22) != 0)
		(void)snprintf(w->fatal, sizeof w->fatal, "%s", p);
}

static int
take_bytes(struct restore_watch *w, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] != '\n') {
			if (buf_append(&w->line, bytes + i, 1) != 0)
				return -1;
			continue;
		}
		if (buf_append(&w->line, "", 1) != 0)
			return -1;
		take_line(w, (const char *)w->line.data);
		w->line.len = 0;
	}
	return 0;
}

int
restore_watch_read(struct restore_watch *w, struct fail *f)
{
	const char *log = w->job->server.log;
	char bytes[8192];
	ssize_t n;

	if (w->fd < 0)
		w->fd = open(log, O_RDONLY | O_CLOEXEC);
	if (w->fd < 0)
		return errno == ENOENT ? 0 : fail_errno(f, log, "open");
	while ((n = read(w->fd, bytes, sizeof bytes)) > 0)
		if (take_bytes(w, bytes, (size_t)n) != 0)
			return fail_errno(f, log, "memory");
	return n == 0 ? 0 : fail_errno(f, log, "read");
}

void
restore_watch_clear(struct restore_watch *w)
{
	if (w->fd >= 0)
		(void)close(w->fd);
	buf_clear(&w->line);
}

static int
differs(const struct restore_job *j, struct fail *f, const char *what,
    uint64_t planned, uint64_t real)
{
	char one[LSN_TEXT], two[LSN_TEXT];

	lsn_format(planned, one);
	lsn_format(real, two);
	(void)fail_set(f, FAIL_DAMAGED, j->dest,
	    "recovery did not end where the plan says: %s %s, planned %s", what,
	    two, one);
	return fail_hint(
	    f, "do not use this server; its log is %s", j->server.log);
}

/* An LSN at a page's start may be told with or without the page's header. */
static bool
same_lsn(uint64_t a, uint64_t b)
{
	uint64_t low = a < b ? a : b, high = a < b ? b : a;

	return high - low == 0 ||
	    ((high - low == WALHDR_SHORT || high - low == WALHDR_LONG) &&
	        low % 8192 == 0);
}

static int
compare_stop(const struct restore_watch *w, struct fail *f)
{
	const struct plan *p = &w->job->plan;

	if (p->target.type == PLAN_IMMEDIATE)
		return w->consistent ? 0
		                     : fail_set(f, FAIL_DAMAGED, w->job->dest,
		                           "the server does not say that it "
		                           "stopped when consistent");
	if (w->stop_lsn != p->stop_lsn)
		return differs(
		    w->job, f, "it stopped at", p->stop_lsn, w->stop_lsn);
	if (w->before == p->inclusive)
		return fail_set(f, FAIL_DAMAGED, w->job->dest,
		    "recovery stopped %s the planned record",
		    w->before ? "before" : "behind");
	return 0;
}

/* The history of the new timeline says where it came from. */
static int
compare_history(const struct restore_watch *w, struct fail *f)
{
	const struct plan *p = &w->job->plan;
	const struct timeline_entry *last;
	struct timeline t;
	char dir[PATH_MAX];
	int rc;

	(void)snprintf(dir, sizeof dir, "%.4000s/pg_wal", w->job->dest);
	rc = fork_read_history(dir, w->new_tli, &t, f);
	if (rc == 1)
		rc = fail_set(f, FAIL_DAMAGED, dir,
		    "the new timeline %u has no history", w->new_tli);
	if (rc != 0)
		return -1;
	last = &t.ancestors[t.n - 1];
	if (last->tli != p->tli)
		rc = fail_set(f, FAIL_DAMAGED, w->job->dest,
		    "it comes from timeline %u, planned was %u", last->tli,
		    p->tli);
	else if (!same_lsn(last->switch_lsn, p->end_lsn))
		rc = differs(w->job, f, "the new timeline begins at",
		    p->end_lsn, last->switch_lsn);
	timeline_clear(&t);
	return rc;
}

/* Whom it lets in without a name of its own: the usual superuser, or ours. */
static struct conn *
connect_to(const struct restore_job *j)
{
	static const char *const users[] = { " user=postgres", "" };
	struct fail f;

	for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
		char info[256];
		struct conn *c;

		(void)snprintf(info, sizeof info,
		    "host=%s port=5432 dbname=postgres%s", j->server.socket_dir,
		    users[i]);
		c = conn_open(info, NULL, &f);
		if (c != NULL)
			return c;
	}
	return NULL;
}

/* A paused server can be asked. */
static int
compare_paused(struct restore_watch *w, struct fail *f)
{
	const struct plan *p = &w->job->plan;
	struct conn_recovery r;
	struct conn *c = connect_to(w->job);
	int rc;

	if (c == NULL)
		return 0;
	rc = conn_recovery(c, &r, f);
	conn_close(c);
	if (rc != 0)
		return -1;
	if (!same_lsn(r.replayed, p->end_lsn))
		return differs(
		    w->job, f, "it has replayed up to", p->end_lsn, r.replayed);
	w->has_last = r.last_xact != INT64_MIN;
	w->last_xact = r.last_xact;
	return 0;
}

/*
 * The server notes the time of a transaction behind the check for the target,
 * so the one at the stop point itself is not told of.
 */
static int
compare_last(const struct restore_watch *w, struct fail *f)
{
	const struct plan *p = &w->job->plan;
	char one[CLOCK_TEXT], two[CLOCK_TEXT];

	if (!w->has_last || !p->has_before ||
	    p->last.lsn < p->backup.info.start_lsn ||
	    (p->inclusive && p->last.lsn == p->stop_lsn) ||
	    p->target.type == PLAN_IMMEDIATE || w->last_xact == p->last.time)
		return 0;
	clock_format(p->last.time, one);
	clock_format(w->last_xact, two);
	(void)fail_set(f, FAIL_DAMAGED, w->job->dest,
	    "the last transaction there is of %s, planned was %s", two, one);
	return fail_hint(
	    f, "do not use this server; its log is %s", w->job->server.log);
}

int
restore_watch_compare(struct restore_watch *w, struct fail *f)
{
	struct restore_server *s = &w->job->server;

	if (w->job->standby)
		return 0;
	s->new_tli = w->new_tli;
	s->stop_lsn = w->stop_lsn;
	if (compare_stop(w, f) != 0 ||
	    (w->new_tli != 0 && compare_history(w, f) != 0) ||
	    (w->paused && compare_paused(w, f) != 0) || compare_last(w, f) != 0)
		return -1;
	s->has_last = w->has_last;
	s->last_xact = w->last_xact;
	return 0;
}
