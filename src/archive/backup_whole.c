/* SPDX-License-Identifier: PostgreSQL */
/* Is a backup what it is taken for?  See backup_whole.h. */
#include <stdlib.h>
#include <string.h>

#include "backup_whole.h"

struct found_pack {
	char key[LAYOUT_KEY_MAX];
	uint64_t stored;
};

/* What lies beside a manifest, by key. */
struct packs {
	struct repository *repo;
	const char *id;
	struct found_pack *list;
	size_t n, cap;
	struct fail *f;
};

static int
add_pack(void *arg, const char *key, const struct store_info *info)
{
	struct packs *p = arg;
	struct found_pack *more;

	if (strlen(key) >= LAYOUT_KEY_MAX)
		return 0;
	if (p->n == p->cap) {
		p->cap = p->cap * 2 + 64;
		more = reallocarray(p->list, p->cap, sizeof *more);
		if (more == NULL)
			return fail_errno(p->f, key, "memory");
		p->list = more;
	}
	memcpy(p->list[p->n].key, key, strlen(key) + 1);
	p->list[p->n++].stored = info->size;
	return 0;
}

static int
compare_keys(const void *a, const void *b)
{
	return strcmp(a, ((const struct found_pack *)b)->key);
}

int
backup_find_pack(struct repository *r, const char *id,
    const struct manifest_pack *pack, uint64_t *size, struct fail *f)
{
	char key[LAYOUT_KEY_MAX];
	struct store_info info;
	struct fail why;
	int rc;

	backup_pack_key(&r->layout, id, pack->pack, key);
	*size = 0;
	do {
		rc = store_stat(r->store, key, &info, f);
		if (rc != 0)
			return rc;
		*size = info.size;
		if (info.size == pack->stored)
			return 0;
		(void)fail_set(&why, FAIL_DAMAGED, key, "its size is wrong");
	} while (store_turn(r->store, key, &why) == 1);
	return 2;
}

static int
see_pack(void *arg, const struct manifest_pack *pack, struct fail *f)
{
	const struct packs *p = arg;
	const struct found_pack *x;
	char key[LAYOUT_KEY_MAX];
	uint64_t size;
	int rc;

	/* Another backup's pack is that one's affair. */
	if (pack->backup != 0)
		return 0;
	backup_pack_key(&p->repo->layout, p->id, pack->pack, key);
	x = p->n > 0
	    ? bsearch(key, p->list, p->n, sizeof *p->list, compare_keys)
	    : NULL;
	if (x != NULL && x->stored == pack->stored)
		return 0;
	rc = backup_find_pack(p->repo, p->id, pack, &size, f);
	if (rc <= 0)
		return rc;
	return fail_set(f, FAIL_DAMAGED, key,
	    rc == 1 ? "the pack is missing" : "its size is wrong");
}

int
backup_look_at(struct repository *r, const char *id, struct fail *f)
{
	struct packs p = { .repo = r, .id = id, .f = f };
	const struct manifest_events events = { .pack = see_pack, .arg = &p };
	char prefix[LAYOUT_KEY_MAX];
	int rc;

	backup_key(&r->layout, id, "", prefix);
	rc = store_list(r->store, prefix, add_pack, &p, f);
	if (rc == 0)
		rc = backup_read_manifest(r, id, &events, f);
	free(p.list);
	return rc;
}
