/* SPDX-License-Identifier: PostgreSQL */
/*
 * A repository with many segments of made WAL and one empty backup that begins
 * with one of them, the first unless another is given.
 *
 *	manysegments DIR COUNT [NUMBER]	DIR/store, cluster main; DIR exists
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../walmaker.h"
#include "backup.h"
#include "io.h"
#include "log.h"
#include "manifest.h"
#include "push.h"

#define FIRST_TIME INT64_C(848000000000000)

static void
must(int rc, const struct fail *f)
{
	if (rc == 0)
		return;
	log_fail(LOG_ERROR, "manysegments", f);
	exit(1);
}

/* One segment, archived by walpush's own way. */
static void
push(struct walmaker *w, const struct push_args *args, const char *dir,
    uint32_t xid, struct fail *f)
{
	struct walname name;
	char path[4300];
	int fd;

	walmaker_begin(w, w->at, 1);
	walname_segment(1, w->start / w->segsize, w->segsize, &name);
	(void)walmaker_commit(w, xid, FIRST_TIME + xid * INT64_C(1000000));
	(void)walmaker_switch(w);
	(void)snprintf(path, sizeof path, "%s/%s", dir, name.text);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || io_write(fd, w->bytes, w->len) != 0 || close(fd) != 0)
		must(fail_errno(f, path, "write"), f);
	must(push_file(args, path, f), f);
	(void)unlink(path);
	walmaker_end(w);
}

static void
write_backup(struct repository *r, uint64_t start, struct fail *f)
{
	struct manifest_head h = { .s = { .type = "full",
		                       .major = 15,
		                       .version_num = 150018,
		                       .segsize = 1 << 20,
		                       .blcksz = 8192,
		                       .start_tli = 1,
		                       .stop_tli = 1,
		                       .start_time = FIRST_TIME,
		                       .stop_time = FIRST_TIME + 1,
		                       .generation = 1 } };
	struct backup_begin b = { .type = "full", .time = FIRST_TIME };
	struct manifest_writer *w;
	char ids[1][40] = { "" };
	struct codec codec = { CODEC_LZ4, 1 };

	backup_new_id(FIRST_TIME, "full", h.s.id);
	(void)snprintf(b.id, sizeof b.id, "%s", h.s.id);
	(void)snprintf(ids[0], sizeof ids[0], "%s", h.s.id);
	h.s.sysid = r->layout.sysid;
	h.s.start_lsn = b.from_lsn = start + WALHDR_LONG;
	h.s.stop_lsn = h.s.start_lsn + 8;
	h.backups = ids;
	must(buf_append(&h.label_file, "label\n", 6), f);
	h.n_backups = 1;
	must(backup_write_begin(r, &b, f), f);
	w = manifest_writer_new(backup_put_manifest(r, &h.s, &codec, f));
	must(w == NULL || manifest_write_head(w, &h, f) != 0 ||
	        manifest_write_end(w, f) != 0,
	    f);
	manifest_writer_free(w);
	buf_clear(&h.label_file);
}

int
main(int argc, char **argv)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct fail f = { .kind = FAIL_NONE };
	struct identity id = { w.sysid, 1, 15, w.segsize };
	struct repository r = { .layout = { .cluster = "main",
		                    .sysid = w.sysid,
		                    .generation = 1 } };
	struct push_args args = {
		.repos = &r, .n_repos = 1, .generation = 1, .compress_level = 1
	};
	char url[4200], dir[4200];
	unsigned long count, first = 1;

	log_setup("manysegments", LOG_WARNING, false);
	if ((argc != 3 && argc != 4) ||
	    (count = strtoul(argv[2], NULL, 10)) == 0)
		return 3;
	if (argc == 4)
		first = strtoul(argv[3], NULL, 10);
	(void)snprintf(url, sizeof url, "file://%.4000s/store", argv[1]);
	(void)snprintf(dir, sizeof dir, "%.4000s/pg_wal", argv[1]);
	(void)mkdir(dir, 0700);
	r.store = store_open(&(struct store_args){ .name = "store",
	                         .url = url,
	                         .dir_mode = 0700,
	                         .file_mode = 0600 },
	    &f);
	must(r.store == NULL ? -1 : store_prepare(r.store, &f), &f);
	repository_new_id(r.id);
	must(repository_create(&r, &f), &f);
	must(repository_add_identity(&r, &id, &f), &f);
	w.at = w.segsize;
	for (uint32_t i = 0; i < count; i++)
		push(&w, &args, dir, 1000 + i, &f);
	write_backup(&r, first * w.segsize, &f);
	(void)rmdir(dir);
	store_free(r.store);
	return 0;
}
