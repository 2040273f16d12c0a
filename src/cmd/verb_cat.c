/* SPDX-License-Identifier: PostgreSQL */
/* walvault cat: an object's plain bytes, written only once they are known to
 * be right. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backup.h"
#include "io.h"
#include "note.h"
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

static int
out_finish(struct stream *stream, struct fail *f)
{
	(void)stream;
	(void)f;
	return 0;
}

static void
out_free(struct stream *stream)
{
	(void)stream;
}

static const struct stream_ops out_ops = {
	.write = out_write,
	.finish = out_finish,
	.free = out_free,
};

/* "ID" stands for its manifest, "ID/NAME" for one of its objects. */
static bool
is_of_backup(const char *given, char id[BACKUP_ID], const char **name)
{
	size_t len = strcspn(given, "/");

	if (len >= BACKUP_ID)
		return false;
	memcpy(id, given, len);
	id[len] = '\0';
	*name = given[len] == '/' ? given + len + 1 : "manifest";
	return backup_is_id(id);
}

int
verb_key_of(struct setup *s, size_t i, const char *given,
    char key[LAYOUT_KEY_MAX], struct fail *f)
{
	struct walname wal;
	struct identity id;
	char backup[BACKUP_ID];
	const char *name;

	if (strchr(given, '/') == NULL && walname_parse(given, &wal) == 0 &&
	    wal.kind != WALNAME_PARTIAL) {
		if (verb_open(s, i, &id, f) != 0)
			return -1;
		layout_wal(&s->repos[i].layout, &wal, NULL, key);
		return 0;
	}
	if (is_of_backup(given, backup, &name)) {
		if (verb_open(s, i, &id, f) != 0)
			return -1;
		backup_key(&s->repos[i].layout, backup, name, key);
		return 0;
	}
	if (repository_open(&s->repos[i], f) != 0)
		return -1;
	if (snprintf(key, LAYOUT_KEY_MAX, "%s/%s", conf_cluster(s->conf),
	        given) >= LAYOUT_KEY_MAX)
		return fail_set(f, FAIL_CONFIG, given, "too long for a key");
	return 0;
}

/* Is it one of the text files that are no objects? */
static bool
is_note(const char *key)
{
	static const char *const names[] = { "repository", "identity", "begin",
		"tombstone", NULL };
	const char *last = strrchr(key, '/') + 1;

	for (size_t i = 0; names[i] != NULL; i++)
		if (strcmp(last, names[i]) == 0)
			return true;
	return strncmp(last, "hold-", strlen("hold-")) == 0 ||
	    strncmp(last, "restore-", strlen("restore-")) == 0;
}

static int
cat_note(struct store *s, const char *key, struct stream *out, struct fail *f)
{
	struct buf b = { 0 };
	int rc = note_read(s, key, &b, f);

	if (rc == 0)
		rc = stream_write(out, b.data, b.len, f);
	buf_clear(&b);
	return rc;
}

/* What has no bound is read twice: to verify it, and to write it. */
static int
cat_large(struct store *s, const struct layout *l, const char *key,
    struct stream *out, struct fail *f)
{
	struct object_seen seen;
	int rc = object_read(s, l, key, NULL, &seen, f);

	return rc == 0 ? object_read(s, l, key, out, &seen, f) : rc;
}

static int
cat_small(struct setup *s, size_t i, const char *key, struct stream *out,
    struct fail *f)
{
	struct spool *spool = spool_new(
	    CAT_MEMORY, conf_text(s->conf, OPT_SPOOL_DIR, NULL));
	struct object_seen seen;
	int rc;

	if (spool == NULL)
		return fail_errno(f, key, "memory");
	rc = object_read(s->stores[i], &s->repos[i].layout, key,
	    spool_stream(spool), &seen, f);
	if (rc == 0)
		rc = spool_replay(spool, out, f);
	spool_free(spool);
	return rc;
}

/* 0 written, 1 this store has none, -1 */
static int
cat_from(struct setup *s, size_t i, const char *given, struct fail *f)
{
	struct stream out = { .ops = &out_ops };
	const struct layout *l = &s->repos[i].layout;
	struct object_header h;
	char key[LAYOUT_KEY_MAX];
	int rc;

	if (verb_key_of(s, i, given, key, f) != 0)
		return -1;
	if (is_note(key))
		return cat_note(s->stores[i], key, &out, f);
	rc = object_read_header(s->stores[i], l, key, &h, f);
	if (rc != 0)
		return rc;
	if (!h.has_plain)
		return cat_large(s->stores[i], l, key, &out, f);
	return cat_small(s, i, key, &out, f);
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
			(void)setup_name_store(s, i, f);
		}
	}
	if (failed)
		return -1;
	(void)fail_set(f, FAIL_ABSENT, given, "no such object");
	return fail_hint(f, "walvault ls shows what there is");
}
