/* SPDX-License-Identifier: PostgreSQL */
/* The plain bytes of index objects, and the headers in them. */
#include "fuzz.h"
#include "heads.h"

struct again {
	struct buf bytes;
	size_t n;
};

static int
again(void *arg, const struct heads_entry *e, const char *replaced)
{
	struct again *a = arg;
	struct object_header h;
	struct fail f;
	size_t used;

	a->n++;
	if (e == NULL) {
		MUST(replaced[0] != '\0');
		return heads_add_replaced(&a->bytes, replaced);
	}
	MUST(e->key[0] != '\0' && e->what != HEADS_NONE);
	MUST(e->what != HEADS_WHOLE || e->len == e->info.size);
	(void)heads_what(e->key, e->info.size);
	(void)object_decode_header(e->bytes, e->len, e->key, &h, &used, &f);
	return heads_add(&a->bytes, e);
}

static int
count(void *arg, const struct heads_entry *e, const char *replaced)
{
	(void)e;
	(void)replaced;
	(*(size_t *)arg)++;
	return 0;
}

/* What was read, written once more, is read as the same. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf b = { 0 };
	struct again a = { 0 };
	struct fail f = { 0 };
	size_t n = 0;

	MUST(buf_append(&b, data, size) == 0);
	if (heads_each(&b, "fuzz", again, &a, &f) == 0) {
		MUST(heads_each(&a.bytes, "again", count, &n, &f) == 0);
		MUST(n == a.n);
	} else {
		MUST(f.kind == FAIL_DAMAGED || f.kind == FAIL_CONFIG);
	}
	buf_clear(&a.bytes);
	buf_clear(&b);
	return 0;
}

static void
write_seeds(void)
{
	static const uint8_t bytes[] = "a header's frame";
	struct heads_entry e = { .key = "7431000000000000123.1/identity",
		.info = { sizeof bytes, 848000000000000 },
		.what = HEADS_WHOLE,
		.bytes = bytes,
		.len = sizeof bytes };
	struct buf b = { 0 };

	MUST(heads_add(&b, &e) == 0);
	e.what = HEADS_HEADER;
	MUST(heads_add(&b, &e) == 0);
	MUST(heads_add_replaced(&b, "20261119T020003Z-000000-4f2a9c1e") == 0);
	seed("entries", b.data, b.len);
	buf_clear(&b);
}
