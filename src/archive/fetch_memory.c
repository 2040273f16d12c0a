/* SPDX-License-Identifier: PostgreSQL */
/* Remembered histories: see fetch_memory.h. */
#include <fcntl.h>
#include <string.h>

#include "fetch_memory.h"
#include "io.h"
#include "log.h"
#include "state.h"

void
fetch_memory_keep(const struct fetch_args *args, const struct fetch_place *to)
{
	const struct several *s = args->several;
	struct buf b = { 0 };
	struct fail f;
	size_t i = 0;

	while (i < s->n && s->store[i].word != SEVERAL_DONE)
		i++;
	if (i < s->n && to->name.kind == WALNAME_HISTORY &&
	    io_read_file(AT_FDCWD, to->dest, TIMELINE_FILE_MAX, &b, &f) == 0)
		state_save_history(
		    args->state_dir, &s->repos[i], to->name.tli, b.data, b.len);
	buf_clear(&b);
}

/* What a store once answered still holds while it does not. */
static int
remembered_by(const struct fetch_args *args, const struct fetch_place *to,
    struct repository *r)
{
	struct buf b = { 0 };
	struct timeline t;
	struct fail f;
	int rc = -1;

	r->layout.sysid = to->sysid;
	r->layout.generation = args->generation;
	if (state_load_history(args->state_dir, r, to->name.tli, &b) == 0 &&
	    timeline_parse(
	        b.data, b.len, to->name.tli, to->name.text, &t, &f) == 0) {
		timeline_clear(&t);
		rc = fetch_place_bytes(to, &b, &f);
	}
	buf_clear(&b);
	if (rc == 0)
		log_warning("fetched: %s: from memory: no word from store %s",
		    to->name.text, r->store->name);
	return rc;
}

int
fetch_memory_get(const struct fetch_args *args, const struct fetch_place *to)
{
	char first[REPOSITORY_ID] = "", id[REPOSITORY_ID];

	for (size_t i = 0; i < args->n_repos; i++) {
		struct repository *r = &args->repos[i];

		if (state_seen(args->state_dir, r, id) != 0)
			continue;
		/* Nor are histories of two repositories mixed in memory. */
		if (first[0] == '\0')
			memcpy(first, id, sizeof first);
		if (strcmp(id, first) == 0 && remembered_by(args, to, r) == 0)
			return 0;
	}
	return -1;
}
