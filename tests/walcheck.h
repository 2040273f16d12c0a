/* SPDX-License-Identifier: PostgreSQL */
/* How the tests of the WAL scanner look at segments made by walmaker.h. */
#ifndef WALVAULT_TESTS_WALCHECK_H
#define WALVAULT_TESTS_WALCHECK_H

#include "lsn.h"
#include "support.h"
#include "walmaker.h"
#include "walscan.h"

/* Where the tests' segments begin: a segment's start at every size used. */
#define WALCHECK_START UINT64_C(0x700000000)

static inline UNUSED void
push_in_chunks(struct walscan *s, const uint8_t *p, size_t len, size_t size)
{
	while (len > 0) {
		size_t n = len < size ? len : size;

		walscan_push(s, p, n);
		p += n;
		len -= n;
	}
}

static inline UNUSED struct walfacts
scan_once(const struct walscan_args *args, const uint8_t *p, size_t len,
    size_t expect_len, size_t chunk)
{
	struct walscan *s = walscan_new(args);
	struct walfacts f;

	ck_assert_ptr_nonnull(s);
	memset(&f, 0, sizeof f);
	push_in_chunks(s, p, len, chunk);
	walscan_facts(s, expect_len, &f);
	walscan_free(s);
	return f;
}

/* The facts of len bytes, which are the same in whatever portions. */
static inline UNUSED struct walfacts
scan_bytes(const uint8_t *p, size_t len, size_t expect_len, uint64_t start,
    uint32_t max_tli)
{
	struct walscan_args args = { .max_tli = max_tli, .start_lsn = start };
	struct walfacts whole = scan_once(&args, p, len, expect_len, SIZE_MAX);

	for (size_t i = 0; i < N_CHUNK_SIZES; i++) {
		struct walfacts f = scan_once(
		    &args, p, len, expect_len, chunk_sizes[i]);

		ck_assert_msg(memcmp(&f, &whole, sizeof f) == 0,
		    "in portions of %zu bytes the facts are others",
		    chunk_sizes[i]);
	}
	return whole;
}

/* One of the maker's segments, by itself. */
static inline UNUSED struct walfacts
scan_segment(struct walmaker *w, unsigned i)
{
	return scan_bytes(walmaker_segment(w, i), w->segsize, w->segsize,
	    w->start + (uint64_t)i * w->segsize, w->tli);
}

static inline UNUSED void
assert_flags(const struct walfacts *f, unsigned flags)
{
	ck_assert_msg(f->flags == flags, "flags are %u and not %u (%s)",
	    f->flags, flags, f->end_why != NULL ? f->end_why : "complete");
}

/* Complete, with exactly these other flags. */
static inline UNUSED void
assert_complete(const struct walfacts *f, unsigned flags)
{
	assert_flags(f, flags | WALFACTS_COMPLETE);
	ck_assert_ptr_null(f->end_why);
}

/* The chain ends at lsn, for a reason in which these words occur. */
static inline UNUSED void
assert_ends(const struct walfacts *f, uint64_t lsn, const char *words)
{
	char at[LSN_TEXT], want[LSN_TEXT];

	lsn_format(f->end_lsn, at);
	lsn_format(lsn, want);
	ck_assert_msg((f->flags & WALFACTS_COMPLETE) == 0, "it is complete");
	ck_assert_ptr_nonnull(f->end_why);
	ck_assert_msg(f->end_lsn == lsn, "it ends at %s and not at %s (%s)", at,
	    want, f->end_why);
	ck_assert_msg(strstr(f->end_why, words) != NULL, "'%s' has no '%s'",
	    f->end_why, words);
}

/* A segment of ordinary records, exactly full, at the maker's place. */
static inline UNUSED void
fill_segment(struct walmaker *w)
{
	walmaker_fill_to(w, (w->at / w->segsize + 1) * w->segsize);
}

#endif
