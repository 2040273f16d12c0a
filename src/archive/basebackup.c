/* SPDX-License-Identifier: PostgreSQL */
/* A base backup from its beginning to its end: see basebackup.h. */
#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "basebackup_job.h"
#include "log.h"
#include "sum.h"
#include "units.h"

/* How often the session is asked whether it is still there. */
#define ALIVE_MS 2000

int
basebackup_tick(struct basebackup *b, struct fail *f)
{
	const struct basebackup_args *a = b->args;
	uint64_t done = atomic_load(&b->progress.bytes);
	int64_t now = clock_monotonic_ms();

	if (atomic_load(a->stop))
		return fail_set(f, FAIL_TRANSIENT, "backup", "stopped");
	if (a->progress != NULL)
		a->progress(a->arg, b->phase,
		    b->phase == BASEBACKUP_COPYING ? done : 0, b->list.bytes);
	if (!b->started || now - b->alive_ms < ALIVE_MS)
		return 0;
	b->alive_ms = now;
	return conn_alive(b->conn, f);
}

static int
enter(struct basebackup *b, enum basebackup_phase phase, struct fail *f)
{
	b->phase = phase;
	return basebackup_tick(b, f);
}

static int
write_begin(struct basebackup *b, struct fail *f)
{
	struct backup_begin *begin = &b->begin;

	*begin = (struct backup_begin){ .type = "full",
		.pid = getpid(),
		.time = clock_now(),
		.from_lsn = b->server.checkpoint_redo,
		.tli = b->server.checkpoint_tli };
	backup_new_id(begin->time, "full", begin->id);
	(void)snprintf(b->id, sizeof b->id, "%s", begin->id);
	(void)gethostname(begin->host, sizeof begin->host - 1);
	(void)snprintf(
	    b->head.s.host, sizeof b->head.s.host, "%s", begin->host);
	return basebackup_put_begin(b, f);
}

static int
tick(void *arg, struct fail *f)
{
	return basebackup_tick(arg, f);
}

static int
start(struct basebackup *b, struct fail *f)
{
	const struct conn_wait wait = { tick, b };
	char label[256];

	if (b->args->label != NULL)
		(void)snprintf(label, sizeof label, "%s", b->args->label);
	else
		(void)snprintf(label, sizeof label, "walvault %s", b->id);
	(void)snprintf(b->head.s.label, sizeof b->head.s.label, "%s", label);
	if (enter(b, BASEBACKUP_STARTING, f) != 0)
		return -1;
	b->head.s.start_time = b->server.now;
	if (conn_backup_start(
	        b->conn, label, b->args->fast, &wait, &b->start_lsn, f) != 0)
		return -1;
	b->started = true;
	b->alive_ms = clock_monotonic_ms();
	return enter(b, BASEBACKUP_PROVING, f);
}

/* What the backup itself adds to the files. */
static int
add_texts(struct basebackup *b, struct fail *f)
{
	static const char *const texts[] = { "backup_label", "backup_manifest",
		"tablespace_map" };
	struct source_entry e = {
		.type = MANIFEST_FILE, .part = SOURCE_LAST, .mode = 0600
	};

	for (size_t i = 0; i < b->list.n; i++)
		if (strcmp(b->list.list[i].path, "global/pg_control") == 0) {
			e.uid = b->list.list[i].uid;
			e.gid = b->list.list[i].gid;
			e.mode = b->list.list[i].mode;
		}
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		e.path = texts[i];
		if (source_list_add(&b->list, &e) != 0)
			return fail_errno(f, e.path, "memory");
	}
	if (source_list_finish(&b->list) != 0)
		return fail_errno(f, "backup", "memory");
	for (size_t i = 0; i < b->list.n; i++)
		if (b->list.list[i].part == SOURCE_COPY &&
		    b->list.list[i].type == MANIFEST_FILE)
			b->list.bytes += b->list.list[i].size;
	return 0;
}

static int
list_files(struct basebackup *b, struct fail *f)
{
	struct buf *included = &b->server.included;
	struct source_dir_args args = { .pgdata = b->args->pgdata,
		.major = b->identity.major,
		.catalog_version = b->control.catalog_version,
		.config_file = b->server.config_file,
		.hba_file = b->server.hba_file,
		.ident_file = b->server.ident_file };

	if (buf_append_u8(included, 0) != 0)
		return fail_errno(f, "backup", "memory");
	args.included = (const char *)included->data;
	b->source = source_dir_new(&args, f);
	if (b->source == NULL || source_list(b->source, &b->list, f) != 0)
		return -1;
	return add_texts(b, f);
}

static int
copy_files(struct basebackup *b, struct fail *f)
{
	const struct basebackup_args *a = b->args;
	struct copy_args args = { .source = b->source,
		.list = &b->list,
		.repo = &b->repo,
		.mirror = b->mirror,
		.backup = b->id,
		.codec = a->codec,
		.jobs = a->jobs,
		.spool_dir = a->spool_dir,
		.pages = { .relseg_size = b->details.relseg_size,
		    .start_lsn = b->start_lsn },
		.progress = &b->progress,
		.tick = tick,
		.arg = b };

	/* The checksums' table, if there is one, before there are threads. */
	(void)crc32c(0, "", 0);
	if (b->details.checksum_version != 0)
		args.pages.blcksz = b->details.blcksz;
	if (enter(b, BASEBACKUP_COPYING, f) != 0)
		return -1;
	return copy_run(&args, &b->copied, f);
}

/*
 * pg_control is read before the stop: on a standby it says how far recovery
 * must get, which must not be further than the WAL that is waited for.
 */
static int
stop(struct basebackup *b, struct fail *f)
{
	struct label label;

	b->control_file.len = 0;
	if (control_read_whole(b->args->pgdata, &b->control_file, &b->control,
	        &b->details, f) != 0)
		return -1;
	if (conn_backup_stop(b->conn, &b->stop, f) != 0)
		return -1;
	b->started = false;
	if (label_parse(&b->stop.label_file, &label, f) != 0)
		return -1;
	if (label.start_lsn != b->start_lsn)
		return fail_set(f, FAIL_DAMAGED, "backup_label",
		    "it belongs to another backup");
	b->head.s.start_lsn = b->start_lsn;
	b->head.s.start_tli = label.start_tli;
	b->head.s.stop_lsn = b->stop.stop_lsn;
	b->head.s.stop_time = b->stop.now;
	b->head.s.from_standby = label.from_standby;
	/* It may have been promoted after it was asked, before the start. */
	b->server.in_recovery = label.from_standby;
	return enter(b, BASEBACKUP_WAITING, f);
}

static int
fill_head(struct basebackup *b, struct fail *f)
{
	struct manifest_head *h = &b->head;
	struct manifest_summary *s = &h->s;
	const struct identity *id = &b->identity;
	struct utsname uts;

	(void)snprintf(s->id, sizeof s->id, "%s", b->id);
	(void)snprintf(s->type, sizeof s->type, "full");
	(void)snprintf(
	    s->annotations, sizeof s->annotations, "%s", b->args->annotations);
	s->sysid = id->sysid;
	s->generation = id->generation;
	s->major = id->major;
	s->version_num = b->server.version_num;
	s->segsize = b->control.segsize;
	s->blcksz = b->details.blcksz;
	s->checksums = b->details.checksum_version != 0;
	h->control_version = b->control.control_version;
	h->catalog_version = b->control.catalog_version;
	h->max_connections = b->details.max_connections;
	h->max_worker_processes = b->details.max_worker_processes;
	h->max_wal_senders = b->details.max_wal_senders;
	h->max_prepared_xacts = b->details.max_prepared_xacts;
	h->max_locks_per_xact = b->details.max_locks_per_xact;
	if (uname(&uts) == 0)
		(void)snprintf(h->arch, sizeof h->arch, "%.31s", uts.machine);
	(void)snprintf(
	    h->libc, sizeof h->libc, "glibc %.50s", gnu_get_libc_version());
	(void)snprintf(h->icu, sizeof h->icu, "%s", b->server.icu);
	(void)snprintf(h->locale, sizeof h->locale, "%s", b->server.locale);
	(void)snprintf(h->preload, sizeof h->preload, "%s", b->server.preload);
	h->backups = calloc(1, sizeof *h->backups);
	if (h->backups == NULL ||
	    buf_append(&h->label_file, b->stop.label_file.data,
	        b->stop.label_file.len) != 0 ||
	    buf_append(&h->tablespace_map, b->stop.tablespace_map.data,
	        b->stop.tablespace_map.len) != 0)
		return fail_errno(f, "backup", "memory");
	h->n_backups = 1;
	(void)snprintf(*h->backups, sizeof *h->backups, "%s", b->id);
	return 0;
}

static int
run(struct basebackup *b, struct fail *f)
{
	if (basebackup_open(b, f) != 0 || basebackup_check(b, f) != 0 ||
	    basebackup_lock(b, f) != 0 ||
	    conn_server_state(b->conn, &b->server, f) != 0 ||
	    write_begin(b, f) != 0)
		return -1;
	log_info("backup started: %s: %s", b->id, b->args->pgdata);
	if (start(b, f) != 0 || basebackup_prove_archiving(b, f) != 0 ||
	    list_files(b, f) != 0 || basebackup_check_space(b, f) != 0 ||
	    copy_files(b, f) != 0 || stop(b, f) != 0 || fill_head(b, f) != 0 ||
	    basebackup_wait_wal(b, f) != 0)
		return -1;
	if (enter(b, BASEBACKUP_PUBLISHING, f) != 0 ||
	    basebackup_last_pack(b, f) != 0)
		return -1;
	return basebackup_publish(b, f);
}

static void
clear(struct basebackup *b)
{
	conn_close(b->conn);
	buf_clear(&b->server.included);
	buf_clear(&b->control_file);
	buf_clear(&b->stop.label_file);
	buf_clear(&b->stop.tablespace_map);
	timeline_clear(&b->line);
	source_list_clear(&b->list);
	source_free(b->source);
	copy_result_clear(&b->copied);
	manifest_head_clear(&b->head);
	store_free(b->repo.store);
	b->left_behind |= b->mirror != NULL && mirror_left_behind(b->mirror);
	mirror_free(b->mirror);
	if (b->lock >= 0)
		(void)close(b->lock);
	if (b->data_lock >= 0)
		(void)close(b->data_lock);
}

int
basebackup_run(const struct basebackup_args *args,
    struct basebackup_result *out, struct fail *f)
{
	struct basebackup *b = calloc(1, sizeof *b);
	int64_t begin = clock_monotonic_ms();
	int rc;

	*out = (struct basebackup_result){ 0 };
	out->stores = calloc(args->n_repos, sizeof *out->stores);
	out->n_stores = args->n_repos;
	if (b == NULL || out->stores == NULL) {
		free(b);
		return fail_errno(f, "backup", "memory");
	}
	b->args = args;
	b->result = out;
	b->lock = b->data_lock = -1;
	rc = run(b, f);
	if (rc == 0)
		basebackup_renew_heads(b);
	for (size_t i = 0; i < out->n_stores; i++)
		out->stores[i] =
		    (struct basebackup_stored){ .store = args->repos[i].store,
			    .complete = rc == 0 && mirror_has(b->mirror, i),
			    .may_have = b->may_have[i] };
	out->summary = b->head.s;
	(void)snprintf(out->summary.id, sizeof out->summary.id, "%s", b->id);
	out->packs = b->copied.n_packs;
	out->ms = clock_monotonic_ms() - begin;
	clear(b);
	out->left_behind = b->left_behind;
	free(b);
	return rc;
}

void
basebackup_result_clear(struct basebackup_result *r)
{
	for (size_t i = 0; i < r->n_bad; i++)
		free(r->bad[i].path);
	free(r->bad);
	free(r->stores);
	*r = (struct basebackup_result){ 0 };
}
