/* SPDX-License-Identifier: PostgreSQL */
/*
 * The way of a WAL file into the stores:
 *
 *	read -> scan, sum, compress -> spool		(once: prepare.c)
 *	header + spool + trailer -> store		(for each: publish.c,
 *						side by side: push_several.c)
 *
 * A segment's header holds facts that are known only at its end, so the
 * compressed bytes wait in memory (in a nameless file if they are many).  A
 * store that can take them before their header has them meanwhile (ahead.c).
 */
#include <string.h>

#include "control.h"
#include "io.h"
#include "log.h"
#include "publish.h"
#include "push.h"
#include "push_line.h"
#include "push_one.h"
#include "push_several.h"

const struct repository *
push_system(const struct push_args *args)
{
	const struct several *s = args->several;

	for (size_t i = 0; s != NULL && i < s->n; i++)
		if (!s->store[i].busy && s->repos[i].segsize != 0)
			return &s->repos[i];
	return &args->repos[0];
}

int
push_is_archived(
    const struct push_args *args, const struct walname *name, struct fail *f)
{
	if (args->several != NULL)
		return push_several_is_archived(args, name, f);
	for (size_t i = 0; i < args->n_repos; i++) {
		struct repository *r = &args->repos[i];
		struct store_info info;
		char key[LAYOUT_KEY_MAX];
		int rc;

		layout_wal(&r->layout, name, NULL, key);
		rc = store_stat(r->store, key, &info, f);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
	}
	return 1;
}

/* A store that fails does not keep the others from having it. */
static int
publish_all(const struct push *p, const struct prepared *r,
    const struct ahead *ahead, struct fail *f)
{
	int rc = 0;

	for (size_t i = 0; i < p->args->n_repos; i++) {
		struct fail one = { .kind = FAIL_NONE };

		if (publish(p, &p->args->repos[i], r,
		        i == 0 ? ahead->put : NULL, &one) == 0)
			continue;
		if (rc != 0)
			log_fail(LOG_ERROR, "not archived", f);
		/* The gravest word is the one that counts. */
		if (rc == 0 || one.kind == FAIL_REFUSED)
			*f = one;
		rc = -1;
	}
	return rc;
}

int
push_one(struct push *p, struct fail *f)
{
	struct prepared r = { 0 };
	struct ahead ahead;
	int rc;

	p->cut_short = false;
	ahead_open(&ahead, p);
	rc = prepare(p, &ahead, &r, f);
	if (rc == 0)
		rc = p->args->several != NULL ? push_several(p, &r, f)
		                              : publish_all(p, &r, &ahead, f);
	ahead_drop(&ahead);
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
