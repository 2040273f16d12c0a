/* SPDX-License-Identifier: PostgreSQL */
/* The syntax of configuration files: see ini.h. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "ini.h"

struct parser {
	char section[64], name[64];
	char origin[PATH_MAX + 16];
	ini_fn *fn;
	void *arg;
};

/* Cut blanks at both ends, in place. */
static char *
trim(char *p)
{
	size_t len;

	p += strspn(p, " \t\r");
	len = strlen(p);
	while (len > 0 && strchr(" \t\r", p[len - 1]) != NULL)
		len--;
	p[len] = '\0';
	return p;
}

static int
call(struct parser *p, const char *key, const char *value, struct fail *f)
{
	struct ini_line line = { .section = p->section,
		.name = p->name,
		.key = key,
		.value = value,
		.origin = p->origin };

	return p->fn(p->arg, &line, f);
}

/* "[section]" or "[section name]" */
static int
section(struct parser *p, char *text, struct fail *f)
{
	char *end = strchr(text, ']');
	char *word, *name;
	size_t len;

	if (end == NULL || *trim(end + 1) != '\0')
		return fail_set(f, FAIL_CONFIG, p->origin,
		    "a section is written [name] on a line of its own");
	*end = '\0';
	word = trim(text + 1);
	len = strcspn(word, " \t");
	name = word[len] != '\0' ? trim(word + len) : word + len;
	if (len == 0 || len >= sizeof p->section ||
	    strlen(name) >= sizeof p->name)
		return fail_set(f, FAIL_CONFIG, p->origin,
		    "the section's name is empty or too long");
	(void)snprintf(p->name, sizeof p->name, "%s", name);
	(void)snprintf(p->section, sizeof p->section, "%.*s", (int)len, word);
	return call(p, NULL, NULL, f);
}

static int
parse_line(struct parser *p, char *text, struct fail *f)
{
	char *equals;

	text = trim(text);
	if (*text == '\0' || *text == '#' || *text == ';')
		return 0;
	if (*text == '[')
		return section(p, text, f);
	equals = strchr(text, '=');
	if (equals == NULL)
		return fail_set(f, FAIL_CONFIG, p->origin,
		    "neither [section] nor key = value");
	*equals = '\0';
	text = trim(text);
	if (*text == '\0')
		return fail_set(f, FAIL_CONFIG, p->origin, "no key before '='");
	return call(p, text, trim(equals + 1), f);
}

int
ini_parse(const char *bytes, size_t len, const char *file, ini_fn *fn,
    void *arg, struct fail *f)
{
	struct parser p = { .fn = fn, .arg = arg };
	const char *at = bytes, *end = bytes + len;

	for (unsigned number = 1; at < end; number++) {
		char line[INI_LINE_MAX];
		const char *eol = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)((eol != NULL ? eol : end) - at);

		(void)snprintf(
		    p.origin, sizeof p.origin, "%s:%u", file, number);
		if (n >= sizeof line)
			return fail_set(f, FAIL_CONFIG, p.origin,
			    "the line is longer than %d bytes",
			    INI_LINE_MAX - 1);
		if (memchr(at, '\0', n) != NULL)
			return fail_set(f, FAIL_CONFIG, p.origin, "not text");
		memcpy(line, at, n);
		line[n] = '\0';
		if (parse_line(&p, line, f) != 0)
			return -1;
		at = eol != NULL ? eol + 1 : end;
	}
	return 0;
}
