/* SPDX-License-Identifier: PostgreSQL */
/* The small texts: names, positions, times, numbers, keys; one for all. */
#include "clock.h"
#include "fuzz.h"
#include "json.h"
#include "layout.h"
#include "lsn.h"
#include "units.h"
#include "walname.h"

static void
check_name(const char *text)
{
	struct walname n, back;
	uint64_t lsn;

	if (walname_parse(text, &n) == 0) {
		MUST(strcmp(n.text, text) == 0 && n.tli != 0);
		if (n.kind == WALNAME_HISTORY) {
			walname_history(n.tli, &back);
			MUST(strcmp(back.text, text) == 0);
		}
		if (n.kind == WALNAME_SEGMENT && n.seg < 0x100) {
			walname_segment(
			    n.tli, walname_segno(&n, 1 << 24), 1 << 24, &back);
			MUST(strcmp(back.text, text) == 0);
		}
	}
	if (lsn_parse(text, &lsn) == 0) {
		char out[LSN_TEXT];
		uint64_t again;

		lsn_format(lsn, out);
		MUST(lsn_parse(out, &again) == 0 && again == lsn);
	}
}

static void
check_time(const char *text)
{
	char out[CLOCK_TEXT];
	const char *why = NULL;
	int64_t time, again;

	for (int utc = 0; utc <= 1; utc++) {
		if (clock_parse(text, utc, &time, &why) != 0) {
			MUST(why != NULL);
			continue;
		}
		clock_format(time, out);
		clock_format_compact(time, out);
		clock_format(time, out);
		/* Year 0000 with a zone may fall before what is written. */
		if (clock_parse(out, false, &again, &why) == 0)
			MUST(again == time);
	}
}

static void
check_number(const char *text)
{
	static const enum units_kind kinds[] = { UNITS_COUNT, UNITS_BYTES,
		UNITS_MS };

	for (int i = 0; i < 3; i++) {
		char out[UNITS_TEXT];
		const char *why = NULL;
		uint64_t v, again;

		if (units_parse(text, kinds[i], &v, &why) != 0) {
			MUST(why != NULL);
			continue;
		}
		units_format(v, kinds[i], out);
		MUST(units_parse(out, kinds[i], &again, &why) == 0);
		MUST(again == v);
		units_format_bytes(v, out);
	}
}

static void
check_key(const char *text)
{
	struct layout l = { .cluster = "main", .sysid = 7, .generation = 1 };
	struct walname n;
	uint64_t sysid;
	uint32_t generation;

	(void)layout_parse_wal(text, &n);
	(void)layout_parse_system(text, &sysid, &generation);
	(void)layout_own_key(&l, text);
}

static void
check_json(const char *text)
{
	struct json j = { 0 };

	json_object(&j, NULL);
	json_string(&j, text, text);
	json_end_object(&j);
	MUST(!j.failed);
	for (size_t i = 0; i < j.text.len; i++)
		MUST(j.text.data[i] >= ' ');
	buf_clear(&j.text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	MUST(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check_name(text);
	check_time(text);
	check_number(text);
	check_key(text);
	check_json(text);
	free(text);
	return 0;
}

static void
write_seeds(void)
{
	seed_text("segment", "000000010000000A000000FF");
	seed_text("backup", "000000010000000A000000FF.00000028.backup");
	seed_text("history", "0000000A.history");
	seed_text("lsn", "1/6D002A08");
	seed_text("time", "2026-11-20 02:00:03.123456+05:30");
	seed_text("size", "64MiB");
	seed_text("duration", "5min");
	seed_text("system", "7431000000000000123.2/identity");
	seed_text("partial",
	    "00000001/0000000A/000000010000000A000000FF.partial/"
	    "0123ab00000000000000000000000000");
	seed_text("utf8", "J\xc3\xbcrgen \xe2\x82\xac \xf0\x9f\x90\x98 \xff");
}
