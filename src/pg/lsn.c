/* SPDX-License-Identifier: PostgreSQL */
/* WAL positions and their text: see lsn.h. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "lsn.h"

void
lsn_format(uint64_t lsn, char out[LSN_TEXT])
{
	(void)snprintf(out, LSN_TEXT, "%" PRIX32 "/%" PRIX32,
	    (uint32_t)(lsn >> 32), (uint32_t)lsn);
}

/* One to eight hexadecimal digits; moves *p. */
static int
half(const char **p, uint32_t *v)
{
	int n = 0;

	*v = 0;
	for (; isxdigit((unsigned char)**p) && n < 8; (*p)++, n++) {
		int c = toupper((unsigned char)**p);

		*v = *v << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'A' + 10);
	}
	return n > 0 ? 0 : -1;
}

int
lsn_parse(const char *text, uint64_t *lsn)
{
	uint32_t hi, lo;

	if (half(&text, &hi) != 0 || *text++ != '/' || half(&text, &lo) != 0 ||
	    *text != '\0')
		return -1;
	*lsn = (uint64_t)hi << 32 | lo;
	return 0;
}
