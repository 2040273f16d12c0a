/* SPDX-License-Identifier: PostgreSQL */
/* What a command lists, checked and put in order: see store_exec.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_exec.h"

struct entry {
	char *key; /* within what the command printed */
	struct store_info info;
};

struct listing {
	const struct store_scan *scan;
	struct entry *list;
	size_t n, cap;
};

const char *
exec_parse_info(const char *line, struct store_info *info)
{
	char *end;

	if (line[0] < '0' || line[0] > '9')
		return NULL;
	info->size = strtoull(line, &end, 10);
	if (end[0] != ' ' || end[1] < '0' || end[1] > '9')
		return NULL;
	info->mtime = (strtoll(end + 1, &end, 10) - CLOCK_PG_EPOCH_UNIX) *
	    1000000;
	/* date(1) and stat(1) may print a fraction. */
	if (*end == '.')
		end += 1 + strspn(end + 1, "0123456789");
	return end;
}

/* A name that begins with '.' is nothing of ours, wherever it is. */
static bool
is_key(const char *key)
{
	if (key[0] == '\0' || key[0] == '.' || key[0] == '/' ||
	    strlen(key) >= STORE_KEY_MAX)
		return false;
	return strstr(key, "/.") == NULL && strstr(key, "//") == NULL;
}

static bool
is_wanted(const struct store_scan *scan, const char *key)
{
	size_t len = strlen(scan->prefix);

	return is_key(key) && strncmp(key, scan->prefix, len) == 0 &&
	    key[len] != '\0';
}

/* What lies deeper stands for its directory. */
static void
fold(const struct store_scan *scan, char *key)
{
	char *slash = strchr(key + strlen(scan->prefix), '/');

	if (scan->shallow && slash != NULL)
		slash[1] = '\0';
}

static int
add(struct listing *l, char *line)
{
	struct entry e, *more;
	const char *rest = exec_parse_info(line, &e.info);

	if (rest == NULL || *rest != ' ')
		return -1;
	e.key = line + (rest + 1 - line);
	if (!is_wanted(l->scan, e.key))
		return 0;
	fold(l->scan, e.key);
	if (l->scan->after != NULL && strcmp(e.key, l->scan->after) <= 0)
		return 0;
	/* A directory is not an object. */
	if (!l->scan->shallow && e.key[strlen(e.key) - 1] == '/')
		return 0;
	if (l->n == l->cap) {
		more = reallocarray(l->list, l->cap * 2 + 64, sizeof *more);
		if (more == NULL)
			return -1;
		l->list = more;
		l->cap = l->cap * 2 + 64;
	}
	l->list[l->n++] = e;
	return 0;
}

/* Lines, the last of which is "." to say that it is the last. */
static int
parse(struct listing *l, char *text)
{
	char *line, *next = text;

	while ((line = strsep(&next, "\n")) != NULL) {
		if (strcmp(line, ".") == 0)
			return next != NULL && *next == '\0' ? 0 : -1;
		if (add(l, line) != 0)
			return -1;
	}
	return -1;
}

static int
compare_entries(const void *a, const void *b)
{
	return strcmp(
	    ((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

static int
give(struct listing *l, store_list_fn *fn, void *arg)
{
	int rc = 0;

	if (l->n > 1)
		qsort(l->list, l->n, sizeof *l->list, compare_entries);
	for (size_t i = 0; i < l->n && rc == 0; i++) {
		const char *key = l->list[i].key;
		bool dir = key[strlen(key) - 1] == '/';

		if (i == 0 || strcmp(key, l->list[i - 1].key) != 0)
			rc = fn(arg, key, dir ? NULL : &l->list[i].info);
	}
	return rc;
}

int
exec_list(struct store *store, const struct store_scan *scan, store_list_fn *fn,
    void *arg, struct fail *f)
{
	struct exec_run r = { .s = (struct exec_store *)store,
		.verb = "list",
		.args = { scan->prefix, scan->shallow ? "level" : "tree" },
		.key = scan->prefix,
		.input = -1 };
	struct listing l = { .scan = scan };
	int rc = exec_run(&r, 0, f);

	if (rc == 0 && buf_append_u8(&r.printed, 0) != 0)
		rc = fail_set(f, FAIL_INTERNAL, store->url, "out of memory");
	if (rc == 0 && parse(&l, (char *)r.printed.data) != 0) {
		rc = fail_set(f, FAIL_TRANSIENT, store->url,
		    "list: what the command printed is no whole listing");
		(void)fail_hint(f,
		    "lines of \"SIZE SECONDS KEY\", and at the end one of "
		    "\".\": see walvault-exec(7)");
	}
	if (rc == 0)
		rc = give(&l, fn, arg);
	free(l.list);
	buf_clear(&r.printed);
	return rc;
}
