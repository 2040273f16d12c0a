/* SPDX-License-Identifier: PostgreSQL */
/*
 * The WAL scanner.  The first byte chooses: 0 takes the rest as the bytes of
 * a segment as they are; else the rest is a list of steps for walmaker.h,
 * which sets the checksums right, so that the insides of records are reached;
 * the last steps may damage what was made.  Whatever comes: the same facts in
 * whatever portions, and facts that fit together.
 */
#include "fuzz.h"

#include "../walmaker.h"
#include "waljoin.h"
#include "walscan.h"

#define START UINT64_C(0x700000000)

/* Steps behind so many bytes are not done: more would only be slower. */
#define MADE_MAX 50000

static int
see_xact(void *arg, const struct walxact *x)
{
	uint64_t *last = arg;

	MUST(x->lsn >= *last && x->end > x->lsn);
	*last = x->lsn;
	return 0;
}

static int
see_record(void *arg, uint64_t lsn, uint64_t end, int64_t time)
{
	uint64_t *last = arg;

	(void)time;
	MUST(lsn > *last && end > lsn && end % 8 == 0);
	*last = lsn;
	return 0;
}

static void
scan(const uint8_t *p, size_t len, size_t expect, size_t chunk,
    struct walfacts *out)
{
	uint64_t last_xact = 0, last_record = 0;
	struct walscan_args args = { .max_tli = 3,
		.start_lsn = START,
		.events = { .record = see_record, .arg = &last_record } };
	struct walscan *s;

	if (chunk == SIZE_MAX)
		args.events = (struct walscan_events){ .xact = see_xact,
			.arg = &last_xact };
	s = walscan_new(&args);
	MUST(s != NULL);
	for (size_t off = 0; off < len;) {
		size_t n = len - off < chunk ? len - off : chunk;

		walscan_push(s, p + off, n);
		off += n;
	}
	memset(out, 0, sizeof *out);
	walscan_facts(s, expect, out);
	walscan_free(s);
}

static void
check_facts(const struct walfacts *f, size_t len)
{
	bool complete = (f->flags & WALFACTS_COMPLETE) != 0;
	struct waljoin j = { .started = false };

	MUST(complete == (f->end_why == NULL));
	MUST(f->head_len <= WALFACTS_CUT && f->tail_len <= WALFACTS_CUT);
	MUST(f->n_points <= WALFACTS_RESTORE_POINTS);
	MUST(f->end_lsn <= START + len || complete);
	MUST(f->last_ended == 0 || f->last_ended >= f->first_lsn);
	MUST(f->xacts == 0 || f->xact_time_min <= f->xact_time_max);
	MUST(f->unfinished == 0 || f->unfinished_here < f->unfinished_len);
	if (complete) {
		MUST(f->segsize != 0 && f->blcksz != 0);
		(void)waljoin_next(&j, f);
		(void)waljoin_next(&j, f);
	}
}

static void
check(const uint8_t *p, size_t len, size_t expect, size_t chunk)
{
	struct walfacts whole, pieces;

	scan(p, len, expect, SIZE_MAX, &whole);
	scan(p, len, expect, chunk, &pieces);
	MUST(memcmp(&whole, &pieces, sizeof whole) == 0);
	check_facts(&whole, len);
}

/* One step; false where there is no more room or no more input. */
static bool
step(struct walmaker *w, struct input *in)
{
	uint8_t op = take_u8(in);
	size_t len = take_u8(in);
	const uint8_t *p;

	if (in->len == 0 || w->at > w->start + MADE_MAX)
		return false;
	switch (op % 8) {
	case 0: /* any record with any inside */
		p = take_bytes(in, &len);
		/* But no switch, behind which there must be zeros. */
		(void)walmaker_record(w, op / 8 % 2,
		    (op & 0xF0) == WALMAKER_SWITCH ? 0 : op & 0xF0, 700, p,
		    len);
		return true;
	case 1:
		(void)walmaker_filler(w, 24 + len * len / 4);
		return true;
	case 2:
		(void)walmaker_commit(w, (uint32_t)len + 3, (int64_t)len);
		return true;
	case 3:
		(void)walmaker_xact(w,
		    &(struct walmaker_xact){ .op = (uint8_t)(op & 0x70),
		        .time = 5,
		        .prepared_xid = (uint32_t)len,
		        .subxacts = take_u8(in) * 10u,
		        .relations = take_u8(in),
		        .invals = take_u8(in) });
		return true;
	case 4:
		(void)walmaker_restore_point(w, "point", (int64_t)len);
		return true;
	case 5: /* up to a place near a page's end */
		walmaker_fill_to(w,
		    w->at - w->at % w->blcksz + 2 * (uint64_t)w->blcksz -
		        (len % 16 + 1) * 8);
		return true;
	case 6: {
		uint64_t page = w->at - w->at % w->blcksz + w->blcksz;
		uint64_t from = walmaker_abandon(w, 100000 + len * 8, page);

		(void)walmaker_overwrite(w, from);
		return true;
	}
	default:
		w->tli += w->tli < 3 && len > 128;
		return true;
	}
}

static void
check_made(struct input *in)
{
	static const uint32_t blocks[] = { 1024, 8192, 65536 };
	static uint8_t memory[1 << 20];
	struct walmaker w = WALMAKER_DEFAULT;
	uint8_t how = take_u8(in);
	size_t chunk = 100 + (size_t)take_u8(in) * 97, len;
	struct walfacts f;
	uint64_t page;

	w.blcksz = blocks[how % 3];
	w.magic = how & 0x80 ? 0xD118 : 0xD110;
	/* The same memory each time: a new megabyte would take longest. */
	w.bytes = memory;
	w.len = sizeof memory;
	w.start = w.at = START;
	while (step(&w, in))
		;
	page = w.at - w.at % w.blcksz + 2 * (uint64_t)w.blcksz;
	if (how & 0x40)
		(void)walmaker_switch(&w);
	else
		walmaker_fill_to(&w, page);
	/* As if the segment ended with a page in its middle: that is faster. */
	len = (size_t)(page - w.start);
	/* What walmaker makes is complete. */
	scan(w.bytes, len, len, SIZE_MAX, &f);
	MUST(f.flags & WALFACTS_COMPLETE);
	check(w.bytes, len, len, chunk);
	while (in->len >= 5) {
		uint32_t at = take_u32(in) % (uint32_t)len;

		w.bytes[at] ^= take_u8(in);
	}
	check(w.bytes, len, len, chunk);
	memset(memory, 0, len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	if (take_u8(&in) != 0) {
		check_made(&in);
		return 0;
	}
	check(in.p, in.len, 1 << 20, 1 + (size_t)take_u8(&in) % 64);
	return 0;
}

/* A few small pages as they are: short, but with a chain. */
static void
seed_raw(void)
{
	struct walmaker w = WALMAKER_DEFAULT;
	uint8_t bytes[2 + 4096];

	w.blcksz = 1024;
	walmaker_begin(&w, START, 1);
	(void)walmaker_commit(&w, 700, 5);
	(void)walmaker_filler(&w, 1500);
	(void)walmaker_restore_point(&w, "seed", 7);
	(void)walmaker_checkpoint(&w, 1700000000);
	walmaker_fill_to(&w, START + 4096 - 8);
	(void)walmaker_switch(&w);
	bytes[0] = 0;
	bytes[1] = 7;
	memcpy(bytes + 2, w.bytes, 4096);
	seed("pages", bytes, sizeof bytes);
	walmaker_end(&w);
}

static void
write_seeds(void)
{
	static const char steps[] = "\1\0\7"
	                            "\2\1"
	                            "\1\xff"
	                            "\4\7"
	                            "\5\1"
	                            "\2\3"
	                            "\6\1"
	                            "\x33\7\1\2\3"
	                            "\x43\7\xff\xff\xff"
	                            "\7\xff"
	                            "\1\3"
	                            "\0\10\xff\6"
	                            "abcdef"
	                            "\x08\4\xff\2xy"
	                            "end";
	static const char damage[] = "\1\1\1"
	                             "\2\1"
	                             "\1\7"
	                             "\2\2"
	                             "\xff\xff"
	                             "\0\0\0\x50\1";
	static const char switched[] = "\1\xc0\1"
	                               "\2\1"
	                               "\5\2"
	                               "\5\3"
	                               "\1\1x";

	seed_raw();
	seed("steps", steps, sizeof steps - 1);
	seed("damage", damage, sizeof damage - 1);
	seed("switched", switched, sizeof switched - 1);
}
