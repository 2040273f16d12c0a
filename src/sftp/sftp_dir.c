/* SPDX-License-Identifier: PostgreSQL */
/* What is in one directory: see sftp_store.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sftp_store.h"

/* READDIR requests under way: each brings about a hundred names. */
#define AHEAD 4u

struct reading {
	struct sftp_store *s;
	const char *prefix;
	enum sftp_which which;
	struct sftp_entries *entries;
	size_t cap;
	unsigned files;
	struct sftp_handle handle;
	struct wire_call calls[AHEAD];
	struct fail *f;
};

static int
no_memory(struct reading *r)
{
	return fail_set(r->f, FAIL_INTERNAL, r->prefix, "out of memory");
}

static int
add_entry(struct reading *r, const char *name, size_t len, bool dir,
    const struct store_info *info)
{
	struct sftp_entries *e = r->entries;
	struct sftp_entry *more;

	if (e->n == r->cap) {
		more = reallocarray(e->list, r->cap * 2 + 64, sizeof *more);
		if (more == NULL)
			return no_memory(r);
		e->list = more;
		r->cap = r->cap * 2 + 64;
	}
	if (asprintf(&e->list[e->n].name, "%.*s%s", (int)len, name,
	        dir ? "/" : "") < 0)
		return no_memory(r);
	e->list[e->n].info = *info;
	e->n++;
	r->files += !dir;
	return 0;
}

/* Links and special files are nothing of ours. */
static int
take_name(
    struct reading *r, const char *name, size_t len, const struct sftp_attrs *a)
{
	bool temp = len > strlen(SFTP_TEMP_PREFIX) &&
	    memcmp(name, SFTP_TEMP_PREFIX, strlen(SFTP_TEMP_PREFIX)) == 0;
	bool dir = S_ISDIR(a->mode);

	if (len == 0 || strlen(r->prefix) + len + 2 > STORE_KEY_MAX ||
	    memchr(name, '/', len) != NULL || memchr(name, '\0', len) != NULL)
		return 0;
	if (!dir && !S_ISREG(a->mode))
		return 0;
	if (name[0] == '.' && (dir || !temp || r->which != SFTP_TEMPS))
		return 0;
	if (r->which == SFTP_TEMPS && !dir && !temp)
		return 0;
	return add_entry(r, name, len, dir, &a->info);
}

/* A server need not tell what it lists. */
static int
complete(struct reading *r, const char *name, size_t len, struct sftp_attrs *a)
{
	uint32_t need = WIRE_ATTR_SIZE | WIRE_ATTR_MODE | WIRE_ATTR_TIMES;
	char key[STORE_KEY_MAX];
	struct sftp_ask ask = { r->s, key, "stat", r->f };

	if ((a->known & need) == need || name[0] == '.' ||
	    snprintf(key, sizeof key, "%s%.*s", r->prefix, (int)len, name) >=
	        (int)sizeof key)
		return 0;
	return sftp_lstat(&ask, a);
}

/* One answer's names.  0, 1 that was the end, SFTP_AGAIN, -1. */
static int
take_names(struct reading *r, struct wire_call *call)
{
	struct sftp_ask ask = { r->s, r->prefix, "list", r->f };
	int rc = sftp_wait(r->s, call, r->prefix, r->f);
	size_t len, long_len;

	if (rc != 0)
		return rc;
	if (call->type == WIRE_STATUS) {
		if (wire_u32(call) == WIRE_EOF)
			return 1;
		call->at = 0;
	}
	if (call->type != WIRE_NAME)
		return sftp_judge(&ask, call) < 0
		    ? -1
		    : fail_set(r->f, FAIL_TRANSIENT, r->s->store.url,
		          "the server's answer to a listing is none");
	for (uint32_t n = wire_u32(call); n > 0 && rc == 0; n--) {
		const char *name = wire_bytes(call, &len);
		struct sftp_attrs a;

		(void)wire_bytes(call, &long_len);
		sftp_read_attrs(call, &a);
		if (!wire_is_whole(call))
			return fail_set(r->f, FAIL_TRANSIENT, r->s->store.url,
			    "a listing is cut off");
		rc = complete(r, name, len, &a);
		/* It is gone meanwhile. */
		if (rc == 1)
			rc = 0;
		else if (rc == 0)
			rc = take_name(r, name, len, &a);
	}
	return rc;
}

static int
compare_entries(const void *a, const void *b)
{
	return strcmp(((const struct sftp_entry *)a)->name,
	    ((const struct sftp_entry *)b)->name);
}

static void
ask_next(struct reading *r, unsigned i)
{
	wire_send(r->s->wire, &r->calls[i % AHEAD], WIRE_READDIR, "b",
	    (const void *)r->handle.bytes, r->handle.len);
}

int
sftp_read_dir(struct sftp_store *s, const char *prefix, enum sftp_which which,
    struct sftp_entries *entries, struct fail *f)
{
	struct reading r = { .s = s,
		.prefix = prefix,
		.which = which,
		.entries = entries,
		.f = f };
	struct sftp_ask ask = { s, prefix, "list", f };
	int rc = sftp_open(&ask, 0, &r.handle);

	if (rc != 0)
		return rc;
	for (unsigned i = 0; i < AHEAD; i++)
		ask_next(&r, i);
	for (unsigned i = 0; rc == 0; i++) {
		rc = take_names(&r, &r.calls[i % AHEAD]);
		if (rc == 0 && which == SFTP_ANY_FILE && r.files > 0)
			break;
		if (rc == 0)
			ask_next(&r, i);
	}
	for (unsigned i = 0; i < AHEAD; i++)
		wire_done(&r.calls[i]);
	sftp_close(s, &r.handle);
	if (rc > 1 || rc < 0)
		return rc;
	if (entries->n > 1)
		qsort(entries->list, entries->n, sizeof *entries->list,
		    compare_entries);
	return 0;
}

void
sftp_entries_clear(struct sftp_entries *entries)
{
	for (size_t i = 0; i < entries->n; i++)
		free(entries->list[i].name);
	free(entries->list);
	*entries = (struct sftp_entries){ 0 };
}
