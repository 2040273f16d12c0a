/* SPDX-License-Identifier: PostgreSQL */
/* Timeline history files: see timeline.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lsn.h"
#include "timeline.h"

#define HISTORY_LINE_MAX 1024

static int
bad_line(struct fail *f, const char *object, size_t number, const char *why)
{
	return fail_set(f, FAIL_DAMAGED, object,
	    "not a timeline history file: line %zu: %s", number, why);
}

static const char *
skip_blanks(const char *p)
{
	return p + strspn(p, " \t\r");
}

static int
append_entry(struct timeline *t, struct timeline_entry entry)
{
	struct timeline_entry *more = reallocarray(
	    t->ancestors, t->n + 1, sizeof *more);

	if (more == NULL)
		return -1;
	t->ancestors = more;
	t->ancestors[t->n++] = entry;
	return 0;
}

/* "TLI LSN [reason]" with blanks between; NULL or what is wrong. */
static const char *
parse_entry(const char *p, struct timeline_entry *entry)
{
	char lsn[LSN_TEXT];
	char *end;
	unsigned long tli;
	size_t len;

	errno = 0;
	tli = strtoul(p, &end, 10);
	if (end == p || errno != 0 || tli == 0 || tli > UINT32_MAX ||
	    *p == '-' || *p == '+')
		return "no timeline";
	p = skip_blanks(end);
	len = strcspn(p, " \t\r");
	if (p == end || len >= sizeof lsn)
		return "no switch point";
	memcpy(lsn, p, len);
	lsn[len] = '\0';
	entry->tli = (uint32_t)tli;
	if (lsn_parse(lsn, &entry->switch_lsn) != 0 ||
	    entry->switch_lsn == LSN_NONE)
		return "no switch point";
	return NULL;
}

static int
parse_line(const char *line, size_t number, const char *object,
    struct timeline *t, struct fail *f)
{
	struct timeline_entry entry;
	const char *why;

	line = skip_blanks(line);
	if (*line == '\0' || *line == '#')
		return 0;
	why = parse_entry(line, &entry);
	if (why == NULL && entry.tli >= t->tli)
		why = "a parent must be below the timeline itself";
	if (why == NULL && t->n > 0 && entry.tli <= t->ancestors[t->n - 1].tli)
		why = "timelines must rise";
	if (why != NULL)
		return bad_line(f, object, number, why);
	if (append_entry(t, entry) != 0)
		return fail_errno(f, object, "parse history");
	return 0;
}

int
timeline_parse(const void *bytes, size_t len, uint32_t tli, const char *object,
    struct timeline *out, struct fail *f)
{
	const char *p = bytes, *end = p + len;
	size_t number = 0;

	*out = (struct timeline){ .tli = tli };
	while (p < end) {
		char line[HISTORY_LINE_MAX];
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((eol != NULL ? eol : end) - p);

		number++;
		if (n >= sizeof line || memchr(p, '\0', n) != NULL) {
			(void)bad_line(f, object, number, "not text");
			goto fail;
		}
		memcpy(line, p, n);
		line[n] = '\0';
		if (parse_line(line, number, object, out, f) != 0)
			goto fail;
		p = eol != NULL ? eol + 1 : end;
	}
	/* A recovery that stopped before its newest ancestor's fork leaves
	 * switch points that fall: a line cannot go on behind a later one. */
	for (size_t i = out->n; i > 1; i--)
		if (out->ancestors[i - 2].switch_lsn >
		    out->ancestors[i - 1].switch_lsn)
			out->ancestors[i - 2].switch_lsn =
			    out->ancestors[i - 1].switch_lsn;
	if (out->n > 0)
		return 0;
	(void)fail_set(f, FAIL_DAMAGED, object,
	    "not a timeline history file: it names no parent");
fail:
	timeline_clear(out);
	return -1;
}

void
timeline_clear(struct timeline *t)
{
	free(t->ancestors);
	t->ancestors = NULL;
	t->n = 0;
}

uint64_t
timeline_switch(const struct timeline *t, uint32_t tli)
{
	if (tli == t->tli)
		return UINT64_MAX;
	for (size_t i = 0; i < t->n; i++)
		if (t->ancestors[i].tli == tli)
			return t->ancestors[i].switch_lsn;
	return LSN_NONE;
}

uint32_t
timeline_at(const struct timeline *t, uint64_t lsn)
{
	for (size_t i = 0; i < t->n; i++)
		if (lsn < t->ancestors[i].switch_lsn)
			return t->ancestors[i].tli;
	return t->tli;
}
