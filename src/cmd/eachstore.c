/* SPDX-License-Identifier: PostgreSQL */
/* Something done in each store: see eachstore.h. */
#include "eachstore.h"
#include "log.h"
#include "output.h"
#include "verbs.h"

static int
do_one(struct setup *s, size_t i, const struct eachstore *e, struct fail *f)
{
	struct identity identity;
	char prefix[OUTPUT_PREFIX];

	if (verb_open(s, i, &identity, f) != 0)
		return -1;
	output_prefix(s->n, s->stores[i]->name, prefix);
	return e->run(e, &s->repos[i], prefix, f);
}

int
eachstore_do(struct setup *s, const struct eachstore *e, struct fail *f)
{
	enum fail_kind kind = FAIL_NONE;
	size_t done = 0, failed = 0;

	for (size_t i = 0; i < s->n; i++) {
		struct fail one;
		int rc = do_one(s, i, e, &one);

		done += rc == 0;
		if (rc == 1 && failed == 0)
			*f = one;
		if (rc >= 0)
			continue;
		failed++;
		kind = one.kind;
		*f = one;
		if (s->n > 1) {
			(void)setup_name_store(s, i, &one);
			log_fail(LOG_ERROR, e->verb, &one);
		}
	}
	if (failed == 0)
		return done > 0 ? 0 : -1;
	if (s->n == 1)
		return -1;
	(void)fail_set(f, kind, e->id,
	    "done in %zu of %zu stores, %zu failed, where it is as it was",
	    done, s->n, failed);
	return fail_hint(f, "do it again when all answer: walvault %s %s%s",
	    e->verb, e->options != NULL ? e->options : "", e->id);
}
