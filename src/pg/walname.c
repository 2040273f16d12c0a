/* SPDX-License-Identifier: PostgreSQL */
/* Names of the files in pg_wal: see walname.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "walname.h"

/* Eight upper-case hexadecimal digits, as PostgreSQL writes them. */
static int
hex8(const char *p, uint32_t *v)
{
	*v = 0;
	for (int i = 0; i < 8; i++) {
		uint32_t digit;

		if (p[i] >= '0' && p[i] <= '9')
			digit = (uint32_t)(p[i] - '0');
		else if (p[i] >= 'A' && p[i] <= 'F')
			digit = (uint32_t)(p[i] - 'A' + 10);
		else
			return -1;
		*v = *v << 4 | digit;
	}
	return 0;
}

static int
parse_segment(const char *name, struct walname *out)
{
	const char *rest = name + WALNAME_SEGMENT_LEN;

	if (hex8(name + 8, &out->log) != 0 || hex8(name + 16, &out->seg) != 0)
		return -1;
	if (*rest == '\0') {
		out->kind = WALNAME_SEGMENT;
		return 0;
	}
	if (strcmp(rest, ".partial") == 0) {
		out->kind = WALNAME_PARTIAL;
		return 0;
	}
	out->kind = WALNAME_BACKUP;
	if (strlen(rest) != strlen(".00000028.backup") || rest[0] != '.' ||
	    hex8(rest + 1, &out->offset) != 0 ||
	    strcmp(rest + 9, ".backup") != 0)
		return -1;
	return 0;
}

int
walname_parse(const char *name, struct walname *out)
{
	memset(out, 0, sizeof *out);
	if (strlen(name) >= sizeof out->text || hex8(name, &out->tli) != 0 ||
	    out->tli == 0)
		return -1;
	memcpy(out->text, name, strlen(name) + 1);
	if (strcmp(name + 8, ".history") == 0) {
		out->kind = WALNAME_HISTORY;
		return 0;
	}
	if (strlen(name) < WALNAME_SEGMENT_LEN)
		return -1;
	return parse_segment(name, out);
}

bool
walname_segsize_ok(uint64_t segsize)
{
	return segsize >= WAL_SEGSIZE_MIN && segsize <= WAL_SEGSIZE_MAX &&
	    (segsize & (segsize - 1)) == 0;
}

uint64_t
walname_segno(const struct walname *name, uint32_t segsize)
{
	return (uint64_t)name->log * (UINT64_C(0x100000000) / segsize) +
	    name->seg;
}

void
walname_segment(
    uint32_t tli, uint64_t segno, uint32_t segsize, struct walname *out)
{
	uint64_t per_log = UINT64_C(0x100000000) / segsize;

	memset(out, 0, sizeof *out);
	out->kind = WALNAME_SEGMENT;
	out->tli = tli;
	out->log = (uint32_t)(segno / per_log);
	out->seg = (uint32_t)(segno % per_log);
	(void)snprintf(out->text, sizeof out->text,
	    "%08" PRIX32 "%08" PRIX32 "%08" PRIX32, tli, out->log, out->seg);
}

void
walname_history(uint32_t tli, struct walname *out)
{
	memset(out, 0, sizeof *out);
	out->kind = WALNAME_HISTORY;
	out->tli = tli;
	(void)snprintf(
	    out->text, sizeof out->text, "%08" PRIX32 ".history", tli);
}
