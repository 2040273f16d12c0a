/* SPDX-License-Identifier: PostgreSQL */
/* A store kept by a user's program: see store_exec.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_exec.h"
#include "units.h"

static int
exec_get(struct store *store, const char *key, uint64_t off, uint64_t len,
    struct stream *out, struct fail *f)
{
	char from[24], n[24];
	struct exec_run r = { .s = (struct exec_store *)store,
		.verb = "get",
		.args = { key, from, n },
		.key = key,
		.input = -1,
		.out = out };
	struct store_info info;
	int rc;

	/* No command is asked for nothing; but is there such an object? */
	if (len == 0)
		return store_stat(store, key, &info, f);
	(void)snprintf(from, sizeof from, "%llu", (unsigned long long)off);
	if (len == STORE_ALL)
		(void)snprintf(n, sizeof n, "-");
	else
		(void)snprintf(n, sizeof n, "%llu", (unsigned long long)len);
	rc = exec_run(&r, EXEC_ABSENT, f);
	return rc == EXEC_ABSENT ? 1 : rc;
}

static int
exec_stat(struct store *store, const char *key, struct store_info *info,
    struct fail *f)
{
	struct exec_run r = { .s = (struct exec_store *)store,
		.verb = "stat",
		.args = { key },
		.key = key,
		.input = -1 };
	const char *rest = NULL;
	int rc = exec_run(&r, EXEC_ABSENT, f);

	if (rc == 0 && buf_append_u8(&r.printed, 0) == 0)
		rest = exec_parse_info((const char *)r.printed.data, info);
	if (rc == 0 && (rest == NULL || strcmp(rest, "\n") != 0)) {
		rc = fail_set(f, FAIL_TRANSIENT, store->url,
		    "stat: what the command printed is not \"SIZE SECONDS\"");
		(void)fail_hint(f, "see walvault-exec(7)");
	}
	buf_clear(&r.printed);
	return rc == EXEC_ABSENT ? 1 : rc;
}

/* What a command shows is durable: that is asked of it. */
static int
exec_settle(struct store *store, const char *key, struct fail *f)
{
	struct store_info info;

	return exec_stat(store, key, &info, f);
}

static int
exec_del(struct store *store, const char *key, struct fail *f)
{
	struct exec_run r = { .s = (struct exec_store *)store,
		.verb = "delete",
		.args = { key },
		.key = key,
		.input = -1 };
	int rc = exec_run(&r, EXEC_ABSENT, f);

	buf_clear(&r.printed);
	return rc == EXEC_ABSENT ? 1 : rc;
}

static int
put_probe(struct store *store, const char *key, struct fail *f)
{
	struct store_attrs attrs = { .kind = STORE_NOTE };
	struct stream *put = exec_put(store, key, &attrs, f);

	return put != NULL ? stream_write_whole(put, "probe", 5, f) : -1;
}

/*
 * A command that creates what is there would lose WAL: one that is told twice
 * to make the same object must refuse once.
 */
static int
exec_probe(struct store *store, struct fail *f)
{
	static const char key[] = ".walvault-probe";
	struct exec_store *s = (struct exec_store *)store;
	struct fail ignored = { 0 };
	int rc = 0;

	/* Another who probes may delete it between the two, but not always. */
	for (int i = 0; i < 3 && rc == 0; i++) {
		rc = put_probe(store, key, f);
		if (rc >= 0)
			rc = put_probe(store, key, f);
	}
	/* One that may not delete leaves it. */
	(void)exec_del(store, key, &ignored);
	if (rc == 0 && !s->single_writer) {
		(void)fail_set(f, FAIL_CONFIG, store->url,
		    "the command overwrites an object that was to be made "
		    "only if there is none");
		return fail_hint(f,
		    "it must end with status %d then. If it cannot, and one "
		    "host alone writes here, set single_writer = yes",
		    EXEC_EXISTS);
	}
	return rc < 0 ? -1 : 0;
}

static int
exec_prepare(struct store *store, struct fail *f)
{
	struct exec_run r = { .s = (struct exec_store *)store,
		.verb = "prepare",
		.key = "",
		.input = -1 };
	int rc = exec_run(&r, 0, f);

	buf_clear(&r.printed);
	return rc == 0 ? exec_probe(store, f) : rc;
}

static void
exec_free(struct store *store)
{
	free(store);
}

/* It keeps nothing from one call to the next. */
static struct store *
exec_again(const struct store *store)
{
	struct exec_store *s = malloc(sizeof *s);

	if (s == NULL)
		return NULL;
	*s = *(const struct exec_store *)store;
	s->command = s->store.url + strlen("exec:");
	return &s->store;
}

static const struct store_ops exec_ops = {
	.put = exec_put,
	.get = exec_get,
	.stat = exec_stat,
	.settle = exec_settle,
	.list = exec_list,
	.del = exec_del,
	.prepare = exec_prepare,
	.probe = exec_probe,
	.again = exec_again,
	.free = exec_free,
};

struct store *
store_exec_open(const struct store_args *args, struct fail *f)
{
	struct exec_store *s = calloc(1, sizeof *s);
	const char *spool = args->spool_dir != NULL ? args->spool_dir : "",
	           *why;
	uint64_t ms = 0;

	if (s == NULL) {
		(void)fail_set(f, FAIL_INTERNAL, args->url, "out of memory");
		return NULL;
	}
	s->store.ops = &exec_ops;
	if (strlen(args->url) >= sizeof s->store.url ||
	    args->url[strlen("exec:")] == '\0' ||
	    strlen(spool) >= sizeof s->spool_dir) {
		(void)fail_set(f, FAIL_CONFIG, args->name,
		    "url: there is no command in it, or too long a one");
		(void)fail_hint(f, "write exec:COMMAND");
		free(s);
		return NULL;
	}
	(void)snprintf(s->spool_dir, sizeof s->spool_dir, "%s", spool);
	/* store_open puts the URL there. */
	s->command = s->store.url + strlen("exec:");
	s->deadline = args->deadline;
	(void)units_parse(store_option(args, "command-timeout", "10min"),
	    UNITS_MS, &ms, &why);
	s->command_ms = (int64_t)ms;
	s->single_writer = strcmp(store_option(args, "single-writer", "no"),
	                       "yes") == 0;
	return &s->store;
}
