/* SPDX-License-Identifier: PostgreSQL */
/* The plan in the data directory: see planfile.h. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io.h"
#include "lsn.h"
#include "note.h"
#include "planfile.h"

/* Timelines that are listed; a repository with more of them is not known. */
#define NEWER_MAX 1000

#define SETTINGS_MAX ((size_t)16 * 1024 * 1024)

void
planfile_setting(const struct plan *p, char out[PLANFILE_SETTING])
{
	char lsn[LSN_TEXT];

	lsn_format(p->stop_lsn, lsn);
	if (p->target.type == PLAN_IMMEDIATE)
		(void)snprintf(
		    out, PLANFILE_SETTING, "recovery_target = 'immediate'");
	else
		(void)snprintf(
		    out, PLANFILE_SETTING, "recovery_target_lsn = '%s'", lsn);
}

/* "1:0/5000148 2": where each timeline of the line is left. */
static int
add_line(struct buf *b, const struct timeline *t)
{
	char text[64], lsn[LSN_TEXT];

	if (buf_append(b, "line = ", 7) != 0)
		return -1;
	for (size_t i = 0; i < t->n; i++) {
		lsn_format(t->ancestors[i].switch_lsn, lsn);
		(void)snprintf(
		    text, sizeof text, "%u:%s ", t->ancestors[i].tli, lsn);
		if (buf_append(b, text, strlen(text)) != 0)
			return -1;
	}
	(void)snprintf(text, sizeof text, "%u\n", t->tli);
	return buf_append(b, text, strlen(text));
}

static int
add_newer(struct buf *b, const struct plan *p)
{
	char text[32];

	if (buf_append(b, "newer =", 7) != 0)
		return -1;
	for (size_t i = 0; i < p->n_newer && i < NEWER_MAX; i++) {
		(void)snprintf(text, sizeof text, " %u", p->newer[i]);
		if (buf_append(b, text, strlen(text)) != 0)
			return -1;
	}
	return buf_append(b, " \n", 2);
}

int
planfile_format(const struct plan *p, struct buf *b)
{
	const struct repository *r = p->index->repo;
	char setting[PLANFILE_SETTING];
	/* What is only in a partial one is not asked of the stores. */
	uint64_t last = p->last_segno - (p->partial_key[0] != '\0');

	planfile_setting(p, setting);
	if (note_add(b, "walvault", "plan") != 0 ||
	    note_add_number(b, "format", 1) != 0 ||
	    note_add(b, "about",
	        "walfetch obeys this file until recovery has ended") != 0 ||
	    note_add_number(b, "sysid", r->layout.sysid) != 0 ||
	    note_add_number(b, "generation", r->layout.generation) != 0 ||
	    note_add_number(b, "segsize", p->index->id.segsize) != 0 ||
	    note_add(b, "backup", p->backup.id) != 0 ||
	    note_add_number(b, "first", p->first_segno) != 0 ||
	    note_add_number(b, "last", last) != 0 ||
	    note_add(b, "setting", setting) != 0 ||
	    add_line(b, &p->history) != 0 || add_newer(b, p) != 0)
		return -1;
	return note_seal(b);
}

static int
bad(const char *what, const char *text, struct fail *f)
{
	return fail_set(f, FAIL_DAMAGED, PLANFILE_NAME, "%s = %s", what, text);
}

static int
add_ancestor(struct timeline *t, uint32_t tli, uint64_t lsn)
{
	struct timeline_entry *more = reallocarray(
	    t->ancestors, t->n + 1, sizeof *more);

	if (more == NULL)
		return -1;
	t->ancestors = more;
	more[t->n++] = (struct timeline_entry){ tli, lsn };
	return 0;
}

static int
parse_line(char *text, struct timeline *t, struct fail *f)
{
	char *rest, *colon;

	for (char *w = strtok_r(text, " ", &rest); w != NULL;
	     w = strtok_r(NULL, " ", &rest)) {
		unsigned long tli = strtoul(w, &colon, 10);
		uint64_t lsn;

		if (tli == 0 || tli > UINT32_MAX)
			return bad("line", w, f);
		if (*colon == '\0') {
			t->tli = (uint32_t)tli;
			return 0;
		}
		if (*colon != ':' || lsn_parse(colon + 1, &lsn) != 0)
			return bad("line", w, f);
		if (add_ancestor(t, (uint32_t)tli, lsn) != 0)
			return fail_errno(f, PLANFILE_NAME, "memory");
	}
	return bad("line", "no timeline", f);
}

static int
parse_newer(char *text, struct planfile *p, struct fail *f)
{
	char *rest;

	p->newer = calloc(NEWER_MAX, sizeof *p->newer);
	if (p->newer == NULL)
		return fail_errno(f, PLANFILE_NAME, "memory");
	for (char *w = strtok_r(text, " ", &rest);
	     w != NULL && p->n_newer < NEWER_MAX;
	     w = strtok_r(NULL, " ", &rest))
		p->newer[p->n_newer++] = (uint32_t)strtoul(w, NULL, 10);
	return 0;
}

static int
parse(const struct buf *b, const char *path, struct planfile *p, struct fail *f)
{
	char line[NOTE_MAX], newer[NOTE_MAX];
	uint64_t format, generation, segsize;

	if (note_check(b, path, f) != 0 ||
	    note_get_number(b, "format", &format, path, f) != 0)
		return -1;
	if (format != 1) {
		(void)fail_set(f, FAIL_CONFIG, path,
		    "a plan of a newer version of walvault");
		return fail_hint(f,
		    "use the walfetch that came with the "
		    "pitr-restore that wrote it");
	}
	if (note_get_number(b, "sysid", &p->sysid, path, f) != 0 ||
	    note_get_number(b, "generation", &generation, path, f) != 0 ||
	    note_get_number(b, "segsize", &segsize, path, f) != 0 ||
	    note_get_number(b, "first", &p->first, path, f) != 0 ||
	    note_get_number(b, "last", &p->last, path, f) != 0 ||
	    note_get(b, "setting", p->setting, sizeof p->setting, path, f) !=
	        0 ||
	    note_get(b, "line", line, sizeof line, path, f) != 0 ||
	    note_get(b, "newer", newer, sizeof newer, path, f) != 0)
		return -1;
	p->generation = (uint32_t)generation;
	p->segsize = (uint32_t)segsize;
	if (!walname_segsize_ok(segsize))
		return bad("segsize", "not one", f);
	if (parse_line(line, &p->line, f) != 0)
		return -1;
	return parse_newer(newer, p, f);
}

/* Is the target in force still the plan's?  1 yes, 0 no, -1. */
static int
is_in_force(const char *dir, const char *setting, struct fail *f)
{
	struct buf b = { 0 };
	char path[PATH_MAX], line[PLANFILE_SETTING + 2];
	int rc, found;

	(void)snprintf(path, sizeof path, "%.4000s/%s", dir, PLANFILE_SETTINGS);
	rc = io_read_file(AT_FDCWD, path, SETTINGS_MAX, &b, f);
	if (rc < 0)
		return -1;
	(void)snprintf(line, sizeof line, "\n%s\n", setting);
	found = rc == 0 && memmem(b.data, b.len, line, strlen(line)) != NULL;
	buf_clear(&b);
	return found;
}

int
planfile_read(const char *dir, struct planfile *out, struct fail *f)
{
	struct buf b = { 0 };
	char path[PATH_MAX];
	int rc;

	*out = (struct planfile){ 0 };
	(void)snprintf(path, sizeof path, "%.4000s/%s", dir, PLANFILE_NAME);
	rc = io_read_file(AT_FDCWD, path, NOTE_MAX, &b, f);
	if (rc == 0)
		rc = parse(&b, path, out, f);
	buf_clear(&b);
	if (rc < 0 && f->kind == FAIL_DAMAGED)
		(void)fail_hint(f,
		    "without the file recovery goes by the usual rules: remove "
		    "it, or restore again");
	if (rc == 0) {
		rc = is_in_force(dir, out->setting, f);
		rc = rc < 0 ? -1 : !rc;
	}
	if (rc != 0)
		planfile_clear(out);
	return rc;
}

void
planfile_clear(struct planfile *p)
{
	timeline_clear(&p->line);
	free(p->newer);
	*p = (struct planfile){ 0 };
}

static enum planfile_word
ask_history(const struct planfile *p, uint32_t tli)
{
	if (tli <= p->line.tli)
		return timeline_switch(&p->line, tli) != LSN_NONE
		    ? PLANFILE_MUST
		    : PLANFILE_SILENT;
	for (size_t i = 0; i < p->n_newer; i++)
		if (p->newer[i] == tli)
			return PLANFILE_MUST;
	return PLANFILE_ABSENT;
}

enum planfile_word
planfile_ask(const struct planfile *p, const struct walname *name)
{
	uint64_t segno;

	if (name->kind == WALNAME_HISTORY)
		return ask_history(p, name->tli);
	if (name->kind != WALNAME_SEGMENT)
		return PLANFILE_SILENT;
	segno = walname_segno(name, p->segsize);
	if (segno > p->last)
		return PLANFILE_ABSENT;
	/* A segment in which the line forks is the child's. */
	return segno >= p->first &&
	        timeline_at(&p->line, (segno + 1) * p->segsize - 1) == name->tli
	    ? PLANFILE_MUST
	    : PLANFILE_SILENT;
}
