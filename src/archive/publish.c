/* SPDX-License-Identifier: PostgreSQL */
/* A prepared WAL file into a store: see publish.h. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "known.h"
#include "log.h"
#include "lsn.h"
#include "publish.h"

/* The header as it is in this store; others may be writing theirs. */
static void
object_header_in(const struct repository *repo, const char *key,
    const struct prepared *r, struct object_header *h)
{
	*h = r->header;
	(void)snprintf(
	    h->key, sizeof h->key, "%s", layout_own_key(&repo->layout, key));
	(void)snprintf(h->repository, sizeof h->repository, "%s", repo->id);
}

/* Write the object; aside is where a damaged one in its place goes. */
static int
put_object(struct repository *repo, const char *key, const char *aside,
    const struct prepared *r, uint64_t *stored, struct fail *f)
{
	struct store_attrs attrs = { .kind = STORE_WAL,
		.set_aside = aside,
		.size_hint = spool_len(r->payload) };
	struct stream *out = store_put(repo->store, key, &attrs, f);
	struct object_header h;
	int rc;

	if (out == NULL)
		return -1;
	object_header_in(repo, key, r, &h);
	rc = object_write(&h, r->payload, out, stored, f);
	stream_free(out);
	return rc;
}

/* 1 */
static int
refuse_other(const struct push *p, const struct repository *repo,
    const char *key, const struct prepared *r, const struct object_seen *seen,
    struct fail *f)
{
	char object[1024], ours[SUM128_TEXT], theirs[SUM128_TEXT];

	store_object_name(repo->store, key, object, sizeof object);
	sum128_format(&r->header.plain.sum, ours);
	sum128_format(&seen->plain.sum, theirs);
	(void)fail_set(f, FAIL_REFUSED, object,
	    "other content is archived under this name (stored %s, ours %s, "
	    "stored by %s); the stored one was not touched",
	    theirs, ours, seen->header.writer);
	if (p->name.kind == WALNAME_HISTORY)
		(void)fail_hint(f,
		    "another server took timeline %u first. If this server is "
		    "to be kept, archive it as a new history: walvault init "
		    "--new-generation, set the generation it prints, then "
		    "take a base backup",
		    p->name.tli);
	else
		(void)fail_hint(f,
		    "two servers archive here, or this one was rolled back. "
		    "Keep one; if it is this one: walvault init "
		    "--new-generation, set the generation it prints, then "
		    "take a base backup");
	return 1;
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
	return !digest_same(&seen->plain, &r->header.plain);
}

/*
 * The key is taken.  The same content is a success (the server may ask again
 * after a crash), once it is as durable as if we had written it.  An object
 * that fails its own checksums is neither: it is set aside.  0, 1 other content
 * is there, -1.
 */
static int
settle_existing(const struct push *p, struct repository *repo, const char *key,
    const struct prepared *r, struct fail *f)
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
		if (!digest_same(&seen.plain, &r->header.plain))
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

void
publish_key(const struct push *p, struct repository *repo, uint64_t sysid,
    const struct sum128 *sum, char key[LAYOUT_KEY_MAX])
{
	repo->layout.sysid = sysid;
	repo->layout.generation = p->args->generation;
	layout_wal(&repo->layout, &p->name, sum, key);
}

/* The short way if the payload is there already and the header fits. */
static int
put_prepared(struct repository *repo, const char *key, const struct prepared *r,
    struct stream *put, uint64_t *stored, struct fail *f)
{
	struct object_header h;
	int rc;

	if (put != NULL) {
		object_header_in(repo, key, r, &h);
		rc = object_write_around(
		    &h, r->payload, repo->store, put, stored, f);
		if (rc != 2)
			return rc;
	}
	return put_object(repo, key, NULL, r, stored, f);
}

int
publish(const struct push *p, struct repository *repo, const struct prepared *r,
    struct stream *put, struct fail *f)
{
	struct identity id;
	char key[LAYOUT_KEY_MAX];
	int64_t begin = clock_monotonic_ms();
	uint64_t stored = 0;
	int rc;

	publish_key(p, repo, r->sysid, &r->header.plain.sum, key);
	if (known_require(repo, p->args->state_dir, &id, f) < 0)
		return -1;
	if (r->header.has_facts && id.segsize != r->header.facts.segsize)
		return fail_set(f, FAIL_REFUSED, p->path,
		    "its segment size is not the one this repository knows; "
		    "after pg_resetwal: walvault init --new-generation");
	rc = r->compare_only ? must_exist(p, repo, key, r, f)
	                     : put_prepared(repo, key, r, put, &stored, f);
	if (rc == 1)
		return settle_existing(p, repo, key, r, f);
	if (rc == 0)
		log_info("archived: %s: store=%s bytes=%llu stored=%llu "
		         "ms=%lld",
		    p->name.text, repo->store->name,
		    (unsigned long long)r->header.plain.len,
		    (unsigned long long)stored,
		    (long long)(clock_monotonic_ms() - begin));
	return rc;
}
