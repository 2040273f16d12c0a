/* SPDX-License-Identifier: PostgreSQL */
/* Reading, checking and compressing a WAL file: see prepare.h. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "encoder.h"
#include "fork.h"
#include "io.h"
#include "log.h"
#include "lsn.h"
#include "prepare.h"
#include "timeline.h"
#include "walhdr.h"

/* walpush stays under 64 MiB whatever the segment size. */
#define SPOOL_MEMORY ((size_t)24 * 1024 * 1024)

/* An unfilled segment is given this long to be filled. */
#define YOUNG_SECONDS 120

#define SMALL_FILE_MAX ((size_t)1024 * 1024)

void
prepared_clear(struct prepared *r)
{
	spool_free(r->payload);
	r->payload = NULL;
}

/* The stages that bytes go through on their way into the spool. */
static struct stream *
new_pipeline(const struct push *p, struct ahead *ahead, struct prepared *r)
{
	struct codec codec = { CODEC_LZ4, p->args->compress_level };

	spool_free(r->payload);
	r->payload = spool_new(SPOOL_MEMORY, p->args->spool_dir);
	if (r->payload == NULL)
		return NULL;
	return digest_new(&r->header.plain,
	    encoder_new(&codec, true, ahead_stream(ahead, r->payload)));
}

static int
refused(const struct push *p, struct fail *f, const char *why)
{
	return fail_set(f, FAIL_REFUSED, p->path, "%s", why);
}

/* What the first page must say, whatever the rest of the segment is. */
static int
check_first_page(struct push *p, const uint8_t *page, size_t len,
    uint64_t file_size, struct walhdr *h, struct fail *f)
{
	if (len < WALHDR_LONG)
		return refused(p, f, "too short to be a WAL segment");
	walhdr_decode(page, h);
	if (!walhdr_is_segment_start(h))
		return refused(p, f,
		    "its first page is not the beginning of a WAL segment");
	if (file_size != h->segsize)
		return fail_set(f, FAIL_REFUSED, p->path,
		    "%llu bytes long, but its segment size is %u",
		    (unsigned long long)file_size, h->segsize);
	if (p->sysid != 0 && h->sysid != p->sysid)
		return fail_set(f, FAIL_REFUSED, p->path,
		    "WAL of another cluster: system identifier %llu, but "
		    "pg_control says %llu",
		    (unsigned long long)h->sysid, (unsigned long long)p->sysid);
	if (h->pageaddr != walname_segno(&p->name, h->segsize) * h->segsize)
		return refused(
		    p, f, "misnamed: its first page has another address");
	if (h->tli == 0 || h->tli > p->name.tli)
		return refused(
		    p, f, "misnamed: its first page has a later timeline");
	return 0;
}

/* Push the whole file through scanner and pipeline. */
static int
read_segment(struct push *p, int fd, struct ahead *ahead, struct prepared *r,
    struct fail *f)
{
	uint8_t *chunk = malloc(IO_CHUNK);
	struct stream *pipe = new_pipeline(p, ahead, r);
	uint64_t size = r->file_size;
	struct walscan *scan = NULL;
	struct walhdr h = { 0 };
	uint64_t off = 0;
	int rc = -1;

	if (chunk == NULL || pipe == NULL) {
		(void)fail_errno(f, p->path, "memory");
		goto out;
	}
	do {
		uint8_t *room = stream_room(pipe);
		uint8_t *at = room != NULL ? room : chunk;
		ssize_t n = io_pread(fd, at, IO_CHUNK, (off_t)off);

		if (n < 0) {
			(void)fail_errno(f, p->path, "read");
			goto out;
		}
		if (off == 0) {
			if (check_first_page(p, at, (size_t)n, size, &h, f) !=
			    0)
				goto out;
			scan = walscan_new(&(struct walscan_args){
			    .max_tli = p->name.tli, .start_lsn = h.pageaddr });
			if (scan == NULL) {
				(void)fail_errno(f, p->path, "memory");
				goto out;
			}
		}
		if (n == 0)
			break;
		walscan_push(scan, at, (size_t)n);
		if (stream_write(pipe, at, (size_t)n, f) != 0)
			goto out;
		off += (uint64_t)n;
	} while (off < size);
	if (off != size) {
		(void)fail_set(f, FAIL_TRANSIENT, p->path,
		    "it changed its size while it was read");
		goto out;
	}
	rc = stream_finish(pipe, f);
	walscan_facts(scan, size, &r->header.facts);
	r->sysid = h.sysid;
	r->header.segno = walname_segno(&p->name, h.segsize);
out:
	walscan_free(scan);
	stream_free(pipe);
	free(chunk);
	return rc;
}

/* The file's size; it must not change any more once it is to be archived. */
static int
open_file(const struct push *p, uint64_t *size, struct fail *f)
{
	struct stat st;
	int fd = open(p->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		(void)fail_errno(f, p->path, "open");
		if (f->kind == FAIL_ABSENT)
			f->kind = FAIL_TRANSIENT;
		return -1;
	}
	if (fstat(fd, &st) != 0) {
		(void)fail_errno(f, p->path, "stat");
		(void)close(fd);
		return -1;
	}
	*size = (uint64_t)st.st_size;
	return fd;
}

static bool
is_sound(const struct walfacts *w)
{
	return (w->flags & (WALFACTS_COMPLETE | WALFACTS_UNREAD)) != 0;
}

/*
 * Was the file written to lately?  A server that starts again after a crash
 * may ask for a segment that it is only just filling.
 */
static bool
is_young(const char *path)
{
	struct stat st;
	int64_t age;

	if (stat(path, &st) != 0)
		return false;
	age = clock_now() / 1000000 + CLOCK_PG_EPOCH_UNIX - st.st_mtim.tv_sec;
	return age >= 0 && age < YOUNG_SECONDS;
}

/*
 * A segment whose chain does not reach its end.  A cascaded standby hands
 * over the last, incomplete segment of a timeline under its full name; that
 * must not take the name of the whole one.  Anything else is damage.
 */
static int
judge_segment(struct push *p, struct prepared *r, struct fail *f)
{
	struct walfacts *w = &r->header.facts;
	char lsn[LSN_TEXT];

	if (w->flags & WALFACTS_UNREAD)
		log_warning("archive: %s: WAL version %04X is not known to "
		            "this program, its records are not checked",
		    p->path, w->magic);
	if (is_sound(w))
		return 0;
	lsn_format(w->end_lsn, lsn);
	if (fork_ends(p->pg_wal, p->name.tli, w->start_lsn, w->end_lsn)) {
		log_info("archive: %s: timeline %u ends in it at %s, stored "
		         "as .partial",
		    p->path, p->name.tli, lsn);
		(void)snprintf(p->name.text + WALNAME_SEGMENT_LEN,
		    sizeof p->name.text - WALNAME_SEGMENT_LEN, ".partial");
		p->name.kind = WALNAME_PARTIAL;
		return 0;
	}
	if (p->in_recovery) {
		r->compare_only = true;
		return 0;
	}
	p->cut_short = true;
	if ((w->flags & WALFACTS_TAIL_ZERO) && is_young(p->path))
		return fail_set(f, FAIL_TRANSIENT, p->path,
		    "not filled behind %s, and written to not long ago: the "
		    "server may still be writing it",
		    lsn);
	(void)fail_set(
	    f, FAIL_REFUSED, p->path, "damaged WAL: %s at %s", w->end_why, lsn);
	if (p->args->refuse_damaged)
		return fail_hint(f,
		    "pg_wal grows until this is solved; on_damage = archive "
		    "stores it with a mark");
	log_error("archive: %s: damaged WAL: %s at %s: stored with a mark; no "
	          "recovery leads through it, take a base backup now",
	    p->path, w->end_why, lsn);
	r->header.damaged = true;
	r->header.damaged_lsn = w->end_lsn;
	(void)snprintf(r->header.damaged_why, sizeof r->header.damaged_why,
	    "%s", w->end_why);
	return 0;
}

static int
prepare_segment(
    struct push *p, struct ahead *ahead, struct prepared *r, struct fail *f)
{
	int fd = open_file(p, &r->file_size, f), rc;

	if (fd < 0)
		return -1;
	rc = read_segment(p, fd, ahead, r, f);
	/* What looks wrong may have been a bad read: look once more. */
	if ((rc != 0 && f->kind == FAIL_REFUSED) ||
	    (rc == 0 && p->name.kind == WALNAME_SEGMENT &&
	        !is_sound(&r->header.facts))) {
		ahead_drop(ahead);
		rc = read_segment(p, fd, ahead, r, f);
	}
	(void)close(fd);
	if (rc != 0)
		return rc;
	r->header.has_facts = true;
	return p->name.kind == WALNAME_SEGMENT ? judge_segment(p, r, f) : 0;
}

/* History files and backup history files: small texts. */
static int
check_text(const struct push *p, const struct buf *b, struct fail *f)
{
	static const char start[] = "START WAL LOCATION: ";
	struct timeline t;

	if (p->name.kind == WALNAME_HISTORY) {
		if (timeline_parse(
		        b->data, b->len, p->name.tli, p->path, &t, f) != 0) {
			f->kind = FAIL_REFUSED;
			return -1;
		}
		timeline_clear(&t);
		return 0;
	}
	if (b->len < sizeof start - 1 ||
	    memcmp(b->data, start, sizeof start - 1) != 0)
		return refused(p, f, "not a backup history file");
	return 0;
}

/* Push bytes at hand through the pipeline. */
static int
spool_bytes(const struct push *p, const struct buf *b, struct ahead *ahead,
    struct prepared *r, struct fail *f)
{
	struct stream *pipe = new_pipeline(p, ahead, r);

	if (pipe == NULL)
		return fail_errno(f, p->path, "memory");
	return stream_write_whole(pipe, b->data, b->len, f);
}

static int
prepare_text(
    struct push *p, struct ahead *ahead, struct prepared *r, struct fail *f)
{
	struct buf b = { 0 };
	int rc;

	if (p->sysid == 0) {
		(void)fail_set(f, FAIL_CONFIG, p->path,
		    "no pg_control tells which cluster it belongs to");
		return fail_hint(
		    f, "run in the data directory or give --pgdata");
	}
	rc = io_read_file(AT_FDCWD, p->path, SMALL_FILE_MAX, &b, f);
	if (rc == 1)
		rc = fail_set(f, FAIL_TRANSIENT, p->path, "no such file");
	if (rc == 0)
		rc = check_text(p, &b, f);
	if (rc == 0)
		rc = spool_bytes(p, &b, ahead, r, f);
	r->sysid = p->sysid;
	buf_clear(&b);
	return rc;
}

static enum object_kind
kind_of(enum walname_kind kind)
{
	switch (kind) {
	case WALNAME_SEGMENT:
		return OBJECT_SEGMENT;
	case WALNAME_PARTIAL:
		return OBJECT_PARTIAL;
	case WALNAME_HISTORY:
		return OBJECT_HISTORY;
	case WALNAME_BACKUP:
		break;
	}
	return OBJECT_BACKUP_HISTORY;
}

int
prepare(struct push *p, struct ahead *ahead, struct prepared *r, struct fail *f)
{
	int rc;

	if (p->name.kind == WALNAME_SEGMENT || p->name.kind == WALNAME_PARTIAL)
		rc = prepare_segment(p, ahead, r, f);
	else
		rc = prepare_text(p, ahead, r, f);
	if (rc != 0)
		return rc;
	if (p->name.kind != WALNAME_SEGMENT || r->compare_only)
		ahead_drop(ahead);
	object_stamp(&r->header);
	r->header.kind = kind_of(p->name.kind);
	r->header.codec = CODEC_LZ4;
	r->header.tli = p->name.tli;
	r->header.has_plain = true;
	return 0;
}
