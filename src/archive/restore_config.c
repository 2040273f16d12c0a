/* SPDX-License-Identifier: PostgreSQL */
/*
 * postgresql.conf and what it includes, after they were unpacked: see
 * restore_files.h.  A line in any of them that names a place of the old server
 * could have the new one run in the old data directory, or not start at all on
 * another host.  It becomes a comment; an include that meant a file which is
 * in the backup names its copy instead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "confline.h"
#include "io.h"
#include "log.h"
#include "restore_files.h"
#include "restore_include.h"

#define CONFIG     "postgresql.conf"
#define CONFIG_MAX ((size_t)16 * 1024 * 1024)

/* Files that are still to be looked at, each once. */
struct config {
	struct restore *restore;
	bool *seen;    /* by file */
	size_t *queue; /* of files */
	size_t n, done;
	/* The one at hand: */
	const struct restore_file *file;
	struct buf text; /* what becomes of it */
	size_t changed, lost;
};

static int
add_text(struct buf *b, const char *text)
{
	return buf_append(b, text, strlen(text));
}

static bool
has_file(const struct restore *r, const char *path)
{
	return restore_set_find(r->args->set, path) != NULL;
}

bool
restore_leads_away(const struct restore *r, const struct confline *l)
{
	if (confline_sets(l, "data_directory") ||
	    confline_sets(l, "external_pid_file"))
		return true;
	if (confline_sets(l, "hba_file"))
		return has_file(r, "pg_hba.conf");
	return confline_sets(l, "ident_file") && has_file(r, "pg_ident.conf");
}

static void
enqueue(struct config *c, const struct restore_file *file)
{
	size_t number = (size_t)(file - c->restore->args->set->files);

	if (!c->seen[number]) {
		c->seen[number] = true;
		c->queue[c->n++] = number;
	}
}

/* NAME 'place', quoted as the server unquotes it. */
static int
add_line(struct config *c, const char *name, const char *place)
{
	if (add_text(&c->text, name) != 0 || add_text(&c->text, " '") != 0)
		return -1;
	for (const char *p = place; *p != '\0'; p++) {
		if ((*p == '\'' || *p == '\\') &&
		    buf_append(&c->text, p, 1) != 0)
			return -1;
		if (buf_append(&c->text, p, 1) != 0)
			return -1;
	}
	return add_text(&c->text, "'\n");
}

/* The same file, seen from the directory of the one at hand. */
static int
add_include(struct config *c, const struct restore_file *file)
{
	char place[PATH_MAX] = "";
	size_t n = 0;

	for (const char *p = c->file->path; *p != '\0'; p++)
		if (*p == '/' && n + 4 < sizeof place) {
			memcpy(place + n, "../", 4);
			n += 3;
		}
	(void)snprintf(place + n, sizeof place - n, "%s", file->path);
	return add_line(c, "include", place);
}

static int
keep(struct config *c, const char *line, size_t len, bool ended)
{
	if (buf_append(&c->text, line, len) != 0)
		return -1;
	return ended ? add_text(&c->text, "\n") : 0;
}

static int
leave_out(struct config *c, const char *line, size_t len)
{
	c->changed++;
	if (add_text(&c->text, "# left out by pitr-restore: ") != 0)
		return -1;
	return keep(c, line, len, true);
}

/* An include of any kind. */
static int
take_include(struct config *c, const struct confline *l, const char *line,
    size_t len, bool ended)
{
	const struct restore_set *s = c->restore->args->set;
	struct restore_included in;
	int rc;

	if (restore_included(s, c->file, l, &in) != 0)
		return -1;
	rc = in.same ? keep(c, line, len, ended) : leave_out(c, line, len);
	for (size_t i = 0; rc == 0 && i < in.n; i++) {
		enqueue(c, in.files[i].file);
		if (!in.same)
			rc = add_include(c, in.files[i].file);
	}
	/* An empty directory is nothing to miss, nor what need not exist. */
	if (!in.same && in.n == 0 && confline_sets(l, "include")) {
		c->lost++;
		log_warning("restore: %s: it includes %s, which is not in the "
		            "backup: its settings are lost",
		    c->file->path, l->value);
	}
	free(in.files);
	return rc;
}

/* hba_file and ident_file, where the copy has another name than the server
 * looks for. */
static int
name_copy(struct config *c, const struct confline *l)
{
	const struct restore *r = c->restore;
	const struct restore_file *copy;
	char place[PATH_MAX];

	copy = restore_outside_find(r->args->set, l->value);
	if (copy == NULL || strcmp(copy->path, "pg_hba.conf") == 0 ||
	    strcmp(copy->path, "pg_ident.conf") == 0)
		return 0;
	(void)snprintf(place, sizeof place, "%.2000s/%.2000s",
	    r->args->places->list[0].path, copy->path);
	return add_line(
	    c, confline_sets(l, "hba_file") ? "hba_file" : "ident_file", place);
}

static int
take_line(struct config *c, const char *line, size_t len, bool ended)
{
	struct confline l;

	if (!confline_parse(line, len, &l))
		return keep(c, line, len, ended);
	if (confline_sets(&l, "include") || confline_sets(&l, "include_dir") ||
	    confline_sets(&l, "include_if_exists"))
		return take_include(c, &l, line, len, ended);
	if (restore_leads_away(c->restore, &l) ||
	    ((confline_sets(&l, "hba_file") ||
	         confline_sets(&l, "ident_file")) &&
	        restore_outside_find(c->restore->args->set, l.value) != NULL))
		return leave_out(c, line, len) != 0 ? -1 : name_copy(c, &l);
	return keep(c, line, len, ended);
}

static int
take_file(struct config *c, struct fail *f)
{
	struct restore *r = c->restore;
	struct buf from = { 0 };
	const char *p, *end;
	int rc = io_read_file(r->dir, c->file->path, CONFIG_MAX, &from, f);

	if (rc != 0)
		return rc < 0 ? -1
		              : restore_failed(r, c->file->path, "read", f);
	c->changed = c->lost = c->text.len = 0;
	p = (const char *)from.data;
	end = p + from.len;
	while (rc == 0 && p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((eol != NULL ? eol : end) - p);

		rc = take_line(c, p, len, eol != NULL);
		p += len + 1;
	}
	buf_clear(&from);
	if (rc != 0)
		return fail_errno(f, c->file->path, "memory");
	if (c->changed == 0)
		return 0;
	if (c->changed > c->lost)
		log_warning("restore: %s: %zu lines name places of the old "
		            "server: they are comments now (\"left out by "
		            "pitr-restore\")",
		    c->file->path, c->changed - c->lost);
	return restore_make_file(r, c->file, &c->text, f);
}

static int
take_all(struct config *c, struct fail *f)
{
	const struct restore_set *s = c->restore->args->set;

	while (c->done < c->n) {
		c->file = &s->files[c->queue[c->done++]];
		if (take_file(c, f) != 0)
			return -1;
	}
	return 0;
}

int
restore_make_config(struct restore *r, struct fail *f)
{
	static const struct buf empty;
	const struct restore_set *s = r->args->set;
	const struct restore_file *top = restore_set_find(s, CONFIG);
	struct config c = { .restore = r };
	int rc;

	/* A directory without one can be started with pitr-restore --start or
	 * a file of one's own; an empty one does no harm. */
	if (top == NULL || top->type != MANIFEST_FILE)
		return restore_make(r, CONFIG, &empty, f);
	c.seen = calloc(s->n_files, sizeof *c.seen);
	c.queue = calloc(s->n_files, sizeof *c.queue);
	if (c.seen == NULL || c.queue == NULL) {
		rc = fail_errno(f, CONFIG, "memory");
	} else {
		enqueue(&c, top);
		rc = take_all(&c, f);
	}
	buf_clear(&c.text);
	free(c.seen);
	free(c.queue);
	return rc;
}
