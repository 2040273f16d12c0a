/* SPDX-License-Identifier: PostgreSQL */
/*
 * walvault rescue PGDATA: what a dead cluster's pg_wal still has and the
 * stores lack.  Histories first, then whole segments, in order; the segment
 * that was being written when the server died goes as .partial, since nobody
 * can say that it is all there ever was of it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control.h"
#include "exitcode.h"
#include "io.h"
#include "log.h"
#include "push_one.h"
#include "verbs.h"
#include "walhdr.h"

struct rescue {
	const char *pgdata;
	char pg_wal[PATH_MAX];
	struct push_args args;
	struct control control;
	struct walname *names; /* in the order of pushing */
	size_t n, cap;
	struct repository repos[CONF_STORES_MAX]; /* that could be opened */
	size_t saved, there, partial, failed, skipped;
};

/* A server that runs archives by itself, and writes what we would read. */
static int
check_not_running(const struct rescue *x, struct fail *f)
{
	struct buf b = { 0 };
	char path[PATH_MAX];
	long pid = 0;
	int rc;

	(void)snprintf(path, sizeof path, "%.4000s/postmaster.pid", x->pgdata);
	rc = io_read_file(AT_FDCWD, path, 8192, &b, f);
	if (rc == 0 && buf_append_u8(&b, 0) == 0)
		pid = strtol((const char *)b.data, NULL, 10);
	buf_clear(&b);
	if (rc < 0)
		return -1;
	if (pid <= 1 || (kill((pid_t)pid, 0) != 0 && errno == ESRCH))
		return 0;
	(void)fail_set(
	    f, FAIL_CONFIG, path, "the server seems to run (process %ld)", pid);
	return fail_hint(f,
	    "rescue is for a cluster that does not run any "
	    "more; if it does not, remove that file");
}

static int
add_name(struct rescue *x, const struct walname *name)
{
	struct walname *more = x->names;

	if (x->n == x->cap) {
		size_t cap = x->cap == 0 ? 64 : x->cap * 2;

		more = reallocarray(x->names, cap, sizeof *more);
		if (more == NULL)
			return -1;
		x->names = more;
		x->cap = cap;
	}
	more[x->n++] = *name;
	return 0;
}

static int
compare(const void *a, const void *b)
{
	const struct walname *x = a, *y = b;
	bool history_x = x->kind == WALNAME_HISTORY;
	bool history_y = y->kind == WALNAME_HISTORY;

	if (history_x != history_y)
		return history_x ? -1 : 1;
	return strcmp(x->text, y->text);
}

static int
list_files(struct rescue *x, struct fail *f)
{
	DIR *d = opendir(x->pg_wal);
	struct dirent *e;
	int rc = 0;

	if (d == NULL)
		return fail_errno(f, x->pg_wal, "read");
	while (rc == 0 && (e = readdir(d)) != NULL) {
		struct walname name;

		if (walname_parse(e->d_name, &name) == 0)
			rc = add_name(x, &name);
	}
	(void)closedir(d);
	if (rc != 0)
		return fail_errno(f, x->pg_wal, "memory");
	if (x->n > 1)
		qsort(x->names, x->n, sizeof *x->names, compare);
	return 0;
}

/* The first page says which segment this file was last used for. */
static bool
is_itself(const char *path, const struct walname *name)
{
	uint8_t page[WALHDR_LONG];
	struct walhdr h;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? io_read(fd, page, sizeof page) : -1;

	if (fd >= 0)
		(void)close(fd);
	if (n != (ssize_t)sizeof page)
		return false;
	walhdr_decode(page, &h);
	return walhdr_is_segment_start(&h) &&
	    h.pageaddr == walname_segno(name, h.segsize) * h.segsize;
}

/* Whole it goes under its name, else as what is known of it. */
static int
push_segment(struct rescue *x, struct push *p, struct fail *f)
{
	int rc = push_one(p, f);

	if (rc == 0 || !p->cut_short)
		return rc;
	p->name.kind = WALNAME_PARTIAL;
	(void)snprintf(p->name.text + WALNAME_SEGMENT_LEN,
	    sizeof p->name.text - WALNAME_SEGMENT_LEN, ".partial");
	rc = push_one(p, f);
	if (rc == 0)
		x->partial++;
	return rc;
}

static int
rescue_file(struct rescue *x, const struct walname *name, struct fail *f)
{
	struct push p = {
		.args = &x->args, .name = *name, .sysid = x->control.sysid
	};
	char path[PATH_MAX];
	int rc = 0;

	(void)snprintf(path, sizeof path, "%.4000s/%s", x->pg_wal, name->text);
	(void)snprintf(p.pg_wal, sizeof p.pg_wal, "%.4000s", x->pg_wal);
	p.path = path;
	if (name->kind == WALNAME_SEGMENT && !is_itself(path, name)) {
		x->skipped++;
		return 0;
	}
	if (name->kind != WALNAME_PARTIAL)
		rc = push_is_archived(&x->args, name, f);
	if (rc == 1)
		x->there++;
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	rc = name->kind == WALNAME_SEGMENT ? push_segment(x, &p, f)
	                                   : push_one(&p, f);
	if (rc == 0)
		x->saved++;
	return rc;
}

static int
read_cluster(struct rescue *x, struct fail *f)
{
	int rc = control_read(x->pgdata, &x->control, f);

	if (rc != 1)
		return rc;
	(void)fail_set(f, FAIL_CONFIG, x->pgdata,
	    "no global/pg_control: not a data directory");
	return fail_hint(f,
	    "without it single files can still be "
	    "archived: walpush FILE");
}

/* Store i, as one more copy of those that are open already.  0 or -1. */
static int
open_one(struct setup *s, struct rescue *x, size_t i, struct fail *f)
{
	struct repository *r = &s->repos[i];
	struct identity id;

	r->layout.sysid = x->control.sysid;
	if (repository_open(r, f) != 0 || repository_require(r, &id, f) != 0)
		return -1;
	for (size_t k = 0; k < x->args.n_repos; k++)
		if (repository_copies(&x->repos[k], r, f) != 0)
			return -1;
	x->repos[x->args.n_repos++] = *r;
	return 0;
}

/*
 * What a dead cluster's disk has may be gone tomorrow: it goes where it can, if
 * those are as many as are required.
 */
static int
open_repositories(struct setup *s, struct rescue *x, struct fail *f)
{
	size_t required = conf_n_required(s->conf), failed = s->n;

	for (size_t i = 0; i < s->n; i++) {
		struct fail one;

		if (open_one(s, x, i, &one) == 0)
			continue;
		if (failed < s->n)
			log_fail(LOG_ERROR, "rescue", f);
		*f = one;
		(void)setup_name_store(s, i, f);
		failed = i;
	}
	if (failed == s->n)
		return 0;
	if (x->args.n_repos < required)
		return x->args.n_repos > 0 ? setup_suggest_others(s, failed, f)
		                           : -1;
	(void)fail_hint(f,
	    "the other stores get it; what this one lacks is brought by: "
	    "walvault sync --to %s",
	    s->stores[failed]->name);
	log_fail(LOG_WARNING, "rescue", f);
	return 0;
}

/* Every file, for itself. */
static void
rescue_all(struct rescue *x)
{
	for (size_t i = 0; i < x->n; i++) {
		struct fail one = { .kind = FAIL_NONE };

		if (rescue_file(x, &x->names[i], &one) == 0)
			continue;
		log_fail(LOG_ERROR, "not rescued", &one);
		x->failed++;
	}
}

int
verb_rescue(struct setup *s, struct fail *f)
{
	struct rescue x = { .pgdata = conf_arg(s->conf, 0),
		.args = { .generation = (uint32_t)conf_number(
		              s->conf, OPT_GENERATION),
		    .pgdata = conf_arg(s->conf, 0),
		    .refuse_damaged = true,
		    .compress_level = (int)conf_number(
		        s->conf, OPT_COMPRESS_LEVEL),
		    .spool_dir = conf_text(s->conf, OPT_SPOOL_DIR, NULL) } };

	x.args.repos = x.repos;
	(void)snprintf(x.pg_wal, sizeof x.pg_wal, "%.4000s/pg_wal", x.pgdata);
	if (read_cluster(&x, f) != 0 || open_repositories(s, &x, f) != 0 ||
	    check_not_running(&x, f) != 0 || list_files(&x, f) != 0) {
		free(x.names);
		return -1;
	}
	rescue_all(&x);
	free(x.names);
	(void)printf("rescued %zu files (%zu as .partial), %zu were archived "
	             "already, %zu are older segments waiting for reuse, %zu "
	             "failed\n",
	    x.saved, x.partial, x.there, x.skipped, x.failed);
	return x.failed == 0 ? EXIT_FINE : EXIT_PROBLEM;
}
