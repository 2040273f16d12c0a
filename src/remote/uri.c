/* SPDX-License-Identifier: PostgreSQL */
/* Percent-encoding: see uri.h. */
#include <string.h>

#include "uri.h"

static const char unreserved[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

int
uri_encode(struct buf *b, const char *text, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";

	for (const char *p = text; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;
		char escape[3] = { '%', digits[c >> 4], digits[c & 15] };
		bool plain = strchr(unreserved, c) != NULL ||
		    (c == '/' && keep_slash);

		if (buf_append(b, plain ? p : escape, plain ? 1 : 3) != 0)
			return -1;
	}
	return 0;
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void
uri_decode(char *text)
{
	char *out = text;

	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '%' && digit(p[1]) >= 0 && digit(p[2]) >= 0) {
			*out++ = (char)(digit(p[1]) << 4 | digit(p[2]));
			p += 2;
		} else {
			*out++ = *p;
		}
	}
	*out = '\0';
}
