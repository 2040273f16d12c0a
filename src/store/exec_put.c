/* SPDX-License-Identifier: PostgreSQL */
/*
 * Writing an object by a command: see store_exec.h.  Its bytes are all there,
 * in a file, before the command begins: so the end of its input is the end of
 * the object, and never that of a writer who gave up.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "store_exec.h"
#include "sum.h"
#include "tempfile.h"

struct exec_put {
	struct stream stream;
	struct exec_store *s;
	char key[STORE_KEY_MAX], aside[STORE_KEY_MAX];
	const char *kind;
	int fd;
	uint64_t len;
	struct sum128_state *sum;
};

static int
put_write(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	struct exec_put *p = (struct exec_put *)stream;

	sum128_update(p->sum, bytes, len);
	if (io_pwrite(p->fd, bytes, len, (off_t)p->len) == 0) {
		p->len += len;
		return 0;
	}
	(void)fail_errno(f, p->s->spool_dir, "write a temporary file");
	return fail_hint(f, "spool_dir or TMPDIR may name a larger place");
}

/* Sums what is pushed into it. */
struct compare {
	struct stream stream;
	struct sum128_state *sum;
};

static int
compare_write(
    struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	(void)f;
	sum128_update(((struct compare *)stream)->sum, bytes, len);
	return 0;
}

/* Is what is there what was put?  0, 1 no, -1. */
static int
read_back(struct exec_put *p, struct fail *f)
{
	static const struct stream_ops ops = { .write = compare_write };
	struct compare c = { .stream.ops = &ops, .sum = sum128_new() };
	struct sum128 ours = sum128_final(p->sum), theirs;
	int rc;

	if (c.sum == NULL)
		return fail_set(f, FAIL_INTERNAL, p->key, "out of memory");
	rc = store_get(&p->s->store, p->key, 0, STORE_ALL, &c.stream, f);
	theirs = sum128_final(c.sum);
	sum128_free(c.sum);
	return rc != 0 ? rc : memcmp(&ours, &theirs, sizeof ours) != 0;
}

static int
run_put(struct exec_put *p, struct fail *f)
{
	struct exec_run r = { .s = p->s,
		.verb = "put",
		.args = { p->key },
		.key = p->key,
		.input = p->fd,
		.size = p->len,
		.kind = p->kind };
	int rc;

	if (lseek(p->fd, 0, SEEK_SET) != 0)
		return fail_errno(f, p->key, "read a temporary file");
	rc = exec_run(&r, EXEC_EXISTS, f);
	buf_clear(&r.printed);
	return rc == EXEC_EXISTS ? 1 : rc;
}

/* Where nothing can be created conditionally: look, put, read back. */
static int
put_alone(struct exec_put *p, struct fail *f)
{
	struct store_info info;
	int rc = store_stat(&p->s->store, p->key, &info, f);

	if (rc != 1)
		return rc == 0 ? 1 : -1;
	rc = run_put(p, f);
	if (rc != 0)
		return rc;
	rc = read_back(p, f);
	return rc <= 0
	    ? rc
	    : fail_set(f, FAIL_TRANSIENT, p->key,
	          "what is there is not what was put: there is another writer");
}

/*
 * A damaged object goes to its other name: copied, then deleted.  0, 1 that
 * name is taken, -1.
 */
static int
set_aside(struct exec_put *p, struct fail *f)
{
	struct store_attrs attrs = { .kind = STORE_NOTE };
	struct store *s = &p->s->store;
	struct stream *copy = exec_put(s, p->aside, &attrs, f);
	int rc;

	if (copy == NULL)
		return -1;
	rc = store_get(s, p->key, 0, STORE_ALL, copy, f);
	if (rc == 0)
		rc = stream_finish(copy, f);
	else if (rc == 1)
		rc = fail_set(f, FAIL_TRANSIENT, p->key, "it is gone");
	stream_free(copy);
	if (rc == 0)
		rc = store_del(s, p->key, f);
	return rc;
}

/*
 * The new object did not come: the old one goes back under its name, for one
 * that is damaged is an error to who asks for it, and none at all an answer.
 */
static void
put_back(struct exec_put *p)
{
	struct store_attrs attrs = { .kind = STORE_NOTE };
	struct store *s = &p->s->store;
	struct fail ignored;
	struct stream *copy = exec_put(s, p->key, &attrs, &ignored);

	if (copy != NULL &&
	    store_get(s, p->aside, 0, STORE_ALL, copy, &ignored) == 0)
		(void)stream_finish(copy, &ignored);
	stream_free(copy);
}

static int
put_finish(struct stream *stream, struct fail *f)
{
	struct exec_put *p = (struct exec_put *)stream;
	bool aside = p->aside[0] != '\0';
	int rc = aside ? set_aside(p, f) : 0;

	if (rc != 0)
		return rc;
	rc = p->s->single_writer ? put_alone(p, f) : run_put(p, f);
	if (rc < 0 && aside)
		put_back(p);
	return rc;
}

static void
put_free(struct stream *stream)
{
	struct exec_put *p = (struct exec_put *)stream;

	if (p->fd >= 0)
		(void)close(p->fd);
	sum128_free(p->sum);
	free(p);
}

static const struct stream_ops put_ops = {
	.write = put_write,
	.finish = put_finish,
	.free = put_free,
};

struct stream *
exec_put(struct store *store, const char *key, const struct store_attrs *attrs,
    struct fail *f)
{
	static const char *const kinds[] = { [STORE_NOTE] = "note",
		[STORE_WAL] = "wal",
		[STORE_BACKUP] = "backup" };
	struct exec_put *p = calloc(1, sizeof *p);
	const char *dir;

	if (p == NULL) {
		(void)fail_set(f, FAIL_INTERNAL, key, "out of memory");
		return NULL;
	}
	p->stream.ops = &put_ops;
	p->s = (struct exec_store *)store;
	p->kind = kinds[attrs->kind];
	(void)snprintf(p->key, sizeof p->key, "%s", key);
	if (attrs->set_aside != NULL)
		(void)snprintf(
		    p->aside, sizeof p->aside, "%s", attrs->set_aside);
	dir = tempfile_dir(p->s->spool_dir[0] != '\0' ? p->s->spool_dir : NULL);
	p->sum = sum128_new();
	p->fd = tempfile_open(dir);
	if (p->fd >= 0 && p->sum != NULL)
		return &p->stream;
	(void)fail_errno(f, dir, "make a temporary file");
	put_free(&p->stream);
	return NULL;
}
