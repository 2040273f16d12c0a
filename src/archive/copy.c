/* SPDX-License-Identifier: PostgreSQL */
/* The threads of a base backup: see copy.h. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "copy_file.h"
#include "io.h"
#include "thread.h"

/* How often the caller is told. */
#define TICK_MS 200

struct crew;

struct worker {
	struct crew *crew;
	pthread_t thread;
	bool started;
	struct store *store;
	struct repository repo;
	struct pack_writer *pack;
	struct copy_file file;
};

struct crew {
	const struct copy_args *args;
	struct copy_result *result;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	size_t next; /* entry that nobody has taken */
	uint32_t next_part;
	uint32_t next_pack;
	unsigned running;
	atomic_bool stop;
	bool failed;
	struct fail fail; /* the first */
	struct worker *workers;
};

/* Someone has failed: everyone ends. */
static void
give_up(struct crew *crew, const struct fail *f)
{
	(void)pthread_mutex_lock(&crew->lock);
	if (!crew->failed)
		crew->fail = *f;
	crew->failed = true;
	(void)pthread_mutex_unlock(&crew->lock);
	atomic_store(&crew->stop, true);
}

/* Take the next item.  False: there is none. */
static bool
take(struct crew *crew, struct copy_item *item)
{
	const struct source_list *l = crew->args->list;
	bool found = false;

	(void)pthread_mutex_lock(&crew->lock);
	while (crew->next < l->n && l->list[crew->next].part != SOURCE_COPY)
		crew->next++;
	if (crew->next < l->n) {
		const struct source_entry *e = &l->list[crew->next];
		uint32_t parts = e->type == MANIFEST_FILE ? copy_parts(e) : 0;

		found = true;
		item->index = crew->next;
		item->part = parts > 0 ? ++crew->next_part : 0;
		if (crew->next_part == parts) {
			crew->next_part = 0;
			crew->next++;
		}
	}
	(void)pthread_mutex_unlock(&crew->lock);
	return found;
}

void
copy_member(const struct source_list *l, const struct source_entry *e,
    uint64_t len, int64_t mtime, struct pack_member *m)
{
	*m = (struct pack_member){ .path = e->path,
		.len = len,
		.mode = e->mode,
		.uid = e->uid,
		.gid = e->gid,
		.owner = source_name(&l->users, e->uid),
		.group = source_name(&l->groups, e->gid),
		.mtime = mtime };
}

int
copy_add_pack(
    struct copy_result *r, const struct manifest_pack *pack, struct fail *f)
{
	struct manifest_pack *more = reallocarray(
	    r->packs, r->n_packs + 1, sizeof *more);

	if (more == NULL)
		return fail_errno(f, "backup", "memory");
	r->packs = more;
	more[r->n_packs++] = *pack;
	return 0;
}

static int
end_pack(struct worker *w, struct fail *f)
{
	struct crew *crew = w->crew;
	struct manifest_pack pack;
	int rc;

	if (w->pack == NULL)
		return 0;
	if (pack_finish(w->pack, &pack, f) != 0)
		return -1;
	pack_free(w->pack);
	w->pack = NULL;
	(void)pthread_mutex_lock(&crew->lock);
	rc = copy_add_pack(crew->result, &pack, f);
	(void)pthread_mutex_unlock(&crew->lock);
	return rc;
}

static int
begin_pack(struct worker *w, struct fail *f)
{
	struct crew *crew = w->crew;
	uint32_t number;

	if (w->pack != NULL)
		return 0;
	(void)pthread_mutex_lock(&crew->lock);
	number = ++crew->next_pack;
	(void)pthread_mutex_unlock(&crew->lock);
	w->pack = pack_begin(
	    &w->repo, crew->args->backup, number, &crew->args->codec, f);
	return w->pack != NULL ? 0 : -1;
}

/*
 * Links become directories in the pack: what lies behind them is unpacked
 * there, not into the place of the living cluster.
 */
static int
copy_entry(struct worker *w, const struct source_entry *e, struct fail *f)
{
	struct pack_member m;

	copy_member(w->crew->args->list, e, 0, e->mtime, &m);
	return pack_entry(w->pack, &m, NULL, f);
}

static int
work_all(struct worker *w, struct fail *f)
{
	struct crew *crew = w->crew;
	struct copy_item item;

	while (!atomic_load(&crew->stop) && take(crew, &item)) {
		const struct source_entry *e =
		    &crew->args->list->list[item.index];
		int rc = begin_pack(w, f);

		if (rc == 0 && e->type == MANIFEST_FILE)
			rc = copy_file(&w->file, &item, w->pack, f);
		else if (rc == 0)
			rc = copy_entry(w, e, f);
		if (rc == 0 && pack_stored(w->pack) >= PACK_BOUND)
			rc = end_pack(w, f);
		if (rc != 0)
			return -1;
	}
	return atomic_load(&crew->stop) ? 0 : end_pack(w, f);
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct fail f = { .kind = FAIL_NONE };

	if (work_all(w, &f) != 0)
		give_up(w->crew, &f);
	pack_free(w->pack);
	w->pack = NULL;
	(void)pthread_mutex_lock(&w->crew->lock);
	w->crew->running--;
	(void)pthread_cond_signal(&w->crew->wake);
	(void)pthread_mutex_unlock(&w->crew->lock);
	return NULL;
}

static int
start(struct crew *crew, size_t i, struct fail *f)
{
	const struct copy_args *a = crew->args;
	struct worker *w = &crew->workers[i];

	w->crew = crew;
	w->repo = *a->repo;
	w->store = w->repo.store = mirror_open(a->mirror, f);
	if (w->store == NULL)
		return -1;
	w->file = (struct copy_file){ .args = a,
		.stop = &crew->stop,
		.list = crew->result->lists[i],
		.chunk = malloc(IO_CHUNK) };
	if (w->file.chunk == NULL)
		return fail_errno(f, "backup", "memory");
	(void)pthread_mutex_lock(&crew->lock);
	crew->running++;
	errno = thread_start(&w->thread, work, w);
	w->started = errno == 0;
	if (!w->started)
		crew->running--;
	(void)pthread_mutex_unlock(&crew->lock);
	return w->started ? 0 : fail_errno(f, "backup", "start a thread");
}

/* Wait for the workers, with a look at the caller's affairs now and then. */
static void
supervise(struct crew *crew)
{
	struct fail f = { .kind = FAIL_NONE };

	(void)pthread_mutex_lock(&crew->lock);
	while (crew->running > 0) {
		(void)thread_wait_until(
		    &crew->wake, &crew->lock, clock_monotonic_ms() + TICK_MS);
		(void)pthread_mutex_unlock(&crew->lock);
		if (!atomic_load(&crew->stop) &&
		    crew->args->tick(crew->args->arg, &f) != 0)
			give_up(crew, &f);
		(void)pthread_mutex_lock(&crew->lock);
	}
	(void)pthread_mutex_unlock(&crew->lock);
}

static int
compare_packs(const void *a, const void *b)
{
	const struct manifest_pack *p = a, *q = b;

	return (p->pack > q->pack) - (p->pack < q->pack);
}

static int
prepare(struct copy_result *out, unsigned jobs, const char *dir, struct fail *f)
{
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers it is */
	out->lists = calloc(jobs + 1, sizeof *out->lists);
	if (out->lists == NULL)
		return fail_errno(f, "backup", "memory");
	for (; out->n_lists <= jobs; out->n_lists++) {
		out->lists[out->n_lists] = copied_new(dir);
		if (out->lists[out->n_lists] == NULL)
			return fail_errno(f, "backup", "memory");
	}
	return 0;
}

int
copy_run(const struct copy_args *args, struct copy_result *out, struct fail *f)
{
	struct crew crew = {
		.args = args, .result = out, .lock = PTHREAD_MUTEX_INITIALIZER
	};

	*out = (struct copy_result){ 0 };
	thread_cond_init(&crew.wake);
	if (prepare(out, args->jobs, args->spool_dir, f) != 0)
		return -1;
	crew.workers = calloc(args->jobs, sizeof *crew.workers);
	if (crew.workers == NULL)
		return fail_errno(f, "backup", "memory");
	for (unsigned i = 0; i < args->jobs; i++)
		if (start(&crew, i, f) != 0) {
			give_up(&crew, f);
			break;
		}
	supervise(&crew);
	for (unsigned i = 0; i < args->jobs; i++) {
		struct worker *w = &crew.workers[i];

		if (w->started)
			(void)pthread_join(w->thread, NULL);
		free(w->file.chunk);
		store_free(w->store);
	}
	free(crew.workers);
	if (crew.failed) {
		*f = crew.fail;
		return -1;
	}
	if (out->n_packs > 1)
		qsort(out->packs, out->n_packs, sizeof *out->packs,
		    compare_packs);
	return 0;
}

void
copy_result_clear(struct copy_result *r)
{
	for (size_t i = 0; i < r->n_lists; i++)
		copied_free(r->lists[i]);
	free(r->lists);
	free(r->packs);
	*r = (struct copy_result){ 0 };
}
