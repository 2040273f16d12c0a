/* SPDX-License-Identifier: PostgreSQL */
/* Marker and identities: see repository.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "note.h"
#include "repository.h"

#define REPOSITORY_FORMAT 1

/* The note's first lines: what it is, in which format, what readers need. */
static int
begin_note(struct buf *b, const char *what)
{
	char when[CLOCK_TEXT];

	clock_format(clock_now(), when);
	if (note_add(b, "walvault", what) != 0 ||
	    note_add_number(b, "format", REPOSITORY_FORMAT) != 0)
		return -1;
	return note_add(b, "created", when);
}

static int
check_note(
    const struct buf *b, const char *what, const char *object, struct fail *f)
{
	char text[64];
	uint64_t format;

	if (note_get(b, "walvault", text, sizeof text, object, f) != 0 ||
	    note_get_number(b, "format", &format, object, f) != 0)
		return -1;
	if (strcmp(text, what) != 0)
		return fail_set(f, FAIL_DAMAGED, object, "it is a %s, not a %s",
		    text, what);
	if (format == REPOSITORY_FORMAT)
		return 0;
	(void)fail_set(f, FAIL_CONFIG, object,
	    "the repository has format %" PRIu64 ", this program knows %d",
	    format, REPOSITORY_FORMAT);
	return fail_hint(f, "use a newer version of walvault");
}

/* A feature that this version does not know would be misread. */
static int
check_features(const struct buf *b, const char *object, struct fail *f)
{
	char features[256];

	if (note_get(b, "requires", features, sizeof features, object, f) != 0)
		return -1;
	if (features[0] == '\0')
		return 0;
	(void)fail_set(f, FAIL_CONFIG, object,
	    "the repository requires '%s', unknown to this program", features);
	return fail_hint(f, "use a newer version of walvault");
}

/* 0, 1 no marker, -1 */
static int
read_marker(struct repository *r, struct fail *f)
{
	struct buf b = { 0 };
	char key[LAYOUT_KEY_MAX], object[1024];
	int rc;

	layout_marker(&r->layout, key);
	store_object_name(r->store, key, object, sizeof object);
	rc = note_read(r->store, key, &b, f);
	if (rc == 0 &&
	    (check_note(&b, "repository", object, f) != 0 ||
	        check_features(&b, object, f) != 0 ||
	        note_get(&b, "id", r->id, sizeof r->id, object, f) != 0))
		rc = -1;
	buf_clear(&b);
	return rc;
}

int
repository_peek(struct repository *r, struct fail *f)
{
	return read_marker(r, f);
}

int
repository_open(struct repository *r, struct fail *f)
{
	char key[LAYOUT_KEY_MAX], object[1024];
	int rc = read_marker(r, f);

	if (rc != 1)
		return rc;
	layout_marker(&r->layout, key);
	store_object_name(r->store, key, object, sizeof object);
	(void)fail_set(f, FAIL_CONFIG, object,
	    "there is no repository of cluster '%s' here", r->layout.cluster);
	return fail_hint(f,
	    "is the store mounted, are url and --cluster right? A new "
	    "repository is made by: walvault init");
}

int
repository_same(
    const struct repository *first, const struct repository *r, struct fail *f)
{
	if (strcmp(r->id, first->id) == 0 &&
	    strcmp(r->layout.cluster, first->layout.cluster) == 0 &&
	    r->layout.sysid == first->layout.sysid)
		return 0;
	if (strcmp(r->id, first->id) != 0) {
		(void)fail_set(f, FAIL_CONFIG, r->store->url,
		    "store %s holds another repository, %s, than store %s "
		    "(%s): "
		    "%s",
		    r->store->name, r->id, first->store->name,
		    first->store->url, first->id);
		return fail_hint(f,
		    "each was made by itself. Move away what is in one of "
		    "them, then walvault init makes it part of the other; "
		    "until then say which one is meant: --store %s",
		    first->store->name);
	}
	(void)fail_set(f, FAIL_CONFIG, r->store->url,
	    "store %s holds another cluster than store %s (%s)", r->store->name,
	    first->store->name, first->store->url);
	return fail_hint(
	    f, "say which one is meant: --store %s", r->store->name);
}

int
repository_place(
    const struct repository *first, const struct repository *r, struct fail *f)
{
	const struct store *a = first->store, *b = r->store;

	if (b->inode == 0 || a->inode != b->inode || a->device != b->device)
		return 0;
	(void)fail_set(f, FAIL_CONFIG, b->url,
	    "store %s is the same directory as store %s (%s): what is in both "
	    "is there once",
	    b->name, a->name, a->url);
	return fail_hint(
	    f, "give one of them a url of its own, or take it out of store =");
}

int
repository_copies(
    const struct repository *first, const struct repository *r, struct fail *f)
{
	return repository_place(first, r, f) == 0 ? repository_same(first, r, f)
	                                          : -1;
}

int
repository_identity(struct repository *r, struct identity *out, struct fail *f)
{
	struct buf b = { 0 };
	char key[LAYOUT_KEY_MAX], object[1024], id[REPOSITORY_ID];
	uint64_t sysid, generation, major, segsize;
	int rc;

	layout_identity(&r->layout, key);
	store_object_name(r->store, key, object, sizeof object);
	rc = note_read(r->store, key, &b, f);
	if (rc == 0 &&
	    (check_note(&b, "identity", object, f) != 0 ||
	        note_get(&b, "repository", id, sizeof id, object, f) != 0 ||
	        note_get_number(&b, "sysid", &sysid, object, f) != 0 ||
	        note_get_number(&b, "generation", &generation, object, f) !=
	            0 ||
	        note_get_number(&b, "major", &major, object, f) != 0 ||
	        note_get_number(&b, "segsize", &segsize, object, f) != 0))
		rc = -1;
	buf_clear(&b);
	if (rc != 0)
		return rc;
	if (r->id[0] != '\0' && strcmp(id, r->id) != 0)
		return fail_set(f, FAIL_DAMAGED, object,
		    "it belongs to repository %s, not to this one (%s)", id,
		    r->id);
	if (sysid != r->layout.sysid || generation != r->layout.generation ||
	    !walname_segsize_ok(segsize) || major > 1000)
		return fail_set(
		    f, FAIL_DAMAGED, object, "it does not belong here");
	*out = (struct identity){ .sysid = sysid,
		.generation = (uint32_t)generation,
		.major = (int)major,
		.segsize = (uint32_t)segsize };
	r->segsize = out->segsize;
	return 0;
}

int
repository_require(struct repository *r, struct identity *out, struct fail *f)
{
	char key[LAYOUT_KEY_MAX], object[1024];
	int rc = repository_identity(r, out, f);

	if (rc != 1)
		return rc;
	layout_identity(&r->layout, key);
	store_object_name(r->store, key, object, sizeof object);
	(void)fail_set(f, FAIL_REFUSED, object,
	    "system identifier %" PRIu64 ", generation %" PRIu32
	    " is not known to this repository: WAL of another cluster?",
	    r->layout.sysid, r->layout.generation);
	return fail_hint(f,
	    "if it belongs here (a new cluster, or after pg_upgrade), run: "
	    "walvault init --cluster %s",
	    r->layout.cluster);
}

struct systems {
	struct repository *r;
	struct identity *list;
	size_t n;
	struct fail *f;
};

/* CLUSTER/SYSID.GEN/ with an identity; everything else is passed over. */
static int
add_system(void *arg, const char *key, const struct store_info *info)
{
	struct systems *s = arg;
	struct repository r = *s->r;
	struct identity *more;
	const char *own = layout_own_key(&r.layout, key);
	int rc;

	if (info != NULL ||
	    layout_parse_system(own, &r.layout.sysid, &r.layout.generation) !=
	        0)
		return 0;
	more = reallocarray(s->list, s->n + 1, sizeof *more);
	if (more == NULL)
		return fail_errno(s->f, key, "memory");
	s->list = more;
	rc = repository_identity(&r, &s->list[s->n], s->f);
	if (rc == 0)
		s->n++;
	return rc < 0 ? -1 : 0;
}

int
repository_systems(
    struct repository *r, struct identity **out, size_t *n, struct fail *f)
{
	struct systems s = { .r = r, .f = f };
	char prefix[LAYOUT_KEY_MAX];
	int rc;

	(void)snprintf(prefix, sizeof prefix, "%s/", r->layout.cluster);
	rc = store_list_shallow(r->store, prefix, add_system, &s, f);
	if (rc != 0) {
		free(s.list);
		return -1;
	}
	*out = s.list;
	*n = s.n;
	return 0;
}

int
repository_only_system(struct repository *r, struct fail *f)
{
	struct identity *list;
	size_t n;
	int rc = 0;

	if (repository_systems(r, &list, &n, f) != 0)
		return -1;
	for (size_t i = 1; i < n && rc == 0; i++)
		if (list[i].sysid != list[0].sysid)
			rc = fail_set(f, FAIL_CONFIG, r->store->url,
			    "the repository holds several clusters");
	if (n == 0)
		rc = fail_set(f, FAIL_CONFIG, r->store->url,
		    "the repository holds no cluster yet");
	else if (rc != 0)
		(void)fail_hint(f, "say which one: --sysid NUMBER");
	else
		r->layout.sysid = list[0].sysid;
	free(list);
	return rc;
}

/* "SYSID generation 1, 2; SYSID generation 1" */
static void
list_systems(const struct identity *list, size_t n, char *out, size_t cap)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < n && len + 64 < cap; i++) {
		bool more = i > 0 && list[i].sysid == list[i - 1].sysid;

		if (!more)
			len += (size_t)snprintf(out + len, cap - len,
			    "%s%" PRIu64 " generation", i > 0 ? "; " : "",
			    list[i].sysid);
		len += (size_t)snprintf(out + len, cap - len, "%s %" PRIu32,
		    more ? "," : "", list[i].generation);
	}
}

int
repository_find(struct repository *r, struct identity *out, struct fail *f)
{
	struct identity *list;
	char known[400];
	size_t n;
	int rc = repository_identity(r, out, f);

	if (rc != 1)
		return rc;
	if (repository_systems(r, &list, &n, f) != 0)
		return -1;
	list_systems(list, n, known, sizeof known);
	free(list);
	(void)fail_set(f, FAIL_CONFIG, r->store->url,
	    "system identifier %" PRIu64 ", generation %" PRIu32
	    " is not in cluster '%s' here",
	    r->layout.sysid, r->layout.generation, r->layout.cluster);
	return fail_hint(f, "with --sysid and --generation; there is: %s",
	    n > 0 ? known : "none yet");
}

void
repository_new_id(char id[REPOSITORY_ID])
{
	uint8_t bytes[16];

	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		memset(bytes, 0, sizeof bytes);
	for (size_t i = 0; i < sizeof bytes; i++)
		(void)snprintf(id + 2 * i, 3, "%02x", bytes[i]);
}

int
repository_create(struct repository *r, struct fail *f)
{
	struct buf b = { 0 };
	char key[LAYOUT_KEY_MAX];
	int rc = read_marker(r, f);

	if (rc <= 0)
		return rc == 0 ? 1 : -1;
	layout_marker(&r->layout, key);
	if (begin_note(&b, "repository") != 0 ||
	    note_add(&b, "id", r->id) != 0 || note_add(&b, "requires", "") != 0)
		rc = fail_errno(f, key, "memory");
	else
		rc = note_write(r->store, key, &b, f);
	buf_clear(&b);
	/* Another init was faster: its id is the one that counts. */
	if (rc == 1)
		return read_marker(r, f) == 0 ? 1 : -1;
	return rc;
}

int
repository_add_identity(
    struct repository *r, const struct identity *id, struct fail *f)
{
	struct buf b = { 0 };
	struct identity old = { 0 };
	char key[LAYOUT_KEY_MAX];
	int rc;

	r->layout.sysid = id->sysid;
	r->layout.generation = id->generation;
	layout_identity(&r->layout, key);
	rc = repository_identity(r, &old, f);
	if (rc < 0)
		return -1;
	if (rc == 0) {
		if (old.major == id->major && old.segsize == id->segsize)
			return 1;
		(void)fail_set(f, FAIL_REFUSED, key,
		    "this system identifier is here with version %d and "
		    "segment size %" PRIu32 ", not %d and %" PRIu32,
		    old.major, old.segsize, id->major, id->segsize);
		return fail_hint(f,
		    "if the cluster's history was rewritten (pg_resetwal), "
		    "run: walvault init --new-generation");
	}
	if (begin_note(&b, "identity") != 0 ||
	    note_add(&b, "repository", r->id) != 0 ||
	    note_add_number(&b, "sysid", id->sysid) != 0 ||
	    note_add_number(&b, "generation", id->generation) != 0 ||
	    note_add_number(&b, "major", (uint64_t)id->major) != 0 ||
	    note_add_number(&b, "segsize", id->segsize) != 0)
		rc = fail_errno(f, key, "memory");
	else
		rc = note_write(r->store, key, &b, f);
	buf_clear(&b);
	return rc;
}
