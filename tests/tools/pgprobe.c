/* SPDX-License-Identifier: PostgreSQL */
/*
 * What walvault knows of a server and its files, one NAME=VALUE a line, for
 * comparison with what PostgreSQL itself says.
 *
 *	pgprobe control PGDATA		pg_control
 *	pgprobe invalidate FILE		spoil the checkpoint in a pg_control
 *	pgprobe pages PGDATA [LSN]	check every page of a directory
 *	pgprobe server CONNINFO		the facts a backup begins with
 *	pgprobe backup CONNINFO DIR LABEL fast|spread
 *		start; wait for a line on stdin; stop; label and map into DIR
 *	pgprobe map MAJOR FILE [DIR SUFFIX]
 *		a tablespace_map's paths in hex; with SUFFIX behind each, into
 *		DIR/tablespace_map
 *	pgprobe recovery CONNINFO	where replay stands
 *	pgprobe switch CONNINFO		begin a new segment
 *
 * CONNINFO may be a data directory.  Exit 1 with a record on stderr.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fts.h>

#include "conn.h"
#include "control.h"
#include "datafile.h"
#include "io.h"
#include "label.h"
#include "log.h"
#include "lsn.h"

#define PAGE 8192

static void
put_lsn(const char *name, uint64_t lsn)
{
	char text[LSN_TEXT];

	lsn_format(lsn, text);
	(void)printf("%s=%s\n", name, text);
}

static void
put(const char *name, uint64_t value)
{
	(void)printf("%s=%" PRIu64 "\n", name, value);
}

static int
control(char **args, struct fail *f)
{
	struct buf b = { 0 };
	struct control c;
	struct control_details d;
	int rc = control_read_whole(args[0], &b, &c, &d, f);

	buf_clear(&b);
	if (rc != 0)
		return -1;
	put("sysid", c.sysid);
	put("control_version", c.control_version);
	put("catalog_version", c.catalog_version);
	put("state", c.state);
	put_lsn("redo", c.redo);
	put("tli", c.tli);
	put("segsize", c.segsize);
	put_lsn("checkpoint", d.checkpoint);
	put_lsn("min_recovery", d.min_recovery);
	put("min_recovery_tli", d.min_recovery_tli);
	put("max_connections", d.max_connections);
	put("max_worker_processes", d.max_worker_processes);
	put("max_wal_senders", d.max_wal_senders);
	put("max_prepared_xacts", d.max_prepared_xacts);
	put("max_locks_per_xact", d.max_locks_per_xact);
	put("blcksz", d.blcksz);
	put("relseg_size", d.relseg_size);
	put("xlog_blcksz", d.xlog_blcksz);
	put("checksum_version", d.checksum_version);
	return 0;
}

static int
invalidate(char **args, struct fail *f)
{
	struct buf b = { 0 };
	int fd = -1, rc = -1;

	if (io_read_file(AT_FDCWD, args[0], 65536, &b, f) != 0)
		return -1;
	if (control_invalidate(b.data, b.len) != 0)
		(void)fail_set(f, FAIL_CONFIG, args[0], "unknown version");
	else if ((fd = open(args[0], O_WRONLY)) < 0 ||
	    io_write(fd, b.data, b.len) != 0)
		(void)fail_errno(f, args[0], "write");
	else
		rc = 0;
	if (fd >= 0)
		(void)close(fd);
	buf_clear(&b);
	return rc;
}

struct pages {
	uint64_t start_lsn, files, pages, bad;
};

static int
check_file(const char *path, const char *name, struct pages *p, struct fail *f)
{
	uint8_t page[PAGE];
	struct datafile_relation r;
	ssize_t n;
	int fd;

	if (datafile_is_excluded(name) || !datafile_relation(name, &r))
		return 0;
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return fail_errno(f, path, "open");
	p->files++;
	for (uint32_t block = r.segno * 131072;
	     (n = io_read(fd, page, PAGE)) == PAGE; block++, p->pages++)
		if (!datafile_page_ok(page, PAGE, block, p->start_lsn)) {
			p->bad++;
			(void)printf("bad %s %" PRIu32 "\n", name, block);
		}
	(void)close(fd);
	return n < 0 ? fail_errno(f, path, "read") : 0;
}

static int
pages(char **args, struct fail *f)
{
	char *roots[] = { args[0], NULL };
	struct pages p = { .start_lsn = UINT64_MAX };
	FTS *tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
	FTSENT *e;
	int rc = 0;

	if (tree == NULL)
		return fail_errno(f, args[0], "open");
	if (args[1] != NULL && lsn_parse(args[1], &p.start_lsn) != 0)
		rc = fail_set(f, FAIL_CONFIG, args[1], "not an LSN");
	while (rc == 0 && (e = fts_read(tree)) != NULL)
		if (e->fts_info == FTS_F)
			rc = check_file(e->fts_path,
			    e->fts_path + strlen(args[0]) + 1, &p, f);
	(void)fts_close(tree);
	put("files", p.files);
	put("pages", p.pages);
	put("bad", p.bad);
	return rc;
}

static struct conn *
connect_to(const char *arg, struct fail *f)
{
	bool is_path = arg[0] == '/';

	return conn_open_backup(is_path ? NULL : arg, is_path ? arg : NULL, f);
}

static void
put_server(const struct conn_server *s)
{
	put("sysid", s->sysid);
	put("version_num", s->version_num);
	put("in_recovery", s->in_recovery);
	put("may_backup", s->may_backup);
	put("wal_level_ok", s->wal_level_ok);
	put("full_page_writes", s->full_page_writes);
	(void)printf("data_directory=%s\nconfig_file=%s\nhba_file=%s\n"
	             "ident_file=%s\narchive_mode=%s\narchive_command=%s\n"
	             "preload=%s\nicu=%s\nlocale=%s\n",
	    s->data_directory, s->config_file, s->hba_file, s->ident_file,
	    s->archive_mode, s->archive_command, s->preload, s->icu, s->locale);
	put_lsn("checkpoint_redo", s->checkpoint_redo);
	put("checkpoint_tli", s->checkpoint_tli);
	put_lsn("current_lsn", s->current_lsn);
	(void)printf("now=%" PRId64 "\n", s->now);
	(void)printf("included=%zu\n%.*s", s->included.len,
	    (int)s->included.len, (const char *)s->included.data);
}

static int
server(char **args, struct fail *f)
{
	struct conn_server s;
	struct conn *c = connect_to(args[0], f);
	int rc = c == NULL ? -1 : conn_server(c, &s, f);

	if (rc == 0) {
		put_server(&s);
		buf_clear(&s.included);
		rc = conn_alive(c, f);
	}
	conn_close(c);
	return rc;
}

static int
write_file(
    const char *dir, const char *name, const struct buf *b, struct fail *f)
{
	char path[PATH_MAX];
	int fd, rc = 0;

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || io_write(fd, b->data, b->len) != 0)
		rc = fail_errno(f, path, "write");
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

static int
put_stop(const struct conn_stop *s, const char *dir, struct fail *f)
{
	struct label l;

	put_lsn("stop_lsn", s->stop_lsn);
	put("in_recovery", s->in_recovery);
	(void)printf("now=%" PRId64 "\n", s->now);
	if (label_parse(&s->label_file, &l, f) != 0)
		return -1;
	put_lsn("label_start_lsn", l.start_lsn);
	put_lsn("label_checkpoint_lsn", l.checkpoint_lsn);
	put("label_start_tli", l.start_tli);
	put("label_from_standby", l.from_standby);
	if (s->tablespace_map.len > 0 &&
	    write_file(dir, "tablespace_map", &s->tablespace_map, f) != 0)
		return -1;
	return write_file(dir, "backup_label", &s->label_file, f);
}

static int
go_on(void *unused, struct fail *f)
{
	(void)unused;
	(void)f;
	return 0;
}

static int
backup(char **args, struct fail *f)
{
	struct conn *c = connect_to(args[0], f);
	struct conn_stop stop;
	uint64_t start;
	int rc = c == NULL
	    ? -1
	    : conn_backup_start(c, args[2], strcmp(args[3], "fast") == 0,
	          &(struct conn_wait){ go_on, NULL }, &start, f);

	if (rc == 0) {
		put_lsn("start_lsn", start);
		(void)fflush(stdout);
		(void)getchar();
		rc = conn_alive(c, f);
	}
	if (rc == 0 && (rc = conn_backup_stop(c, &stop, f)) == 0) {
		rc = put_stop(&stop, args[1], f);
		buf_clear(&stop.label_file);
		buf_clear(&stop.tablespace_map);
	}
	conn_close(c);
	return rc;
}

/* Written, it is what it was. */
static int
same_again(const struct tablespace_map *m, int major, const struct buf *b,
    struct fail *f)
{
	struct buf again = { 0 };
	int rc = 0;

	if (tablespace_map_format(m, major, &again) != 0 ||
	    again.len != b->len || memcmp(again.data, b->data, b->len) != 0)
		rc = fail_set(f, FAIL_INTERNAL, "map", "comes out otherwise");
	buf_clear(&again);
	return rc;
}

static int
move_map(struct tablespace_map *m, int major, char **args, struct fail *f)
{
	struct buf moved = { 0 };
	int rc = 0;

	for (size_t i = 0; i < m->n; i++) {
		char *old = m->list[i].path;

		if (asprintf(&m->list[i].path, "%s%s", old, args[1]) < 0)
			abort();
		free(old);
	}
	if (tablespace_map_format(m, major, &moved) != 0)
		rc = fail_errno(f, "map", "format");
	if (rc == 0)
		rc = write_file(args[0], "tablespace_map", &moved, f);
	buf_clear(&moved);
	return rc;
}

static int
map(char **args, struct fail *f)
{
	int major = atoi(args[0]);
	struct buf b = { 0 };
	struct tablespace_map m = { 0 };
	int rc = io_read_file(AT_FDCWD, args[1], 65536, &b, f);

	if (rc == 0)
		rc = tablespace_map_parse(&b, major, &m, f);
	for (size_t i = 0; rc == 0 && i < m.n; i++) {
		(void)printf("%" PRIu32 "=", m.list[i].oid);
		for (const char *p = m.list[i].path; *p != '\0'; p++)
			(void)printf("%02x", (unsigned char)*p);
		(void)printf("\n");
	}
	if (rc == 0)
		rc = same_again(&m, major, &b, f);
	if (rc == 0 && args[2] != NULL && args[3] != NULL)
		rc = move_map(&m, major, args + 2, f);
	tablespace_map_clear(&m);
	buf_clear(&b);
	return rc;
}

static int
recovery(char **args, struct fail *f)
{
	struct conn *c = connect_to(args[0], f);
	struct conn_recovery r;
	int rc = c == NULL ? -1 : conn_recovery(c, &r, f);

	conn_close(c);
	if (rc != 0)
		return -1;
	put("in_recovery", r.in_recovery);
	put("paused", r.paused);
	put_lsn("replayed", r.replayed);
	(void)printf("last_xact=%" PRId64 "\n", r.last_xact);
	put("tli", r.tli);
	return 0;
}

static int
switch_wal(char **args, struct fail *f)
{
	struct conn *c = connect_to(args[0], f);
	int rc = c == NULL ? -1 : conn_switch_wal(c, f);

	conn_close(c);
	return rc;
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int args;
		int (*run)(char **args, struct fail *f);
	} verbs[] = { { "control", 1, control },
		{ "invalidate", 1, invalidate }, { "pages", 1, pages },
		{ "server", 1, server }, { "backup", 4, backup },
		{ "map", 2, map }, { "recovery", 1, recovery },
		{ "switch", 1, switch_wal } };
	struct fail f = { 0 };

	log_setup("pgprobe", LOG_INFO, false);
	for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof *verbs; i++) {
		if (strcmp(argv[1], verbs[i].name) != 0 ||
		    argc - 2 < verbs[i].args)
			continue;
		if (verbs[i].run(argv + 2, &f) == 0)
			return 0;
		log_fail(LOG_ERROR, fail_kind_name(f.kind), &f);
		return 1;
	}
	(void)fprintf(stderr, "usage: see pgprobe.c\n");
	return 3;
}
