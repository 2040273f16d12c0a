/* SPDX-License-Identifier: PostgreSQL */
/* Writing index objects, and deleting old ones: see heads.h. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "heads.h"
#include "log.h"
#include "mem.h"
#include "snapshot_list.h"
#include "thread.h"

/* An object is written for so many that no index knows. */
#define WORTH_WRITING 16

/* So many headers are read by one run; the next one goes on. */
#define READ_MAX 20000

#define READERS_MAX    16
#define WORTH_A_READER 16

/* An object that no index knows, and what it says. */
struct missing {
	struct heads_entry entry; /* bytes are text's */
	struct buf text;
	bool got;
};

struct renewal {
	struct repository listed;
	struct snapshot *snapshot;
	struct missing *missing;
	size_t n;
	atomic_size_t next; /* the first that nobody has taken */
	size_t written;     /* entries in the object being made */
	struct buf bytes;
};

static const char *
own_key(const struct renewal *r, const char *key)
{
	return layout_own_key(&r->listed.layout, key);
}

static void
collect(struct renewal *r)
{
	struct snapshot_list *l = r->snapshot->list;

	r->missing = calloc(READ_MAX, sizeof *r->missing);
	for (size_t i = 0; r->missing != NULL && i < l->n && r->n < READ_MAX;
	     i++) {
		const struct snapshot_object *o = &l->list[i];
		struct heads_entry *e = &r->missing[r->n].entry;

		e->what = heads_what(own_key(r, o->key), o->info.size);
		if (o->known != NULL || e->what == HEADS_NONE)
			continue;
		(void)snprintf(e->key, sizeof e->key, "%s", own_key(r, o->key));
		e->info = o->info;
		r->n++;
	}
}

/* What readers of lists and lines need of a header. */
static int
encode_header(const struct object_header *full, struct buf *b)
{
	struct object_header h = *full;

	h.repository[0] = h.writer[0] = '\0';
	h.created = 0;
	h.has_plain = false;
	return object_encode_header(&h, 0, b);
}

/* What cannot be read, or is damaged, stays unknown. */
static void
read_one(const struct renewal *r, struct store *store, struct missing *m)
{
	struct object_header h;
	struct mem whole;
	char key[STORE_KEY_MAX];
	struct fail f;

	(void)snprintf(
	    key, sizeof key, "%s/%s", r->listed.layout.cluster, m->entry.key);
	if (m->entry.what == HEADS_WHOLE) {
		mem_init(&whole);
		m->got = store_get(store, key, 0, HEADS_WHOLE_MAX,
		             &whole.stream, &f) == 0 &&
		    whole.bytes.len == m->entry.info.size;
		m->text = whole.bytes;
	} else {
		m->got = object_read_header(
		             store, &r->listed.layout, key, &h, &f) == 0 &&
		    encode_header(&h, &m->text) == 0;
	}
	m->entry.bytes = m->text.data;
	m->entry.len = m->text.len;
}

struct reader {
	struct renewal *renewal;
	struct store *store;
	pthread_t thread;
};

static void *
work(void *arg)
{
	struct reader *x = arg;
	struct renewal *r = x->renewal;
	size_t i;

	while ((i = atomic_fetch_add(&r->next, 1)) < r->n)
		read_one(r, x->store, &r->missing[i]);
	return NULL;
}

static bool
start(struct reader *x, struct renewal *r)
{
	*x = (struct reader){ .renewal = r,
		.store = store_again(r->snapshot->inner) };
	if (x->store != NULL && thread_start(&x->thread, work, x) == 0)
		return true;
	store_free(x->store);
	return false;
}

static void
read_missing(struct renewal *r)
{
	struct reader x[READERS_MAX];
	size_t n = 1;

	x[0] = (struct reader){ .renewal = r, .store = r->snapshot->inner };
	while (n < READERS_MAX && n < r->n / WORTH_A_READER && start(&x[n], r))
		n++;
	(void)work(&x[0]);
	for (size_t i = 1; i < n; i++) {
		(void)pthread_join(x[i].thread, NULL);
		store_free(x[i].store);
	}
}

/* Put the bytes made so far as an object, and begin anew.  0 or -1. */
static int
write_object(struct renewal *r, struct fail *f)
{
	const struct codec codec = { CODEC_LZ4, 1 };
	struct store_attrs attrs = { .size_hint = r->bytes.len };
	struct object_header h = { .kind = OBJECT_INDEX,
		.codec = codec.id,
		.facts.timed_max = WAL_NO_TIME };
	char when[CLOCK_TEXT], rest[LAYOUT_KEY_MAX], key[LAYOUT_KEY_MAX];
	int64_t now = clock_now();
	struct stream *out;
	uint32_t random = 0;
	int rc = -1;

	clock_format_compact(now, when);
	if (getrandom(&random, sizeof random, 0) != sizeof random)
		random = (uint32_t)r->bytes.len;
	(void)snprintf(rest, sizeof rest, "index/%.32s-%06d-%08" PRIx32, when,
	    (int)(now % 1000000), random);
	layout_system(&r->listed.layout, rest, key);
	object_stamp(&h);
	(void)snprintf(h.key, sizeof h.key, "%s", own_key(r, key));
	(void)snprintf(h.repository, sizeof h.repository, "%s", r->listed.id);
	out = store_put(r->snapshot->inner, key, &attrs, f);
	if (out != NULL)
		out = object_encoder_new(&h, &codec, out, f);
	if (out != NULL) {
		rc = stream_write(out, r->bytes.data, r->bytes.len, f);
		if (rc == 0)
			rc = stream_finish(out, f);
		stream_free(out);
	}
	if (rc == 0)
		log_debug(
		    "index object written: %s entries=%zu", key, r->written);
	r->bytes.len = 0;
	r->written = 0;
	return rc;
}

static int
add(struct renewal *r, const struct heads_entry *e, struct fail *f)
{
	if (heads_add(&r->bytes, e) != 0)
		return fail_errno(f, e->key, "memory");
	return ++r->written == HEADS_MAX ? write_object(r, f) : 0;
}

/* One that has room goes into the new one. */
static bool
is_merged(const struct snapshot_index *x)
{
	return x->read && !x->replaced && x->entries < HEADS_MAX;
}

static int
add_known(struct renewal *r, const struct snapshot_object *o, struct fail *f)
{
	struct heads_entry e = { .info = o->info,
		.what = o->whole ? HEADS_WHOLE : HEADS_HEADER,
		.bytes = o->known,
		.len = o->len };

	if (!is_merged(&r->snapshot->list->index[o->index]))
		return 0;
	(void)snprintf(e.key, sizeof e.key, "%s", own_key(r, o->key));
	return add(r, &e, f);
}

/*
 * The last object says what is replaced: whoever dies before it has written
 * entries twice, and lost none.
 */
static int
write_all(struct renewal *r, struct fail *f)
{
	struct snapshot_list *l = r->snapshot->list;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < l->n; i++)
		if (l->list[i].known != NULL)
			rc = add_known(r, &l->list[i], f);
	for (size_t i = 0; rc == 0 && i < r->n; i++)
		if (r->missing[i].got)
			rc = add(r, &r->missing[i].entry, f);
	for (size_t i = 0; rc == 0 && i < l->n_index; i++)
		if ((is_merged(&l->index[i]) || l->index[i].replaced) &&
		    heads_add_replaced(
		        &r->bytes, strrchr(l->index[i].key, '/') + 1) != 0)
			rc = fail_errno(f, "index", "memory");
	if (rc == 0 && r->bytes.len > 0)
		rc = write_object(r, f);
	for (size_t i = 0; rc == 0 && i < l->n_index; i++)
		l->index[i].replaced |= is_merged(&l->index[i]);
	return rc;
}

static size_t
n_got(const struct renewal *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->missing[i].got;
	return n;
}

/* Those that are replaced, damaged, or of objects that are all gone. */
static int
delete_old(struct renewal *r, struct fail *f)
{
	struct snapshot_list *l = r->snapshot->list;
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < l->n_index; i++) {
		const struct snapshot_index *x = &l->index[i];

		if (x->replaced || x->damaged || (x->read && x->live == 0))
			rc = store_del(r->snapshot->inner, x->key, f);
	}
	return rc < 0 ? -1 : 0;
}

static int
renew(struct renewal *r, bool clean, struct fail *f)
{
	if (snapshot_load(r->snapshot, f) != 0)
		return -1;
	collect(r);
	if (r->n >= WORTH_WRITING)
		read_missing(r);
	if (n_got(r) >= WORTH_WRITING && write_all(r, f) != 0)
		return -1;
	return clean ? delete_old(r, f) : 0;
}

void
heads_renew(const struct repository *repo, bool clean)
{
	struct renewal r = { .n = 0 };
	struct fail f;

	if (!repo->store->far)
		return;
	snapshot_system(repo, &r.listed);
	if (r.listed.store == repo->store)
		return;
	r.snapshot = (struct snapshot *)r.listed.store;
	if (renew(&r, clean, &f) != 0) {
		log_info("the index of headers was not renewed; it is only "
		         "slower without: %s: %s",
		    f.object, f.cause);
	}
	for (size_t i = 0; i < r.n; i++)
		buf_clear(&r.missing[i].text);
	free(r.missing);
	buf_clear(&r.bytes);
	snapshot_end(&r.listed);
}
