/* SPDX-License-Identifier: PostgreSQL */
/* The records of a line's segments, also across their borders: see line.h. */
#include <string.h>

#include "line.h"
#include "lsn.h"
#include "object.h"
#include "walhdr.h"

/* The stage that feeds a stored segment to a scanner. */
struct feeder {
	struct stream stream;
	struct walscan *scan;
};

static int
feed(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	(void)f;
	walscan_push(((struct feeder *)stream)->scan, bytes, len);
	return 0;
}

static int
fed(struct stream *stream, struct fail *f)
{
	(void)stream;
	(void)f;
	return 0;
}

static void
keep(struct stream *stream)
{
	(void)stream;
}

static const struct stream_ops feeder_ops = {
	.write = feed, .finish = fed, .free = keep
};

/* Passes events on, and stops at records that begin behind the last
 * segment: they are scanned only to finish what began before. */
struct bounded {
	const struct walscan_events *events;
	uint64_t end;
};

static int
bounded_record(void *arg, uint64_t lsn, uint64_t end, int64_t time)
{
	struct bounded *b = arg;

	if (lsn >= b->end)
		return 1;
	return b->events->record != NULL
	    ? b->events->record(b->events->arg, lsn, end, time)
	    : 0;
}

static int
bounded_xact(void *arg, const struct walxact *x)
{
	struct bounded *b = arg;

	return b->events->xact != NULL ? b->events->xact(b->events->arg, x) : 0;
}

static int
bounded_point(void *arg, const struct walrestore_point *p, uint64_t end)
{
	struct bounded *b = arg;

	return b->events->restore_point != NULL
	    ? b->events->restore_point(b->events->arg, p, end)
	    : 0;
}

static int
bounded_tablespace(void *arg, const struct waltablespace *t)
{
	struct bounded *b = arg;

	return b->events->tablespace != NULL
	    ? b->events->tablespace(b->events->arg, t)
	    : 0;
}

static int
feed_segment(const struct line *l, const struct line_segment *s,
    struct walscan *scan, struct fail *f)
{
	struct repository *r = l->index->repo;
	struct feeder feeder = { .stream.ops = &feeder_ops, .scan = scan };
	struct object_seen seen;
	char key[LAYOUT_KEY_MAX];
	int rc;

	line_segment_key(l, s, key);
	rc = object_read_whole(
	    r->store, &r->layout, key, &feeder.stream, &seen, f);
	return rc == 1 ? fail_set(f, FAIL_ABSENT, key, "it has vanished") : rc;
}

/* Does a record go on behind the segment (begun in it, or before it)? */
static bool
crosses_cut(const struct walfacts *f)
{
	return f->unfinished != LSN_NONE ||
	    (f->cont_len != 0 && f->first_lsn == LSN_NONE);
}

int
line_scan(const struct line *l, size_t from, size_t to,
    const struct walscan_events *events, struct fail *f)
{
	const struct line_segment *first = &l->segment[from];
	struct bounded b = { .events = events };
	struct walscan *scan;
	size_t end = line_run_end(l, from);
	int rc = 0;

	b.end = l->segment[to].facts.start_lsn + l->segment[to].facts.segsize;
	scan = walscan_new(&(struct walscan_args){ .max_tli = l->history.tli,
	    .start_lsn = first->facts.start_lsn,
	    .events = { .record = bounded_record,
	        .xact = bounded_xact,
	        .restore_point = bounded_point,
	        .tablespace = bounded_tablespace,
	        .arg = &b } });
	if (scan == NULL)
		return fail_errno(f, first->name.text, "memory");
	for (size_t i = from; rc == 0 && i <= end && !walscan_ended(scan);
	     i++) {
		if (i > to && !crosses_cut(&l->segment[i - 1].facts))
			break;
		rc = feed_segment(l, &l->segment[i], scan, f);
	}
	walscan_free(scan);
	return rc;
}

bool
line_straddles(const struct line *l, size_t i, struct walxact *x)
{
	const struct walfacts *a = &l->segment[i].facts, *b;
	uint8_t bytes[2 * WALFACTS_CUT];
	size_t len = a->tail_len;

	if (a->unfinished == LSN_NONE || i == line_run_end(l, i))
		return false;
	b = &l->segment[i + 1].facts;
	memcpy(bytes, a->tail, len);
	if (len == a->unfinished_here) {
		memcpy(bytes + len, b->head, b->head_len);
		len += b->head_len;
	}
	*x = (struct walxact){ .lsn = a->unfinished };
	return walrecord_xact(bytes, len, walhdr_major(a->magic), x) == 0;
}
