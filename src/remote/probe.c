/* SPDX-License-Identifier: PostgreSQL */
/* Asking a store for proofs: see probe.h. */
#include <string.h>

#include "page.h"
#include "probe.h"

#define PROBE_KEY  PAGE_HIDDEN "probe"
#define PROBE_TEXT "whether keys are written once is tried here\n"

static int
put_once(struct store *s, struct fail *f)
{
	struct store_attrs attrs = { .kind = STORE_NOTE };
	struct stream *put = store_put(s, PROBE_KEY, &attrs, f);
	int rc = put == NULL ? -1 : 0;

	if (rc == 0)
		rc = stream_write(put, PROBE_TEXT, sizeof PROBE_TEXT - 1, f);
	if (rc == 0)
		rc = stream_finish(put, f);
	stream_free(put);
	return rc;
}

int
probe_twice(struct store *s, struct fail *f)
{
	int rc = put_once(s, f);

	if (rc == 0)
		rc = put_once(s, f);
	return rc < 0 ? -1 : rc == 1 ? 0 : 1;
}

struct sums {
	struct stream stream;
	struct sha256 *sum;
};

static int
sums_write(struct stream *stream, const void *bytes, size_t len, struct fail *f)
{
	(void)f;
	sha256_update(((struct sums *)stream)->sum, bytes, len);
	return 0;
}

int
probe_same(
    struct store *s, const char *key, const struct sha256 *sum, struct fail *f)
{
	static const struct stream_ops ops = { .write = sums_write };
	struct sums x = { .stream.ops = &ops, .sum = sha256_new() };
	char there[SHA256_TEXT], ours[SHA256_TEXT];
	int rc;

	if (x.sum == NULL)
		return fail_set(f, FAIL_INTERNAL, key, "out of memory");
	rc = store_get(s, key, 0, STORE_ALL, &x.stream, f);
	sha256_text(x.sum, there);
	sha256_text(sum, ours);
	sha256_free(x.sum);
	return rc != 0 ? rc : strcmp(there, ours) == 0 ? 0 : 1;
}
