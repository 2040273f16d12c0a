/* SPDX-License-Identifier: PostgreSQL */
/* backup_label, and tablespace_map of a major: major (4 bytes), the file. */
#include "buf.h"
#include "fuzz.h"
#include "label.h"
#include "lsn.h"

/* What was read is written, and read again: the same. */
static void
again(const struct tablespace_map *m, int major)
{
	struct buf b = { 0 };
	struct tablespace_map back;
	struct fail f;

	MUST(tablespace_map_format(m, major, &b) == 0);
	MUST(tablespace_map_parse(&b, major, &back, &f) == 0);
	MUST(back.n == m->n);
	for (size_t i = 0; i < m->n; i++) {
		MUST(m->list[i].oid != 0 && m->list[i].path[0] != '\0');
		MUST(back.list[i].oid == m->list[i].oid);
		MUST(strcmp(back.list[i].path, m->list[i].path) == 0);
	}
	tablespace_map_clear(&back);
	buf_clear(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	int major = 13 + (int)(take_u32(&in) % 6);
	struct buf b = { 0 };
	struct tablespace_map m;
	struct label l;
	struct fail f = { 0 };

	MUST(buf_append(&b, in.p, in.len) == 0);
	if (label_parse(&b, &l, &f) != 0)
		MUST(f.kind == FAIL_DAMAGED && f.cause[0] != '\0');
	else
		MUST(l.start_tli != 0);
	if (tablespace_map_parse(&b, major, &m, &f) != 0)
		MUST(f.kind == FAIL_DAMAGED && m.list == NULL);
	else
		again(&m, major);
	tablespace_map_clear(&m);
	buf_clear(&b);
	return 0;
}

static void
write_seeds(void)
{
	static const char label[] =
	    "\0\0\0\0"
	    "START WAL LOCATION: 2/A1000028 (file 0000000A00000002000000A1)\n"
	    "CHECKPOINT LOCATION: 2/A1000060\nBACKUP METHOD: streamed\n"
	    "BACKUP FROM: standby\nSTART TIME: 2026-11-21 02:38:56 UTC\n"
	    "LABEL: x\nSTART TIMELINE: 10\nINCREMENTAL FROM TLI: 1\n";
	static const char map[] = "\0\0\0\2"
	                          "16384 /a b\n16385 /new\\\nline\\\\\n";

	seed("label", label, sizeof label - 1);
	seed("map", map, sizeof map - 1);
	seed("map13", map + 1, sizeof map - 2);
}
