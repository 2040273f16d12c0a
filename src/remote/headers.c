/* SPDX-License-Identifier: PostgreSQL */
/* Header fields: see headers.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "headers.h"

void
headers_add_line(struct headers *h, const char *line, size_t len)
{
	char **more = reallocarray(h->line, h->n + 1, sizeof *more);

	if (more != NULL) {
		h->line = more;
		more[h->n] = strndup(line, len);
	}
	if (more == NULL || more[h->n] == NULL)
		h->failed = true;
	else
		h->n++;
}

void
headers_add(struct headers *h, const char *name, const char *value_fmt, ...)
{
	char *value = NULL, *line = NULL;
	va_list ap;
	int len;

	va_start(ap, value_fmt);
	len = vasprintf(&value, value_fmt, ap);
	va_end(ap);
	if (len < 0) {
		h->failed = true;
		return;
	}
	value[strcspn(value, "\r\n")] = '\0';
	if (asprintf(&line, "%s: %s", name, value) < 0)
		h->failed = true;
	else
		headers_add_line(h, line, strlen(line));
	explicit_bzero(value, (size_t)len);
	free(value);
	if (line != NULL)
		explicit_bzero(line, strlen(line));
	free(line);
}

const char *
headers_get(const struct headers *h, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < h->n; i++) {
		const char *line = h->line[i];

		if (strncasecmp(line, name, len) == 0 && line[len] == ':')
			return line + len + 1 + strspn(line + len + 1, " \t");
	}
	return NULL;
}

void
headers_clear(struct headers *h)
{
	for (size_t i = 0; i < h->n; i++) {
		explicit_bzero(h->line[i], strlen(h->line[i]));
		free(h->line[i]);
	}
	free(h->line);
	*h = (struct headers){ 0 };
}
