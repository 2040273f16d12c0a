/* SPDX-License-Identifier: PostgreSQL */
/* Trees of directories: listed, and swept.  See sftp_store.h. */
#include <stdio.h>
#include <string.h>

#include "sftp_store.h"

/* One directory, read whole before any of it is told. */
struct listing {
	struct sftp_store *s;
	const struct store_scan *scan;
	store_list_fn *fn;
	void *arg;
	struct fail *f;
};

struct one {
	struct sftp_store *s;
	const char *prefix;
	enum sftp_which which;
	struct sftp_entries entries;
};

static int
attempt_read(void *arg, struct fail *f)
{
	struct one *o = arg;
	int rc;

	sftp_entries_clear(&o->entries);
	rc = sftp_read_dir(o->s, o->prefix, o->which, &o->entries, f);
	return rc == 1 ? sftp_absent(o->s, f) : rc;
}

/* Is all that the key stands for (a '/' at its end: a directory) passed? */
static bool
passed(const struct store_scan *scan, const char *key)
{
	size_t len = strlen(key);

	if (scan->after == NULL)
		return false;
	if (key[len - 1] == '/' && strncmp(scan->after, key, len) == 0)
		return scan->shallow;
	return strcmp(key, scan->after) <= 0;
}

static int list_dir(const struct listing *l, const char *prefix);

static int
list_entry(
    const struct listing *l, const char *prefix, const struct sftp_entry *e)
{
	char key[STORE_KEY_MAX];

	if (snprintf(key, sizeof key, "%s%s", prefix, e->name) >=
	        (int)sizeof key ||
	    passed(l->scan, key))
		return 0;
	if (key[strlen(key) - 1] != '/')
		return l->fn(l->arg, key, &e->info);
	return l->scan->shallow ? l->fn(l->arg, key, NULL) : list_dir(l, key);
}

static int
list_dir(const struct listing *l, const char *prefix)
{
	struct one o = { .s = l->s, .prefix = prefix, .which = SFTP_KEYS };
	int rc = sftp_run(l->s, prefix, attempt_read, &o, l->f);

	/* No such directory, or no longer: nothing is in it. */
	if (rc == 1)
		rc = 0;
	for (size_t i = 0; rc == 0 && i < o.entries.n; i++)
		rc = list_entry(l, prefix, &o.entries.list[i]);
	sftp_entries_clear(&o.entries);
	return rc;
}

int
sftp_store_list(struct store *store, const struct store_scan *scan,
    store_list_fn *fn, void *arg, struct fail *f)
{
	struct listing l = { (struct sftp_store *)store, scan, fn, arg, f };

	return list_dir(&l, scan->prefix);
}

struct sweep {
	struct sftp_store *s;
	int64_t before;
	size_t n;
	struct fail *f;
	const char *key; /* being removed */
};

static int
attempt_remove(void *arg, struct fail *f)
{
	struct sweep *w = arg;
	struct sftp_ask ask = { w->s, w->key, "delete", f };
	struct wire_call call = { 0 };
	char path[SFTP_PATH_MAX];
	int rc;

	sftp_path(w->s, w->key, path);
	wire_send(w->s->wire, &call, WIRE_REMOVE, "s", path);
	rc = sftp_answer(&ask, &call, WIRE_STATUS);
	wire_done(&call);
	return rc;
}

static int sweep_dir(struct sweep *w, const char *prefix);

static int
sweep_entry(struct sweep *w, const char *prefix, const struct sftp_entry *e)
{
	char key[STORE_KEY_MAX];
	int rc;

	(void)snprintf(key, sizeof key, "%s%s", prefix, e->name);
	if (key[strlen(key) - 1] == '/')
		return sweep_dir(w, key);
	if (e->info.mtime >= w->before)
		return 0;
	w->key = key;
	rc = sftp_run(w->s, key, attempt_remove, w, w->f);
	w->n += rc == 0;
	return rc < 0 ? -1 : 0;
}

static int
sweep_dir(struct sweep *w, const char *prefix)
{
	struct one o = { .s = w->s, .prefix = prefix, .which = SFTP_TEMPS };
	int rc = sftp_run(w->s, prefix, attempt_read, &o, w->f);

	if (rc == 1)
		rc = 0;
	for (size_t i = 0; rc == 0 && i < o.entries.n; i++)
		rc = sweep_entry(w, prefix, &o.entries.list[i]);
	sftp_entries_clear(&o.entries);
	return rc;
}

int
sftp_store_sweep(struct store *store, const char *prefix, int64_t before,
    size_t *n, struct fail *f)
{
	struct sweep w = {
		.s = (struct sftp_store *)store, .before = before, .f = f
	};
	int rc = sweep_dir(&w, prefix);

	*n = w.n;
	return rc;
}
