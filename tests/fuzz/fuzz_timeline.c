/* SPDX-License-Identifier: PostgreSQL */
/* Timeline history files: tli (4 bytes), then the file. */
#include "fuzz.h"
#include "lsn.h"
#include "timeline.h"

static void
check(const struct timeline *t)
{
	MUST(t->n > 0);
	for (size_t i = 0; i < t->n; i++) {
		const struct timeline_entry *e = &t->ancestors[i];

		MUST(e->tli > 0 && e->tli < t->tli);
		MUST(e->switch_lsn != LSN_NONE);
		MUST(i == 0 || e->tli > e[-1].tli);
		MUST(i == 0 || e->switch_lsn >= e[-1].switch_lsn);
		MUST(timeline_switch(t, e->tli) == e->switch_lsn);
		MUST(timeline_at(t, e->switch_lsn) > e->tli);
		MUST(timeline_at(t, e->switch_lsn - 1) <= e->tli);
	}
	MUST(timeline_switch(t, t->tli) == UINT64_MAX);
}

/* What was read is written, and read again: the same. */
static void
again(const struct timeline *t)
{
	size_t cap = t->n * 40 + 1, len = 0;
	char *text = malloc(cap);
	struct timeline back;
	struct fail f;

	MUST(text != NULL);
	for (size_t i = 0; i < t->n; i++) {
		char lsn[LSN_TEXT];

		lsn_format(t->ancestors[i].switch_lsn, lsn);
		len += (size_t)snprintf(text + len, cap - len, "%u\t%s\tr\n",
		    t->ancestors[i].tli, lsn);
	}
	MUST(timeline_parse(text, len, t->tli, "again", &back, &f) == 0);
	MUST(back.n == t->n);
	MUST(memcmp(back.ancestors, t->ancestors,
	         t->n * sizeof *t->ancestors) == 0);
	timeline_clear(&back);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint32_t tli = take_u32(&in);
	struct timeline t;
	struct fail f = { 0 };

	if (timeline_parse(in.p, in.len, tli, "history", &t, &f) != 0) {
		MUST(f.kind == FAIL_DAMAGED && f.cause[0] != '\0');
		MUST(t.ancestors == NULL);
		return 0;
	}
	check(&t);
	again(&t);
	timeline_clear(&t);
	return 0;
}

static void
write_seeds(void)
{
	static const char three[] =
	    "\0\0\0\x04"
	    "1\t0/5000148\tno recovery target specified\n\n"
	    "2\t1/6D002A08\tbefore 2026-11-20 02:00:03+00\r\n"
	    "# comment\n3\tFFFFFFFF/FFFFFFF8\tat restore point \"x\"\n";
	static const char bad[] = "\xff\xff\xff\xff"
	                          "2\t0/5000148\tr\n1\t0/6000000\n";

	seed("three", three, sizeof three - 1);
	seed("falling", bad, sizeof bad - 1);
	seed("empty", "\0\0\0\2", 4);
	seed("shortest",
	    "\0\0\0\2"
	    "1 0/1",
	    9);
}
