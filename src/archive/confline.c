/* SPDX-License-Identifier: PostgreSQL */
/* NAME = value, NAME 'value', with a comment behind: see confline.h. */
#include <string.h>
#include <strings.h>

#include "confline.h"

struct text {
	const char *p, *end;
};

static void
skip_blanks(struct text *t)
{
	while (t->p < t->end && strchr(" \t\r\f\v", *t->p) != NULL &&
	    *t->p != '\0')
		t->p++;
}

static bool
is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '_' || c == '$' || c == '.' ||
	    (c & 0x80) != 0;
}

static void
put(char *out, size_t cap, size_t *n, char c)
{
	if (*n + 1 < cap)
		out[(*n)++] = c;
	out[*n] = '\0';
}

/* What follows a backslash (PostgreSQL: DeescapeQuotedString). */
static char
escaped(struct text *t)
{
	static const char letters[] = "bfnrt", means[] = "\b\f\n\r\t";
	const char *letter = strchr(letters, *t->p);
	int v = 0;

	if (*t->p >= '0' && *t->p <= '7') {
		for (int i = 0;
		     i < 3 && t->p < t->end && *t->p >= '0' && *t->p <= '7';
		     i++)
			v = v * 8 + (*t->p++ - '0');
		return (char)v;
	}
	if (letter != NULL && *letter != '\0') {
		t->p++;
		return means[letter - letters];
	}
	return *t->p++;
}

static void
take_quoted(struct text *t, struct confline *out)
{
	size_t n = 0;

	t->p++;
	while (t->p < t->end) {
		char c = *t->p++;

		if (c == '\'' && (t->p == t->end || *t->p++ != '\''))
			return;
		if (c == '\\' && t->p < t->end)
			c = escaped(t);
		put(out->value, sizeof out->value, &n, c);
	}
}

bool
confline_parse(const char *line, size_t len, struct confline *out)
{
	struct text t = { line, line + len };
	size_t n = 0;

	out->name[0] = out->value[0] = '\0';
	skip_blanks(&t);
	while (t.p < t.end && is_name(*t.p))
		put(out->name, sizeof out->name, &n, *t.p++);
	skip_blanks(&t);
	if (t.p < t.end && *t.p == '=')
		t.p++;
	skip_blanks(&t);
	n = 0;
	if (t.p < t.end && *t.p == '\'')
		take_quoted(&t, out);
	else
		while (t.p < t.end && strchr(" \t\r\f\v#", *t.p) == NULL)
			put(out->value, sizeof out->value, &n, *t.p++);
	return out->name[0] != '\0';
}

bool
confline_sets(const struct confline *l, const char *name)
{
	return strcasecmp(l->name, name) == 0;
}
