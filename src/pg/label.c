/* SPDX-License-Identifier: PostgreSQL */
/* backup_label and tablespace_map: see label.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "label.h"
#include "lsn.h"
#include "walname.h"

/*
 * From 14 on a backslash in a path is doubled; before, only line ends were
 * given one, and a backslash stood for itself.
 */
#define MAJOR_WITH_DOUBLED_BACKSLASH 14

/* One line of a text that need not end with a NUL. */
struct line {
	const char *p;
	size_t len;
};

/* Take the next line off text.  Is there one? */
static bool
next_line(struct line *text, struct line *out)
{
	const char *eol;

	if (text->len == 0)
		return false;
	eol = memchr(text->p, '\n', text->len);
	out->p = text->p;
	out->len = eol != NULL ? (size_t)(eol - text->p) : text->len;
	text->p += out->len + (eol != NULL);
	text->len -= out->len + (eol != NULL);
	return true;
}

/* What stands behind NAME in the line, as text.  false: another line. */
static bool
value_of(const struct line *l, const char *name, char *out, size_t cap)
{
	size_t len = strlen(name);

	if (l->len < len || memcmp(l->p, name, len) != 0 || l->len - len >= cap)
		return false;
	memcpy(out, l->p + len, l->len - len);
	out[l->len - len] = '\0';
	return true;
}

/* "0/2000028 (file 000000010000000000000002)" */
static int
parse_start(const char *value, struct label *out)
{
	char lsn[LSN_TEXT], name[WALNAME_TEXT];
	struct walname wal;

	if (sscanf(value, "%17[0-9A-Fa-f/] (file %47[0-9A-F])", lsn, name) !=
	        2 ||
	    lsn_parse(lsn, &out->start_lsn) != 0 ||
	    walname_parse(name, &wal) != 0 || wal.kind != WALNAME_SEGMENT)
		return -1;
	out->start_tli = wal.tli;
	return 0;
}

static int
missing(const char *what, struct fail *f)
{
	return fail_set(f, FAIL_DAMAGED, "backup_label",
	    "it has no valid line \"%s\"", what);
}

int
label_parse(const struct buf *b, struct label *out, struct fail *f)
{
	struct line text = { (const char *)b->data, b->len }, l;
	char value[128];
	uint64_t tli = 0;
	bool has_tli = false;

	/* The order is the server's, which reads it line by line too. */
	*out = (struct label){ 0 };
	if (!next_line(&text, &l) ||
	    !value_of(&l, "START WAL LOCATION: ", value, sizeof value) ||
	    parse_start(value, out) != 0)
		return missing("START WAL LOCATION", f);
	if (!next_line(&text, &l) ||
	    !value_of(&l, "CHECKPOINT LOCATION: ", value, sizeof value) ||
	    lsn_parse(value, &out->checkpoint_lsn) != 0)
		return missing("CHECKPOINT LOCATION", f);
	if (!next_line(&text, &l) ||
	    !value_of(&l, "BACKUP METHOD: ", value, sizeof value))
		return missing("BACKUP METHOD", f);
	if (!next_line(&text, &l) ||
	    !value_of(&l, "BACKUP FROM: ", value, sizeof value))
		return missing("BACKUP FROM", f);
	out->from_standby = strcmp(value, "standby") == 0;
	/* A label may hold line ends; the last such line is the server's. */
	while (next_line(&text, &l))
		if (value_of(&l, "START TIMELINE: ", value, sizeof value)) {
			tli = strtoull(value, NULL, 10);
			has_tli = true;
		}
	if (has_tli && tli != out->start_tli)
		return fail_set(f, FAIL_DAMAGED, "backup_label",
		    "timeline %" PRIu32 " in a segment's name, but %" PRIu64
		    " as START TIMELINE",
		    out->start_tli, tli);
	return 0;
}

/*
 * The next line of a map without its escapes, in out (which has room for it),
 * with a NUL at its end.  The number of its bytes taken, 0 if the line has no
 * end, or a NUL in it.
 */
static size_t
unescape(const uint8_t *p, size_t len, bool doubled, char *out)
{
	for (size_t i = 0; i < len && p[i] != '\0'; i++) {
		bool escape = p[i] == '\\' && i + 1 < len &&
		    (doubled || p[i + 1] == '\n' || p[i + 1] == '\r');

		if (p[i] == '\n' || p[i] == '\r') {
			*out = '\0';
			return i + 1;
		}
		if (escape)
			i++;
		*out++ = (char)p[i];
	}
	return 0;
}

static int
add(struct tablespace_map *m, uint32_t oid, const char *path)
{
	struct tablespace *list = reallocarray(m->list, m->n + 1, sizeof *list);

	if (list == NULL)
		return -1;
	m->list = list;
	list[m->n] = (struct tablespace){ oid, strdup(path) };
	if (list[m->n].path == NULL)
		return -1;
	m->n++;
	return 0;
}

/* "16384 /path" */
static int
add_line(struct tablespace_map *m, const char *line, struct fail *f)
{
	char *path;
	unsigned long oid = strtoul(line, &path, 10);

	if (line[0] < '0' || line[0] > '9' || oid == 0 || oid > UINT32_MAX ||
	    path[0] != ' ' || path[1] == '\0')
		return fail_set(f, FAIL_DAMAGED, "tablespace_map",
		    "not a line of it: \"%.200s\"", line);
	if (add(m, (uint32_t)oid, path + 1) != 0)
		return fail_errno(f, "tablespace_map", "memory");
	return 0;
}

int
tablespace_map_parse(
    const struct buf *b, int major, struct tablespace_map *out, struct fail *f)
{
	bool doubled = major >= MAJOR_WITH_DOUBLED_BACKSLASH;
	char *line = malloc(b->len + 1);
	int rc = 0;

	*out = (struct tablespace_map){ 0 };
	if (line == NULL)
		return fail_errno(f, "tablespace_map", "memory");
	for (size_t off = 0; rc == 0 && off < b->len;) {
		size_t n = unescape(b->data + off, b->len - off, doubled, line);

		if (n == 0)
			rc = fail_set(f, FAIL_DAMAGED, "tablespace_map",
			    "a line without an end, or a NUL, at byte %zu",
			    off);
		else if (line[0] != '\0') /* or a \n behind a \r */
			rc = add_line(out, line, f);
		off += n;
	}
	free(line);
	if (rc != 0)
		tablespace_map_clear(out);
	return rc;
}

static int
format_path(const char *path, bool doubled, struct buf *b)
{
	size_t len = strlen(path);

	/* Before 14 it would take the line's end for a part of the path. */
	if (!doubled && len > 0 && path[len - 1] == '\\') {
		errno = EINVAL;
		return -1;
	}
	for (const char *p = path; *p != '\0'; p++) {
		bool escape = *p == '\n' || *p == '\r' ||
		    (doubled && *p == '\\');

		if ((escape && buf_append_u8(b, '\\') != 0) ||
		    buf_append_u8(b, (uint8_t)*p) != 0)
			return -1;
	}
	return 0;
}

int
tablespace_map_format(const struct tablespace_map *m, int major, struct buf *b)
{
	bool doubled = major >= MAJOR_WITH_DOUBLED_BACKSLASH;

	for (size_t i = 0; i < m->n; i++) {
		char oid[16];
		int len = snprintf(
		    oid, sizeof oid, "%" PRIu32 " ", m->list[i].oid);

		if (buf_append(b, oid, (size_t)len) != 0 ||
		    format_path(m->list[i].path, doubled, b) != 0 ||
		    buf_append_u8(b, '\n') != 0)
			return -1;
	}
	return 0;
}

void
tablespace_map_clear(struct tablespace_map *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->list[i].path);
	free(m->list);
	*m = (struct tablespace_map){ 0 };
}
