/* SPDX-License-Identifier: PostgreSQL */
/*
 * The way of a WAL file into the stores:
 *
 *	read -> scan, sum, compress -> spool		(once)
 *	header + spool + trailer -> store		(for each store)
 *
 * A segment's header holds facts that are known only at its end, so the
 * compressed bytes wait in memory (in a nameless file if they are many).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async.h"
#include "clock.h"
#include "codec.h"
#include "control.h"
#include "fork.h"
#include "io.h"
#include "log.h"
#include "lsn.h"
#include "object.h"
#include "push.h"
#include "push_line.h"
#include "push_one.h"
#include "timeline.h"
#include "walhdr.h"

/* walpush stays under 64 MiB whatever the segment size. */
#define SPOOL_MEMORY ((size_t)24 * 1024 * 1024)

/* An unfilled segment is given this long to be filled. */
#define YOUNG_SECONDS 120

#define SMALL_FILE_MAX ((size_t)1024 * 1024)

/* A file read, checked and compressed, ready for any number of stores. */
struct prepared {
	struct object_header header;
	struct digest plain;
	struct spool *payload;
	uint64_t sysid; /* of the file, or of pg_control */
	/* Not to be stored, only to be compared with what is: a standby's
	 * damaged copy must not take the name of the primary's good one. */
	bool compare_only;
};

static void
prepared_clear(struct prepared *r)
{
	spool_free(r->payload);
	r->payload = NULL;
}

/* The stages that bytes go through on their way into the spool. */
static struct stream *
new_pipeline(const struct push *p, struct prepared *r)
{
	struct stream *next;

	spool_free(r->payload);
	r->payload = spool_new(SPOOL_MEMORY, p->args->spool_dir);
	if (r->payload == NULL)
		return NULL;
	next = codec_encoder_new(
	    CODEC_LZ4, p->args->compress_level, spool_stream(r->payload));
	/* Small texts are not worth a thread. */
	if (p->name.kind == WALNAME_SEGMENT || p->name.kind == WALNAME_PARTIAL)
		next = async_new(next);
	return digest_new(&r->plain, next);
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
read_segment(
    struct push *p, int fd, uint64_t size, struct prepared *r, struct fail *f)
{
	uint8_t *chunk = malloc(IO_CHUNK);
	struct stream *pipe = new_pipeline(p, r);
	struct walscan *scan = NULL;
	struct walhdr h = { 0 };
	uint64_t off = 0;
	int rc = -1;

	if (chunk == NULL || pipe == NULL) {
		(void)fail_errno(f, p->path, "memory");
		goto out;
	}
	do {
		ssize_t n = io_pread(fd, chunk, IO_CHUNK, (off_t)off);

		if (n < 0) {
			(void)fail_errno(f, p->path, "read");
			goto out;
		}
		if (off == 0) {
			if (check_first_page(
			        p, chunk, (size_t)n, size, &h, f) != 0)
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
		walscan_push(scan, chunk, (size_t)n);
		if (stream_write(pipe, chunk, (size_t)n, f) != 0)
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
prepare_segment(struct push *p, struct prepared *r, struct fail *f)
{
	uint64_t size;
	int fd = open_file(p, &size, f), rc;

	if (fd < 0)
		return -1;
	rc = read_segment(p, fd, size, r, f);
	/* What looks wrong may have been a bad read: look once more. */
	if ((rc != 0 && f->kind == FAIL_REFUSED) ||
	    (rc == 0 && p->name.kind == WALNAME_SEGMENT &&
	        !is_sound(&r->header.facts)))
		rc = read_segment(p, fd, size, r, f);
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
spool_bytes(const struct push *p, const struct buf *b, struct prepared *r,
    struct fail *f)
{
	struct stream *pipe = new_pipeline(p, r);
	int rc;

	if (pipe == NULL)
		return fail_errno(f, p->path, "memory");
	rc = stream_write(pipe, b->data, b->len, f);
	if (rc == 0)
		rc = stream_finish(pipe, f);
	stream_free(pipe);
	return rc;
}

static int
prepare_text(struct push *p, struct prepared *r, struct fail *f)
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
		rc = spool_bytes(p, &b, r, f);
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

static int
prepare(struct push *p, struct prepared *r, struct fail *f)
{
	char host[64] = "";
	int rc;

	if (p->name.kind == WALNAME_SEGMENT || p->name.kind == WALNAME_PARTIAL)
		rc = prepare_segment(p, r, f);
	else
		rc = prepare_text(p, r, f);
	if (rc != 0)
		return rc;
	(void)gethostname(host, sizeof host - 1);
	(void)snprintf(r->header.writer, sizeof r->header.writer, "%s %s %.32s",
	    log_program(), WALVAULT_VERSION, host);
	r->header.kind = kind_of(p->name.kind);
	r->header.codec = CODEC_LZ4;
	r->header.tli = p->name.tli;
	r->header.created = clock_now();
	r->header.has_plain = true;
	r->header.plain = r->plain;
	return 0;
}

/* Write the object; aside is where a damaged one in its place goes. */
static int
put_object(struct repository *repo, const char *key, const char *aside,
    struct prepared *r, uint64_t *stored, struct fail *f)
{
	struct store_attrs attrs = { .set_aside = aside,
		.size_hint = spool_len(r->payload) };
	struct stream *out = store_put(repo->store, key, &attrs, f);
	int rc;

	if (out == NULL)
		return -1;
	rc = object_write(&r->header, r->payload, &r->plain, out, stored, f);
	stream_free(out);
	return rc;
}

static int
refuse_other(const struct push *p, const struct repository *repo,
    const char *key, const struct prepared *r, const struct object_seen *seen,
    struct fail *f)
{
	char object[1024], ours[SUM128_TEXT], theirs[SUM128_TEXT];

	store_object_name(repo->store, key, object, sizeof object);
	sum128_format(&r->plain.sum, ours);
	sum128_format(&seen->plain.sum, theirs);
	(void)fail_set(f, FAIL_REFUSED, object,
	    "other content is archived under this name (stored %s, ours %s, "
	    "stored by %s); the stored one was not touched",
	    theirs, ours, seen->header.writer);
	if (p->name.kind == WALNAME_HISTORY)
		return fail_hint(f,
		    "another server took timeline %u first. If this server is "
		    "to be kept, archive it as a new history: walvault init "
		    "--new-generation, set the generation it prints, then "
		    "take a base backup",
		    p->name.tli);
	return fail_hint(f,
	    "two servers archive here, or this one was rolled back. Keep one; "
	    "if it is this one: walvault init --new-generation, set the "
	    "generation it prints, then take a base backup");
}

/* Of a damaged object the header may still say that it was another file. */
static bool
differs_by_header(struct repository *repo, const char *key,
    const struct prepared *r, struct object_seen *seen)
{
	struct fail f;

	if (object_read_header(
	        repo->store, &repo->layout, key, &seen->header, &f) != 0 ||
	    !seen->header.has_plain)
		return false;
	seen->plain = seen->header.plain;
	return seen->plain.len != r->plain.len ||
	    memcmp(&seen->plain.sum, &r->plain.sum, sizeof r->plain.sum) != 0;
}

/*
 * The key is taken.  The same content is a success (the server may ask again
 * after a crash), once it is as durable as if we had written it.  An object
 * that fails its own checksums is neither: it is set aside.
 */
static int
settle_existing(const struct push *p, struct repository *repo, const char *key,
    struct prepared *r, struct fail *f)
{
	struct object_seen seen;
	char aside[LAYOUT_KEY_MAX];
	uint64_t stored;
	int rc = object_read(repo->store, &repo->layout, key, NULL, &seen, f);

	if (rc < 0 && f->kind == FAIL_DAMAGED)
		rc = object_read(
		    repo->store, &repo->layout, key, NULL, &seen, f);
	if (rc == 1)
		return fail_set(f, FAIL_TRANSIENT, key,
		    "it vanished while it was compared");
	if (rc == 0) {
		if (seen.plain.len != r->plain.len ||
		    memcmp(&seen.plain.sum, &r->plain.sum,
		        sizeof seen.plain.sum) != 0)
			return refuse_other(p, repo, key, r, &seen, f);
		rc = store_settle(repo->store, key, f);
		if (rc == 0)
			log_info("archived: %s: was there already store=%s",
			    p->name.text, repo->store->name);
		return rc == 1 ? fail_set(f, FAIL_TRANSIENT, key,
		                     "it vanished while it was settled")
		               : rc;
	}
	if (f->kind != FAIL_DAMAGED)
		return -1;
	if (differs_by_header(repo, key, r, &seen))
		return refuse_other(p, repo, key, r, &seen, f);
	layout_aside(key, aside);
	log_fail(LOG_ERROR, "archive", f);
	log_warning(
	    "archive: %s: the damaged object is set aside as %s", key, aside);
	rc = put_object(repo, key, aside, r, &stored, f);
	return rc == 1 ? fail_set(f, FAIL_TRANSIENT, key,
	                     "it changed while it was replaced")
	               : rc;
}

/* What a standby cannot vouch for must come from the primary.  1 or -1. */
static int
must_exist(const struct push *p, struct repository *repo, const char *key,
    const struct prepared *r, struct fail *f)
{
	const struct walfacts *w = &r->header.facts;
	struct store_info info;
	char lsn[LSN_TEXT];
	int rc = store_stat(repo->store, key, &info, f);

	if (rc != 1)
		return rc == 0 ? 1 : -1;
	lsn_format(w->end_lsn, lsn);
	(void)fail_set(f, FAIL_TRANSIENT, p->path,
	    "not whole on this standby (%s at %s)", w->end_why, lsn);
	return fail_hint(
	    f, "it waits for its timeline's history or for the primary's copy");
}

/* Make it durable in one store. */
static int
publish(const struct push *p, struct repository *repo, struct prepared *r,
    struct fail *f)
{
	struct identity id;
	char key[LAYOUT_KEY_MAX];
	int64_t begin = clock_monotonic_ms();
	uint64_t stored = 0;
	int rc;

	if (repo->id[0] == '\0' && repository_open(repo, f) != 0)
		return -1;
	repo->layout.sysid = r->sysid;
	repo->layout.generation = p->args->generation;
	if (repository_require(repo, &id, f) != 0)
		return -1;
	if (r->header.has_facts && id.segsize != r->header.facts.segsize)
		return refused(p, f,
		    "its segment size is not the one this repository knows; "
		    "after pg_resetwal: walvault init --new-generation");
	layout_wal(&repo->layout, &p->name, &r->plain.sum, key);
	(void)snprintf(r->header.key, sizeof r->header.key, "%s",
	    layout_own_key(&repo->layout, key));
	(void)snprintf(
	    r->header.repository, sizeof r->header.repository, "%s", repo->id);
	rc = r->compare_only ? must_exist(p, repo, key, r, f)
	                     : put_object(repo, key, NULL, r, &stored, f);
	if (rc == 1)
		return settle_existing(p, repo, key, r, f);
	if (rc == 0)
		log_info("archived: %s: store=%s bytes=%llu stored=%llu "
		         "ms=%lld",
		    p->name.text, repo->store->name,
		    (unsigned long long)r->plain.len,
		    (unsigned long long)stored,
		    (long long)(clock_monotonic_ms() - begin));
	return rc;
}

int
push_one(struct push *p, struct fail *f)
{
	struct prepared r = { 0 };
	int rc = prepare(p, &r, f);
	bool prepared = rc == 0;

	/* A store that fails does not keep the others from having it. */
	for (size_t i = 0; prepared && i < p->args->n_repos; i++) {
		struct fail one = { .kind = FAIL_NONE };

		if (publish(p, &p->args->repos[i], &r, &one) == 0)
			continue;
		if (rc != 0)
			log_fail(LOG_ERROR, "not archived", f);
		/* The gravest word is the one that counts. */
		if (rc == 0 || one.kind == FAIL_REFUSED)
			*f = one;
		rc = -1;
	}
	prepared_clear(&r);
	return rc;
}

int
push_file(const struct push_args *args, const char *path, struct fail *f)
{
	struct push p = { .args = args, .path = path };
	const char *slash = strrchr(path, '/');
	struct control control;
	int rc;

	if (walname_parse(slash != NULL ? slash + 1 : path, &p.name) != 0)
		return fail_set(f, FAIL_CONFIG, path,
		    "not the name of a WAL file: expected what %%p gives");
	io_above(path, 1, p.pg_wal, sizeof p.pg_wal);
	rc = control_find(path, args->pgdata, &control, f);
	if (rc < 0)
		return -1;
	if (rc == 0) {
		p.sysid = control.sysid;
		p.in_recovery = control.state == CONTROL_IN_ARCHIVE_RECOVERY;
	}
	if (push_one(&p, f) != 0)
		return -1;
	if (push_line(&p, f) != 0)
		return fail_add(f,
		    "%s itself is archived, but not what its "
		    "timeline needs beside it",
		    p.name.text);
	return 0;
}
