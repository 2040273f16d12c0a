/* SPDX-License-Identifier: PostgreSQL */
/* walvault cat: an object's plain bytes, written only once they are known to
 * be right. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "object.h"
#include "spool.h"
#include "verbs.h"

#define CAT_MEMORY ((size_t)24 * 1024 * 1024)

static int
out_write(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	(void)stream;
	return io_write(STDOUT_FILENO, bytes, len) == 0
	    ? 0
	    : fail_errno(f, "standard output", "write");
}

static const struct stream_ops out_ops = { .write = out_write };

/* A key as it stands, or that of a WAL file named like this. */
static int
key_of(struct setup *s, size_t i, const char *given, char key[LAYOUT_KEY_MAX],
    struct fail *f)
{
	struct walname name;
	struct identity id;

	if (strchr(given, '/') == NULL && walname_parse(given, &name) == 0 &&
	    name.kind != WALNAME_PARTIAL) {
		if (verb_open(s, i, &id, f) != 0)
			return -1;
		layout_wal(&s->repos[i].layout, &name, NULL, key);
		return 0;
	}
	if (repository_open(&s->repos[i], f) != 0)
		return -1;
	if (snprintf(key, LAYOUT_KEY_MAX, "%s/%s", conf_cluster(s->conf),
	        given) >= LAYOUT_KEY_MAX)
		return fail_set(f, FAIL_CONFIG, given, "too long for a key");
	return 0;
}

/* 0 written, 1 this store has none, -1 */
static int
cat_from(struct setup *s, size_t i, const char *given, struct fail *f)
{
	struct stream out = { .ops = &out_ops };
	struct spool *spool;
	struct object_seen seen;
	char key[LAYOUT_KEY_MAX];
	int rc;

	if (key_of(s, i, given, key, f) != 0)
		return -1;
	spool = spool_new(CAT_MEMORY, conf_text(s->conf, OPT_SPOOL_DIR, NULL));
	if (spool == NULL)
		return fail_errno(f, key, "memory");
	rc = object_read(s->stores[i], &s->repos[i].layout, key,
	    spool_stream(spool), &seen, f);
	if (rc == 0)
		rc = spool_replay(spool, &out, f);
	spool_free(spool);
	return rc;
}

int
verb_cat(struct setup *s, struct fail *f)
{
	const char *given = conf_arg(s->conf, 0);
	bool failed = false;

	for (size_t i = 0; i < s->n; i++) {
		struct fail one;
		int rc = cat_from(s, i, given, &one);

		if (rc == 0)
			return 0;
		if (rc < 0) {
			failed = true;
			*f = one;
		}
	}
	if (failed)
		return -1;
	(void)fail_set(f, FAIL_ABSENT, given, "no such object");
	return fail_hint(f, "walvault ls shows what there is");
}
